//! Keeping secrets out of every text that leaves the client.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";

/// Values that must not appear in any text, whatever field they are in.
#[derive(Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl Secrets {
    pub(crate) fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self(secrets.into_iter().collect())
    }

    /// The text without the secrets, as they are and as JSON writes them.
    pub(crate) fn scrub(&self, mut text: String) -> String {
        for secret in &self.0 {
            let secret = secret.expose_secret();
            // Shorter ones would only riddle the text with holes.
            if secret.len() < 4 {
                continue;
            }
            let quoted = Json::from(secret).to_string();
            let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            for form in [secret, escaped] {
                if !form.is_empty() && text.contains(form) {
                    text = text.replace(form, MASK);
                }
            }
        }
        text
    }
}

/// The same JSON with the values of secret fields masked, at any depth.
pub(crate) fn redacted(json: Json) -> Json {
    match json {
        Json::Object(object) => Json::Object(redacted_object(object)),
        Json::Array(list) => Json::Array(list.into_iter().map(redacted).collect()),
        scalar => scalar,
    }
}

pub(crate) fn redacted_object(object: Map<String, Json>) -> Map<String, Json> {
    let shown = |(name, value): (String, Json)| {
        let value = if is_secret(&name) {
            Json::String(MASK.to_owned())
        } else {
            redacted(value)
        };
        (name, value)
    };
    object.into_iter().map(shown).collect()
}

/// Fields whose values never leave the client, by name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Why a password is weak is no secret.
    name != "weak_password"
        && [
            "password",
            "token",
            "secret",
            "apikey",
            "api_key",
            "authorization",
        ]
        .iter()
        .any(|word| name.contains(word))
}
