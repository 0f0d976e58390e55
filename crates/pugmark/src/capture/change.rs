//! A captured change, as the relay reads it from `change_log`.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A row of `change_log`: what a capture trigger saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Position in the log, for the correlation id of changes that came without one.
    pub id: i64,
    /// Table the row belongs to, for example `customers`.
    pub table: String,
    /// Primary key of the row, as text.
    pub key: String,
    /// What happened to it.
    pub event: Event,
    /// The watched columns before, for UPDATE and DELETE.
    pub old: Option<Map<String, Value>>,
    /// The watched columns after, for INSERT and UPDATE.
    pub new: Option<Map<String, Value>>,
    /// Correlation id of the request that made the change, when it came through our own API.
    pub correlation_id: Option<String>,
    /// No trigger saw it: the gap sweep found it later. The row may be older than Pugmark or come from a restored backup,
    /// and what it calls for in the CRM may exist.
    pub healed: bool,
}

impl Change {
    /// A column of the row as it is now, or as it last was when the row is gone.
    pub fn latest(&self, column: &str) -> Option<&Value> {
        self.new.as_ref().or(self.old.as_ref())?.get(column)
    }

    /// A column before and after; absent images and columns read as NULL.
    pub fn both(&self, column: &str) -> (&Value, &Value) {
        (
            self.old
                .as_ref()
                .and_then(|row| row.get(column))
                .unwrap_or(&Value::Null),
            self.new
                .as_ref()
                .and_then(|row| row.get(column))
                .unwrap_or(&Value::Null),
        )
    }

    /// The key the row had before, when an UPDATE changed it.
    pub fn previous_key(&self) -> Option<String> {
        let old = text(self.old.as_ref()?.get("id")?)?;
        (self.event == Event::Update && old != self.key).then_some(old)
    }

    /// Whether a column really changed. NULL equals NULL.
    pub fn differs(&self, column: &str) -> bool {
        let (old, new) = self.both(column);
        old != new
    }
}

/// What a statement did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The row is new.
    Insert,
    /// The row was there before.
    Update,
    /// The row is gone.
    Delete,
}

impl Event {
    /// Reads the word that the capture triggers write.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "INSERT" => Some(Event::Insert),
            "UPDATE" => Some(Event::Update),
            "DELETE" => Some(Event::Delete),
            _ => None,
        }
    }
}

/// Text of a value; `None` for NULL and for what is no text and no number.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A flag. SQLite has no boolean type: its triggers write 0 and 1.
pub fn flag(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_i64() != Some(0),
        _ => false,
    }
}

/// An instant as the triggers write it: microseconds since 1970 (SQLite), or a time of day in UTC with or without an offset
/// (PostgreSQL, and programs that write SQLite).
pub fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => Timestamp::from_microsecond(number.as_i64()?).ok(),
        Value::String(text) => text.parse().ok().or_else(|| {
            let time: jiff::civil::DateTime = text.parse().ok()?;
            Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        }),
        _ => None,
    }
}
