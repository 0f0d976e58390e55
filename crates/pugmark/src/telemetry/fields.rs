//! The fields of spans and events, as JSON, without secrets.

use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// In place of what must not be kept.
const MASK: &str = "***";
/// Names that hold a secret, whatever stands before or behind them.
const SECRET_NAMES: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "access_key",
    "accesskey",
    "authorization",
    "api_key",
    "iban",
];
/// Longest text kept of one field.
const LONGEST: usize = 4_000;

/// The fields of one span or event.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let lower = name.to_ascii_lowercase();
        let secret = SECRET_NAMES.iter().any(|secret| lower.contains(secret));
        let value = if secret { Value::from(MASK) } else { value };
        self.0.insert(name.to_owned(), value);
    }

    fn text(&mut self, field: &Field, text: &str) {
        let short = text
            .char_indices()
            .nth(LONGEST)
            .map_or(text, |(end, _)| &text[..end]);
        self.set(field, Value::from(short));
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// Replaces every one of the secrets wherever it stands in a value.
pub(super) fn mask(value: &mut Value, secrets: &[impl AsRef<str>]) {
    match value {
        Value::String(text) => mask_text(text, secrets),
        Value::Array(list) => list.iter_mut().for_each(|value| mask(value, secrets)),
        Value::Object(map) => map.values_mut().for_each(|value| mask(value, secrets)),
        _ => {}
    }
}

/// The same in a text.
pub(super) fn mask_text(text: &mut String, secrets: &[impl AsRef<str>]) {
    for secret in secrets {
        if text.contains(secret.as_ref()) {
            *text = text.replace(secret.as_ref(), MASK);
        }
    }
}
