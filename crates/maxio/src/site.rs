//! The site itself. Reading it is also the simplest proof that address and key are right.

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::reading::{or_default, text};
use crate::subscriptions::CollectionMethod;
use crate::wire::Call;

/// What matters of a site.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Site {
    /// The first part of the site's address.
    #[serde(default, deserialize_with = "text")]
    pub subdomain: Option<String>,
    /// The name people see.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// The currency, ISO 4217.
    #[serde(default, deserialize_with = "text")]
    pub currency: Option<String>,
    /// Whether invoices are made the newer way: then `remittance` is the word for them, otherwise `invoice`.
    #[serde(default, deserialize_with = "or_default")]
    pub relationship_invoicing_enabled: bool,
    /// How money is collected where nothing else is said.
    #[serde(default)]
    pub default_payment_collection_method: Option<CollectionMethod>,
    /// Whether this is a test site, where no real money moves.
    #[serde(default, deserialize_with = "or_default")]
    pub test: bool,
}

impl Client {
    /// The site that address and key belong to (`GET /site.json`).
    ///
    /// # Errors
    /// [`Error`]; never [`Error::Unknown`], as this only reads.
    pub async fn site(&self) -> Result<Site, Error> {
        self.one(&Call::get("site", ["site.json"]), "site").await
    }
}
