//! Carrying a decision out: the customer's row, what is agreed on, the desk and the operation's end, in one commit.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Handled, NewOperation, Priority, Queue, QueueError};
use serde_json::{Value, json};
use vtiger::RecordId;

use super::decide::Decision;
use super::{Attempt, Ended};
use crate::delivery::{Trouble, report};
use crate::flows::insurance::plan::{self, CUSTOMER};
use crate::problem::Code;
use crate::store::conflicts::{self, Kind};
use crate::store::link_merge::{self, Left};
use crate::store::violation::Violation;
use crate::store::{change_log, customer_edits};

/// A decision about to be carried out.
pub(super) struct Commit<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) record: &'a RecordId,
    pub(super) decision: Decision,
}

/// Why it was not; nothing was changed then.
pub(super) enum Refused {
    /// The row does not hold any more what it held when it was decided.
    Moved,
    /// Another customer has the new value in these columns.
    Taken(Vec<String>),
    /// The attempt ends.
    Ended(Ended),
}

/// What makes the transaction fail.
enum Failed {
    Moved,
    Queue(QueueError),
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Self {
        Failed::Queue(error.into())
    }
}

impl From<QueueError> for Failed {
    fn from(error: QueueError) -> Self {
        Failed::Queue(error)
    }
}

impl Commit<'_> {
    pub(super) async fn run(self) -> Result<Handled, Refused> {
        let attempt = self.attempt;
        let operation = attempt.operation;
        let outcome = self.outcome();
        let report = report(&attempt.calls, "done");
        let stored = Stored {
            customer: attempt.customer().to_owned(),
            left: self.left(),
            decision: self.decision,
            correlation_id: operation.correlation_ids.first().cloned(),
        };
        let (queue, lease) = (attempt.deliverer().queue.clone(), operation.lease.clone());
        let (end, said) = (outcome.clone(), report.clone());
        let written = attempt
            .deliverer()
            .db
            .write("apply contact", move |conn| {
                Box::pin(async move {
                    // First of all, as every attempt ends: so locks are taken in one order.
                    queue.complete(conn, &lease, end, said).await?;
                    stored.write(conn, &queue).await
                })
            })
            .await;
        match written {
            // The queue finds that the operation is done already, and leaves it at that.
            Ok(()) => Ok(Handled::Done {
                outcome,
                report,
                effects: None,
            }),
            Err(Failed::Moved) => Err(Refused::Moved),
            Err(Failed::Queue(error)) => Err(refused(attempt, error)),
        }
    }

    fn outcome(&self) -> Value {
        let decision = &self.decision;
        let result = match (decision.edits.is_empty(), decision.conflicts.is_empty()) {
            (false, _) => "applied",
            (true, false) => "asked",
            (true, true) if decision.sent.is_empty() => "unchanged",
            (true, true) => "overruled",
        };
        json!({
            "result": result,
            "vtigerId": self.record,
            "toMicrobima": decision.edits.iter().map(|edit| edit.column).collect::<Vec<_>>(),
            "toVtiger": decision.sent,
            "conflicts": decision.conflicts.iter().map(|found| &found.source).collect::<Vec<_>>(),
            "warnings": decision.warnings,
        })
    }

    fn left(&self) -> Left {
        Left {
            snapshot: self.decision.snapshot.clone(),
            overruled: self.decision.overruled.clone(),
            warnings: self.decision.warnings.clone(),
            trouble: trouble(&self.decision),
            waits: !self.decision.sent.is_empty() || !self.decision.edits.is_empty(),
        }
    }
}

/// What a person reads at the customer about fields that wait. No values: those are shown at the desk.
fn trouble(decision: &Decision) -> Option<(&'static str, String)> {
    let asked = decision
        .conflicts
        .iter()
        .any(|found| found.kind == Kind::BothChanged);
    let code = match (decision.conflicts.is_empty(), asked) {
        (true, _) => return None,
        (false, true) => Code::Conflict,
        (false, false) => Code::NotAccepted,
    };
    let each: Vec<String> = decision
        .conflicts
        .iter()
        .map(|found| match &found.reason {
            Some(why) => format!(
                "{} ({}): MicroBima cannot take it: {why}",
                found.label, found.field
            ),
            None => format!("{} ({}): changed on both sides", found.label, found.field),
        })
        .collect();
    Some((code.as_str(), each.join("; ")))
}

/// What is stored together.
struct Stored {
    customer: String,
    decision: Decision,
    left: Left,
    correlation_id: Option<String>,
}

impl Stored {
    async fn write(self, conn: &mut Conn, queue: &Queue) -> Result<(), Failed> {
        let (customer, now) = (self.customer.as_str(), Ts::now());
        let edits = &self.decision.edits;
        if !edits.is_empty() {
            if !customer_edits::apply(conn, customer, edits, now).await? {
                return Err(Failed::Moved);
            }
            if let Some(id) = &self.correlation_id {
                change_log::correlate(conn, "customers", customer, id).await?;
            }
        }
        link_merge::set_merged(conn, CUSTOMER, customer, &self.left, now).await?;
        let found = &self.decision.conflicts;
        let correlation_id = self.correlation_id.as_deref();
        let decided = &self.decision.decided;
        conflicts::settle(conn, customer, found, decided, correlation_id, now).await?;
        if !self.decision.sent.is_empty() {
            queue.enqueue(conn, self.delivery()).await?;
        }
        Ok(())
    }

    /// Sends what MicroBima's side won.
    fn delivery(&self) -> NewOperation {
        let fresh = || uuid::Uuid::now_v7().to_string();
        let id = self.correlation_id.clone().unwrap_or_else(fresh);
        NewOperation {
            priority: Priority::Normal,
            ..plan::refresh(&self.customer, &id, "contact.apply")
        }
    }
}

fn refused(attempt: &Attempt<'_>, error: QueueError) -> Refused {
    let QueueError::Db(error) = error else {
        // The lease was lost: the attempt that holds it now reports, and this one changes nothing.
        let message = "the lease was lost".to_owned();
        return Refused::Ended(attempt.trouble(Trouble::later(Code::LeaseTooShort, message)));
    };
    if let Some(Violation::Taken(columns)) = Violation::of(&error) {
        return Refused::Taken(columns);
    }
    if is_forbidden(&error) {
        let message = "MicroBima's database does not allow Pugmark's role to write `customers`: grant UPDATE on it, or set the \
                       mappings to to_crm"
            .to_owned();
        return Refused::Ended(
            attempt.trouble(Trouble::refused(Code::WriteBackForbidden, message)),
        );
    }
    Refused::Ended(attempt.store_failed(&error))
}

/// PostgreSQL's word for a right that is missing.
fn is_forbidden(error: &DbError) -> bool {
    matches!(error, DbError::Sql(error)
        if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("42501"))
}
