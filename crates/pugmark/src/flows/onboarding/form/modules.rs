//! The modules in which clients are: leads where vTiger has them, and contacts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use vtiger::{CallError, Client, Field, Module, RecordId};

use crate::config::FormField;
use crate::crm::contact_fields::find;
use crate::crm::{CONTACTS, LEADS};

/// Descriptions of the modules.
#[derive(Debug, Clone)]
pub struct Modules {
    /// Leads, where there are any.
    pub leads: Option<Arc<Module>>,
    /// Contacts.
    pub contacts: Arc<Module>,
}

impl Modules {
    /// Asks vTiger.
    ///
    /// # Errors
    /// [`CallError`] when it does not describe its contacts.
    pub async fn ask(client: &Client) -> Result<Self, CallError> {
        let types = client.list_types().await?;
        let leads = match types.contains(LEADS) {
            true => Some(client.describe(LEADS).await?),
            false => None,
        };
        Ok(Modules {
            leads,
            contacts: client.describe(CONTACTS).await?,
        })
    }

    /// The module that an id belongs to by its prefix, if clients are in it.
    pub fn of_id(&self, id: &RecordId) -> Option<&Arc<Module>> {
        self.leads
            .iter()
            .chain([&self.contacts])
            .find(|module| module.id_prefix == id.prefix())
    }

    /// What ids of clients look like: "10x… (leads) or 12x… (contacts)".
    pub fn prefixes(&self) -> String {
        let of = |module: &Arc<Module>| {
            format!("{}x… ({})", module.id_prefix, module.name.to_lowercase())
        };
        match &self.leads {
            Some(leads) => format!("{} or {}", of(leads), of(&self.contacts)),
            None => of(&self.contacts),
        }
    }
}

/// Keeps the descriptions for a while.
#[derive(Default)]
pub struct Cache(Mutex<Option<(Instant, Modules)>>);

impl Cache {
    /// The descriptions, asked for again after `keep`.
    ///
    /// # Errors
    /// [`CallError`] when vTiger does not give them.
    pub async fn get(&self, client: &Client, keep: Duration) -> Result<Modules, CallError> {
        let kept = self.lock().clone();
        if let Some((since, modules)) = kept
            && since.elapsed() < keep
        {
            return Ok(modules);
        }
        let modules = Modules::ask(client).await?;
        *self.lock() = Some((Instant::now(), modules.clone()));
        Ok(modules)
    }

    /// What is known already, however old: good enough to show, and to judge what is judged again before it is written.
    pub fn known(&self) -> Option<Modules> {
        self.lock().as_ref().map(|(_, modules)| modules.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Modules)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an answer goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoField {
    /// The module has none of the fields.
    Missing,
    /// It has one, but the web service may not set it.
    ReadOnly,
}

/// The field that an answer goes to in this module: the first of those named that can be set.
///
/// # Errors
/// [`NoField`].
pub fn target<'m>(module: &'m Module, question: &FormField) -> Result<&'m Field, NoField> {
    let mut why = NoField::Missing;
    for name in &question.to {
        match find(module, name) {
            Some(field) if field.editable => return Ok(field),
            Some(_) => why = NoField::ReadOnly,
            None => {}
        }
    }
    Err(why)
}

/// The same, in words for people.
pub fn no_field(module: &Module, question: &FormField, why: NoField) -> String {
    let named = question.to.join("\" or \"");
    match why {
        NoField::Missing => format!(
            "vTiger's {} have no field \"{named}\"; make one, or name another in onboarding.form.fields",
            module.name.to_lowercase()
        ),
        NoField::ReadOnly => format!(
            "the field \"{named}\" of vTiger's {} cannot be set through its web service",
            module.name.to_lowercase()
        ),
    }
}
