//! Work by the clock.

pub mod backfill;
pub mod crm_poll;
pub mod mapping_run;
pub mod reconcile;
pub mod retry_sweep;
pub mod summary;

use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use pugmark_queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;

use crate::capture::gap::Sweeper;
use crate::config::Mode;
use crate::store::{
    account_steps, application_logs, capture_errors, change_log, webhook_deliveries,
};

/// How often rows are compared with what was captured of them.
const GAP_SWEEP: Duration = Duration::from_secs(15 * 60);
/// How long planned changes and finished operations are kept.
const KEEP: Duration = Duration::from_secs(90 * 24 * 3600);
const PRUNE_BATCH: u32 = 5_000;

/// How long errors of capture are kept once their changes are found.
const KEEP_ERRORS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How soon after an error of capture the next sweep may follow the last one: as long as capture is broken, every write is one.
const AFTER_ERROR: Duration = Duration::from_secs(60);

/// What the sweeps need to know.
#[derive(Debug, Clone)]
pub struct Sweeps {
    /// Compares rows with what was captured.
    pub sweeper: Sweeper,
    /// In shadow mode a sweep leaves nothing behind with which a second one could compare customers.
    pub mode: Mode,
    /// How often is looked for a reason to sweep before it is time.
    pub look: Duration,
    /// How long log lines are kept.
    pub keep_logs: Duration,
    /// How long deliveries of webhooks are kept.
    pub keep_deliveries: Duration,
}

/// Runs the sweeps until cancelled: at once, because changes may have been missed while nothing ran, and then in turn, or as soon
/// as something says that changes were missed.
pub async fn run(db: Db, queue: Queue, sweeps: Sweeps, cancelled: CancellationToken) {
    let mut swept = false;
    loop {
        let swept_well = sweep(&db, &sweeps, &mut swept).await;
        if let Err(error) = &swept_well {
            tracing::error!(%error, "the gap sweep failed; it is tried again");
        }
        if let Err(error) = prune(&db, &queue, &sweeps).await {
            tracing::error!(%error, "old entries could not be removed; it is tried again");
        }
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(GAP_SWEEP) => {}
            () = something_was_missed(&db, sweeps.look), if swept_well.is_ok() => {}
        }
    }
}

async fn sweep(db: &Db, sweeps: &Sweeps, swept: &mut bool) -> Result<(), DbError> {
    let missed = Missed::read(db).await?;
    if sweeps.mode == Mode::Live || !*swept {
        sweeps.sweeper.sweep().await?;
        *swept = true;
    }
    missed.mark_found(db).await
}

/// What says that changes were missed, as it stood before a sweep began: the sweep finds them.
#[derive(Debug, Default)]
struct Missed {
    truncated: Vec<i64>,
    errors: Vec<i64>,
}

impl Missed {
    async fn read(db: &Db) -> Result<Self, DbError> {
        let mut conn = db.read().await?;
        Ok(Missed {
            truncated: change_log::truncate_marks(&mut conn).await?,
            errors: capture_errors::open_ids(&mut conn).await?,
        })
    }

    async fn mark_found(self, db: &Db) -> Result<(), DbError> {
        if self.truncated.is_empty() && self.errors.is_empty() {
            return Ok(());
        }
        let now = Ts::now();
        db.write("swept", move |conn| {
            Box::pin(async move {
                change_log::mark_processed(conn, &self.truncated, now).await?;
                capture_errors::mark_healed(conn, &self.errors, now).await
            })
        })
        .await
    }
}

/// Ends when a table was emptied by TRUNCATE, or, after a while, when capture could not write something down.
async fn something_was_missed(db: &Db, look: Duration) {
    let began = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(look).await;
        match Missed::read(db).await {
            Ok(missed) if !missed.truncated.is_empty() => return,
            Ok(missed) if !missed.errors.is_empty() && began.elapsed() >= AFTER_ERROR => return,
            // A store that does not answer is told of by everybody else.
            Ok(_) | Err(_) => {}
        }
    }
}

async fn prune(db: &Db, queue: &Queue, sweeps: &Sweeps) -> Result<(), QueueError> {
    let now = Ts::now();
    let (before, healed_before) = (now.before(KEEP), now.before(KEEP_ERRORS));
    let logs_before = now.before(sweeps.keep_logs);
    let deliveries_before = now.before(sweeps.keep_deliveries);
    let keys_before = now.before(sweeps.keep_deliveries.max(KEEP));
    let removed = db
        .write("prune change log", move |conn| {
            Box::pin(async move {
                capture_errors::prune(conn, healed_before).await?;
                let removed = change_log::prune(conn, before, PRUNE_BATCH).await?;
                Ok::<_, QueueError>(removed)
            })
        })
        .await?;
    let operations = queue.prune(KEEP, PRUNE_BATCH).await?;
    let lines = db
        .write("prune logs", move |conn| {
            Box::pin(async move { application_logs::prune(conn, logs_before, PRUNE_BATCH).await })
        })
        .await?;
    if operations > 0 {
        db.write("prune account steps", |conn| {
            Box::pin(async move { Ok::<_, QueueError>(account_steps::prune(conn).await?) })
        })
        .await?;
    }
    let deliveries = db
        .write("prune webhooks", move |conn| {
            Box::pin(async move {
                webhook_deliveries::prune(conn, deliveries_before, keys_before, PRUNE_BATCH).await
            })
        })
        .await?;
    if removed > 0 || operations > 0 || lines > 0 || deliveries > 0 {
        tracing::info!(
            changes = removed,
            operations,
            lines,
            deliveries,
            "old entries removed"
        );
    }
    Ok(())
}
