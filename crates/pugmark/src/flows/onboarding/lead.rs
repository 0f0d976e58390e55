//! Reading a lead: finding its record wherever it is by now, and its values wherever they stand.

use std::sync::Arc;

use tokio::sync::OnceCell;
use vtiger::{CallError, Client, Condition, Module, Query, Record, RecordId};

use super::check::{self, Values};
use super::fields;
use super::known::Known;
use crate::config::Onboarding;
use crate::crm::{CONTACTS, LEADS, from_leads};
use crate::delivery::says_missing;

/// The organization of a contact.
const ACCOUNT: &str = "account_id";
const ACCOUNT_NAME: &str = "accountname";

/// Finds and reads leads of one CRM.
pub struct Leads {
    settings: Arc<Onboarding>,
    /// Whether this vTiger has leads at all, asked once.
    has_leads: OnceCell<bool>,
}

/// A lead's record, as it stands in the CRM.
#[derive(Clone)]
pub struct Lead {
    /// The record: the lead's own, or that of the contact that came out of it.
    pub record: Record,
    /// The record's module.
    pub module: Arc<Module>,
}

/// Where a lead's record is.
pub enum Found {
    /// Here.
    There(Lead),
    /// It is no lead (any more), and no single contact came out of it as far as can be told.
    Gone,
}

impl Leads {
    /// Leads as these settings describe them.
    pub fn new(settings: Arc<Onboarding>) -> Self {
        Leads {
            settings,
            has_leads: OnceCell::new(),
        }
    }

    /// The modules whose records can be leads: the configured one; or leads, where there are any, and contacts.
    ///
    /// # Errors
    /// As every read.
    pub async fn modules(&self, client: &Client) -> Result<Vec<Arc<Module>>, CallError> {
        if let Some(module) = &self.settings.module {
            return Ok(vec![client.describe(module).await?]);
        }
        let has_leads = self.has_leads.get_or_try_init(|| async {
            Ok::<_, CallError>(client.list_types().await?.contains(LEADS))
        });
        let mut modules = Vec::new();
        if *has_leads.await? {
            modules.push(client.describe(LEADS).await?);
        }
        modules.push(client.describe(CONTACTS).await?);
        Ok(modules)
    }

    /// The lead's id.
    ///
    /// # Errors
    /// What is wrong with it, in plain words.
    pub fn id(text: &str, modules: &[Arc<Module>]) -> Result<RecordId, String> {
        let modules: Vec<(&str, &str)> = modules
            .iter()
            .map(|module| (module.name.as_str(), module.id_prefix.as_str()))
            .collect();
        check::lead_id(text, &modules)
    }

    /// The lead's record. One that was converted is the contact that came out of it, known by its `email`: a converted lead
    /// vanishes from queries, and on Cloud altogether.
    ///
    /// # Errors
    /// As every read.
    pub async fn find(
        &self,
        client: &Client,
        modules: &[Arc<Module>],
        id: &RecordId,
        email: Option<&str>,
    ) -> Result<Found, CallError> {
        let Some(module) = modules.iter().find(|one| one.id_prefix == id.prefix()) else {
            return Ok(Found::Gone);
        };
        let at_once = Query::select(&module.name)
            .filter(Condition::ids([id]))
            .limit(2);
        let mut rows = client.query_with(module, &at_once).await?;
        if rows.len() == 1 {
            return Ok(Found::There(Lead {
                record: rows.remove(0),
                module: module.clone(),
            }));
        }
        // An empty page may be a swallowed error, so it is asked in another way.
        let retrieved = match client.retrieve(id).await {
            Ok(record) => Some(record),
            Err(error) if says_missing(&error) => None,
            Err(error) => return Err(error),
        };
        let shown = retrieved.as_ref().and_then(|record| record.get("email"));
        let email = email.or(shown).filter(|email| !email.is_empty());
        let contact = match email.filter(|_| module.name == LEADS) {
            Some(email) => contact_of(client, email).await?,
            None => None,
        };
        Ok(match (contact, retrieved) {
            (Some(contact), _) => Found::There(contact),
            (None, Some(record)) => Found::There(Lead {
                record,
                module: module.clone(),
            }),
            (None, None) => Found::Gone,
        })
    }

    /// The values of a lead: what a person corrected counts before what the CRM shows, and that before what the webhook said.
    ///
    /// # Errors
    /// As every read.
    pub async fn values(
        &self,
        client: &Client,
        lead: &Lead,
        known: &Known,
    ) -> Result<Values, CallError> {
        let mut values = values_of(&self.settings, Some(lead), known);
        if !values.0.contains_key("company")
            && let Some(name) = organization(client, lead).await?
        {
            values.0.insert("company", name);
        }
        Ok(values)
    }

    /// The same of a lead whose record cannot be read.
    pub fn values_known(&self, known: &Known) -> Values {
        values_of(&self.settings, None, known)
    }

    /// How far the lead is, by its own field; `None` where the module has no such field.
    pub fn status(&self, lead: &Lead) -> Option<String> {
        let field = fields::status_field(&lead.module, self.settings.status_field.as_deref())?;
        Some(text_of(lead.record.get(&field.name)?))
    }

    /// Whether the webhook itself said that the lead is ready.
    pub fn said_ready(&self, modules: &[Arc<Module>], known: &Known) -> bool {
        modules.iter().any(|module| {
            let configured = self.settings.status_field.as_deref();
            let field = fields::status_field(module, configured);
            let name = configured
                .or(field.map(|field| field.name.as_str()))
                .unwrap_or_default();
            let said = fields::received(&known.received, name, field);
            said.is_some_and(|said| self.is_ready(said))
        })
    }

    /// Whether this is the status that starts the setup.
    pub fn is_ready(&self, status: &str) -> bool {
        status.trim().eq_ignore_ascii_case(&self.settings.ready)
    }

    /// What the settings ask for and the lead's module has no field for.
    pub fn missing(&self, module: &Module) -> Vec<(&'static str, String)> {
        fields::asked(&self.settings.lead)
            .into_iter()
            .filter(|(_, name)| !name.trim().is_empty() && fields::field(module, name).is_none())
            .map(|(asked, name)| (asked, name.to_owned()))
            .collect()
    }
}

fn values_of(settings: &Onboarding, lead: Option<&Lead>, known: &Known) -> Values {
    let mut values = Values::default();
    for (name, configured) in fields::asked(&settings.lead) {
        let field = lead.and_then(|lead| fields::field(&lead.module, configured));
        let in_crm = || {
            let shown = lead?.record.get(&field?.name)?;
            Some(text_of(shown)).filter(|text| !text.trim().is_empty())
        };
        let said = || {
            let asked = !configured.trim().is_empty();
            let said = fields::received(&known.received, configured, field);
            said.filter(|_| asked).map(str::to_owned)
        };
        let value = known
            .edited
            .get(name)
            .cloned()
            .or_else(in_crm)
            .or_else(said);
        if let Some(value) = value {
            values.0.insert(name, value);
        }
    }
    values
}

/// The name of the organization that a contact belongs to: what a lead calls its company.
async fn organization(client: &Client, lead: &Lead) -> Result<Option<String>, CallError> {
    let account: Option<RecordId> = lead
        .record
        .get(ACCOUNT)
        .filter(|_| lead.module.name == CONTACTS)
        .and_then(|id| id.parse().ok());
    let Some(account) = account else {
        return Ok(None);
    };
    match client.retrieve(&account).await {
        Ok(record) => Ok(record.get(ACCOUNT_NAME).map(text_of)),
        // Out of our sight: then the bill goes without it.
        Err(error) if says_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The one contact with this address that came out of a lead.
async fn contact_of(client: &Client, email: &str) -> Result<Option<Lead>, CallError> {
    let module = client.describe(CONTACTS).await?;
    let mut found = from_leads::with_email(client, &module, email).await?;
    Ok(match found.len() {
        1 => Some(Lead {
            record: found.remove(0),
            module,
        }),
        _ => None,
    })
}

/// A value as a person reads it: Cloud shows some characters as HTML writes them.
fn text_of(shown: &str) -> String {
    if !shown.contains('&') {
        return shown.to_owned();
    }
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#039;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(shown.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    })
}
