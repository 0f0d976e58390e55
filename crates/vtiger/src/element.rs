//! What a caller wants written: field values before they are adapted to a module.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil;
use serde_json::{Map, Value as Json};

use crate::id::RecordId;
use crate::redact::{MASK, is_secret};

/// The field values of a create, revise or update, by field name.
///
/// An element says what the caller means; [`Module::adapt`](crate::Module::adapt) turns it into what vTiger can keep and
/// reports every difference.
#[derive(Clone, PartialEq, Default)]
pub struct Element {
    values: BTreeMap<String, Value>,
}

/// One value of an [`Element`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Free text, or the text form of any other kind (a date as `YYYY-MM-DD`, a number as `1234.56`).
    Text(String),
    /// A decimal number in canonical form: optional `-`, digits, optional `.` and digits.
    Number(String),
    /// A checkbox; sent as `1` or `0`.
    Bool(bool),
    /// A calendar day; sent as `YYYY-MM-DD`.
    Date(civil::Date),
    /// A time of day; sent as `HH:MM:SS` in the server's time zone.
    Time(civil::Time),
    /// A moment in the server's time zone; sent as `YYYY-MM-DD HH:MM:SS`.
    DateTime(civil::DateTime),
    /// A record, user or group.
    Id(RecordId),
    /// The chosen entries of a multi-select picklist; sent joined by ` |##| `.
    List(Vec<String>),
    /// Clears the field.
    Null,
}

/// How vTiger separates the entries of a multi-select picklist.
pub(crate) const LIST_SEPARATOR: &str = " |##| ";

impl Element {
    /// An element without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a field.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.set(field, value);
        self
    }

    /// Adds or replaces a field.
    pub fn set(&mut self, field: impl Into<String>, value: impl Into<Value>) {
        self.values.insert(field.into(), value.into());
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.values.get(field)
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &str) -> Option<Value> {
        self.values.remove(field)
    }

    /// Whether no field is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many fields are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The fields in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// The JSON object that goes into the `element` parameter.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Json> {
        self.values
            .iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect()
    }
}

impl fmt::Debug for Element {
    /// Masks passwords and keys by the names of their fields.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for (name, value) in &self.values {
            map.key(name);
            if is_secret(name) {
                map.value(&MASK)
            } else {
                map.value(value)
            };
        }
        map.finish()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Element {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self {
            values: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

impl Value {
    /// A number from a float; a value that is not finite becomes `Null`, since vTiger knows none.
    #[must_use]
    pub fn float(value: f64) -> Self {
        if value.is_finite() {
            Self::Number(value.to_string())
        } else {
            Self::Null
        }
    }

    /// The text vTiger is sent for this value (`""` for [`Value::Null`]).
    #[must_use]
    pub fn as_text(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Bool(true) => "1".to_owned(),
            Self::Bool(false) => "0".to_owned(),
            Self::Date(date) => date.to_string(),
            Self::Time(time) => time.strftime("%H:%M:%S").to_string(),
            Self::DateTime(moment) => moment.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Self::Id(id) => id.to_string(),
            Self::List(entries) => entries.join(LIST_SEPARATOR),
            Self::Null => String::new(),
        }
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            other => Json::String(other.as_text()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(number.to_string())
    }
}

impl From<civil::Date> for Value {
    fn from(date: civil::Date) -> Self {
        Self::Date(date)
    }
}

impl From<civil::Time> for Value {
    fn from(time: civil::Time) -> Self {
        Self::Time(time)
    }
}

impl From<civil::DateTime> for Value {
    fn from(moment: civil::DateTime) -> Self {
        Self::DateTime(moment)
    }
}

impl From<RecordId> for Value {
    fn from(id: RecordId) -> Self {
        Self::Id(id)
    }
}

impl From<&RecordId> for Value {
    fn from(id: &RecordId) -> Self {
        Self::Id(id.clone())
    }
}

impl From<Vec<String>> for Value {
    fn from(entries: Vec<String>) -> Self {
        Self::List(entries)
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// An object as the text of an `element` parameter, written so that every release reads it alike.
///
/// vTiger 8.3 and 8.4 read JSON by a parser of their own, which takes `\uXXXX` for a character before it looks at
/// backslashes: a backslash in front of `u0041` in a value would become an illegal escape. An escaped `u` keeps the two
/// apart and means the same to every other parser.
pub(crate) fn element_text(object: Map<String, Json>) -> String {
    let plain = Json::Object(object).to_string();
    if !plain.contains("\\\\u") {
        return plain;
    }
    let mut text = String::with_capacity(plain.len() + 16);
    let mut characters = plain.chars().peekable();
    while let Some(character) = characters.next() {
        text.push(character);
        if character != '\\' {
            continue;
        }
        let escaped = characters.next();
        text.extend(escaped);
        if escaped == Some('\\') && characters.next_if_eq(&'u').is_some() {
            text.push_str("\\u0075");
        }
    }
    text
}
