//! Maxio Advanced Billing as the flows see it: the client, calls that take turns across processes, the breaker that steers
//! claiming, and what an answer means for an operation.

mod slots;
mod trouble;
pub mod worker;

use std::sync::Arc;

use maxio::{Client, ConfigError, Error, Site};
use pugmark_queue::db::Db;

use crate::config;
use crate::crm::breaker::Breaker;

pub use slots::SharedSlots;

/// The site of Maxio that this Pugmark serves.
pub struct Billing {
    /// The client; clones share connections and slots.
    pub client: Client,
    /// Its settings.
    pub settings: config::Maxio,
    /// Whether Maxio is to be left alone for a while.
    pub breaker: Arc<Breaker>,
    site: tokio::sync::OnceCell<Site>,
}

impl Billing {
    /// Makes the client, whose calls count together with those of every process that shares the store. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the address or the key.
    pub fn new(settings: config::Maxio, db: &Db) -> Result<Self, ConfigError> {
        let slots = SharedSlots::new(db.clone(), &settings);
        let client = client(&settings)?.with_slots(Arc::new(slots));
        Ok(Billing {
            client,
            settings,
            breaker: Arc::new(Breaker::default()),
            site: tokio::sync::OnceCell::new(),
        })
    }

    /// What kind of site it is, asked once.
    ///
    /// # Errors
    /// As every read of the client.
    pub async fn site(&self, client: &Client) -> Result<&Site, Error> {
        self.site.get_or_try_init(|| client.site()).await
    }
}

/// A client that counts for itself, for a look from outside of the program that serves.
///
/// # Errors
/// What is wrong with the address or the key.
pub fn client(settings: &config::Maxio) -> Result<Client, ConfigError> {
    Client::new(maxio::Settings {
        call_timeout: settings.call_timeout,
        at_once: settings.at_once,
        ..maxio::Settings::new(settings.url.clone(), settings.key.clone())
    })
}
