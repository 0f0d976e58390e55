//! The few words in which the two databases differ.

use pugmark_queue::db::Engine;

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

/// Parameter `number`, an instant, in the form such a column stores.
pub(super) fn instant_parameter(engine: Engine, number: u8) -> String {
    match engine {
        Engine::Sqlite => format!("${number}"),
        Engine::Postgres => format!("(${number} AT TIME ZONE 'UTC')"),
    }
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

/// The time by which rows of a list are ordered, in the form that [`super::customers::Place`] reads.
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
