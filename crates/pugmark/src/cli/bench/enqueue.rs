//! Storing operations: `Queue::enqueue` against plain INSERTs of the same rows into the same table with the same indexes.
//!
//! The peer writes the operation's row and nothing else; ours also writes the lane's, keeps its order and can merge.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::try_join_all;
use pugmark_queue::db::{Db, DbOptions, Engine, JsonText, Ts};
use pugmark_queue::{
    NewOperation, Operation, OperationId, Priority, Queue, QueueError, QueueOptions, on,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Size;
use super::line::Line;
use super::plain::Plain;
use super::rounds::{Round, alternate};
use super::stores::Stores;
use crate::cli::CliError;
use crate::store;

/// Callers that each wait for one commit before they hand in the next operation.
const CALLERS: u32 = 64;
const BATCH: u32 = 200;
const KIND: &str = "customer.update";

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let ours = open_queue(&stores.fresh(engine).await?).await?;
    let mut peer = open_peer(&stores.fresh(engine).await?).await?;
    let operations = size.operations;

    let grouped = alternate(
        operations,
        async |operations| one_by_one(&ours, operations).await,
        async |operations, transactions| insert(&mut peer, operations, transactions).await,
    )
    .await?;
    let single = alternate(
        (operations / 10).max(1),
        async |operations| one_by_one(&ours, operations).await,
        async |operations, _| insert(&mut peer, operations, u64::from(operations)).await,
    )
    .await?;
    let batched = alternate(
        operations,
        async |operations| in_batches(&ours, operations).await,
        async |operations, transactions| insert(&mut peer, operations, transactions).await,
    )
    .await?;
    ours.db().clone().close().await;

    let line = |name: String, rates: super::rounds::Rates, against: String| {
        Line::new(name, engine, "op/s", rates.ours, rates.peer, against)
    };
    Ok(vec![
        line(
            format!("enqueue, {CALLERS} callers"),
            grouped,
            format!(
                "INSERT, {:.0} per transaction as ours grouped",
                grouped.per_transaction
            ),
        ),
        line(
            format!("enqueue, {CALLERS} callers, ungrouped peer"),
            single,
            "INSERT, one per transaction".to_owned(),
        ),
        line(
            format!("enqueue, {BATCH} per transaction"),
            batched,
            format!("INSERT, {BATCH} per transaction"),
        ),
    ])
}

/// A queue in a new store at `url`.
pub(super) async fn open_queue(url: &str) -> Result<Queue, CliError> {
    let db = Db::open(url, DbOptions::default()).await?;
    store::migrate(&db).await?;
    Ok(Queue::new(db, QueueOptions::default()))
}

/// A plain connection to a new store at `url` with the same tables.
pub(super) async fn open_peer(url: &str) -> Result<Plain, CliError> {
    let db = Db::open(url, DbOptions::default()).await?;
    store::migrate(&db).await?;
    db.close().await;
    Plain::open(url).await
}

/// Each operation is a member of its own, handed in by callers that wait for it.
async fn one_by_one(queue: &Queue, operations: u32) -> Result<Round, CliError> {
    let groups = queue.db().metrics().groups;
    let started = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let queue = queue.clone();
        let share = operations / CALLERS + u32::from(caller < operations % CALLERS);
        tokio::spawn(async move {
            for _ in 0..share {
                write(&queue, 1).await?;
            }
            Ok::<(), QueueError>(())
        })
    });
    for ended in try_join_all(callers).await.map_err(ended_badly)? {
        ended?;
    }
    Ok(Round {
        elapsed: started.elapsed(),
        transactions: queue.db().metrics().groups - groups,
    })
}

/// Stores operations as ours does, many in one transaction.
pub(super) async fn in_batches(queue: &Queue, operations: u32) -> Result<Round, CliError> {
    let started = Instant::now();
    let mut transactions = 0;
    let mut left = operations;
    while left > 0 {
        let batch = left.min(BATCH);
        write(queue, batch).await?;
        left -= batch;
        transactions += 1;
    }
    Ok(Round {
        elapsed: started.elapsed(),
        transactions,
    })
}

async fn write(queue: &Queue, operations: u32) -> Result<(), QueueError> {
    let writer = queue.clone();
    queue
        .db()
        .write("bench enqueue", move |conn| {
            async move {
                for _ in 0..operations {
                    writer.enqueue(conn, operation()).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
}

/// As the application queues an edit of a customer; each of a customer of its own.
fn operation() -> NewOperation {
    let customer = Uuid::new_v4().to_string();
    NewOperation {
        priority: Priority::High,
        coalesce_key: Some(format!("customer:{customer}")),
        payload: payload(),
        correlation_id: format!("change-{}", &customer[..8]),
        ..NewOperation::new(KIND, "customer", &customer, Operation::Update)
    }
}

fn payload() -> Value {
    json!({ "change": 1_234_567 })
}

/// Plain INSERTs, spread evenly over so many transactions. One for each row means no BEGIN and no COMMIT.
pub(super) async fn insert(
    plain: &mut Plain,
    operations: u32,
    transactions: u64,
) -> Result<Duration, CliError> {
    let started = Instant::now();
    let (rows, transactions) = (
        u64::from(operations),
        transactions.clamp(1, u64::from(operations)),
    );
    for transaction in 0..transactions {
        let share = rows * (transaction + 1) / transactions - rows * transaction / transactions;
        if share > 1 {
            plain.begin().await?;
        }
        for _ in 0..share {
            insert_row(plain).await?;
        }
        if share > 1 {
            plain.commit().await?;
        }
    }
    Ok(started.elapsed())
}

const INSERT: &str = "\
    INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
        retry_count, max_retries, deferrals, next_attempt_at, payload, correlation_id, coalesce_key, attempts, \
        inherited_attempts, first_queued_at, created_at, updated_at) \
    VALUES ($1, $2, 'customer', $3, 'UPDATE', $4, 1, 1, 'PENDING', 1, 0, 8, 0, $5, $6, $7, $4, 0, 0, $5, $5, $5)";

async fn insert_row(plain: &mut Plain) -> Result<(), CliError> {
    let customer = Uuid::new_v4().to_string();
    let lane = format!("customer:{customer}");
    let correlation_id = format!("change-{}", &customer[..8]);
    let now = Ts::now();
    on!(plain, |c| sqlx::query(INSERT)
        .bind(OperationId(Uuid::now_v7()))
        .bind(KIND)
        .bind(customer)
        .bind(lane)
        .bind(now)
        .bind(JsonText(payload()))
        .bind(correlation_id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

pub(super) fn ended_badly(error: tokio::task::JoinError) -> CliError {
    CliError::Other(format!("a task of the benchmark ended badly: {error}"))
}
