//! Records as vTiger returns them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::id::RecordId;
use crate::redact::{MASK, is_secret};

/// One record of an answer: its id and its fields by name.
///
/// vTiger returns every value as text and an absent one as `""`; the few numbers, booleans and nulls that occur (Cloud's
/// `isclosed`, `record_currency_symbol`) are turned into that same form. `label` is HTML-encoded by the server and is
/// for display only. The fields in the answer to a *write* are not what was stored (see the crate documentation).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The record's id.
    pub id: RecordId,
    /// Every field of the answer, `id` included, by field name.
    pub fields: BTreeMap<String, String>,
}

impl fmt::Debug for Record {
    /// Masks passwords and keys by the names of their fields: `Users` shows an administrator those of everybody.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for (name, value) in &self.fields {
            map.entry(name, if is_secret(name) { &MASK } else { value });
        }
        map.finish()
    }
}

impl Record {
    /// A field's value; `None` when the answer did not carry the field (not selected, not permitted or unknown).
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// Reads one record of an answer; `None` when it has no valid `id`.
    #[must_use]
    pub fn from_json(object: &Map<String, Json>) -> Option<Self> {
        let id = object.get("id")?.as_str()?.parse().ok()?;
        let fields = object
            .iter()
            .map(|(name, value)| (name.clone(), scalar_text(value)))
            .collect();
        Some(Self { id, fields })
    }
}

/// The text form of an answer's value: what vTiger would have sent had it sent a string.
pub(crate) fn scalar_text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::Bool(true) => "1".to_owned(),
        Json::Bool(false) => "0".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        // Line items and file lists on Cloud; kept as JSON text so that nothing is lost.
        Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}
