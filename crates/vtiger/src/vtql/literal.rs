//! Literals, and the one function that quotes them.

use crate::id::RecordId;

/// A value a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Text, a date, a time or a decimal number; quoted.
    Text(String),
    /// A whole number; written bare.
    Integer(i64),
    /// A record, user or group.
    Id(RecordId),
}

impl Literal {
    pub(crate) fn to_vtql(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Integer(number) => number.to_string(),
            Self::Id(id) => quote(id.as_str()),
        }
    }
}

/// Quotes a text for VTQL: `'` and `\` are doubled.
///
/// The server's lexer ends a literal at a single `'` (a doubled one stays inside) and the database reads `\` as an
/// escape, so one lone `\` at the end would swallow the closing quote. The empty literal cannot be lexed at all; `' '`
/// takes its place, because comparisons ignore trailing spaces.
#[must_use]
pub fn quote(text: &str) -> String {
    if text.is_empty() {
        return "' '".to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            quoted.push(character);
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Literal {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<RecordId> for Literal {
    fn from(id: RecordId) -> Self {
        Self::Id(id)
    }
}

impl From<&RecordId> for Literal {
    fn from(id: &RecordId) -> Self {
        Self::Id(id.clone())
    }
}
