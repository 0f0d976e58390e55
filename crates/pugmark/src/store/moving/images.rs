//! Images of rows inside the store: what capture wrote of a row is JSON made by the database, and each database writes flags,
//! instants and amounts in its own way. The gap sweep compares such images, so they change their form with the store;
//! otherwise every row with a flag or an instant would look changed on the other side.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::catalogue::{Kind, Table};
use super::value::{Raw, convert, rounded};
use crate::capture::change;

/// The columns that hold such images, by table; `table_name` of the same row says whose image it is.
const IMAGES: [(&str, &[&str]); 2] = [
    ("captured_rows", &["image"]),
    ("change_log", &["old_row", "new_row"]),
];

/// Kinds of the columns of every table, to read images by.
#[derive(Debug)]
pub(super) struct Images(BTreeMap<String, BTreeMap<String, Kind>>);

impl Images {
    pub(super) fn of(tables: &[Table]) -> Self {
        let kinds = |table: &Table| {
            let columns = table.columns.iter();
            columns
                .map(|column| (column.name.clone(), column.kind.clone()))
                .collect()
        };
        Images(
            tables
                .iter()
                .map(|table| (table.name.clone(), kinds(table)))
                .collect(),
        )
    }

    /// Gives every image in a row the form of PostgreSQL. `values` are in the order of the table's columns.
    pub(super) fn translate(&self, table: &Table, values: &mut [Raw]) {
        let Some((_, images)) = IMAGES.iter().find(|(name, _)| *name == table.name) else {
            return;
        };
        let position = |name: &str| table.columns.iter().position(|column| column.name == name);
        let Some(Raw::Text(whose)) = position("table_name")
            .and_then(|at| values.get(at))
            .cloned()
        else {
            return;
        };
        let Some(kinds) = self.0.get(&whose) else {
            return;
        };
        for at in images.iter().filter_map(|name| position(name)) {
            if let Some(Raw::Text(text)) = values.get_mut(at)
                && let Ok(mut image) = serde_json::from_str::<Map<String, Value>>(text)
            {
                for (name, value) in &mut image {
                    if let Some(kind) = kinds.get(name) {
                        as_postgres(kind, value);
                    }
                }
                *text = Value::Object(image).to_string();
            }
        }
    }
}

/// What is in no known form stays as it is: readers take both.
fn as_postgres(kind: &Kind, value: &mut Value) {
    let changed = match (kind, &*value) {
        (Kind::Flag, Value::Number(number)) => {
            number.as_i64().map(|number| Value::Bool(number != 0))
        }
        // Other programs may have written it as text.
        (Kind::Instant { digits, .. }, known) => change::instant(known)
            .and_then(|instant| written(rounded(*digits, instant.as_microsecond())))
            .map(Value::String),
        // The triggers write amounts as text on both sides, SQLite without the noughts at the end.
        (Kind::Amount { .. }, Value::String(text)) => text
            .parse()
            .ok()
            .and_then(|number| convert(kind, &Raw::Real(number)).ok().flatten())
            .map(Value::String),
        _ => None,
    };
    if let Some(changed) = changed {
        *value = changed;
    }
}

/// As `jsonb_build_object` writes a `timestamp`: UTC without a mark, no noughts at the end.
fn written(micros: i64) -> Option<String> {
    let instant = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(
        instant
            .to_zoned(jiff::tz::TimeZone::UTC)
            .datetime()
            .to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_as_postgresql_writes_it() {
        assert_eq!(
            written(1_700_000_000_120_000).as_deref(),
            Some("2023-11-14T22:13:20.12")
        );
        assert_eq!(
            written(1_700_000_000_000_000).as_deref(),
            Some("2023-11-14T22:13:20")
        );
    }

    #[test]
    fn flags_instants_and_amounts_of_an_image_change_their_form_and_nothing_else_does() {
        let instant = Kind::Instant {
            digits: 3,
            zoned: false,
        };
        for (kind, before, after) in [
            (&Kind::Flag, Value::from(1), Value::from(true)),
            (
                &instant,
                Value::from(1_700_000_000_123_456_i64),
                Value::from("2023-11-14T22:13:20.123"),
            ),
            (
                &instant,
                Value::from("2023-11-14 22:13:20"),
                Value::from("2023-11-14T22:13:20"),
            ),
            (&instant, Value::Null, Value::Null),
            (
                &Kind::Amount { digits: 2 },
                Value::from("99.9"),
                Value::from("99.90"),
            ),
            (
                &Kind::Text { most: None },
                Value::from("1"),
                Value::from("1"),
            ),
            (&Kind::Whole { bytes: 4 }, Value::from(1), Value::from(1)),
        ] {
            let mut value = before.clone();
            as_postgres(kind, &mut value);
            assert_eq!(value, after, "{kind:?} {before}");
        }
    }
}
