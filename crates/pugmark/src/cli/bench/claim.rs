//! Claiming and completing: `Queue::claim` and `Queue::complete` against plain `UPDATE ... RETURNING` of the same rows.
//!
//! Both sides commit a claim and its completions apart. The peer keeps no record of attempts, checks no lease and lets no
//! follower move up.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::try_join_all;
use pugmark_queue::db::{Engine, JsonText, RawConn, Ts};
use pugmark_queue::{AttemptReport, ClaimRequest, Claimed, OperationId, Queue, QueueError, on};
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::Size;
use super::enqueue::{in_batches, insert, open_peer, open_queue};
use super::line::Line;
use super::plain::Plain;
use super::rounds::{Round, alternate};
use super::stores::Stores;
use crate::cli::CliError;

const OWNER: &str = "bench";
const LEASE: Duration = Duration::from_secs(120);

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let ours = open_queue(&stores.fresh(engine).await?).await?;
    let mut peer = open_peer(&stores.fresh(engine).await?).await?;
    let mut lines = Vec::new();
    // Two commits for each operation: a tenth of them takes long enough.
    for (limit, operations) in [(1, size.operations / 10), (32, size.operations)] {
        let rates = alternate(
            operations,
            async |operations| {
                in_batches(&ours, operations).await?;
                work_off(&ours, operations, limit).await
            },
            async |operations, _| {
                insert(&mut peer, operations, u64::from(operations.div_ceil(200))).await?;
                work_off_plainly(&mut peer, operations, limit).await
            },
        )
        .await?;
        let against = match limit {
            1 => "UPDATE ... RETURNING, one by one".to_owned(),
            _ => format!("UPDATE ... RETURNING, {limit} per transaction"),
        };
        lines.push(Line::new(
            format!("claim {limit} + complete"),
            engine,
            "op/s",
            rates.ours,
            rates.peer,
            against,
        ));
    }
    ours.db().clone().close().await;
    Ok(lines)
}

async fn work_off(queue: &Queue, operations: u32, limit: u32) -> Result<Round, CliError> {
    let started = Instant::now();
    let mut transactions = 0;
    let mut left = operations;
    while left > 0 {
        let request = ClaimRequest {
            owner: OWNER.to_owned(),
            limit: limit.min(left),
            lease: LEASE,
            held_back: Vec::new(),
            only: None,
        };
        let claimed = queue.claim(request).await?;
        left -= counted(claimed.len())?;
        transactions += 2;
        // Each is a member of its own, as the worker does it; together they become one group.
        try_join_all(claimed.iter().map(|operation| complete(queue, operation))).await?;
    }
    Ok(Round {
        elapsed: started.elapsed(),
        transactions,
    })
}

async fn complete(queue: &Queue, operation: &Claimed) -> Result<(), QueueError> {
    let (writer, lease) = (queue.clone(), operation.lease.clone());
    queue
        .db()
        .write("bench complete", move |conn| {
            async move {
                let report = AttemptReport::default();
                writer
                    .complete(conn, &lease, json!({ "did": "nothing" }), report)
                    .await
                    .map(drop)
            }
            .boxed()
        })
        .await
}

async fn work_off_plainly(
    plain: &mut Plain,
    operations: u32,
    limit: u32,
) -> Result<Duration, CliError> {
    let started = Instant::now();
    let mut left = operations;
    while left > 0 {
        let claimed = claim_plainly(plain, limit.min(left)).await?;
        left -= counted(claimed.len())?;
        if limit > 1 {
            plain.begin().await?;
        }
        for id in claimed {
            complete_plainly(plain, id).await?;
        }
        if limit > 1 {
            plain.commit().await?;
        }
    }
    Ok(started.elapsed())
}

/// The same index finds the rows; on PostgreSQL, rows that others look at are passed over, as any hand-made queue does it.
async fn claim_plainly(plain: &mut Plain, limit: u32) -> Result<Vec<OperationId>, CliError> {
    let skip_locked = match plain.raw() {
        RawConn::Sqlite(_) => "",
        RawConn::Postgres(_) => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE vtiger_sync_queue SET status = 'PROCESSING', lease_owner = $1, lease_token = $2, lease_expires_at = $3, \
         attempts = attempts + 1, updated_at = $4 WHERE id IN (SELECT id FROM vtiger_sync_queue \
         WHERE head = 1 AND waiting = 1 AND kind = 'customer.update' AND priority = 1 AND next_attempt_at <= $4 \
         ORDER BY next_attempt_at, id LIMIT $5 {skip_locked}) \
         RETURNING id, kind, entity_type, entity_id, operation, lane, payload, correlation_id"
    );
    let now = Ts::now();
    let rows: Vec<Taken> = on!(plain, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(OWNER)
        .bind(Uuid::now_v7())
        .bind(now.after(LEASE))
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// All that a worker needs, so that it is read and sent as it is for ours.
type Taken = (
    OperationId,
    String,
    String,
    String,
    String,
    String,
    sqlx::types::Json<serde_json::Value>,
    String,
);

async fn complete_plainly(plain: &mut Plain, id: OperationId) -> Result<(), CliError> {
    let sql = "UPDATE vtiger_sync_queue SET status = 'COMPLETED', head = 0, outcome = $2, processed_at = $3, \
               lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL, updated_at = $3 WHERE id = $1 \
               AND status = 'PROCESSING' RETURNING id";
    let completed: Option<OperationId> = on!(plain, |c| sqlx::query_scalar(sql)
        .bind(id)
        .bind(JsonText(json!({ "did": "nothing" })))
        .bind(Ts::now())
        .fetch_optional(c)
        .await)?;
    counted(completed.iter().count()).map(drop)
}

/// Finding nothing where something waits would measure nothing, and for ever.
fn counted(rows: usize) -> Result<u32, CliError> {
    match u32::try_from(rows) {
        Ok(rows) if rows > 0 => Ok(rows),
        _ => Err(CliError::Other(
            "an operation that should have been waiting was not found".to_owned(),
        )),
    }
}
