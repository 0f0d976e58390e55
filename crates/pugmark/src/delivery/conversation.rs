//! One attempt's conversation with the CRM: does what the protocol asks for, and reports what was heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use pugmark_queue::db::DbError;
use pugmark_queue::{Claimed, QueueError};
use vtiger::{
    Adapted, CallError, Client, Element, Purpose, Query, Record, RecordId, RefusalReason, Value,
};

use super::difference::{Difference, difference};
use super::protocol::{Ask, Attempt, Heard, Sighting, Situation, Verdict};
use super::shared::Shared;
use super::{Deliverer, Shape, Subject, adopt};
use crate::config::Mode;
use crate::crm::MapError;
use crate::crm::calls::CallLog;

/// Most records looked at under one reference. More than two would already be somebody's script.
const MOST_TWINS: u32 = 20;

/// The owner of a record; every module has it.
const OWNER: &str = "assigned_user_id";
/// Fields that show who made a record and whether it was edited.
const TRACES: [&str; 3] = ["createdtime", "modifiedtime", "source"];
/// What vTiger notes as the source of records that an API client creates.
const MADE_BY_WEB_SERVICE: &str = "WEBSERVICE";

/// How a conversation ended.
pub(super) enum Ended {
    /// The protocol came to a verdict.
    Verdict(Verdict<RecordId>, Known),
    /// Shadow mode: the first write was not made.
    Shadow(WouldDo),
    /// The record cannot carry our reference, so nothing is created.
    NoReferenceField,
    /// The CRM gave an answer that ends the attempt.
    Call(CallError),
    /// The store failed in the middle.
    Store(DbError),
    /// The lease was lost; nothing more may be changed.
    LeaseLost,
    /// Something else of ours is linked to the record that carries our reference.
    LinkedElsewhere(RecordId),
}

/// What is known of the record at the end.
#[derive(Default)]
pub(super) struct Known {
    /// What the CRM stores of our fields, read or predicted.
    pub(super) snapshot: BTreeMap<String, String>,
    /// Whether the whole snapshot was read from the CRM.
    pub(super) verified: bool,
    /// What was adapted, for people.
    pub(super) warnings: Vec<String>,
    /// Names of the fields that were written.
    pub(super) written: Vec<String>,
    /// Whether the record was created in this attempt.
    pub(super) created: bool,
    /// Whether this installation has no field in which the record could be marked.
    pub(super) unmarkable: bool,
    /// The last unclear answer.
    pub(super) unclear: Option<CallError>,
    /// Whether the CRM holds an edit that is to be taken over before anything is written on top of it.
    pub(super) edited: bool,
}

/// What shadow mode would have done.
pub(super) struct WouldDo {
    pub(super) action: &'static str,
    pub(super) record: Option<RecordId>,
    pub(super) fields: Vec<String>,
}

pub(super) struct Conversation<'a> {
    pub(super) deliverer: &'a Deliverer,
    pub(super) operation: &'a Claimed,
    pub(super) subject: &'a dyn Subject,
    pub(super) client: Client,
    shape: Option<Arc<Shape>>,
    pub(super) known: Known,
    /// Records seen while searching, so that what they hold need not be read again.
    seen: BTreeMap<String, Record>,
    /// A create was refused as a duplicate once: the record was looked for.
    looked_for_duplicate: bool,
    /// What both sides last agreed on, and what the record was found to hold in this attempt.
    pub(super) shared: Shared,
}

impl<'a> Conversation<'a> {
    pub(super) fn begin(
        deliverer: &'a Deliverer,
        operation: &'a Claimed,
        subject: &'a dyn Subject,
        calls: &Arc<CallLog>,
    ) -> Self {
        let client = deliverer.client(operation, calls);
        let known = Known {
            snapshot: subject.target().link.snapshot.clone(),
            ..Known::default()
        };
        Conversation {
            deliverer,
            operation,
            subject,
            client,
            shape: None,
            known,
            seen: BTreeMap::new(),
            looked_for_duplicate: false,
            shared: Shared::of(&subject.target().link),
        }
    }

    pub(super) async fn run(mut self) -> Ended {
        let (mut attempt, mut ask) = Attempt::begin(self.situation());
        loop {
            let heard = match ask {
                Ask::Finish(verdict) => return Ended::Verdict(verdict, self.known),
                ask => self.answer(&ask).await,
            };
            ask = match heard {
                Ok(heard) => attempt.hear(heard),
                Err(Stop::Restart) => {
                    let known_trouble = Situation {
                        earlier_attempts: true,
                        ..self.situation()
                    };
                    let (again, first) = Attempt::begin(known_trouble);
                    attempt = again;
                    first
                }
                Err(Stop::End(ended)) => return *ended,
            };
        }
    }

    fn situation(&self) -> Situation<RecordId> {
        let target = self.subject.target();
        Situation {
            desired: target.desired,
            // An id that is none was not written by us; without it the record is looked for.
            linked: target
                .link
                .vtiger_id
                .as_deref()
                .and_then(|id| id.parse().ok()),
            earlier_attempts: self.operation.earlier_attempts > 0
                || target.link.look_first
                || self.deliverer.crm.settings.look_first,
            unknown: self.operation.unknown_at.is_some(),
            settled: self.deliverer.settled(self.operation),
        }
    }

    async fn answer(&mut self, ask: &Ask<RecordId>) -> Result<Heard<RecordId>, Stop> {
        match ask {
            Ask::Find => self.find().await,
            Ask::Count => self.count().await,
            Ask::Read(id) => self.read(id).await,
            Ask::Create => self.create().await,
            Ask::Link(id) => self.link(id).await,
            Ask::Revise(id) => self.revise(id).await,
            Ask::Remove(id) => self.remove(id).await,
            // The caller has dealt with it.
            Ask::Finish(_) => Err(Stop::Restart),
        }
    }

    async fn find(&mut self) -> Result<Heard<RecordId>, Stop> {
        let shape = self.shape().await?;
        let traces = TRACES
            .into_iter()
            .filter(|name| shape.module.field(name).is_some());
        let query = self
            .by_reference(&shape)?
            .fields(shape.names.iter().map(String::as_str).chain(traces))
            .order_by(["id"])
            .limit(MOST_TWINS);
        let records = self.client.query_with(&shape.module, &query).await?;
        let sightings = records
            .iter()
            .map(|record| Sighting {
                id: record.id.clone(),
                untouched: is_untouched(record),
            })
            .collect();
        self.seen.extend(
            records
                .into_iter()
                .map(|record| (record.id.to_string(), record)),
        );
        Ok(Heard::Found(sightings))
    }

    async fn count(&mut self) -> Result<Heard<RecordId>, Stop> {
        let shape = self.shape().await?;
        let query = self.by_reference(&shape)?;
        Ok(Heard::Counted(
            self.client.count_with(&shape.module, &query).await?,
        ))
    }

    async fn read(&mut self, id: &RecordId) -> Result<Heard<RecordId>, Stop> {
        let shape = self.shape().await?;
        match self.client.retrieve(id).await {
            Ok(record) => {
                self.take_as_known(&record, &shape);
                Ok(Heard::Read)
            }
            Err(error) if says_missing(&error) => Ok(Heard::Missing),
            Err(error) => Err(error.into()),
        }
    }

    async fn create(&mut self) -> Result<Heard<RecordId>, Stop> {
        let shape = self.shape().await?;
        if shape.reference.is_none() {
            return Err(Stop::end(Ended::NoReferenceField));
        }
        let mut element = Element::new();
        let ours = &shape.wanted;
        let given = shape.on_create.iter().chain(ours.iter());
        for (field, value) in given.filter(|(_, value)| **value != Value::Null) {
            element.set(field, value.clone());
        }
        if element.get(OWNER).is_none() {
            element.set(OWNER, self.deliverer.crm.owner(&self.client).await?);
        }
        let adapted = shape.module.adapt(&element, Purpose::Create);
        self.warn(&shape, &adapted);
        if self.deliverer.mode == Mode::Shadow {
            return Err(self.shadow(
                "create",
                None,
                adapted
                    .element
                    .iter()
                    .map(|(field, _)| field.to_owned())
                    .collect(),
            ));
        }
        match self
            .client
            .create(self.subject.target().module, &adapted.element)
            .await
        {
            Ok(record) => {
                // Fields left empty are part of what both sides agree on; vTiger shows them as "".
                self.known.snapshot = ours
                    .iter()
                    .map(|(field, _)| {
                        (
                            field.to_owned(),
                            adapted.stored.get(field).cloned().unwrap_or_default(),
                        )
                    })
                    .collect();
                self.known.verified = false;
                self.known.created = true;
                self.known.written = adapted
                    .element
                    .iter()
                    .map(|(field, _)| field.to_owned())
                    .collect();
                Ok(Heard::Created(record.id))
            }
            Err(error)
                if refused_as(&error, RefusalReason::Duplicate) && !self.looked_for_duplicate =>
            {
                // The installation refuses a second record with our reference, or with the same e-mail. If it is our own
                // from before a restored backup, it is found by its reference.
                self.looked_for_duplicate = true;
                Err(Stop::Restart)
            }
            Err(error) => self.unclear(error),
        }
    }

    /// Commits the link before anything is written to the record, guarded by the lease: a worker that lost it links nothing.
    async fn link(&mut self, id: &RecordId) -> Result<Heard<RecordId>, Stop> {
        let shape = self.shape().await?;
        if let Some(record) = self.seen.get(id.as_str()).cloned() {
            self.take_as_known(&record, &shape);
            if is_untouched(&record) {
                self.shared.nobody_edited();
            }
        }
        if self.deliverer.mode == Mode::Shadow {
            // Nothing of ours is changed either; what would be revised is still worked out.
            return Ok(Heard::Linked);
        }
        let (queue, lease) = (self.deliverer.queue.clone(), self.operation.lease.clone());
        let target = self.subject.target().clone();
        let (record, snapshot) = (id.to_string(), self.to_adopt(&shape));
        let linked = self
            .deliverer
            .db
            .write("link record", move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    adopt(
                        conn,
                        &queue,
                        target.key(),
                        (target.module, &record),
                        &snapshot,
                    )
                    .await
                })
            })
            .await;
        match linked {
            Ok(()) => Ok(Heard::Linked),
            Err(QueueError::LeaseLost(_)) => Err(Stop::end(Ended::LeaseLost)),
            Err(QueueError::Db(error)) if error.is_unique_violation() => {
                Err(Stop::end(Ended::LinkedElsewhere(id.clone())))
            }
            Err(QueueError::Db(error)) => Err(Stop::end(Ended::Store(error))),
            Err(_) => Err(Stop::end(Ended::LeaseLost)),
        }
    }

    async fn revise(&mut self, id: &RecordId) -> Result<Heard<RecordId>, Stop> {
        let shape = self.shape().await?;
        let mut changed = self.difference(&shape);
        if self.must_read_first(&shape, &changed) {
            match self.read(id).await? {
                Heard::Read => changed = self.difference(&shape),
                other => return Ok(other),
            }
        }
        self.leave_edits(&shape, &mut changed);
        if changed.is_empty() {
            return Ok(Heard::Written);
        }
        let adapted = shape.module.adapt(&changed, Purpose::Revise);
        let names: Vec<String> = changed.iter().map(|(field, _)| field.to_owned()).collect();
        if self.deliverer.mode == Mode::Shadow {
            return Err(self.shadow("revise", Some(id.clone()), names));
        }
        self.note_in_flight(&shape, &adapted.stored).await?;
        match self.client.revise(id, &adapted.element).await {
            Ok(_) => {
                for field in &names {
                    let stored = adapted.stored.get(field).cloned().unwrap_or_default();
                    self.known.snapshot.insert(field.clone(), stored);
                }
                self.known.verified = false;
                self.known.written = names;
                Ok(Heard::Written)
            }
            Err(error) if says_missing(&error) => Ok(Heard::Missing),
            Err(error) => self.unclear(error),
        }
    }

    async fn remove(&mut self, id: &RecordId) -> Result<Heard<RecordId>, Stop> {
        if self.deliverer.mode == Mode::Shadow {
            return Err(self.shadow("remove", Some(id.clone()), Vec::new()));
        }
        match self.client.delete(id).await {
            Ok(()) => {
                self.known.warnings.push(format!(
                    "A second {} {id} under the same reference was removed; nobody had edited it",
                    self.subject.target().noun
                ));
                Ok(Heard::Written)
            }
            Err(error) if says_missing(&error) => Ok(Heard::Missing),
            Err(error) => self.unclear(error),
        }
    }

    /// The fields whose desired stored form differs from what is known of the record.
    pub(super) fn difference(&mut self, shape: &Shape) -> Element {
        self.known.unmarkable = shape.wanted.is_empty();
        // Of a field that is no longer mapped nothing is known from now on: people may change it.
        self.known
            .snapshot
            .retain(|name, _| shape.names.contains(name));
        let Difference { changed, adapted } = difference(shape, &self.known.snapshot);
        self.warn(shape, &adapted);
        changed
    }

    fn by_reference(&self, shape: &Shape) -> Result<Query, Stop> {
        let reference = shape
            .reference
            .clone()
            .ok_or(Stop::end(Ended::NoReferenceField))?;
        Ok(Query::select(self.subject.target().module).filter(reference))
    }

    /// What a record that was read holds of our fields becomes what is known of it.
    fn take_as_known(&mut self, record: &Record, shape: &Shape) {
        self.known.snapshot = shape
            .names
            .iter()
            .filter_map(|name| Some((name.clone(), record.get(name)?.to_owned())))
            .collect();
        self.known.verified = true;
        self.shared.held(&self.known.snapshot);
    }

    async fn shape(&mut self) -> Result<Arc<Shape>, Stop> {
        if let Some(shape) = &self.shape {
            return Ok(shape.clone());
        }
        let mut conn = self
            .deliverer
            .db
            .read()
            .await
            .map_err(|error| Stop::end(Ended::Store(error)))?;
        let crm = &self.deliverer.crm;
        let shape = match self.subject.shape(crm, &self.client, &mut conn).await {
            Ok(shape) => Arc::new(shape),
            Err(MapError::Call(error)) => return Err(error.into()),
            Err(MapError::Db(error)) => return Err(Stop::end(Ended::Store(error))),
        };
        self.shape = Some(shape.clone());
        Ok(shape)
    }

    fn warn(&mut self, shape: &Shape, adapted: &Adapted) {
        let adapted = adapted.warnings.iter().map(ToString::to_string);
        for warning in shape.unsent.iter().cloned().chain(adapted) {
            if !self.known.warnings.contains(&warning) {
                self.known.warnings.push(warning);
            }
        }
    }

    /// A write whose outcome is unknown is the protocol's business; every other answer ends the attempt.
    fn unclear(&mut self, error: CallError) -> Result<Heard<RecordId>, Stop> {
        if matches!(error, CallError::Unknown(_)) {
            self.known.unclear = Some(error);
            return Ok(Heard::Unknown);
        }
        Err(error.into())
    }

    fn shadow(&self, action: &'static str, record: Option<RecordId>, fields: Vec<String>) -> Stop {
        Stop::end(Ended::Shadow(WouldDo {
            action,
            record,
            fields,
        }))
    }
}

/// Why the protocol is not asked again.
pub(super) enum Stop {
    /// Begin again, as after an earlier attempt: look before writing.
    Restart,
    End(Box<Ended>),
}

impl Stop {
    pub(super) fn end(ended: Ended) -> Self {
        Stop::End(Box::new(ended))
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Stop::end(Ended::Call(error))
    }
}

/// Made through the web service and not edited since. A copy that a person makes in vTiger's pages carries our reference,
/// too, but not this source. A record that does not show all three is taken for edited: it is reported, never removed.
fn is_untouched(record: &Record) -> bool {
    let [created, modified, source] = TRACES.map(|field| record.get(field));
    created.is_some() && created == modified && source == Some(MADE_BY_WEB_SERVICE)
}

fn refused_as(error: &CallError, reason: RefusalReason) -> bool {
    error.reason() == Some(reason)
}

/// vTiger answers alike for a record that was deleted, that never was, and that we may not see.
pub fn says_missing(error: &CallError) -> bool {
    matches!(
        error.reason(),
        Some(
            RefusalReason::MissingOrForbidden
                | RefusalReason::NotFound
                | RefusalReason::AccessDenied
                | RefusalReason::InvalidId
        )
    )
}
