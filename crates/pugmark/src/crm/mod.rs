//! The CRM as the flows see it: one client, the fields resolved by description, the breaker that steers claiming.

pub mod accounts;
pub mod breaker;
mod budget;
pub mod calls;
pub mod contact_fields;
pub mod from_leads;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pugmark_queue::db::{Conn, DbError};
use vtiger::{CallError, Client, ClientConfig, ConfigError, Module, RecordId};

use crate::config::{self, CrmEdition};
use crate::store::field_mapping::{self, Mapping};
use accounts::Accounts;
use breaker::Breaker;
use contact_fields::ContactFields;

/// A minute's count starts anew after this time at the latest, whatever a server with another clock says.
const LONGEST_MINUTE: Duration = Duration::from_secs(61);

/// Module that customers become records of.
pub const CONTACTS: &str = "Contacts";
/// Module of leads.
pub const LEADS: &str = "Leads";
/// The field by which a contact shows that it was a lead.
pub const FROM_LEAD: &str = "isconvertedfromlead";
/// The field of leads and contacts with their address.
pub const EMAIL: &str = "email";
/// Module of comments.
pub const COMMENTS: &str = "ModComments";
/// Module of tasks.
pub const CALENDAR: &str = "Calendar";
/// Module of groups of users.
pub const GROUPS: &str = "Groups";
/// Module of the CRM's own users.
pub const USERS: &str = "Users";

/// The CRM this Pugmark serves.
pub struct Crm {
    /// The client; clones share sessions and descriptions.
    pub client: Client,
    /// Its settings.
    pub settings: config::Crm,
    /// Whether the CRM is to be left alone for a while.
    pub breaker: Arc<Breaker>,
    /// What it can do for user accounts.
    pub accounts: Accounts,
    owner: tokio::sync::OnceCell<RecordId>,
    /// Fields that the store knew of before the kept description did, and for which it was asked for again.
    looked_again_for: Mutex<BTreeSet<String>>,
}

/// Why a contact cannot be mapped right now.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The CRM could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The mapping could not be read.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Crm {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn new(settings: config::Crm) -> Result<Self, ConfigError> {
        let mut config = match settings.edition {
            CrmEdition::OpenSource => ClientConfig::open_source(
                &settings.url,
                &settings.username,
                settings.access_key.clone(),
            )?,
            CrmEdition::Cloud => ClientConfig::cloud(
                &settings.url,
                &settings.username,
                settings.access_key.clone(),
            )?,
        };
        config.call_timeout = settings.call_timeout;
        config.connect_timeout = config.connect_timeout.min(settings.call_timeout);
        config.sessions = settings.sessions;
        config.describe_ttl = settings.describe_for;
        let breaker = Arc::new(Breaker::default());
        let client = Client::new(config)?;
        Ok(Crm {
            client,
            accounts: Accounts::new(settings.describe_for),
            settings,
            breaker,
            owner: tokio::sync::OnceCell::new(),
            looked_again_for: Mutex::default(),
        })
    }

    /// The contact's fields, by the operator's mapping and the installation's own description.
    ///
    /// # Errors
    /// [`MapError`] when the CRM does not describe its contacts or the mapping cannot be read.
    pub async fn contact_fields(
        &self,
        client: &Client,
        conn: &mut Conn,
    ) -> Result<ContactFields, MapError> {
        let mappings = field_mapping::active(conn, CONTACTS).await?;
        let mut module = client.describe(CONTACTS).await?;
        if self.is_older_than(&module, &mappings) {
            client.forget_descriptions();
            module = client.describe(CONTACTS).await?;
        }
        Ok(ContactFields::ruled(module, &mappings))
    }

    /// Whether a mapping was checked against a field that this description does not know: it may have been made since. Each
    /// such field is a reason once, because it may also have been removed.
    fn is_older_than(&self, module: &Module, mappings: &[Mapping]) -> bool {
        let mut looked = self
            .looked_again_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        mappings
            .iter()
            .filter_map(|mapping| mapping.field.checked_field.as_ref())
            .filter(|field| module.field(field).is_none() && looked.insert((*field).clone()))
            .count()
            > 0
    }

    /// Leaves the CRM alone for the rest of its minute when few calls are left in it, so that people who work in vTiger
    /// at the same time are not shut out. Only Cloud tells; an open-source vTiger has no limit.
    pub fn heed_quota(&self) {
        let quota = self.client.quota();
        let reserve = (self.settings.sessions as u64 * 2).min(quota.minute_limit.unwrap_or(0) / 5);
        if let (Some(remaining), Some(reset)) = (quota.minute_remaining, quota.minute_reset)
            && remaining <= reserve
        {
            let wait = reset.duration_since(jiff::Timestamp::now());
            if let Ok(wait) = Duration::try_from(wait) {
                self.breaker.throttled(Some(wait.min(LONGEST_MINUTE)));
            }
        }
    }

    /// Owner of new records: the configured one, or the user Pugmark works as.
    ///
    /// # Errors
    /// [`CallError`] when the CRM does not say who we are.
    pub async fn owner(&self, client: &Client) -> Result<RecordId, CallError> {
        match self
            .settings
            .default_owner
            .as_deref()
            .and_then(|owner| owner.parse().ok())
        {
            Some(owner) => Ok(owner),
            None => self
                .owner
                .get_or_try_init(|| client.user_id())
                .await
                .cloned(),
        }
    }
}

/// The address of a record in vTiger's own pages: the part of the id after `x`.
pub fn record_link(settings: &config::Crm, module: &str, id: &str) -> Option<String> {
    let record: RecordId = id.parse().ok()?;
    let address = if settings.url.contains("://") {
        settings.url.clone()
    } else {
        format!("https://{}", settings.url)
    };
    let mut url = url::Url::parse(&address).ok()?;
    match settings.edition {
        CrmEdition::OpenSource => {
            let base = url
                .path()
                .trim_end_matches('/')
                .trim_end_matches("/webservice.php")
                .to_owned();
            url.set_path(&format!("{base}/index.php"));
            url.query_pairs_mut()
                .clear()
                .append_pair("module", module)
                .append_pair("view", "Detail")
                .append_pair("record", record.number());
        }
        CrmEdition::Cloud => {
            url.set_path("/view/detail");
            url.query_pairs_mut()
                .clear()
                .append_pair("module", module)
                .append_pair("id", record.as_str());
        }
    }
    Some(url.to_string())
}
