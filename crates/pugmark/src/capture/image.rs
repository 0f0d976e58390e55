//! SQL that builds the image of a row: what the triggers write into `change_log`, and what the gap sweep compares and writes.
//! One text for both, so that a healed change looks like a captured one.

use pugmark_queue::db::Engine;

use super::watched::{AMOUNTS, INSTANTS, Watched};

/// The whole image: key, watched columns, told columns and what is looked up. `row` is the name of the row in the statement
/// (`NEW`, or the alias of a table).
pub(crate) fn whole(engine: Engine, watched: &Watched, row: &str) -> String {
    let columns = std::iter::once(&watched.key)
        .chain(watched.columns)
        .chain(watched.told);
    let mut pairs: Vec<String> = columns
        .map(|column| format!("'{column}', {}", value(engine, row, column)))
        .collect();
    pairs.extend(watched.looked_up.map(|other| {
        format!(
            "'{}', (SELECT o.\"{}\" FROM {} o WHERE o.\"id\" = {row}.\"{}\")",
            other.name,
            other.column,
            table(engine, other.table),
            other.by
        )
    }));
    object(engine, &pairs)
}

/// The watched columns alone: what counts as a change of the row.
pub(crate) fn seen(engine: Engine, watched: &Watched, row: &str) -> String {
    let pairs: Vec<String> = watched
        .columns
        .iter()
        .map(|column| format!("'{column}', {}", value(engine, row, column)))
        .collect();
    object(engine, &pairs)
}

/// What is left of a whole image in column `image` when only the watched columns are kept.
pub(crate) fn seen_of(engine: Engine, image: &str, watched: &[&Watched]) -> String {
    let mut dropped: Vec<&str> = watched
        .iter()
        .flat_map(|watched| std::iter::once(&watched.key).chain(watched.told))
        .copied()
        .collect();
    dropped.sort_unstable();
    dropped.dedup();
    match engine {
        Engine::Sqlite => {
            let paths: Vec<String> = dropped
                .iter()
                .map(|column| format!("'$.\"{column}\"'"))
                .collect();
            // Another program may have put text into a row that is none, and then the image is no JSON.
            format!(
                "CASE WHEN json_valid({image}) THEN json_remove({image}, {}) ELSE '{{}}' END",
                paths.join(", ")
            )
        }
        Engine::Postgres => {
            let names: Vec<String> = dropped.iter().map(|column| format!("'{column}'")).collect();
            format!("({image} - ARRAY[{}])", names.join(", "))
        }
    }
}

/// Whether the row differs from the image of its watched columns in column `image`. NULL-safe.
pub(crate) fn differs_from(engine: Engine, watched: &Watched, row: &str, image: &str) -> String {
    match engine {
        // Value by value: the same value may be written down in two ways.
        Engine::Sqlite => {
            let columns: Vec<String> = watched
                .columns
                .iter()
                .map(|column| {
                    format!(
                        "json_extract({image}, '$.\"{column}\"') IS NOT {}",
                        value(engine, row, column)
                    )
                })
                .collect();
            format!("({})", columns.join(" OR "))
        }
        Engine::Postgres => {
            format!("({image} IS DISTINCT FROM {})", seen(engine, watched, row))
        }
    }
}

/// Whether key or a watched column of the two rows differ. NULL-safe.
pub(crate) fn changed(engine: Engine, watched: &Watched, old: &str, new: &str) -> String {
    let word = match engine {
        Engine::Sqlite => "IS NOT",
        Engine::Postgres => "IS DISTINCT FROM",
    };
    let columns: Vec<String> = std::iter::once(&watched.key)
        .chain(watched.columns)
        .map(|column| format!("{old}.\"{column}\" {word} {new}.\"{column}\""))
        .collect();
    columns.join(" OR ")
}

/// The name of one of MicroBima's tables.
pub(crate) fn table(engine: Engine, name: &str) -> String {
    match engine {
        Engine::Sqlite => name.to_owned(),
        Engine::Postgres => format!("public.{name}"),
    }
}

fn object(engine: Engine, pairs: &[String]) -> String {
    let build = match engine {
        Engine::Sqlite => "json_object",
        Engine::Postgres => "jsonb_build_object",
    };
    format!("{build}({})", pairs.join(", "))
}

fn value(engine: Engine, row: &str, column: &str) -> String {
    let plain = format!("{row}.\"{column}\"");
    match engine {
        // A BLOB, which SQLite lets any program store anywhere, has no place in JSON: the error would be the program's.
        Engine::Sqlite => {
            let shown = if AMOUNTS.contains(&column) {
                format!("CAST({plain} AS TEXT)")
            } else {
                plain.clone()
            };
            format!("CASE typeof({plain}) WHEN 'blob' THEN hex({plain}) ELSE {shown} END")
        }
        Engine::Postgres if AMOUNTS.contains(&column) => format!("{plain}::text"),
        // Otherwise the same instant would read differently in sessions of different time zones.
        Engine::Postgres if INSTANTS.contains(&column) => {
            format!("({plain}::timestamptz AT TIME ZONE 'UTC')")
        }
        Engine::Postgres => plain,
    }
}
