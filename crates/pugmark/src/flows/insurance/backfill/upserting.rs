//! Making new contacts a hundred at a time, through the upsert of Pugmark's vTiger extension.
//!
//! As long as the run is under way no operation creates a contact for these customers, and the upsert makes each only once for its
//! reference, however often it is asked. So a page whose outcome is unknown is simply asked again.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Queue, QueueError};
use serde_json::json;
use vtiger::{CallError, Client, Element, Purpose, Upsert, UpsertTarget, Upserted, Value};

use super::Backfiller;
use super::linking::create;
use crate::config::Mode;
use crate::crm::CONTACTS;
use crate::crm::contact_fields::ContactFields;
use crate::delivery::{Shape, Subject, waited_for};
use crate::flows::insurance::customer::Contact;
use crate::flows::insurance::plan::CUSTOMER;
use crate::flows::insurance::reconcile::CompareError;
use crate::store::backfill::{self, Match, Run};
use crate::store::links::{self, Agreement};
use crate::store::standing;

/// The owner of a record; every module has it.
const OWNER: &str = "assigned_user_id";

/// A contact that is to be made.
pub(super) struct Made {
    customer: String,
    /// What both sides agree on once it is made.
    agreement: Agreement,
    /// What the upsert has said.
    upserted: Upserted,
}

impl Made {
    /// Whose contact it is.
    pub(super) fn customer(&self) -> &str {
        &self.customer
    }
}

impl Backfiller {
    /// Whether new contacts can be made a hundred at a time.
    pub(super) async fn can_upsert(&self, client: &Client) -> Result<bool, CompareError> {
        if self.mode != Mode::Live || !self.crm.settings.enabled {
            return Ok(false);
        }
        match client.extension().await {
            Ok(extension) => Ok(extension.is_some_and(|extension| extension.can_upsert())),
            // It is there, but not for this user.
            Err(CallError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the contacts of those of these customers who have none, in one call.
    pub(super) async fn upsert(
        &self,
        run: &Run,
        client: &Client,
        new: &[&Match],
    ) -> Result<Vec<Made>, CompareError> {
        let fields = self.fields(client).await?;
        let Some(reference_field) = fields.reference().map(str::to_owned) else {
            return Err(CompareError::NoReferenceField);
        };
        let owner = self.crm.owner(client).await?;
        let (mut records, mut agreements) = (Vec::new(), Vec::new());
        for found in new {
            let customer = found.customer_id.as_str();
            let Some((shape, row_hash)) = self.to_be_made(customer, &fields).await? else {
                continue;
            };
            let mut create_only = shape.on_create.clone();
            if create_only.get(OWNER).is_none() && shape.wanted.get(OWNER).is_none() {
                create_only.set(OWNER, owner.clone());
            }
            let create_only = shape.module.adapt(&create_only, Purpose::Create).element;
            let (record, agreement) = wish(customer, &shape, create_only, row_hash);
            records.push(record);
            agreements.push((customer.to_owned(), agreement));
        }
        let target = UpsertTarget {
            module: CONTACTS.to_owned(),
            reference_field,
            bulk: run.bulk,
        };
        // What is sent late could overwrite what was written since; a process that no longer leads has read it too long ago.
        self.db.check_guard().await?;
        let answers = client.upsert(&target, &records).await?;
        Ok(agreements
            .into_iter()
            .zip(answers)
            .map(|((customer, agreement), upserted)| Made {
                customer,
                agreement,
                upserted,
            })
            .collect())
    }

    /// What the contact of a customer should hold; `None` for one who has a contact by now, should have none, or whose creation has
    /// begun in the queue: there it is ended.
    async fn to_be_made(
        &self,
        customer: &str,
        fields: &ContactFields,
    ) -> Result<Option<(Shape, Option<String>)>, CompareError> {
        let mut conn = self.db.read().await?;
        let now = standing::of(&mut conn, customer).await?;
        if !now.is_member()
            || now.vtiger_id.is_some()
            || backfill::creation_has_begun(&mut conn, customer).await?
        {
            return Ok(None);
        }
        let loaded = async {
            let contact = Contact::load(&mut conn, customer, &self.setting).await?;
            let defaults = &self.crm.settings.contact_defaults;
            let shape = contact
                .shape_of(fields.clone(), defaults, &mut conn)
                .await?;
            Ok::<_, DbError>((shape, contact.target().row_hash.clone()))
        };
        match loaded.await {
            Ok(loaded) => Ok(Some(loaded)),
            // The queue tells of a row that cannot be read.
            Err(DbError::Sql(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn wish(
    customer: &str,
    shape: &Shape,
    create_only: Element,
    row_hash: Option<String>,
) -> (Upsert, Agreement) {
    let mut given = Element::new();
    for (field, value) in shape
        .wanted
        .iter()
        .filter(|(_, value)| **value != Value::Null)
    {
        given.set(field, value.clone());
    }
    let adapted = shape.module.adapt(&given, Purpose::Create);
    let warnings: Vec<String> = shape
        .unsent
        .iter()
        .cloned()
        .chain(adapted.warnings.iter().map(ToString::to_string))
        .collect();
    // Fields left empty are part of what both sides agree on; vTiger shows them as "".
    let snapshot = shape
        .wanted
        .iter()
        .map(|(field, _)| {
            let stored = adapted.stored.get(field).cloned().unwrap_or_default();
            (field.to_owned(), stored)
        })
        .collect();
    let agreement = Agreement {
        vtiger_id: None,
        snapshot,
        verified: false,
        withdrawn: false,
        warnings: json!(warnings),
        row_hash,
    };
    let upsert = Upsert {
        reference: customer.to_owned(),
        fields: adapted.element,
        create_only,
        ..Upsert::default()
    };
    (upsert, agreement)
}

/// Stores what the upsert has said: what is made is linked, and what is not is left to the queue, which tells why.
pub(super) async fn settle(
    conn: &mut Conn,
    queue: &Queue,
    run: &Run,
    made: Made,
) -> Result<(), QueueError> {
    let id = match &made.upserted {
        Upserted::Created(id) | Upserted::Updated(id) | Upserted::Unchanged(id) => id.to_string(),
        _ => {
            create(conn, queue, run, &made.customer, true).await?;
            backfill::note_done(conn, run.id, &made.customer).await?;
            return Ok(());
        }
    };
    let customer = made.customer.as_str();
    if links::of_record(conn, CONTACTS, &id).await?.is_some() {
        return create(conn, queue, run, customer, true).await;
    }
    let agreement = Agreement {
        vtiger_id: Some(id),
        ..made.agreement
    };
    links::set_synced(conn, CUSTOMER, customer, CONTACTS, &agreement, Ts::now()).await?;
    queue.unblock(conn, &waited_for(CUSTOMER, customer)).await?;
    backfill::note_done(conn, run.id, customer).await?;
    Ok(())
}
