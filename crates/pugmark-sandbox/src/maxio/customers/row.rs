//! A customer: the row, its rules, and how answers show it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::countries;
use super::super::fields::Fields;
use super::super::table::Row;
use super::super::times::Times;

/// Attributes that are text.
const TEXTS: [&str; 16] = [
    "first_name",
    "last_name",
    "email",
    "cc_emails",
    "organization",
    "reference",
    "address",
    "address_2",
    "city",
    "state",
    "zip",
    "country",
    "phone",
    "locale",
    "vat_number",
    "salesforce_id",
];

/// Attributes that are not.
const OTHERS: [&str; 6] = [
    "tax_exempt",
    "tax_exempt_reason",
    "parent_id",
    "metafields",
    "verified",
    "default_auto_renewal_profile_id",
];

/// A row.
#[derive(Clone, Debug)]
pub(in super::super) struct Customer {
    pub(in super::super) id: u64,
    texts: BTreeMap<&'static str, String>,
    /// Whether a bank account was verified, or given with a subscription.
    pub(in super::super) verified: bool,
    tax_exempt: bool,
    parent_id: Option<i64>,
    metafields: Map<String, Value>,
    pub(in super::super) created_at: Timestamp,
    pub(in super::super) updated_at: Timestamp,
}

impl Row for Customer {
    fn id(&self) -> u64 {
        self.id
    }

    fn reference(&self) -> Option<&str> {
        self.text("reference")
    }
}

impl Customer {
    pub(in super::super) fn new(id: u64, now: Timestamp) -> Self {
        Self {
            id,
            texts: BTreeMap::new(),
            verified: false,
            tax_exempt: false,
            parent_id: None,
            metafields: Map::new(),
            created_at: now,
            updated_at: now,
        }
    }

    pub(in super::super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Attributes that do not exist, as messages.
    pub(in super::super) fn unknown(fields: &Fields) -> Vec<String> {
        let unknown = fields
            .names()
            .filter(|name| !TEXTS.contains(name) && !OTHERS.contains(name));
        unknown
            .map(|name| format!("unknown attribute: {name}"))
            .collect()
    }

    /// Takes over what was sent; what was not stays.
    pub(in super::super) fn apply(&mut self, fields: &Fields) {
        for name in TEXTS.into_iter().filter(|name| fields.has(name)) {
            match fields.text(name) {
                Some(text) => self.texts.insert(name, text),
                None => self.texts.remove(name),
            };
        }
        if fields.has("tax_exempt") {
            self.tax_exempt = fields.flag("tax_exempt").unwrap_or(false);
        }
        if fields.has("parent_id") {
            self.parent_id = fields.number("parent_id");
        }
        for (name, value) in fields
            .get("metafields")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            self.metafields.insert(name.clone(), value.clone());
        }
    }

    /// What is wrong with it, one message each.
    pub(in super::super) fn violations(&self, reference_taken: bool) -> Vec<String> {
        let required = [
            ("first_name", "First name"),
            ("last_name", "Last name"),
            ("email", "Email address"),
        ];
        let mut messages: Vec<String> = required
            .into_iter()
            .filter(|(name, _)| self.text(name).is_none())
            .map(|(_, label)| format!("{label}: cannot be blank."))
            .collect();
        if self.text("email").is_some_and(|email| !is_email(email)) {
            messages.push("Email address: must be a valid email format.".to_owned());
        }
        if reference_taken {
            messages.push("Reference: must be unique - that value has been taken.".to_owned());
        }
        messages
    }

    /// Whether a search for this, in lower case, finds it.
    pub(in super::super) fn is_found_by(&self, wanted: &str) -> bool {
        let text = |name| self.text(name).unwrap_or_default().to_lowercase();
        let name = format!("{} {}", text("first_name"), text("last_name"));
        self.id.to_string() == wanted
            || name.contains(wanted)
            || ["email", "reference", "organization"]
                .into_iter()
                .any(|field| text(field).contains(wanted))
    }

    pub(in super::super) fn shown(&self, times: &Times) -> Value {
        let text = |name| self.text(name);
        let country = text("country").and_then(countries::name);
        json!({
            "id": self.id,
            "first_name": text("first_name"),
            "last_name": text("last_name"),
            "email": text("email"),
            "cc_emails": text("cc_emails"),
            "organization": text("organization"),
            "reference": text("reference"),
            "created_at": times.of(self.created_at),
            "updated_at": times.of(self.updated_at),
            "address": text("address"),
            "address_2": text("address_2"),
            "city": text("city"),
            "state": text("state"),
            "state_name": null,
            "zip": text("zip"),
            "country": text("country"),
            "country_name": country,
            "phone": text("phone"),
            "verified": self.verified,
            "portal_customer_created_at": null,
            "portal_invite_last_sent_at": null,
            "portal_invite_last_accepted_at": null,
            "tax_exempt": self.tax_exempt,
            "vat_number": text("vat_number"),
            "parent_id": self.parent_id,
            "locale": text("locale"),
            "salesforce_id": text("salesforce_id"),
            "default_auto_renewal_profile_id": null,
        })
    }

    /// What the journal compares and notes.
    pub(in super::super) fn facts(&self) -> BTreeMap<String, String> {
        let mut facts: BTreeMap<String, String> = TEXTS
            .into_iter()
            .map(|name| {
                (
                    name.to_owned(),
                    self.text(name).unwrap_or_default().to_owned(),
                )
            })
            .collect();
        for (name, value) in &self.metafields {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            facts.insert(format!("metafields.{name}"), value);
        }
        facts.insert("verified".to_owned(), self.verified.to_string());
        facts
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    let dotted = domain
        .rsplit_once('.')
        .is_some_and(|(name, end)| !name.is_empty() && !end.is_empty());
    plain(local) && plain(domain) && dotted
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn an_address_has_one_at_sign_and_a_domain_with_a_dot() {
        for good in ["a@b.ie", "first.last+tag@mail.example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "", "a", "a@", "@b.ie", "a@b", "a b@c.ie", "a@b@c.ie", "a@b.",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
