//! A customer to be made, and a change to one.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::id::CustomerId;

/// A customer to be made. What is `None` is not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewCustomer {
    /// The first name; the service demands one.
    pub first_name: String,
    /// The last name; the service demands one.
    pub last_name: String,
    /// The address for mail; the service demands one that looks right. Not unique.
    pub email: String,
    /// The caller's own key, unique on the site: what makes a repeated create recognisable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// More addresses, with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cc_emails: Option<String>,
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The second line of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_2: Option<String>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The part of the country, as ISO 3166-2 has it behind the dash: two or three letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    /// The country, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The phone number, in any form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Language and country, as in `en-IE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The VAT number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_number: Option<String>,
    /// Whether no tax is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_exempt: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_exempt_reason: Option<String>,
    /// The customer above this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<CustomerId>,
    /// Fields of the site's own, by name; a name that is new is made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metafields: BTreeMap<String, String>,
}

impl NewCustomer {
    /// A customer with what the service demands, and nothing else.
    #[must_use]
    pub fn new(
        first_name: impl Into<String>,
        last_name: impl Into<String>,
        email: impl Into<String>,
    ) -> Self {
        Self {
            first_name: first_name.into(),
            last_name: last_name.into(),
            email: email.into(),
            ..Self::default()
        }
    }
}

/// A change to a customer: only what is set here is changed. An empty text clears a field, except for names and e-mail,
/// which the service refuses to clear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CustomerChange {
    /// The first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The address for mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The caller's own key, unique on the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// More addresses, with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cc_emails: Option<String>,
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The second line of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_2: Option<String>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The part of the country, as ISO 3166-2 has it behind the dash: two or three letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    /// The country, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The phone number, in any form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Language and country, as in `en-IE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The VAT number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_number: Option<String>,
    /// Whether no tax is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_exempt: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_exempt_reason: Option<String>,
    /// Fields of the site's own, by name; those not named stay.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metafields: BTreeMap<String, String>,
}

impl CustomerChange {
    /// Whether nothing would be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
