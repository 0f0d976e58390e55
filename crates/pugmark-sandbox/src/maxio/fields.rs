//! The fields of a wrapped object in a request.

use serde_json::{Map, Value};

/// What the caller sent inside the wrapping object. Values are taken leniently, as the service takes them: a number where text
/// is meant is that number's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Text that is not blank.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// A whole number, also as text.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// An id, also as text.
    pub(super) fn id(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A truth value, also as text.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        Some(matches!(text.as_str(), "true" | "1"))
    }

    /// An object inside; none when it is absent, null or something else.
    pub(super) fn object(&self, name: &str) -> Option<Fields> {
        self.get(name)?.as_object().cloned().map(Fields)
    }

    /// A list of texts; a single text counts as a list of one.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::Array(all)) => all
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(Value::String(one)) if !one.is_empty() => vec![one.clone()],
            _ => Vec::new(),
        }
    }
}
