//! Work by the clock, carried out by one process at a time ([`leader`]).
//!
//! Every part is given the leader's handles on store and queue, whose writes are undone once another process leads. Besides, each
//! part by itself stands being run twice: runs move on by compare-and-set, weeks and nights have unique keys, sweeps and pruning do
//! what is still to be done, and a poll's cursor may fall back and reads again what it has read.

pub mod backfill;
pub mod crm_poll;
pub mod lead_poll;
pub mod leader;
pub mod mapping_run;
pub mod onboarding;
pub mod reconcile;
pub mod retention;
pub mod retry_sweep;
pub mod summary;

use std::time::Duration;

use pugmark_queue::Queue;
use pugmark_queue::db::{Db, DbError, Ts};
use tokio_util::sync::CancellationToken;

use crate::capture::gap::Sweeper;
use crate::config::Mode;
use crate::store::{capture_errors, change_log};
use retention::{Removed, Retention};

/// How often rows are compared with what was captured of them.
const GAP_SWEEP: Duration = Duration::from_secs(15 * 60);
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
    /// How long what is kept.
    pub retention: Retention,
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
        remove_old(&db, &queue, &sweeps.retention, &cancelled).await;
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(GAP_SWEEP) => {}
            () = something_was_missed(&db, sweeps.look), if swept_well.is_ok() => {}
        }
    }
}

async fn remove_old(db: &Db, queue: &Queue, retention: &Retention, cancelled: &CancellationToken) {
    match retention::remove_old(db, queue, retention, Ts::now(), cancelled).await {
        Ok(removed) if removed == Removed::default() => {}
        Ok(Removed {
            changes,
            operations,
            lines,
            deliveries,
            forms,
        }) => tracing::info!(
            changes,
            operations,
            lines,
            deliveries,
            forms,
            "old entries removed"
        ),
        Err(error) => {
            tracing::error!(%error, "old entries could not be removed; it is tried again");
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
