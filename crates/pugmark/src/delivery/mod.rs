//! Delivering to a CRM without idempotency, so that nothing is lost and nothing appears twice.
//!
//! [`protocol`] decides what may be written and when; `conversation` does what it asks for, for any kind of record, `shared`
//! what fields need that people may edit on both sides; [`merge`] decides about these. `ending` turns the result into what
//! the queue stores. A kind of record is a [`Subject`].

mod adopting;
mod conversation;
pub mod difference;
mod ending;
pub mod merge;
pub mod protocol;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pugmark_queue::db::{Conn, Db, DbError};
use pugmark_queue::{Claimed, Handled, NewOperation, Queue, QueueError, Release};
use serde_json::{Value, json};
use vtiger::{Client, Deadline, Element, Filter, Module};

use crate::config::Mode;
use crate::crm::calls::CallLog;
use crate::crm::{Crm, MapError};
use crate::store::field_mapping::Direction;
use crate::store::links::Link;
pub use adopting::adopt;
use conversation::Conversation;
use merge::Rule;
use protocol::Desired;

pub use conversation::says_missing;
pub use ending::{Trouble, report};

/// A record of the CRM that is to be brought in step with something of ours.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Which record it is, and what is known of it.
    fn target(&self) -> &Target;

    /// What the record should hold in this installation, by its own description. Asked once per attempt, and only when it
    /// is needed.
    ///
    /// # Errors
    /// [`MapError`] when the CRM does not describe the module or our own rows cannot be read.
    async fn shape(&self, crm: &Crm, client: &Client, conn: &mut Conn) -> Result<Shape, MapError>;

    /// What it means when the linked record is gone from the CRM.
    fn when_gone(&self) -> WhenGone {
        WhenGone::Trouble
    }

    /// The operation that takes an edit over which was found in the CRM while the record was being brought in step.
    fn take_edit_over(&self) -> Option<NewOperation> {
        None
    }
}

/// What it means when the linked record is gone from the CRM, or out of our sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenGone {
    /// It must be there: a person is needed.
    Trouble,
    /// It was for people to throw away: nothing is left to do.
    LeftAtThat,
}

/// Which record of the CRM is meant.
#[derive(Debug, Clone)]
pub struct Target {
    /// Entity type of the link in `crm_links`, for example `CUSTOMER`.
    pub entity_type: &'static str,
    /// What the link belongs to.
    pub entity_id: String,
    /// Module of the record.
    pub module: &'static str,
    /// What people call it: "contact", "note", "task".
    pub noun: &'static str,
    /// Whether it should be there.
    pub desired: Desired,
    /// What both sides last agreed on.
    pub link: Link,
    /// Hash of the row that is delivered, for the gap sweep; `None` when there is no such row.
    pub row_hash: Option<String>,
}

impl Target {
    /// Entity type and id: the key of the link.
    pub fn key(&self) -> (&'static str, &str) {
        (self.entity_type, &self.entity_id)
    }

    /// The key for which other operations wait until this record is linked.
    pub fn waited_for(&self) -> String {
        waited_for(self.entity_type, &self.entity_id)
    }
}

/// The key under which an operation waits until something of ours is linked to a record of the CRM: "CUSTOMER:id".
pub fn waited_for(entity_type: &str, entity_id: &str) -> String {
    format!("{entity_type}:{entity_id}")
}

/// What the record should look like in this installation.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The module's description.
    pub module: Arc<Module>,
    /// API names of the fields that both sides agree on.
    pub names: Vec<String>,
    /// How the record is found by our own reference; `None` when nothing here can carry it, and then none is created.
    pub reference: Option<Filter>,
    /// The fields that are ours, with their values. Empty values clear their field.
    pub wanted: Element,
    /// Values that are not sent because they cannot be what their field asks for, each with the field's name and the reason.
    pub unsent: Vec<String>,
    /// What a new record gets besides and people may change afterwards. The owner is added when it is not among them.
    pub on_create: Element,
    /// The rules of fields that are not ours alone. A field without one is.
    pub rules: BTreeMap<String, Rule>,
}

impl Shape {
    /// Which way the values of a field go.
    pub fn direction(&self, field: &str) -> Direction {
        self.rules
            .get(field)
            .map_or(Direction::ToCrm, |rule| rule.direction)
    }
}

/// Delivers records of every kind through one CRM.
#[derive(Clone)]
pub struct Deliverer {
    /// The store.
    pub db: Db,
    /// The queue whose operations are carried out.
    pub queue: Queue,
    /// The CRM.
    pub crm: Arc<Crm>,
    /// In shadow mode nothing is written.
    pub mode: Mode,
    /// How long an operation is claimed for.
    pub lease: Duration,
}

impl Deliverer {
    /// Brings one record in step: one attempt.
    pub async fn deliver(
        &self,
        operation: &Claimed,
        subject: &dyn Subject,
        calls: &Arc<CallLog>,
    ) -> Handled {
        let ended = Conversation::begin(self, operation, subject, calls)
            .run()
            .await;
        self.crm.heed_quota();
        ending::handled(self, operation, subject, ended, calls)
    }

    /// Brings several records in step in one attempt, one after the other. What is done is committed before the next one
    /// begins; the first that does not end in step ends the attempt.
    pub async fn deliver_all(
        &self,
        operation: &Claimed,
        subjects: &[Box<dyn Subject>],
        calls: &Arc<CallLog>,
    ) -> Handled {
        let mut outcomes = Vec::new();
        for subject in subjects {
            match self.deliver(operation, subject.as_ref(), calls).await {
                Handled::Done {
                    outcome, effects, ..
                } => {
                    if let Some(effects) = effects
                        && let Err(error) = self.commit_part(operation, effects).await
                    {
                        return not_committed(subject.target().key(), &error, calls);
                    }
                    outcomes.push(outcome);
                }
                released => return released,
            }
        }
        Handled::Done {
            outcome: together(outcomes),
            report: report(calls, "done"),
            effects: None,
        }
    }

    /// Commits what one of several records came to, guarded by the lease.
    async fn commit_part(
        &self,
        operation: &Claimed,
        effects: pugmark_queue::Effects,
    ) -> Result<(), QueueError> {
        let (queue, lease) = (self.queue.clone(), operation.lease.clone());
        self.db
            .write("deliver part", move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    effects.apply(conn).await?;
                    Ok::<_, QueueError>(())
                })
            })
            .await
    }

    /// The client for the calls of one attempt: none begins that would outlast the lease, each is noted and carries the
    /// correlation id of the request that caused the operation.
    pub fn client(&self, operation: &Claimed, calls: &Arc<CallLog>) -> Client {
        let client = self
            .crm
            .client
            .clone()
            .with_observer(calls.clone())
            .until(Deadline::moving(operation.moving_deadline()));
        match operation.correlation_ids.first() {
            Some(id) => client.with_correlation_id(id),
            None => client,
        }
    }

    /// Whether the settle window of an earlier unknown write had passed when the operation was claimed, by the database's
    /// clock.
    pub fn settled(&self, operation: &Claimed) -> bool {
        let claimed_at = operation.lease.expires_at.before(self.lease);
        operation
            .unknown_at
            .is_none_or(|at| claimed_at >= at.after(self.crm.settings.settle_window()))
    }
}

/// The row or its link could not be read: nothing was sent.
pub fn store_failed(target: (&'static str, &str), error: &DbError, calls: &CallLog) -> Handled {
    ending::store_failed(target, error, calls)
}

/// There is nothing to bring about.
pub fn nothing_to_do(why: &str, calls: &CallLog) -> Handled {
    Handled::Done {
        outcome: json!({ "result": "nothing to do", "why": why }),
        report: report(calls, "done"),
        effects: None,
    }
}

fn together(mut outcomes: Vec<Value>) -> Value {
    match outcomes.len() {
        0 => json!({ "result": "nothing to do" }),
        1 => outcomes.remove(0),
        _ => json!({ "result": "done", "records": outcomes }),
    }
}

/// A commit in the middle of an attempt failed. What the CRM was told before that is found by its reference next time.
pub fn not_committed(key: (&'static str, &str), error: &QueueError, calls: &CallLog) -> Handled {
    match error {
        QueueError::Db(error) => store_failed(key, error, calls),
        // The attempt that holds the lease now reports.
        _ => Handled::Release {
            why: Release::HandBack,
            report: report(calls, "lease lost"),
            effects: None,
        },
    }
}
