//! Taking secrets out of everything that is shown: reports, errors, `Debug`.
//!
//! Two things give a secret away: the name it stands under, and its value wherever that turns up again. vTiger shows an
//! administrator the hashes and access keys of all users, repeats in answers what it was sent, and lets PHP print either
//! in front of an answer.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};

use crate::operation::Operation;
use crate::record::scalar_text;
use crate::spelling::{spellings, without_hashes, without_named_values};

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";

/// Shorter values are masked under their names only: every other text would be full of holes.
const SHORTEST_SECRET: usize = 4;
/// The same for values learned from an answer, which nobody chose as secrets.
const SHORTEST_LEARNED: usize = 8;

/// How much of an answer that is no JSON is looked at, in bytes.
const LOOKED_AT: usize = 64 * 1024;
/// How much of it is shown.
const SHOWN: usize = 1000;
/// How much is shown of the noise in front of JSON.
const SHOWN_NOISE: usize = 300;

/// Fields and parameters whose values never leave the client, by name.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "accesskey",
        "access_key",
        "sessionname",
        "sessionid",
        "phpsessid",
        "token",
        "secret",
        "user_hash",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// Values that must not appear in any text, whatever field they are in.
#[derive(Default)]
pub(crate) struct Secrets {
    /// In every form the server may write them, the longest first.
    spellings: Vec<SecretString>,
}

impl Secrets {
    /// The values an operation carries under secret names, also inside its JSON parameters.
    pub(crate) fn of(operation: &Operation) -> Self {
        let mut secrets = Self::default();
        for (name, value) in &operation.parameters {
            match serde_json::from_str(value) {
                _ if is_secret(name) => secrets.add(value, SHORTEST_SECRET),
                Ok(json) => secrets.learn(&json, SHORTEST_SECRET),
                Err(_) => {}
            }
        }
        secrets
    }

    /// Also this value.
    pub(crate) fn and(mut self, secret: &SecretString) -> Self {
        self.add(secret.expose_secret(), SHORTEST_SECRET);
        self
    }

    fn add(&mut self, secret: &str, shortest: usize) {
        if secret.len() < shortest {
            return;
        }
        self.spellings
            .extend(spellings(secret).into_iter().map(SecretString::from));
        self.spellings
            .sort_by_key(|spelling| std::cmp::Reverse(spelling.expose_secret().len()));
    }

    /// Also the values that stand under secret names here, however deep.
    fn learn(&mut self, json: &Json, shortest: usize) {
        match json {
            Json::Object(object) => {
                for (name, value) in object {
                    if is_secret(name) {
                        leaves(value, &mut |leaf| self.add(leaf, shortest));
                    } else {
                        self.learn(value, shortest);
                    }
                }
            }
            Json::Array(list) => list.iter().for_each(|value| self.learn(value, shortest)),
            Json::String(text) => {
                if let Some(inner) = json_inside(text) {
                    self.learn(&inner, shortest);
                }
            }
            _ => {}
        }
    }

    /// An operation's parameters as they may be shown.
    pub(crate) fn parameters(&self, operation: &Operation) -> Json {
        let parameters = operation.parameters.iter().map(|(name, value)| {
            let shown = match json_inside(value) {
                _ if is_secret(name) => Json::String(MASK.to_owned()),
                Some(json) => self.json(json),
                None if name == "query" => Json::String(self.text(&without_secret_literals(value))),
                None => Json::String(self.text(value)),
            };
            (name.clone(), shown)
        });
        Json::Object(parameters.collect())
    }

    /// An answer as it may be shown: JSON where it is JSON, else the beginning of its text.
    pub(crate) fn answer(&self, body: &[u8]) -> String {
        if let Ok(json) = serde_json::from_slice(body) {
            return self.knowing(&json).json(json).to_string();
        }
        let text = String::from_utf8_lossy(body);
        let Some(start) = text.find(r#"{"success":"#) else {
            return beginning(&self.text(&beginning(&text, LOOKED_AT)), SHOWN);
        };
        // PHP's noise in front of JSON.
        let (noise, answer) = text.split_at(start);
        let answer: Option<Json> = serde_json::from_str(answer.trim_end()).ok();
        let secrets = self.knowing(answer.as_ref().unwrap_or(&Json::Null));
        let noise = beginning(&secrets.text(&beginning(noise, LOOKED_AT)), SHOWN_NOISE);
        let answer = answer.map_or_else(
            || "(not readable)".to_owned(),
            |json| secrets.json(json).to_string(),
        );
        format!("{noise}…{answer}")
    }

    fn knowing(&self, answer: &Json) -> Self {
        let mut secrets = Self {
            spellings: self.spellings.clone(),
        };
        secrets.learn(answer, SHORTEST_LEARNED);
        secrets
    }

    fn json(&self, json: Json) -> Json {
        match json {
            Json::Object(object) => Json::Object(self.object(object)),
            Json::Array(list) => {
                Json::Array(list.into_iter().map(|value| self.json(value)).collect())
            }
            Json::String(text) => Json::String(self.text_or_json(&text)),
            Json::Number(number) if self.without_known(&number.to_string()).contains(MASK) => {
                Json::String(MASK.to_owned())
            }
            scalar => scalar,
        }
    }

    fn object(&self, object: Map<String, Json>) -> Map<String, Json> {
        let shown = |(name, value): (String, Json)| {
            let value = if is_secret(&name) {
                Json::String(MASK.to_owned())
            } else {
                self.json(value)
            };
            (self.without_known(&name), value)
        };
        object.into_iter().map(shown).collect()
    }

    fn text_or_json(&self, text: &str) -> String {
        let Some(inner) = json_inside(text) else {
            return self.text(text);
        };
        let shown = self.json(inner.clone());
        if shown == inner {
            text.to_owned()
        } else {
            shown.to_string()
        }
    }

    /// Text without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        without_named_values(&without_hashes(&self.without_known(text)))
    }

    fn without_known(&self, text: &str) -> String {
        self.spellings.iter().map(ExposeSecret::expose_secret).fold(
            text.to_owned(),
            |text, secret| {
                if text.contains(secret) {
                    text.replace(secret, MASK)
                } else {
                    text
                }
            },
        )
    }
}

/// Every text and number below.
fn leaves(json: &Json, found: &mut impl FnMut(&str)) {
    match json {
        Json::Object(object) => object.values().for_each(|value| leaves(value, found)),
        Json::Array(list) => list.iter().for_each(|value| leaves(value, found)),
        Json::Null | Json::Bool(_) => {}
        scalar => found(&scalar_text(scalar)),
    }
}

/// The object or list a text holds.
fn json_inside(text: &str) -> Option<Json> {
    let holds_json = text.trim_start().starts_with(['{', '[']);
    holds_json.then(|| serde_json::from_str(text).ok())?
}

/// A query that names a secret field is shown without any of its literals.
fn without_secret_literals(query: &str) -> String {
    if !is_secret(query) {
        return query.to_owned();
    }
    let parts = query.split('\'').enumerate();
    let shown = parts.map(|(index, part)| if index % 2 == 1 { MASK } else { part });
    shown.collect::<Vec<_>>().join("'")
}

/// The beginning of a text, cut between characters.
pub(crate) fn beginning(text: &str, bytes: usize) -> String {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
