//! One attempt's conversation with the CRM: does what the protocol asks for, and reports what was heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use pugmark_queue::db::{DbError, Ts};
use pugmark_queue::{Claimed, QueueError};
use vtiger::{
    Adapted, CallError, Client, Condition, Element, Purpose, Query, Record, RecordId,
    RefusalReason, Value,
};

use super::{CustomerHandler, Task, Wanted};
use crate::config::Mode;
use crate::crm::calls::CallLog;
use crate::crm::contact_fields::ContactFields;
use crate::crm::{CONTACTS, MapError};
use crate::delivery::protocol::{Ask, Attempt, Desired, Heard, Sighting, Situation, Verdict};
use crate::flows::insurance::mapping::{contact_of, mark_of};
use crate::flows::insurance::plan::CUSTOMER;
use crate::store::links;

/// Most records looked at under one reference. More than two would already be somebody's script.
const MOST_TWINS: u32 = 20;

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
    /// The contact cannot carry our reference, so nothing is created.
    NoReferenceField,
    /// The CRM gave an answer that ends the attempt.
    Call(CallError),
    /// The store failed in the middle.
    Store(DbError),
    /// The lease was lost; nothing more may be changed.
    LeaseLost,
    /// Another customer is linked to the record that carries our reference.
    LinkedElsewhere(RecordId),
}

/// What is known of the contact at the end.
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
    /// Whether this installation has no field in which the contact could be marked.
    pub(super) unmarkable: bool,
    /// The last unclear answer.
    pub(super) unclear: Option<CallError>,
}

/// What shadow mode would have done.
pub(super) struct WouldDo {
    pub(super) action: &'static str,
    pub(super) record: Option<RecordId>,
    pub(super) fields: Vec<String>,
}

pub(super) struct Conversation<'a> {
    handler: &'a CustomerHandler,
    operation: &'a Claimed,
    task: &'a Task,
    client: Client,
    fields: Option<Arc<ContactFields>>,
    known: Known,
    /// Records seen while searching, so that what they hold need not be read again.
    seen: BTreeMap<String, Record>,
    /// A create was refused as a duplicate once: the record was looked for.
    looked_for_duplicate: bool,
}

impl<'a> Conversation<'a> {
    pub(super) fn begin(
        handler: &'a CustomerHandler,
        operation: &'a Claimed,
        task: &'a Task,
        calls: &Arc<CallLog>,
    ) -> Self {
        let client = handler
            .crm
            .client
            .clone()
            .with_observer(calls.clone())
            .until(operation.lease.deadline);
        let known = Known {
            snapshot: task.link.snapshot.clone(),
            ..Known::default()
        };
        Conversation {
            handler,
            operation,
            task,
            client,
            fields: None,
            known,
            seen: BTreeMap::new(),
            looked_for_duplicate: false,
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
        let desired = match self.task.wanted {
            Wanted::Present(_) => Desired::Present,
            Wanted::Withdrawn(_) => Desired::Withdrawn,
        };
        Situation {
            desired,
            // An id that is none was not written by us; without it the record is looked for.
            linked: self
                .task
                .link
                .vtiger_id
                .as_deref()
                .and_then(|id| id.parse().ok()),
            earlier_attempts: self.operation.earlier_attempts > 0
                || self.task.link.look_first
                || self.handler.crm.settings.look_first,
            unknown: self.operation.unknown_at.is_some(),
            settled: self.handler.settled(self.operation),
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
        let fields = self.fields().await?;
        let query = self
            .by_reference(&fields)?
            .fields(fields.names().chain(fields.known(TRACES)))
            .order_by(["id"])
            .limit(MOST_TWINS);
        let records = self.client.query_with(&fields.module, &query).await?;
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
        let fields = self.fields().await?;
        let query = self.by_reference(&fields)?;
        Ok(Heard::Counted(
            self.client.count_with(&fields.module, &query).await?,
        ))
    }

    async fn read(&mut self, id: &RecordId) -> Result<Heard<RecordId>, Stop> {
        let fields = self.fields().await?;
        match self.client.retrieve(id).await {
            Ok(record) => {
                self.take_as_known(&record, &fields);
                Ok(Heard::Read)
            }
            Err(error) if says_missing(&error) => Ok(Heard::Missing),
            Err(error) => Err(error.into()),
        }
    }

    async fn create(&mut self) -> Result<Heard<RecordId>, Stop> {
        let fields = self.fields().await?;
        if fields.reference().is_none() {
            return Err(Stop::end(Ended::NoReferenceField));
        }
        let mut element = Element::new();
        for (field, value) in &self.handler.crm.settings.contact_defaults {
            element.set(field.clone(), value.as_str());
        }
        let ours = self.desired(&fields);
        for (field, value) in ours.iter().filter(|(_, value)| **value != Value::Null) {
            element.set(field, value.clone());
        }
        element.set(
            "assigned_user_id",
            self.handler.crm.owner(&self.client).await?,
        );
        let adapted = fields.module.adapt(&element, Purpose::Create);
        self.warn(&adapted);
        if self.handler.mode == Mode::Shadow {
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
        match self.client.create(CONTACTS, &adapted.element).await {
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
        let fields = self.fields().await?;
        if let Some(record) = self.seen.get(id.as_str()).cloned() {
            self.take_as_known(&record, &fields);
        }
        if self.handler.mode == Mode::Shadow {
            // Nothing of ours is changed either; what would be revised is still worked out.
            return Ok(Heard::Linked);
        }
        let (queue, lease) = (self.handler.queue.clone(), self.operation.lease.clone());
        let (customer, record, snapshot) = (
            self.task.id.clone(),
            id.to_string(),
            self.known.snapshot.clone(),
        );
        let linked = self
            .handler
            .db
            .write("link contact", move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    links::adopt(
                        conn,
                        CUSTOMER,
                        &customer,
                        CONTACTS,
                        &record,
                        &snapshot,
                        Ts::now(),
                    )
                    .await?;
                    Ok::<_, QueueError>(())
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
        let fields = self.fields().await?;
        let changed = self.difference(&fields);
        if changed.is_empty() {
            return Ok(Heard::Written);
        }
        let adapted = fields.module.adapt(&changed, Purpose::Revise);
        let names: Vec<String> = changed.iter().map(|(field, _)| field.to_owned()).collect();
        if self.handler.mode == Mode::Shadow {
            return Err(self.shadow("revise", Some(id.clone()), names));
        }
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
        if self.handler.mode == Mode::Shadow {
            return Err(self.shadow("remove", Some(id.clone()), Vec::new()));
        }
        match self.client.delete(id).await {
            Ok(()) => {
                self.known.warnings.push(format!("A second contact {id} under the same reference was removed; nobody had edited it"));
                Ok(Heard::Written)
            }
            Err(error) if says_missing(&error) => Ok(Heard::Missing),
            Err(error) => self.unclear(error),
        }
    }

    /// The fields whose desired stored form differs from what is known of the record.
    fn difference(&mut self, fields: &ContactFields) -> Element {
        let desired = self.desired(fields);
        self.known.unmarkable = desired.is_empty();
        // The stored form is predicted as for a create: it does not depend on the call that carries the value.
        let adapted = fields.module.adapt(&desired, Purpose::Create);
        self.warn(&adapted);
        let mut changed = Element::new();
        for (name, value) in desired.iter() {
            // What cannot be sent changes nothing: the contact keeps what it holds, and so does what is known of it.
            let Some(wanted) = adapted.stored.get(name).map(String::as_str) else {
                continue;
            };
            let same = match self.known.snapshot.get(name) {
                Some(known) => fields
                    .module
                    .field(name)
                    .map_or(known == wanted, |field| field.same_value(known, wanted)),
                // Newly mapped: what the CRM holds is not known, and an empty value of ours must not wipe it.
                None => wanted.is_empty(),
            };
            if !same {
                changed.set(name, value.clone());
            }
        }
        changed
    }

    fn desired(&self, fields: &ContactFields) -> Element {
        match &self.task.wanted {
            Wanted::Present(customer) => contact_of(
                customer,
                fields,
                self.handler.link_of(&self.task.id).as_deref(),
            ),
            Wanted::Withdrawn(why) => mark_of(*why, fields).unwrap_or_default(),
        }
    }

    fn by_reference(&self, fields: &ContactFields) -> Result<Query, Stop> {
        let reference = fields
            .reference()
            .ok_or(Stop::end(Ended::NoReferenceField))?;
        Ok(Query::select(CONTACTS).filter(Condition::eq(reference, self.task.id.as_str())))
    }

    /// What a record that was read holds of our fields becomes what is known of it.
    fn take_as_known(&mut self, record: &Record, fields: &ContactFields) {
        self.known.snapshot = fields
            .names()
            .filter_map(|name| Some((name.to_owned(), record.get(name)?.to_owned())))
            .collect();
        self.known.verified = true;
    }

    async fn fields(&mut self) -> Result<Arc<ContactFields>, Stop> {
        if let Some(fields) = &self.fields {
            return Ok(fields.clone());
        }
        let mut conn = self
            .handler
            .db
            .read()
            .await
            .map_err(|error| Stop::end(Ended::Store(error)))?;
        let fields = match self
            .handler
            .crm
            .contact_fields(&self.client, &mut conn)
            .await
        {
            Ok(fields) => Arc::new(fields),
            Err(MapError::Call(error)) => return Err(error.into()),
            Err(MapError::Db(error)) => return Err(Stop::end(Ended::Store(error))),
        };
        self.fields = Some(fields.clone());
        Ok(fields)
    }

    fn warn(&mut self, adapted: &Adapted) {
        for warning in &adapted.warnings {
            let warning = warning.to_string();
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
enum Stop {
    /// Begin again, as after an earlier attempt: look before writing.
    Restart,
    End(Box<Ended>),
}

impl Stop {
    fn end(ended: Ended) -> Self {
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
fn says_missing(error: &CallError) -> bool {
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
