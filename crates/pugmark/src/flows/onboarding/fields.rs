//! Which fields of a lead hold what: names of the settings, resolved by this installation's own description.

use std::collections::BTreeMap;

use vtiger::{Field, Module};

use crate::config::{LeadFields, WrittenFields};
use crate::crm::CONTACTS;
use crate::crm::contact_fields::find;

/// What contacts call the address of a lead, so that the defaults also do where leads are contacts.
const CONTACT_NAMES: [(&str, &str); 5] = [
    ("lane", "mailingstreet"),
    ("city", "mailingcity"),
    ("code", "mailingzip"),
    ("state", "mailingstate"),
    ("country", "mailingcountry"),
];

/// What a lead is asked for: the names of `[onboarding.lead]`, each with the field that is configured for it.
pub fn asked(fields: &LeadFields) -> [(&'static str, &str); 13] {
    [
        ("first_name", &fields.first_name),
        ("last_name", &fields.last_name),
        ("email", &fields.email),
        ("company", &fields.company),
        ("phone", &fields.phone),
        ("iban", &fields.iban),
        ("bank_name", &fields.bank_name),
        ("street", &fields.street),
        ("city", &fields.city),
        ("zip", &fields.zip),
        ("state", &fields.state),
        ("country", &fields.country),
        ("vat_number", &fields.vat_number),
    ]
}

/// What a lead is told: the names of `[onboarding.write]`, each with the field that is configured for it.
pub fn told(fields: &WrittenFields) -> [(&'static str, &str); 4] {
    [
        ("customer_id", &fields.customer_id),
        ("subscription_id", &fields.subscription_id),
        ("subscription_state", &fields.subscription_state),
        ("direct_debit", &fields.direct_debit),
    ]
}

/// The field that a configured name means in this module: by API name, by label, or by `cf_` and the label's words.
pub fn field<'m>(module: &'m Module, configured: &str) -> Option<&'m Field> {
    let configured = configured.trim();
    if configured.is_empty() {
        return None;
    }
    let of_contacts = || {
        let other = CONTACT_NAMES.iter().find(|(lead, _)| *lead == configured)?;
        module.field(other.1)
    };
    match module.name.as_str() {
        CONTACTS => module
            .field(configured)
            .or_else(of_contacts)
            .or_else(|| find(module, configured)),
        _ => find(module, configured),
    }
}

/// The field that says how far a lead is.
pub fn status_field<'m>(module: &'m Module, configured: Option<&str>) -> Option<&'m Field> {
    match (configured, module.name.as_str()) {
        (Some(name), _) => field(module, name),
        (None, CONTACTS) => module.field("contactstatus"),
        (None, _) => module.field("leadstatus"),
    }
}

/// What a webhook said of a field: under the configured name, the API name, or `cf_` and the words of the label.
pub fn received<'r>(
    received: &'r BTreeMap<String, String>,
    configured: &str,
    field: Option<&Field>,
) -> Option<&'r str> {
    let configured = configured.trim();
    let exact = received
        .get(configured)
        .or_else(|| received.get(&field?.name));
    let by_words = || {
        let wanted = [Some(configured), field.map(|field| field.label.as_str())];
        let wanted: Vec<String> = wanted.into_iter().flatten().map(words).collect();
        let mut found = received
            .iter()
            .filter(|(name, _)| wanted.contains(&words(name)));
        found.next().map(|(_, value)| value)
    };
    exact.or_else(by_words).map(String::as_str)
}

/// The letters and digits that matter: `cf_iban` and "IBAN" are one.
fn words(name: &str) -> String {
    let name = name.trim();
    name.strip_prefix("cf_")
        .unwrap_or(name)
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_webhook_said_is_found_by_any_name_of_the_field() {
        let said = BTreeMap::from([("cf_iban".to_owned(), "IE29".to_owned())]);
        assert_eq!(received(&said, "cf_iban", None), Some("IE29"));
        assert_eq!(received(&said, "IBAN", None), Some("IE29"));
        assert_eq!(received(&said, "bank_name", None), None);
    }
}
