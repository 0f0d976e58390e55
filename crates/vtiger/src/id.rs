//! Web service record ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A web service record id: `<module prefix>x<record number>`, for example `12x345`.
///
/// vTiger splices whatever follows the `x` into SQL without quoting it and reads `12x5abc` as `12x5`, so nothing but
/// `^[0-9]+x[0-9]+$` can be held by this type. The prefix belongs to the installation: take it from
/// [`Module::id_prefix`](crate::Module::id_prefix), never from a constant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    text: String,
    separator: usize,
}

impl RecordId {
    /// Joins a module prefix and a record number.
    ///
    /// # Errors
    /// [`InvalidRecordId`] when either part is not made of ASCII digits alone.
    pub fn new(prefix: &str, number: u64) -> Result<Self, InvalidRecordId> {
        format!("{prefix}x{number}").parse()
    }

    /// The part before the `x`: the module, as this installation numbers it.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.text.get(..self.separator).unwrap_or_default()
    }

    /// The part after the `x`: what vTiger's own pages call `record`.
    #[must_use]
    pub fn number(&self) -> &str {
        self.text.get(self.separator + 1..).unwrap_or_default()
    }

    /// The whole id as vTiger writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A key that orders ids as the server's `order by id` does: by number, not by text.
    pub(crate) fn numeric_key(&self) -> (usize, String) {
        let digits = self.number().trim_start_matches('0').to_owned();
        (digits.len(), digits)
    }
}

impl FromStr for RecordId {
    type Err = InvalidRecordId;

    fn from_str(text: &str) -> Result<Self, InvalidRecordId> {
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        match text.split_once('x') {
            Some((prefix, number)) if all_digits(prefix) && all_digits(number) => Ok(Self {
                text: text.to_owned(),
                separator: prefix.len(),
            }),
            _ => Err(InvalidRecordId {
                text: shortened(text),
            }),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecordId({})", self.text)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A text that is not a web service record id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a vTiger record id (digits, `x`, digits: for example 12x345)")]
pub struct InvalidRecordId {
    /// The refused text, cut to 40 characters.
    pub text: String,
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
