//! Products: what there is to subscribe to.

use jiff::Timestamp;
use serde::Deserialize;

use crate::client::Client;
use crate::error::{Error, Invalid};
use crate::id::{PricePointId, ProductId};
use crate::reading::{moment, or_default, text, whole};
use crate::wire::{Call, found};

/// A product. What the service leaves out, empty or null is `None` here; what this client does not know is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Product {
    /// The id, for good.
    pub id: ProductId,
    /// The name people see.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// The name programs use.
    #[serde(default, deserialize_with = "text")]
    pub handle: Option<String>,
    /// What it is.
    #[serde(default, deserialize_with = "text")]
    pub description: Option<String>,
    /// The price of a period in cents.
    #[serde(default, deserialize_with = "whole")]
    pub price_in_cents: Option<i64>,
    /// How many units a period lasts.
    #[serde(default, deserialize_with = "whole")]
    pub interval: Option<i64>,
    /// `day` or `month`.
    #[serde(default, deserialize_with = "text")]
    pub interval_unit: Option<String>,
    /// The price of the trial in cents.
    #[serde(default, deserialize_with = "whole")]
    pub trial_price_in_cents: Option<i64>,
    /// How many units the trial lasts.
    #[serde(default, deserialize_with = "whole")]
    pub trial_interval: Option<i64>,
    /// `day` or `month`.
    #[serde(default, deserialize_with = "text")]
    pub trial_interval_unit: Option<String>,
    /// The setup fee in cents.
    #[serde(default, deserialize_with = "whole")]
    pub initial_charge_in_cents: Option<i64>,
    /// Whether the service demands a payment profile when somebody subscribes.
    #[serde(default, deserialize_with = "or_default")]
    pub require_credit_card: bool,
    /// Whether tax is charged.
    #[serde(default, deserialize_with = "or_default")]
    pub taxable: bool,
    /// Since when nobody can subscribe any more.
    #[serde(default, deserialize_with = "text")]
    pub archived_at: Option<String>,
    /// Counts the changes of price and period.
    #[serde(default, deserialize_with = "whole")]
    pub version_number: Option<i64>,
    /// The default price point.
    #[serde(default)]
    pub product_price_point_id: Option<PricePointId>,
    /// Its name for programs.
    #[serde(default, deserialize_with = "text")]
    pub product_price_point_handle: Option<String>,
    /// Its name for people.
    #[serde(default, deserialize_with = "text")]
    pub product_price_point_name: Option<String>,
    /// What the product belongs to.
    #[serde(default)]
    pub product_family: Option<ProductFamily>,
    /// When the product was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<Timestamp>,
    /// When the product was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<Timestamp>,
}

/// What a product belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProductFamily {
    /// The name people see.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<String>,
    /// The name programs use.
    #[serde(default, deserialize_with = "text")]
    pub handle: Option<String>,
}

impl Product {
    /// Whether nobody can subscribe any more.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        self.archived_at.is_some()
    }
}

impl Client {
    /// The product with this handle, archived ones too (`GET /products/handle/{handle}.json`).
    ///
    /// # Errors
    /// [`Error`]; never [`Error::Unknown`], as this only reads.
    pub async fn product_by_handle(&self, handle: &str) -> Result<Option<Product>, Error> {
        let file = format!("{}.json", Invalid::filled("handle", handle)?);
        let call = Call::get("product_by_handle", ["products", "handle", &file]);
        found(self.one(&call, "product").await)
    }
}
