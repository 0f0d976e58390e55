use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Effects, Handled, Handler};
use crate::QueueError;
use crate::db::{Conn, DbError, panic_text, retry_pause};
use crate::queue::{AttemptReport, Claimed, Lease, Queue, Release, Released, Transition, codes};

/// One attempt at one operation, from the handler's start to the commit of what came of it.
pub(super) struct Attempt {
    pub(super) queue: Queue,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) operation: Claimed,
    pub(super) lease: Duration,
    pub(super) stop: CancellationToken,
    pub(super) grace_over: CancellationToken,
}

/// Target of the one line that every attempt leaves in the log, for those who keep these lines and no others.
pub const ATTEMPT: &str = "attempt";

/// What every line of an attempt's log carries. It has the highest level because a filter that leaves out the span would take
/// the correlation id from the errors that it lets through.
pub(super) fn span(operation: &Claimed) -> tracing::Span {
    tracing::error_span!(
        "attempt",
        operation = %operation.id,
        kind = operation.kind,
        entity = format_args!("{}:{}", operation.entity_type, operation.entity_id),
        attempt = operation.earlier_attempts + 1,
        correlation_id = operation.correlation_ids.first().map_or("", String::as_str),
    )
}

/// What is written down at the end, as often as it takes.
#[derive(Clone)]
struct Ending {
    what: What,
    report: AttemptReport,
    effects: Option<Effects>,
}

#[derive(Clone)]
enum What {
    Done(Value),
    Release(Release),
}

impl Attempt {
    pub(super) async fn run(self) {
        let ending = if self.stop.is_cancelled() {
            Ending::of(Release::HandBack)
        } else {
            tokio::select! {
                ending = self.handle() => ending,
                never = self.keep_lease() => match never {},
                () = self.grace_over.cancelled() => Ending::unknown(codes::SHUTDOWN, "the worker was stopped while it was at it"),
            }
        };
        self.record(ending).await;
    }

    async fn handle(&self) -> Ending {
        match AssertUnwindSafe(self.handler.run(&self.operation))
            .catch_unwind()
            .await
        {
            Ok(Handled::Done {
                outcome,
                report,
                effects,
            }) => Ending {
                what: What::Done(outcome),
                report,
                effects,
            },
            Ok(Handled::Release {
                why,
                report,
                effects,
            }) => Ending {
                what: What::Release(why),
                report,
                effects,
            },
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                tracing::error!(operation = %self.operation.id, kind = self.operation.kind, panic = text, "a handler panicked");
                Ending::unknown(codes::HANDLER_PANICKED, "the handler panicked; see the log")
            }
        }
    }

    /// Renews the lease for as long as the handler runs. When it is lost, the handler is told through its deadline and may end in
    /// order; what it reports then changes nothing.
    async fn keep_lease(&self) -> std::convert::Infallible {
        let mut wait = self.lease / 3;
        loop {
            tokio::time::sleep(wait).await;
            match self.queue.renew(&self.operation.lease, self.lease).await {
                Ok(renewed) => {
                    self.operation.set_deadline(renewed.deadline);
                    wait = self.lease / 3;
                }
                Err(QueueError::LeaseLost(id)) => {
                    tracing::warn!(operation = %id, "the lease was lost while the handler ran");
                    self.operation.set_deadline(Instant::now());
                    return std::future::pending().await;
                }
                Err(error) => {
                    tracing::warn!(operation = %self.operation.id, %error, "a lease could not be renewed");
                    wait = self.lease / 12;
                }
            }
        }
    }

    /// Writes the ending down. If the database refuses the effects, the operation must not be lost with them.
    async fn record(&self, ending: Ending) {
        let line = Line::of(&ending);
        let error = match self.persist(ending).await {
            Ok(dead) => return line.write(&self.operation, dead),
            Err(error) => error,
        };
        tracing::error!(operation = %self.operation.id, %error, "the end of an attempt could not be stored");
        let instead = Ending::unknown(
            codes::NOT_RECORDED,
            &format!("what it achieved could not be stored: {error}"),
        );
        if let Err(error) = self.persist(instead).await {
            tracing::error!(operation = %self.operation.id, %error, "an attempt could not be ended; its lease will run out");
        }
    }

    /// Repeats for as long as repeating can help; the lease makes that safe. Tells whether the operation is a dead letter now.
    async fn persist(&self, ending: Ending) -> Result<bool, QueueError> {
        let mut tried = 0;
        loop {
            let (queue, lease, now) = (
                self.queue.clone(),
                self.operation.lease.clone(),
                ending.clone(),
            );
            let write = self.queue.db().write("end attempt", move |conn| {
                async move { now.apply(&queue, conn, &lease).await }.boxed()
            });
            match write.await {
                Ok(dead) => return Ok(dead),
                Err(QueueError::LeaseLost(id)) => {
                    tracing::warn!(operation = %id, "an attempt ended after its lease was lost; nothing was changed");
                    return Ok(false);
                }
                Err(error) if may_pass(&error) && !self.grace_over.is_cancelled() => {
                    tracing::warn!(operation = %self.operation.id, %error, "the end of an attempt is stored again");
                    tried += 1;
                    tokio::time::sleep(retry_pause(tried)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A commit whose fate is unknown is repeated: if it went through, the repetition changes nothing.
fn may_pass(error: &QueueError) -> bool {
    error.is_retryable()
        || matches!(
            error,
            QueueError::Db(
                DbError::OutcomeUnknown | DbError::CannotOpen { .. } | DbError::DiskFull
            )
        )
}

impl Ending {
    fn of(why: Release) -> Self {
        Self {
            what: What::Release(why),
            report: AttemptReport::default(),
            effects: None,
        }
    }

    fn unknown(code: &str, message: &str) -> Self {
        Self::of(Release::Unknown {
            not_before: None,
            code: code.to_owned(),
            message: message.to_owned(),
        })
    }

    /// Whether the operation is a dead letter now.
    async fn apply(
        self,
        queue: &Queue,
        conn: &mut Conn,
        lease: &Lease,
    ) -> Result<bool, QueueError> {
        let (repeated, dead) = match self.what {
            What::Done(outcome) => {
                let done = queue.complete(conn, lease, outcome, self.report).await?;
                (done == Transition::Repeated, false)
            }
            What::Release(why) => {
                let released = queue.release(conn, lease, why, self.report).await?;
                (released == Released::Repeated, released == Released::Dead)
            }
        };
        if let Some(effects) = self.effects.filter(|_| !repeated) {
            effects.apply(conn).await?;
        }
        Ok(dead)
    }
}

/// The line that an attempt leaves in the log: no values, only what became of it.
struct Line {
    outcome: &'static str,
    filed_as: String,
    crm_calls: u32,
}

impl Line {
    fn of(ending: &Ending) -> Self {
        Self {
            outcome: match &ending.what {
                What::Done(_) => "done",
                What::Release(why) => why.word(),
            },
            filed_as: ending.report.classification.clone(),
            crm_calls: ending.report.crm_calls,
        }
    }

    fn write(self, operation: &Claimed, dead: bool) {
        let ms = u64::try_from(operation.lease.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Self {
            outcome,
            filed_as,
            crm_calls,
        } = self;
        if dead {
            tracing::warn!(target: ATTEMPT, outcome, filed_as, crm_calls, ms, "attempt ended: a dead letter now");
        } else {
            tracing::info!(target: ATTEMPT, outcome, filed_as, crm_calls, ms, "attempt ended");
        }
    }
}
