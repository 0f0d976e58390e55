//! The relay: captured changes become operations.
//!
//! Reading a change, queueing its operations and marking it done are one transaction: an operation exists exactly if the
//! change that caused it is committed and planned. The relay asks for unplanned rows, never for ids above the highest one
//! seen: ids are handed out before the commit, and rows that commit late would be skipped.

use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::db::{Conn, Db, Ts};
use pugmark_queue::{Enqueued, NewOperation, Queue, QueueError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::crm::CONTACTS;
use crate::flows::insurance::plan;
use crate::store::{change_log, links};

/// Plans captured changes until it is cancelled.
pub struct Relay {
    db: Db,
    queue: Queue,
    settings: config::Capture,
    nudge: Arc<Notify>,
}

/// What one round of the relay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Changes planned.
    pub changes: usize,
    /// Operations queued as new rows.
    pub queued: usize,
    /// Operations that found a waiting one to merge into.
    pub coalesced: usize,
}

impl Round {
    fn count(&mut self, enqueued: Option<Enqueued>) {
        match enqueued {
            Some(Enqueued::New(_)) => self.queued += 1,
            Some(Enqueued::Coalesced { .. }) => self.coalesced += 1,
            Some(Enqueued::Duplicate(_)) | None => {}
        }
    }
}

impl Relay {
    /// A relay over this store. `nudge` wakes it at once when this program itself has written.
    pub fn new(db: Db, queue: Queue, settings: config::Capture, nudge: Arc<Notify>) -> Self {
        Relay {
            db,
            queue,
            settings,
            nudge,
        }
    }

    /// Runs until cancelled. A failing database is reported and tried again; nothing is skipped.
    pub async fn run(self, cancelled: CancellationToken) {
        let mut trouble = Duration::ZERO;
        loop {
            match self.round().await {
                Ok(round) => {
                    trouble = Duration::ZERO;
                    if round.changes > 0 {
                        tracing::debug!(
                            changes = round.changes,
                            queued = round.queued,
                            coalesced = round.coalesced,
                            "planned"
                        );
                        // A full batch: there is probably more.
                        if round.changes >= self.settings.batch as usize {
                            continue;
                        }
                    }
                }
                Err(error) => {
                    trouble =
                        (trouble * 2).clamp(Duration::from_millis(250), Duration::from_secs(10));
                    tracing::error!(error = %error, retry_in = ?trouble, "captured changes could not be planned");
                }
            }
            let pause = self.settings.poll.max(trouble);
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Plans one batch of what waits.
    ///
    /// # Errors
    /// [`QueueError`] when the database refuses; then nothing of the batch is planned.
    pub async fn round(&self) -> Result<Round, QueueError> {
        // A cheap look first: an idle relay must not make the writer commit empty groups.
        let mut reader = self.db.read().await.map_err(QueueError::from)?;
        let waiting = change_log::any_waiting(&mut reader)
            .await
            .map_err(QueueError::from)?;
        drop(reader);
        if !waiting {
            return Ok(Round::default());
        }
        let queue = self.queue.clone();
        let settings = self.settings.clone();
        self.db
            .write("plan", move |conn| {
                Box::pin(async move { plan_batch(conn, &queue, &settings).await })
            })
            .await
    }
}

async fn plan_batch(
    conn: &mut Conn,
    queue: &Queue,
    settings: &config::Capture,
) -> Result<Round, QueueError> {
    let changes = change_log::waiting(conn, settings.batch).await?;
    let now = Ts::now();
    let mut round = Round {
        changes: changes.len(),
        ..Round::default()
    };
    for change in &changes {
        for operation in plan::plan(change, settings.settle) {
            round.count(enqueue(conn, queue, settings, change, operation, now).await?);
        }
    }
    let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
    change_log::mark_processed(conn, &ids, now).await?;
    Ok(round)
}

/// Queues one operation and notes at the link that it waits. `None` when no operation can carry the row's key.
async fn enqueue(
    conn: &mut Conn,
    queue: &Queue,
    settings: &config::Capture,
    change: &plan::Change,
    mut operation: NewOperation,
    now: Ts,
) -> Result<Option<Enqueued>, QueueError> {
    let (entity_type, entity_id) = (operation.entity_type.clone(), operation.entity_id.clone());
    let linked = links::get(conn, &entity_type, &entity_id)
        .await?
        .is_some_and(|link| link.vtiger_id.is_some());
    // What follows on an insert must not hurry it: the settle time is the new record's, not the first statement's.
    if !linked && operation.not_before.is_none() {
        operation.not_before = Some(settings.settle.into());
    }
    let enqueued = match queue.enqueue(conn, operation).await {
        Ok(enqueued) => enqueued,
        // Waiting would not make the key better, and everything behind it would wait, too.
        Err(QueueError::Invalid(reason)) => {
            tracing::error!(
                change = change.id,
                table = change.table,
                reason,
                "a row's key cannot be queued; it is left out"
            );
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let look_first = change.was_found_late();
    links::set_pending(conn, &entity_type, &entity_id, CONTACTS, look_first, now).await?;
    Ok(Some(enqueued))
}
