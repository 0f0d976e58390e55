//! `note.create`: what happened to a customer, as a comment on the contact.
//!
//! A comment has no field for our reference, so its text carries one, by which it is found again after an unclear answer. It
//! is written once and never changed: what people read is what happened at the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::{Claimed, Effects, Handled, Handler};
use serde_json::Value;
use vtiger::{Client, Condition, Element, Filter, RecordId};

use super::plan::{CUSTOMER, NOTE};
use super::reference;
use crate::crm::calls::CallLog;
use crate::crm::{COMMENTS, Crm, MapError};
use crate::delivery::protocol::Desired;
use crate::delivery::{
    Deliverer, Shape, Subject, Target, Trouble, nothing_to_do, store_failed, waited_for,
};
use crate::problem::Code;
use crate::store::customers;
use crate::store::links::{self, Link};

/// How soon a note looks again for the contact it belongs to, should nobody have told it.
pub(super) const RECHECK: std::time::Duration = std::time::Duration::from_secs(300);

/// Writes notes.
pub struct NoteHandler {
    deliverer: Deliverer,
}

impl NoteHandler {
    /// A handler that works through this CRM.
    pub fn new(deliverer: Deliverer) -> Self {
        NoteHandler { deliverer }
    }

    async fn load(&self, operation: &Claimed) -> Result<Loaded, DbError> {
        let text = |name: &str| {
            let value = operation.payload.get(name).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let look_first = operation.payload.get("lookFirst") == Some(&Value::Bool(true));
        let mut conn = self.deliverer.db.read().await?;
        let customer = text("customer");
        let contact = match contact_of(&mut conn, &customer).await? {
            Ok(contact) => contact,
            Err(without) => return Ok(Loaded::Without(without, customer)),
        };
        let note = Note::load(&mut conn, &operation.entity_id, contact, text("text")).await?;
        Ok(Loaded::Note(Box::new(note.looking_first(look_first))))
    }
}

enum Loaded {
    Note(Box<Note>),
    Without(WithoutContact, String),
}

/// Why there is no contact to write to.
pub(super) enum WithoutContact {
    /// None will ever be: the customer is gone or a test customer.
    Never(&'static str),
    /// It is not there yet.
    NotYet,
}

/// The contact of a customer, as far as what belongs to it may be written now.
pub(super) async fn contact_of(
    conn: &mut Conn,
    customer: &str,
) -> Result<Result<RecordId, WithoutContact>, DbError> {
    let link = links::get(conn, CUSTOMER, customer).await?;
    let contact: Option<RecordId> = link
        .and_then(|link| link.vtiger_id)
        .and_then(|id| id.parse().ok());
    Ok(match customers::get(conn, customer).await? {
        Some(row) if row.is_test_user => {
            Err(WithoutContact::Never("test customers never reach the CRM"))
        }
        _ if contact.is_some() => contact.ok_or(WithoutContact::NotYet),
        Some(_) => Err(WithoutContact::NotYet),
        None => Err(WithoutContact::Never(
            "the customer was deleted before there was a contact",
        )),
    })
}

/// What an operation comes to that has no contact to write to.
pub(super) fn without_contact(
    deliverer: &Deliverer,
    why: &WithoutContact,
    customer: &str,
    key: (&'static str, &str),
    calls: &CallLog,
) -> Handled {
    match why {
        WithoutContact::Never(why) => nothing_to_do(why, calls),
        WithoutContact::NotYet => {
            let waits = Trouble::blocked(
                waited_for(CUSTOMER, customer),
                RECHECK,
                Code::NoContactYet,
                "the customer has no contact in vTiger yet; this goes on by itself as soon as there is one".to_owned(),
            );
            unless_there_by_now(deliverer, customer, waits.into_handled(key, calls))
        }
    }
}

/// The contact may have come to be between the look and the commit that says what is waited for; nobody would tell then.
fn unless_there_by_now(deliverer: &Deliverer, customer: &str, waits: Handled) -> Handled {
    let Handled::Release {
        why,
        report,
        effects,
    } = waits
    else {
        return waits;
    };
    let look = Arc::new((deliverer.queue.clone(), customer.to_owned(), effects));
    let effects = Effects::new(move |conn: &mut Conn| {
        let look = look.clone();
        Box::pin(async move {
            let (queue, customer, effects) = look.as_ref();
            if let Some(effects) = effects {
                effects.apply(conn).await?;
            }
            links::hold(conn, CUSTOMER, customer).await?;
            if !matches!(
                contact_of(conn, customer).await?,
                Err(WithoutContact::NotYet)
            ) {
                queue.unblock(conn, &waited_for(CUSTOMER, customer)).await?;
            }
            Ok(())
        })
    });
    Handled::Release {
        why,
        report,
        effects: Some(effects),
    }
}

#[async_trait]
impl Handler for NoteHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        match self.load(operation).await {
            Ok(Loaded::Note(note)) => {
                self.deliverer
                    .deliver(operation, note.as_ref(), &calls)
                    .await
            }
            Ok(Loaded::Without(why, customer)) => {
                let key = (NOTE, operation.entity_id.as_str());
                without_contact(&self.deliverer, &why, &customer, key, &calls)
            }
            Err(error) => store_failed((NOTE, &operation.entity_id), &error, &calls),
        }
    }
}

/// A comment on a contact.
pub struct Note {
    target: Target,
    contact: RecordId,
    text: String,
}

impl Note {
    /// The note that tells `text` about what `key` names.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn load(
        conn: &mut Conn,
        key: &str,
        contact: RecordId,
        text: String,
    ) -> Result<Self, DbError> {
        let link: Link = links::get(conn, NOTE, key).await?.unwrap_or_default();
        Ok(Note {
            target: Target {
                entity_type: NOTE,
                entity_id: key.to_owned(),
                module: COMMENTS,
                noun: "note",
                desired: Desired::Present,
                link,
                row_hash: None,
            },
            contact,
            text,
        })
    }

    /// Whether it is known to be in the CRM.
    pub fn is_linked(&self) -> bool {
        self.target.link.vtiger_id.is_some()
    }

    /// The same, but not written where it is missing: what it would say is of no use but to correct it.
    #[must_use]
    pub fn only_if_there(mut self) -> Self {
        self.target.desired = Desired::Withdrawn;
        self
    }

    /// The same, but looked for before it is written if `look` says so: it may have been written before a backup was
    /// restored.
    #[must_use]
    pub fn looking_first(mut self, look: bool) -> Self {
        self.target.link.look_first |= look;
        self
    }
}

#[async_trait]
impl Subject for Note {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn shape(&self, _: &Crm, client: &Client, _: &mut Conn) -> Result<Shape, MapError> {
        let module = client.describe(COMMENTS).await?;
        let reference = reference::of(NOTE, &self.target.entity_id);
        let has = |field| module.field(field).is_some();
        let found = (has("commentcontent") && has("related_to")).then(|| {
            let by_text = Condition::like("commentcontent", reference::pattern(&reference));
            let by_contact = Condition::eq("related_to", self.contact.as_str());
            Filter::from(by_contact).and(by_text)
        });
        Ok(Shape {
            rules: BTreeMap::new(),
            names: vec!["commentcontent".to_owned()],
            reference: found,
            wanted: Element::new()
                .with("commentcontent", reference::carried(&self.text, &reference)),
            unsent: Vec::new(),
            on_create: Element::new().with("related_to", self.contact.clone()),
            module: Arc::clone(&module),
        })
    }
}
