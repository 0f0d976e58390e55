//! Work by the clock.

use std::time::Duration;

use pugmark_queue::db::{Db, Ts};
use pugmark_queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;

use crate::capture::gap;
use crate::config::Mode;
use crate::store::change_log;

/// How often rows are compared with what was last delivered.
const GAP_SWEEP: Duration = Duration::from_secs(15 * 60);
/// How long planned changes and finished operations are kept.
const KEEP: Duration = Duration::from_secs(90 * 24 * 3600);
const PRUNE_BATCH: u32 = 5_000;

/// Runs the sweeps until cancelled: at once, because changes may have been missed while nothing ran, and then in turn.
pub async fn run(db: Db, queue: Queue, mode: Mode, cancelled: CancellationToken) {
    // Shadow mode leaves nothing behind that a sweep could compare with: a second one would report everything again.
    let mut sweep_again = true;
    loop {
        if sweep_again {
            match gap::sweep(&db).await {
                Ok(_) => sweep_again = mode == Mode::Live,
                Err(error) => tracing::error!(%error, "the gap sweep failed; it is tried again"),
            }
        }
        if let Err(error) = prune(&db, &queue).await {
            tracing::error!(%error, "old entries could not be removed; it is tried again");
        }
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(GAP_SWEEP) => {}
        }
    }
}

async fn prune(db: &Db, queue: &Queue) -> Result<(), QueueError> {
    let before = Ts::now().before(KEEP);
    let removed = db
        .write("prune change log", move |conn| {
            Box::pin(async move {
                let removed = change_log::prune(conn, before, PRUNE_BATCH).await?;
                Ok::<_, QueueError>(removed)
            })
        })
        .await?;
    let operations = queue.prune(KEEP, PRUNE_BATCH).await?;
    if removed > 0 || operations > 0 {
        tracing::info!(changes = removed, operations, "old entries removed");
    }
    Ok(())
}
