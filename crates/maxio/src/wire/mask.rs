//! Keeping secrets out of every text that leaves the client.

use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

/// What stands in place of a secret.
const MASK: &str = "***";
/// Shorter ones would only riddle the text with holes.
const SHORTEST: usize = 4;
/// Fields whose values never leave the client. On a test site the vault token is the account number itself.
const SECRET_FIELDS: [&str; 9] = [
    "bank_iban",
    "bank_account_number",
    "bank_routing_number",
    "bank_branch_code",
    "vault_token",
    "customer_vault_token",
    "chargify_token",
    "full_number",
    "cvv",
];

/// Values that must not appear in any text.
pub(crate) struct Secrets<'s>(Vec<&'s SecretString>);

impl<'s> Secrets<'s> {
    pub(crate) fn new(secrets: impl IntoIterator<Item = &'s SecretString>) -> Self {
        Self(secrets.into_iter().collect())
    }

    /// The text without the secrets, in whatever case and however they are grouped: gateways repeat an IBAN with blanks
    /// between each four of its characters.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.0 {
            shown = without(&shown, &essence(secret.expose_secret()));
        }
        shown
    }

    /// The same JSON with the values of secret fields masked at any depth, and the secrets in all others.
    pub(crate) fn redact(&self, json: Json) -> Json {
        match json {
            Json::Object(object) => {
                let shown = object.into_iter().map(|(name, value)| {
                    let secret = SECRET_FIELDS.contains(&name.as_str()) && !value.is_null();
                    let value = if secret {
                        Json::from(MASK)
                    } else {
                        self.redact(value)
                    };
                    (name, value)
                });
                Json::Object(shown.collect())
            }
            Json::Array(list) => list.into_iter().map(|item| self.redact(item)).collect(),
            Json::String(text) => Json::from(self.scrub(&text)),
            Json::Number(number) => self.redact_number(number),
            other => other,
        }
    }

    fn redact_number(&self, number: serde_json::Number) -> Json {
        let text = number.to_string();
        let scrubbed = self.scrub(&text);
        if scrubbed == text {
            Json::Number(number)
        } else {
            Json::from(scrubbed)
        }
    }
}

/// The letters and digits of a text, in lower case.
fn essence(text: &str) -> Vec<char> {
    characters(text).map(|(_, character)| character).collect()
}

/// Each letter and digit in lower case, with where it stands.
fn characters(text: &str) -> impl Iterator<Item = (Range<usize>, char)> {
    text.char_indices()
        .filter(|(_, character)| character.is_alphanumeric())
        .map(|(start, character)| {
            let place = start..start + character.len_utf8();
            (place, character.to_lowercase().next().unwrap_or(character))
        })
}

fn without(text: &str, secret: &[char]) -> String {
    if secret.len() < SHORTEST {
        return text.to_owned();
    }
    let (places, letters): (Vec<_>, Vec<_>) = characters(text).unzip();
    let mut shown = String::new();
    let mut copied = 0;
    let mut next = 0;
    while let Some(window) = letters.get(next..next + secret.len()) {
        if window != secret {
            next += 1;
            continue;
        }
        let last = next + secret.len() - 1;
        shown.push_str(&text[copied..places[next].start]);
        shown.push_str(MASK);
        copied = places[last].end;
        next = last + 1;
    }
    shown.push_str(&text[copied..]);
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scrubbed(secret: &str, text: &str) -> String {
        Secrets::new([&SecretString::from(secret)]).scrub(text)
    }

    #[test]
    fn a_secret_is_masked_however_it_is_written() {
        let iban = "IE29AIBK93115212345678";
        for written in [
            "IE29AIBK93115212345678",
            "IE29 AIBK 9311 5212 3456 78",
            "ie29-aibk-9311-5212-3456-78",
        ] {
            let text = format!("Bank: `{written}` is wrong, {written}!");
            assert_eq!(scrubbed(iban, &text), "Bank: `***` is wrong, ***!");
        }
    }

    #[test]
    fn a_text_without_the_secret_stays_as_it_is() {
        let text = "Numéro 12 de la rue ß, 3°";
        assert_eq!(scrubbed("IE29AIBK93115212345678", text), text);
        assert_eq!(scrubbed("12", text), text);
        assert_eq!(scrubbed("", text), text);
    }

    proptest! {
        #[test]
        fn no_secret_survives_whatever_stands_around_it(
            before in "\\PC{0,20}",
            secret in "[A-Z0-9]{8,34}",
            after in "\\PC{0,20}",
        ) {
            let text = scrubbed(&secret, &format!("{before}{secret}{after}"));
            prop_assert!(!text.contains(&secret), "{text}");
        }
    }
}
