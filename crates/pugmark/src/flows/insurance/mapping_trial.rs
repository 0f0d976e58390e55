//! A dry run of a mapping: what real contacts hold now, and what would be sent to them. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pugmark_queue::db::{Db, DbError};
use vtiger::{Adapted, CallError, Client, Module, Purpose, RecordId, RefusalReason, Value};

use super::customer::{Contact, Setting};
use crate::crm::contact_fields::ContactFields;
use crate::delivery::Subject;
use crate::delivery::difference::difference;
use crate::store::field_mapping::FieldMapping;

/// A mapping to be tried.
pub struct Trial<'a> {
    /// The store.
    pub db: &'a Db,
    /// The CRM, for reading.
    pub client: &'a Client,
    /// Its description of contacts.
    pub module: Arc<Module>,
    /// Every mapping as it would be.
    pub mappings: Vec<FieldMapping>,
    /// Only these sources are shown; empty: all.
    pub shown: BTreeSet<String>,
    /// What every new contact gets besides.
    pub defaults: &'a BTreeMap<String, String>,
    /// What the values need to know besides the store.
    pub setting: &'a Setting,
}

/// What would happen to one contact.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The customer's id.
    pub customer: String,
    /// The contact's id; `None` when there is none yet.
    pub contact: Option<String>,
    /// What keeps the contact from being tried.
    pub problem: Option<String>,
    /// What would happen to each field.
    pub fields: Vec<TriedField>,
    /// Values that are not sent, or not as they are, each with its field and the reason.
    pub warnings: Vec<String>,
}

/// What would happen to one field.
#[derive(Debug, Clone)]
pub struct TriedField {
    /// The source.
    pub source: String,
    /// API name of the field.
    pub field: String,
    /// What people call it.
    pub label: String,
    /// What the contact holds now, as vTiger shows it; `None` when there is no contact, or vTiger does not show it.
    pub now: Option<String>,
    /// What would be sent; `None` when the field would be left as it is.
    pub would_send: Option<String>,
    /// What vTiger would show afterwards, when something is sent.
    pub would_show: Option<String>,
    /// Whether people would see another value than now.
    pub changes: bool,
}

/// Why a dry run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The store did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The CRM did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Trial<'_> {
    /// Tries the mapping on one customer.
    ///
    /// # Errors
    /// When store or CRM do not answer; a contact that is gone is told in the result.
    pub async fn on(&self, customer: &str) -> Result<Tried, TrialError> {
        let fields = ContactFields::resolve(self.module.clone(), &self.mappings);
        let mut conn = self.db.read().await?;
        let contact = Contact::load(&mut conn, customer, self.setting).await?;
        let target = contact.target().clone();
        let mut tried = Tried {
            customer: customer.to_owned(),
            contact: target.link.vtiger_id.clone(),
            problem: None,
            fields: Vec::new(),
            warnings: Vec::new(),
        };
        if contact.is_withdrawn() {
            tried.problem = Some(
                "there is no such customer, or only a test customer: the mapping is not applied"
                    .to_owned(),
            );
            return Ok(tried);
        }
        let sources: BTreeMap<String, String> = fields
            .targets()
            .map(|(source, target)| (target.field.clone(), source.to_owned()))
            .collect();
        let shape = contact.shape_of(fields, self.defaults, &mut conn).await?;
        drop(conn);
        let now = match &target.link.vtiger_id {
            Some(id) => match self.read(id).await? {
                Some(record) => Some(record),
                None => {
                    tried.problem = Some(format!(
                        "the contact {id} is gone from vTiger, or may not be read"
                    ));
                    return Ok(tried);
                }
            },
            None => None,
        };
        // As it is delivered: an existing contact gets what differs from what was last agreed on, a new one everything.
        let changed = match &now {
            Some(_) => difference(&shape, &target.link.snapshot).changed,
            None => shape.wanted.clone(),
        };
        let sent = shape.module.adapt(&changed, Purpose::Create);
        let shown = sources
            .iter()
            .filter(|(_, source)| self.shown.is_empty() || self.shown.contains(*source));
        for (field, source) in shown {
            tried.fields.push(tried_field(
                &shape.module,
                source,
                field,
                now.as_ref(),
                &sent,
            ));
        }
        let all = shape.module.adapt(&shape.wanted, Purpose::Create).warnings;
        tried.warnings = shape
            .unsent
            .iter()
            .cloned()
            .chain(all.iter().map(ToString::to_string))
            .filter(|warning| tried.fields.iter().any(|field| field.is_meant_by(warning)))
            .collect();
        Ok(tried)
    }

    /// What the contact holds; `None` when it cannot be read.
    async fn read(&self, id: &str) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let Ok(id) = id.parse::<RecordId>() else {
            return Ok(None);
        };
        match self.client.retrieve(&id).await {
            Ok(record) => Ok(Some(record.fields)),
            Err(error)
                if matches!(
                    error.reason(),
                    Some(
                        RefusalReason::MissingOrForbidden
                            | RefusalReason::NotFound
                            | RefusalReason::AccessDenied
                            | RefusalReason::InvalidId
                    )
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl TriedField {
    /// Warnings begin with the field they are about.
    fn is_meant_by(&self, warning: &str) -> bool {
        warning.starts_with(&format!("{} ({}): ", self.label, self.field))
    }
}

fn tried_field(
    module: &Module,
    source: &str,
    field: &str,
    now: Option<&BTreeMap<String, String>>,
    sent: &Adapted,
) -> TriedField {
    let described = module.field(field);
    let held = now.and_then(|record| record.get(field)).cloned();
    let stored = sent.stored.get(field).cloned();
    let same = match (&held, &stored) {
        (Some(held), Some(stored)) => {
            described.map_or(held == stored, |field| field.same_value(held, stored))
        }
        (None, Some(stored)) => stored.is_empty(),
        (_, None) => true,
    };
    TriedField {
        source: source.to_owned(),
        field: field.to_owned(),
        label: described
            .map_or(field, |field| field.label.as_str())
            .to_owned(),
        now: held,
        would_send: sent.element.get(field).map(Value::as_text),
        would_show: stored,
        changes: !same,
    }
}
