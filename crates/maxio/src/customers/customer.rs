//! A customer, as the service shows them.

use jiff::Timestamp;
use serde::Deserialize;

use crate::id::CustomerId;
use crate::reading::{moment, or_default, text};

/// A customer. What the service leaves out, empty or null is `None` here; what this client does not know is ignored.
/// Inside of a subscription it may be shortened.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// The id, for good.
    pub id: CustomerId,
    /// The caller's own key.
    #[serde(default, deserialize_with = "text")]
    pub reference: Option<String>,
    /// The first name.
    #[serde(default, deserialize_with = "text")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(default, deserialize_with = "text")]
    pub last_name: Option<String>,
    /// The address for mail. Not unique.
    #[serde(default, deserialize_with = "text")]
    pub email: Option<String>,
    /// More addresses, with commas between them.
    #[serde(default, deserialize_with = "text")]
    pub cc_emails: Option<String>,
    /// The company.
    #[serde(default, deserialize_with = "text")]
    pub organization: Option<String>,
    /// Street and number.
    #[serde(default, deserialize_with = "text")]
    pub address: Option<String>,
    /// The second line of the address.
    #[serde(default, deserialize_with = "text")]
    pub address_2: Option<String>,
    /// The city.
    #[serde(default, deserialize_with = "text")]
    pub city: Option<String>,
    /// The part of the country, as ISO 3166-2 has it behind the dash.
    #[serde(default, deserialize_with = "text")]
    pub state: Option<String>,
    /// The postal code.
    #[serde(default, deserialize_with = "text")]
    pub zip: Option<String>,
    /// The country, ISO 3166-1 alpha-2.
    #[serde(default, deserialize_with = "text")]
    pub country: Option<String>,
    /// The phone number, as it was given.
    #[serde(default, deserialize_with = "text")]
    pub phone: Option<String>,
    /// Language and country, as in `en-IE`.
    #[serde(default, deserialize_with = "text")]
    pub locale: Option<String>,
    /// The VAT number.
    #[serde(default, deserialize_with = "text")]
    pub vat_number: Option<String>,
    /// Whether no tax is charged.
    #[serde(default, deserialize_with = "or_default")]
    pub tax_exempt: bool,
    /// Whether a payment method of theirs was verified.
    #[serde(default, deserialize_with = "or_default")]
    pub verified: bool,
    /// The customer above this one.
    #[serde(default)]
    pub parent_id: Option<CustomerId>,
    /// When the customer was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<Timestamp>,
    /// When the customer was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<Timestamp>,
}
