//! Which record a client's answers go to: the lead, or the contact it became.

use std::sync::Arc;

use pugmark_queue::db::{Db, DbError};
use vtiger::{CallError, Client, Condition, Filter, Module, Query, Record, RecordId};

use super::answers::Answers;
use super::modules::Modules;
use crate::config::{FieldKind, Form};
use crate::crm::{CONTACTS, EMAIL, LEADS, from_leads};
use crate::delivery::says_missing;
use crate::problem::Code;
use crate::store::lead_conversions;

/// The record, as it is now.
pub(super) struct Found {
    pub(super) module: Arc<Module>,
    pub(super) record: Record,
}

/// Why there is none.
pub(super) enum NotFound {
    /// vTiger could not be asked; the module that was asked for.
    Call(&'static str, CallError),
    /// The store could not be asked.
    Store(DbError),
    /// There is no such client.
    Unknown(Code, String),
}

impl From<DbError> for NotFound {
    fn from(error: DbError) -> Self {
        NotFound::Store(error)
    }
}

/// Looks for the client's record.
pub(super) struct Search<'a> {
    pub(super) client: &'a Client,
    pub(super) db: &'a Db,
    pub(super) form: &'a Form,
    pub(super) answers: &'a Answers,
    pub(super) modules: &'a Modules,
}

impl Search<'_> {
    pub(super) async fn find(&self, client_id: &str) -> Result<Found, NotFound> {
        let id: RecordId = client_id.parse().map_err(|_| {
            NotFound::Unknown(
                Code::FormClientUnknown,
                format!(
                    "`{client_id}` is no id of vTiger; ids look like {}",
                    self.modules.prefixes()
                ),
            )
        })?;
        match self.modules.of_id(&id) {
            Some(module) if module.name == LEADS => self.lead(module, &id).await,
            Some(module) => self.contact(module, &id).await,
            None => Err(NotFound::Unknown(
                Code::FormClientUnknown,
                format!(
                    "{id} is neither a lead nor a contact; ids of clients look like {}",
                    self.modules.prefixes()
                ),
            )),
        }
    }

    async fn contact(&self, module: &Arc<Module>, id: &RecordId) -> Result<Found, NotFound> {
        match self.client.retrieve(id).await {
            Ok(record) => Ok(Found {
                module: module.clone(),
                record,
            }),
            Err(error) if says_missing(&error) => Err(unknown(id, "contact")),
            Err(error) => Err(NotFound::Call(CONTACTS, error)),
        }
    }

    /// An open-source vTiger still gives a converted lead by its id, and takes changes of it that nobody would ever see; only
    /// queries leave it out. So the lead is queried.
    async fn lead(&self, module: &Arc<Module>, id: &RecordId) -> Result<Found, NotFound> {
        let this = Filter::from(Condition::eq("id", id.as_str()));
        let query = Query::select(LEADS).filter(this).limit(1);
        let found = self.client.query(&query).await;
        let found = found.map_err(|error| NotFound::Call(LEADS, error))?;
        if let Some(record) = found.into_iter().next() {
            return Ok(Found {
                module: module.clone(),
                record,
            });
        }
        let email = match self.client.retrieve(id).await {
            Ok(lead) => lead.get(EMAIL).map(str::to_owned),
            Err(error) if says_missing(&error) => None,
            Err(error) => return Err(NotFound::Call(LEADS, error)),
        };
        self.converted(id, email.filter(|email| !email.is_empty()))
            .await
    }

    /// The contact that a lead became: the one that its conversion names, or the only contact out of a lead with its e-mail.
    async fn converted(&self, lead: &RecordId, email: Option<String>) -> Result<Found, NotFound> {
        let noted = {
            let mut conn = self.db.read().await?;
            lead_conversions::contact_of(&mut conn, lead.as_str()).await?
        };
        let contacts = &self.modules.contacts;
        if let Some(contact) = noted.and_then(|id| id.parse().ok()) {
            return self.contact(contacts, &contact).await;
        }
        let emails: Vec<String> = match email {
            Some(email) => vec![email],
            // Where the lead is gone altogether, as on Cloud, the answers themselves are all there is to go by.
            None => self.given_emails().collect(),
        };
        for email in emails {
            let found = from_leads::with_email(self.client, contacts, &email).await;
            let mut found = found.map_err(|error| NotFound::Call(CONTACTS, error))?;
            match (found.pop(), found.is_empty()) {
                (Some(record), true) => {
                    return Ok(Found {
                        module: contacts.clone(),
                        record,
                    });
                }
                (Some(_), false) => {
                    return Err(NotFound::Unknown(
                        Code::FormClientUnclear,
                        format!(
                            "The lead {lead} was converted, and several contacts that were leads have its e-mail address; \
                             submit the form for the right contact"
                        ),
                    ));
                }
                (None, _) => {}
            }
        }
        Err(unknown(lead, "lead"))
    }

    fn given_emails(&self) -> impl Iterator<Item = String> {
        let asked = self.form.fields.iter();
        asked
            .filter(|question| question.kind == FieldKind::Email)
            .filter_map(|question| self.answers.get(&question.name).cloned())
    }
}

fn unknown(id: &RecordId, noun: &str) -> NotFound {
    NotFound::Unknown(
        Code::FormClientUnknown,
        format!("There is no {noun} {id} in vTiger, or its user may not see it"),
    )
}
