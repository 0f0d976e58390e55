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
use tracing::Instrument;

use crate::capture::change::Change;
use crate::capture::watched::PAYMENTS;
use crate::config::{self, Mode};
use crate::crm::CONTACTS;
use crate::flows::insurance::plan::{self, CUSTOMER, Rules};
use crate::store::{
    captured_payments, captured_rows, change_log, links, missing_requirements, task_assignments,
};

/// Plans captured changes until it is cancelled.
pub struct Relay {
    db: Db,
    queue: Queue,
    settings: config::Capture,
    rules: Arc<Rules>,
    mode: Mode,
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
    /// A relay over this store. `nudge` wakes it at once when this program itself has written. In shadow mode it leaves
    /// nothing that the gap sweep compares with: what is planned then is reported and not done.
    pub fn new(
        db: Db,
        queue: Queue,
        settings: config::Capture,
        insurance: config::Insurance,
        mode: Mode,
        nudge: Arc<Notify>,
    ) -> Self {
        let rules = Arc::new(Rules {
            settle: settings.settle,
            insurance,
        });
        Relay {
            db,
            queue,
            settings,
            rules,
            mode,
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
        let (batch, rules, mode) = (self.settings.batch, self.rules.clone(), self.mode);
        self.db
            .write("plan", move |conn| {
                Box::pin(async move {
                    if !change_log::take_turn(conn).await? {
                        return Ok(Round::default());
                    }
                    plan_batch(conn, &queue, batch, &rules, mode).await
                })
            })
            .await
    }
}

async fn plan_batch(
    conn: &mut Conn,
    queue: &Queue,
    batch: u32,
    rules: &Rules,
    mode: Mode,
) -> Result<Round, QueueError> {
    let changes = change_log::waiting(conn, batch).await?;
    let now = Ts::now();
    let mut round = Round {
        changes: changes.len(),
        ..Round::default()
    };
    for change in &changes {
        let span = span(change);
        let mut operations = plan::plan(change, rules);
        operations.extend(turned(conn, change, rules).await?);
        for operation in operations {
            let kind = operation.kind.clone();
            let enqueued = match operation.entity_type.as_str() {
                CUSTOMER => {
                    enqueue_customer(conn, queue, rules, change, operation, now)
                        .instrument(span.clone())
                        .await?
                }
                _ => {
                    enqueue(conn, queue, change, operation)
                        .instrument(span.clone())
                        .await?
                }
            };
            if let Some(enqueued) = enqueued {
                span.in_scope(|| tracing::debug!(kind, operation = %enqueued.id(), "queued"));
            }
            round.count(enqueued);
        }
    }
    let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
    if mode == Mode::Live {
        record(conn, &changes).await?;
    }
    change_log::mark_processed(conn, &ids, now).await?;
    Ok(round)
}

/// Notes what was planned, for the gap sweep.
async fn record(conn: &mut Conn, changes: &[Change]) -> Result<(), QueueError> {
    captured_rows::record(conn, changes).await?;
    let payments: Vec<i64> = changes
        .iter()
        .filter(|change| change.table == PAYMENTS.table)
        .map(|change| change.id)
        .collect();
    if !payments.is_empty() {
        captured_payments::record(conn, &payments).await?;
    }
    Ok(())
}

/// What every line about a change carries.
fn span(change: &Change) -> tracing::Span {
    tracing::error_span!(
        "plan",
        change = change.id,
        table = change.table,
        correlation_id = change.correlation_id.as_deref().unwrap_or_default(),
    )
}

/// Operations on the requirements of a customer who became a test customer, is none any more, or is gone.
async fn turned(
    conn: &mut Conn,
    change: &Change,
    rules: &Rules,
) -> Result<Vec<NewOperation>, QueueError> {
    let mut operations = Vec::new();
    for customer in plan::customers_turned(change) {
        let mut requirements = task_assignments::requirements_of_customer(conn, &customer).await?;
        let open = missing_requirements::open_of_customer(conn, &customer).await?;
        requirements.extend(open.into_iter().map(|row| row.id));
        requirements.sort_unstable();
        requirements.dedup();
        for requirement in requirements {
            operations.extend(plan::requirement_of_turned(
                &requirement,
                &customer,
                change,
                rules,
            ));
        }
    }
    Ok(operations)
}

/// Queues an operation on a customer and notes at the link that it waits.
async fn enqueue_customer(
    conn: &mut Conn,
    queue: &Queue,
    rules: &Rules,
    change: &Change,
    mut operation: NewOperation,
    now: Ts,
) -> Result<Option<Enqueued>, QueueError> {
    let id = operation.entity_id.clone();
    let linked = links::get(conn, CUSTOMER, &id)
        .await?
        .is_some_and(|link| link.vtiger_id.is_some());
    // What follows on an insert must not hurry it: the settle time is the new record's, not the first statement's.
    if !linked && operation.not_before.is_none() {
        operation.not_before = Some(rules.settle.into());
    }
    let enqueued = enqueue(conn, queue, change, operation).await?;
    if enqueued.is_some() {
        links::set_pending(conn, CUSTOMER, &id, CONTACTS, change.healed, now).await?;
    }
    Ok(enqueued)
}

/// Queues one operation. `None` when no operation can carry the row's key.
async fn enqueue(
    conn: &mut Conn,
    queue: &Queue,
    change: &Change,
    operation: NewOperation,
) -> Result<Option<Enqueued>, QueueError> {
    match queue.enqueue(conn, operation).await {
        Ok(enqueued) => Ok(Some(enqueued)),
        // Waiting would not make the key better, and everything behind it would wait, too.
        Err(QueueError::Invalid(reason)) => {
            tracing::error!(
                change = change.id,
                table = change.table,
                reason,
                "a row's key cannot be queued; it is left out"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
