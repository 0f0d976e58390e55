//! Bringing the linked contacts up to date after a change of the mapping, bit by bit and behind everything else.
//!
//! A run goes through the linked customers in the order of their ids and queues a refresh of each with the lowest priority,
//! but never more at a time than workers can soon deal with: what people do meanwhile is not kept waiting.

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, Ts};
use pugmark_queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;

use crate::crm::CONTACTS;
use crate::flows::insurance::plan::{self, CUSTOMER};
use crate::store::mapping_runs::{self, Run};
use crate::store::{field_mapping, links};

/// Customers queued in one transaction.
const BATCH: u32 = 100;
/// So many of a run may wait at the same time.
const AHEAD: i64 = 300;
/// How often a new run is looked for, and whether the one under way needs more.
const LOOK: Duration = Duration::from_secs(1);

/// Moves runs on until cancelled.
pub async fn run(db: Db, queue: Queue, cancelled: CancellationToken) {
    loop {
        let pause = match step(&db, &queue).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK,
            Err(error) => {
                tracing::error!(%error, "contacts could not be queued for the changed mapping; it is tried again");
                LOOK * 10
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Queues the next customers of the run under way; `false` when there is nothing to do now.
async fn step(db: &Db, queue: &Queue) -> Result<bool, QueueError> {
    let run = {
        let mut conn = db.read().await?;
        mapping_runs::latest(&mut conn).await?
    };
    let Some(run) = run.filter(|run| run.queued_at.is_none()) else {
        return Ok(false);
    };
    if queue.progress(&run.correlation_id).await?.unfinished >= AHEAD {
        return Ok(false);
    }
    let queue = queue.clone();
    db.write("queue mapping run", move |conn| {
        Box::pin(async move { queue_batch(conn, &queue, &run).await })
    })
    .await
}

async fn queue_batch(conn: &mut Conn, queue: &Queue, run: &Run) -> Result<bool, QueueError> {
    let customers = field_mapping::linked_behind(conn, CUSTOMER, &run.place, BATCH).await?;
    let now = Ts::now();
    let ended = customers.len() < BATCH as usize;
    let place = customers.last().unwrap_or(&run.place);
    let queued = run.queued + i64::try_from(customers.len()).unwrap_or(i64::MAX);
    // Another process may have been quicker, or somebody has stopped the run.
    if !mapping_runs::advance(conn, run, queued, place, ended.then_some(now)).await? {
        return Ok(false);
    }
    for customer in &customers {
        let operation = plan::refresh(customer, &run.correlation_id, &run.requested_by);
        queue.enqueue(conn, operation).await?;
        links::set_pending(conn, CUSTOMER, customer, CONTACTS, false, now).await?;
    }
    Ok(!ended)
}
