//! A payment profile: the row, and how answers show it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::fields::Fields;
use super::super::times::Times;

/// Attributes that can be changed, and are shown as they are.
pub(super) const TEXTS: [&str; 9] = [
    "first_name",
    "last_name",
    "bank_name",
    "billing_address",
    "billing_address_2",
    "billing_city",
    "billing_state",
    "billing_zip",
    "billing_country",
];

/// What pays.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) enum Means {
    /// A bank account. Of one from a vault no number is known.
    Bank {
        iban: Option<String>,
        account_number: Option<String>,
        routing_number: Option<String>,
        account_type: String,
        holder_type: String,
    },
    /// A card.
    Card {
        number: String,
        month: i64,
        year: i64,
    },
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bank { .. } => "Bank(***)",
            Self::Card { .. } => "Card(***)",
        })
    }
}

/// A row.
#[derive(Clone)]
pub(in super::super) struct Profile {
    pub(in super::super) id: u64,
    pub(in super::super) customer: u64,
    pub(in super::super) means: Means,
    pub(in super::super) texts: BTreeMap<&'static str, String>,
    pub(in super::super) vault: String,
    /// Of the bogus vault: the number itself. Never noted or logged.
    pub(in super::super) vault_token: String,
    pub(in super::super) customer_vault_token: Option<String>,
    pub(in super::super) created_at: Timestamp,
    pub(in super::super) updated_at: Timestamp,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("id", &self.id)
            .field("customer", &self.customer)
            .field("means", &self.means)
            .finish_non_exhaustive()
    }
}

impl Profile {
    pub(in super::super) fn payment_type(&self) -> &'static str {
        match self.means {
            Means::Bank { .. } => "bank_account",
            Means::Card { .. } => "credit_card",
        }
    }

    pub(in super::super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Takes over what was sent; what was not stays.
    pub(in super::super) fn apply(&mut self, fields: &Fields) {
        for name in TEXTS.into_iter().filter(|name| fields.has(name)) {
            match fields.text(name) {
                Some(text) => self.texts.insert(name, text),
                None => self.texts.remove(name),
            };
        }
    }

    /// `XXXX` and the last four; none when the number is not known.
    pub(in super::super) fn masked_account(&self) -> Option<String> {
        match &self.means {
            Means::Bank {
                iban,
                account_number,
                ..
            } => account_number.as_ref().or(iban.as_ref()).map(|n| masked(n)),
            Means::Card { .. } => None,
        }
    }

    /// As answers show it; the IBAN is never among it, but for the token of the bogus vault.
    pub(in super::super) fn shown(&self, times: &Times) -> Value {
        let mut shown = json!({
            "id": self.id,
            "first_name": self.text("first_name"),
            "last_name": self.text("last_name"),
            "created_at": times.of(self.created_at),
            "updated_at": times.of(self.updated_at),
            "customer_id": self.customer,
            "current_vault": self.vault,
            "vault_token": self.vault_token,
            "billing_address": self.text("billing_address"),
            "billing_city": self.text("billing_city"),
            "billing_state": self.text("billing_state"),
            "billing_zip": self.text("billing_zip"),
            "billing_country": self.text("billing_country"),
            "customer_vault_token": self.customer_vault_token,
            "billing_address_2": self.text("billing_address_2"),
        });
        let means = self.shown_means();
        for (name, value) in means.as_object().into_iter().flatten() {
            shown[name] = value.clone();
        }
        shown
    }

    fn shown_means(&self) -> Value {
        match &self.means {
            Means::Bank {
                routing_number,
                account_type,
                holder_type,
                ..
            } => json!({
                "bank_name": self.text("bank_name"),
                "masked_bank_routing_number": routing_number.as_deref().map_or("XXXX0000".to_owned(), masked),
                "masked_bank_account_number": self.masked_account(),
                "bank_account_type": account_type,
                "bank_account_holder_type": holder_type,
                "payment_type": self.payment_type(),
                "verified": false,
                "site_gateway_setting_id": null,
                "gateway_handle": null,
            }),
            Means::Card {
                number,
                month,
                year,
            } => json!({
                "masked_card_number": format!("XXXX-XXXX-XXXX-{}", tail(number)),
                "card_type": "bogus",
                "expiration_month": month,
                "expiration_year": year,
                "disabled": false,
                "payment_type": self.payment_type(),
                "site_gateway_setting_id": null,
                "gateway_handle": null,
            }),
        }
    }

    /// What the journal compares and notes: no number, no token.
    pub(in super::super) fn facts(&self) -> BTreeMap<String, String> {
        let mut facts: BTreeMap<String, String> = self
            .texts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        facts.insert("customer_id".to_owned(), self.customer.to_string());
        facts.insert("payment_type".to_owned(), self.payment_type().to_owned());
        if let Some(masked) = self.masked_account() {
            facts.insert("masked_bank_account_number".to_owned(), masked);
        }
        facts
    }
}

fn masked(number: &str) -> String {
    format!("XXXX{}", tail(number))
}

fn tail(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(|c| !c.is_whitespace()).collect();
    digits[digits.len().saturating_sub(4)..].iter().collect()
}
