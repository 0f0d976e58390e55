//! The few words in which the two databases' literals differ.

use jiff::Timestamp;
use pugmark_queue::db::Engine;

#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    engine: Engine,
}

impl Sql {
    pub(super) fn new(engine: Engine) -> Self {
        Sql { engine }
    }

    /// An instant as MicroBima writes it: milliseconds, in UTC, without a zone.
    pub(super) fn at(self, at: Timestamp) -> String {
        match self.engine {
            Engine::Sqlite => at.as_microsecond().to_string(),
            Engine::Postgres => format!("'{}'", at.strftime("%Y-%m-%d %H:%M:%S.%3f")),
        }
    }
}

/// A text literal.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text literal, or NULL.
pub(super) fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

/// An amount as `numeric(10,2)` is written.
pub(super) fn amount(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
