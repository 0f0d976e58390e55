//! Reading every contact once.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};
use vtiger::{Client, KeysetQuery, Query, Record, RecordId};

use super::{Backfiller, PAGE, Page};
use crate::crm::CONTACTS;
use crate::crm::contact_fields::ContactFields;
use crate::flows::insurance::reconcile::CompareError;
use crate::store::backfill::{self, Contact, Run};
use crate::store::{field_mapping, links, standing};

impl Backfiller {
    /// Reads the contacts behind the place of the run and keeps those that are linked to nothing.
    pub(super) async fn read_page(&self, run: &Run, client: &Client) -> Result<Page, CompareError> {
        let fields = self.fields(client).await?;
        let Some(reference) = fields.reference().map(str::to_owned) else {
            return Err(CompareError::NoReferenceField);
        };
        let mut moved = run.clone();
        if run.place.is_empty() {
            let all = Query::select(CONTACTS);
            moved.contacts_total = i64::try_from(client.count(&all).await?).unwrap_or(i64::MAX);
            moved.customers_total = standing::customers(&mut self.db.read().await?).await?;
        }
        let mut query = KeysetQuery::by_id(CONTACTS).fields(fields.names());
        if let Ok(place) = run.place.parse::<RecordId>() {
            query = query.after(place);
        }
        let pages = client.pages(query);
        pin_mut!(pages);
        let records: Vec<Record> = pages.next().await.transpose()?.unwrap_or_default();
        moved.contacts += i64::try_from(records.len()).unwrap_or(i64::MAX);
        moved.contacts_total = moved.contacts_total.max(moved.contacts);
        match records.last() {
            Some(last) if records.len() >= PAGE as usize => moved.place = last.id.to_string(),
            _ => {
                moved.phase = "matching".to_owned();
                moved.place = String::new();
            }
        }
        let contacts: Vec<Contact> = records
            .iter()
            .map(|record| contact_of(record, &reference, &fields))
            .collect();
        let id = run.id;
        Ok(Page {
            moved,
            effects: Box::new(move |conn| {
                Box::pin(async move {
                    for contact in &contacts {
                        let linked = links::of_record(conn, CONTACTS, &contact.vtiger_id).await?;
                        if linked.is_none() {
                            backfill::note_contact(conn, id, contact).await?;
                        }
                    }
                    Ok(())
                })
            }),
        })
    }

    /// The fields of this CRM that are sent to it.
    pub(super) async fn fields(&self, client: &Client) -> Result<ContactFields, CompareError> {
        let mappings = field_mapping::to_crm(&mut self.db.read().await?, CONTACTS).await?;
        let module = client.describe(CONTACTS).await?;
        Ok(ContactFields::resolve(module, &mappings))
    }
}

fn contact_of(record: &Record, reference: &str, fields: &ContactFields) -> Contact {
    let held: BTreeMap<String, String> = fields
        .names()
        .filter_map(|name| Some((name.to_owned(), record.get(name)?.to_owned())))
        .collect();
    let keys = Keys::of(&held, fields);
    Contact {
        vtiger_id: record.id.to_string(),
        reference: held
            .get(reference)
            .map(|value| value.trim().to_lowercase())
            .unwrap_or_default(),
        id_key: keys.id,
        email_key: keys.email,
        held,
    }
}

/// By what people are told apart, in a form in which the ways of writing it do not matter. Empty: nothing to go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// Kind of document and its number.
    pub(super) id: String,
    /// E-mail.
    pub(super) email: String,
}

impl Keys {
    /// The keys of a contact that shows these values, or would show them.
    pub(super) fn of(shown: &BTreeMap<String, String>, fields: &ContactFields) -> Self {
        let value = |source: &str| {
            let name = fields.target(source).map(|target| target.field.as_str());
            name.and_then(|name| shown.get(name))
                .map(|value| value.trim().to_lowercase())
                .unwrap_or_default()
        };
        let (kind, number) = (value("idType"), value("idNumber"));
        // People write numbers with spaces and dashes.
        let number: String = number.chars().filter(|c| c.is_alphanumeric()).collect();
        Keys {
            id: match kind.is_empty() || number.is_empty() {
                true => String::new(),
                false => format!("{kind}\n{number}"),
            },
            email: value("email"),
        }
    }
}
