//! `user_metadata` and `app_metadata`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// A JSON object whose keys are shown in order, on every level.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// An object as it is, nulls included.
    pub(super) fn of(object: Map<String, Value>) -> Self {
        Self(
            object
                .into_iter()
                .map(|(key, value)| (key, in_order(value)))
                .collect(),
        )
    }

    /// Merges on the top level only: a value takes the place of the whole old one, null removes the key.
    pub(super) fn merge(&mut self, updates: Map<String, Value>) {
        for (key, value) in updates {
            if value.is_null() {
                self.0.remove(&key);
            } else {
                self.0.insert(key, in_order(value));
            }
        }
    }

    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn object(&self) -> Map<String, Value> {
        self.0.clone().into_iter().collect()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn in_order(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(Metadata::of(object).0.into_iter().collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(in_order).collect()),
        other => other,
    }
}
