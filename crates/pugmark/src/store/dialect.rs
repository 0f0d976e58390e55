//! The few words in which the two databases differ.

use std::sync::Arc;

use pugmark_queue::db::{DbError, Engine};

/// Parameter `number` as the primary key of one of MicroBima's tables (UUID there, text here).
pub(super) fn uuid_parameter(engine: Engine, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("${number}"),
        Engine::Postgres => format!("CAST(${number} AS UUID)"),
    }
}

/// Parameter `number` as a value of one of MicroBima's enum types.
pub(super) fn enum_parameter(engine: Engine, number: u8, type_name: &str) -> String {
    match engine {
        Engine::Sqlite => format!("${number}"),
        Engine::Postgres => format!("CAST(${number} AS \"{type_name}\")"),
    }
}

/// Parameter `number` as a date.
pub(super) fn date_parameter(engine: Engine, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("${number}"),
        Engine::Postgres => format!("CAST(${number} AS DATE)"),
    }
}

/// A column's text as bytes, for columns in which SQLite may hold text that is no UTF-8.
pub(super) fn bytes(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite => format!("CAST({column} AS BLOB)"),
        Engine::Postgres => format!("convert_to(CAST({column} AS TEXT), 'UTF8')"),
    }
}

/// A column of type `timestamp` that holds UTC, read as an instant. On SQLite other programs may have written text.
pub(super) fn instant(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite => format!(
            "CASE typeof({column}) WHEN 'integer' THEN {column} \
             ELSE COALESCE(CAST(unixepoch({column}, 'subsec') * 1000000 AS INTEGER), 0) END"
        ),
        Engine::Postgres => format!("({column} AT TIME ZONE 'UTC')"),
    }
}

/// The same where there may be none: NULL, or on SQLite what is no time at all, stays NULL.
pub(super) fn stored_time(engine: Engine, value: &str) -> String {
    match engine {
        Engine::Sqlite => format!(
            "CASE typeof({value}) WHEN 'integer' THEN {value} \
             ELSE CAST(unixepoch({value}, 'subsec') * 1000000 AS INTEGER) END"
        ),
        Engine::Postgres => format!("({value} AT TIME ZONE 'UTC')"),
    }
}

/// Parameter `number`, an instant, in the form such a column stores.
pub(super) fn instant_parameter(engine: Engine, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("${number}"),
        Engine::Postgres => format!("(${number} AT TIME ZONE 'UTC')"),
    }
}

/// A column of the few that are `timestamptz` in MicroBima, read as an instant; NULL stays NULL.
pub(super) fn zoned_time(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite => stored_time(engine, column),
        Engine::Postgres => column.to_owned(),
    }
}

/// Parameter `number`, an amount as decimal text, in the form such a column stores.
pub(super) fn amount_parameter(number: u8) -> String {
    format!("CAST(${number} AS NUMERIC)")
}

/// A column that holds an amount, read as cents.
pub(super) fn cents(column: &str) -> String {
    format!("CAST(ROUND({column} * 100) AS BIGINT)")
}

/// `SELECT ... FROM ...` that reads parameter `number`, a JSON array of objects, as rows called `r` with these columns (name and
/// type on PostgreSQL); `more` are further columns. One text whatever the number of rows, and one statement for all.
pub(super) fn rows_of(
    engine: Engine,
    number: u8,
    columns: &[(&str, &str)],
    more: &[String],
) -> String {
    let listed = |each: &dyn Fn(&(&str, &str)) -> String| {
        columns.iter().map(each).collect::<Vec<_>>().join(", ")
    };
    let (read, from) = match engine {
        Engine::Sqlite => (
            listed(&|(name, _)| format!("json_extract(r.value, '$.{name}')")),
            format!("json_each(${number}) r"),
        ),
        Engine::Postgres => (
            listed(&|(name, _)| format!("r.\"{name}\"")),
            format!(
                "jsonb_to_recordset(CAST(${number} AS JSONB)) AS r({})",
                listed(&|(name, kind)| format!("\"{name}\" {kind}"))
            ),
        ),
    };
    let more: String = more.iter().map(|column| format!(", {column}")).collect();
    format!("SELECT {read}{more} FROM {from}")
}

/// How a column of our own tables is written in the JSON that [`own_rows_of`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Text,
    /// As it is.
    Number,
    /// In microseconds since 1970.
    Instant,
    /// In hexadecimal digits.
    Uuid,
    /// In hexadecimal digits.
    Bytes,
}

/// A value of the rows called `r` that [`own_rows_of`] reads.
pub(super) fn read(engine: Engine, name: &str, kind: Kind) -> String {
    match (engine, kind) {
        (Engine::Sqlite, Kind::Uuid | Kind::Bytes) => format!("unhex(r.value ->> '{name}')"),
        (Engine::Sqlite, _) => format!("r.value ->> '{name}'"),
        (Engine::Postgres, Kind::Instant) => {
            format!("(TIMESTAMPTZ 'epoch' + r.{name} * INTERVAL '1 microsecond')")
        }
        (Engine::Postgres, Kind::Bytes) => format!("decode(r.{name}, 'hex')"),
        (Engine::Postgres, _) => format!("r.{name}"),
    }
}

/// As [`rows_of`], for columns of our own tables.
pub(super) fn own_rows_of(engine: Engine, number: u8, columns: &[(&str, Kind)]) -> String {
    own_rows_with(engine, number, columns, &[])
}

/// The same; `more` are further columns.
pub(super) fn own_rows_with(
    engine: Engine,
    number: u8,
    columns: &[(&str, Kind)],
    more: &[&str],
) -> String {
    let values = columns.iter().map(|(name, kind)| read(engine, name, *kind));
    let values: Vec<String> = values
        .chain(more.iter().map(|more| (*more).to_owned()))
        .collect();
    let from = match engine {
        // `json_each` would write each object as text, to be parsed again for every column.
        Engine::Sqlite => format!("jsonb_each(${number}) r"),
        Engine::Postgres => {
            let types = columns.iter().map(|(name, kind)| match kind {
                Kind::Text | Kind::Bytes => format!("{name} TEXT"),
                Kind::Number | Kind::Instant => format!("{name} BIGINT"),
                Kind::Uuid => format!("{name} UUID"),
            });
            let types = types.collect::<Vec<_>>().join(", ");
            format!("json_to_recordset(CAST(${number} AS JSON)) AS r({types})")
        }
    };
    format!("SELECT {} FROM {from}", values.join(", "))
}

/// What a FROM says to read parameter `number`, a JSON array of texts, as rows called `r` with a column `value`.
pub(super) fn texts(engine: Engine, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("json_each(${number}) r"),
        Engine::Postgres => {
            format!("json_array_elements_text(CAST(${number} AS JSON)) AS r(value)")
        }
    }
}

/// The names of these columns, as a statement lists them.
pub(super) fn names(columns: &[(&str, Kind)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// Rows as the JSON array that [`rows_of`] and [`own_rows_of`] read.
pub(super) fn json_text<T: serde::Serialize>(rows: &[T]) -> Result<String, DbError> {
    serde_json::to_string(rows)
        .map_err(|error| DbError::Sql(Arc::new(sqlx::Error::Encode(Box::new(error)))))
}

/// Texts by name as a JSON object.
pub(super) fn json_object(values: &std::collections::BTreeMap<String, String>) -> String {
    let text = serde_json::to_string(values).unwrap_or_default();
    // PostgreSQL keeps every character but this one.
    text.replace("\\u0000", "\\ufffd")
}

/// `id IN (...)` for parameter `number`, a JSON array of numbers: one text whatever the length of the list.
pub(super) fn id_in(engine: Engine, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("id IN (SELECT value FROM json_each(${number}))"),
        Engine::Postgres => {
            format!(
                "id IN (SELECT CAST(value AS BIGINT) FROM jsonb_array_elements_text(CAST(${number} AS JSONB)))"
            )
        }
    }
}

/// `column IN (...)` for parameter `number`, a JSON array of texts.
pub(super) fn text_in(engine: Engine, column: &str, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("{column} IN (SELECT value FROM json_each(${number}))"),
        Engine::Postgres => format!(
            "{column} IN (SELECT value FROM jsonb_array_elements_text(CAST(${number} AS JSONB)))"
        ),
    }
}

/// As [`text_in`], for a column that holds primary keys of MicroBima's tables.
pub(super) fn uuid_in(engine: Engine, column: &str, number: u8) -> String {
    match engine {
        Engine::Sqlite => text_in(engine, column, number),
        Engine::Postgres => format!(
            "{column} IN (SELECT CAST(value AS UUID) FROM jsonb_array_elements_text(CAST(${number} AS JSONB)))"
        ),
    }
}

/// The clause by which several relays share the work without waiting for each other. SQLite has one writer anyway.
pub(super) fn skip_locked(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR UPDATE SKIP LOCKED",
    }
}

/// The clause that holds a row until the transaction ends. SQLite's writer holds the whole database anyway.
pub(super) fn for_update(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR UPDATE",
    }
}

/// The time by which rows of a list are ordered, in the form that [`super::page::Place`] reads.
pub(super) fn place(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Sqlite => format!(
            "CASE typeof({column}) WHEN 'integer' THEN 'i' ELSE 't' END || CAST({column} AS TEXT)"
        ),
        Engine::Postgres => {
            format!("'i' || CAST(CAST(EXTRACT(EPOCH FROM {column}) * 1000000 AS BIGINT) AS TEXT)")
        }
    }
}

/// Parameter `number`, the text of a place, in the form of the column.
pub(super) fn place_parameter(engine: Engine, number: u8, is_text: bool) -> String {
    match engine {
        Engine::Sqlite if is_text => format!("CAST(${number} AS TEXT)"),
        Engine::Sqlite => format!("CAST(${number} AS INTEGER)"),
        Engine::Postgres => format!(
            "(TIMESTAMP 'epoch' + CAST(CAST(${number} AS TEXT) AS BIGINT) * INTERVAL '1 microsecond')"
        ),
    }
}

/// Whether `text` contains what the pattern in parameter `number` means, in letters of any case. Neither `LOWER` nor `LIKE`
/// would do: SQLite's know only the letters of ASCII, and PostgreSQL's only those of the database's locale.
pub(super) fn contains(engine: Engine, text: &str, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("({text}) GLOB ${number}"),
        Engine::Postgres => format!("({text}) ~ ${number}"),
    }
}

/// The operator that compares a text with a pattern of [`containing`].
pub(super) fn matches(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "GLOB ",
        Engine::Postgres => "~ ",
    }
}

/// The pattern for [`contains`]: every letter stands for all its cases, everything else for itself.
pub(super) fn containing(engine: Engine, text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        let cases = cases(letter);
        match (engine, cases.len()) {
            (_, 2..) => {
                pattern.push('[');
                pattern.extend(cases);
                pattern.push(']');
            }
            (Engine::Sqlite, _) if "*?[".contains(letter) => {
                pattern.extend(['[', letter, ']']);
            }
            (Engine::Postgres, _) if letter.is_ascii_punctuation() => {
                pattern.extend(['\\', letter]);
            }
            _ => pattern.push(letter),
        }
    }
    match engine {
        Engine::Sqlite => format!("*{pattern}*"),
        Engine::Postgres => pattern,
    }
}

/// The letter in every case in which it is one letter.
fn cases(letter: char) -> Vec<char> {
    let mut cases = vec![letter];
    let lower: Vec<char> = letter.to_lowercase().collect();
    let upper: Vec<char> = letter.to_uppercase().collect();
    for other in [lower, upper] {
        if let [other] = other[..]
            && !cases.contains(&other)
        {
            cases.push(other);
        }
    }
    cases
}
