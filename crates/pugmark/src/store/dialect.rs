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
