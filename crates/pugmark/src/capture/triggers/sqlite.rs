//! Capture on SQLite: one trigger per table and kind of change. An error inside a trigger is the writer's error there;
//! nothing can swallow it, so the triggers do nothing that can fail as long as `change_log` is there.

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;

use super::Step;
use crate::capture::image;
use crate::capture::watched::{WATCHED, Watched};

pub(super) async fn steps(conn: &mut Conn) -> Result<Vec<Step>, DbError> {
    let mut steps = Vec::new();
    for watched in &WATCHED {
        let mut statements = Vec::new();
        for (name, sql) in triggers(watched) {
            if definition(conn, &name).await?.as_deref() != Some(sql.as_str()) {
                statements.extend([format!("DROP TRIGGER IF EXISTS {name}"), sql]);
            }
        }
        if !statements.is_empty() {
            let what = format!("watch {}", watched.table);
            steps.push(Step { what, statements });
        }
    }
    Ok(steps)
}

pub(super) async fn missing(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let mut missing = Vec::new();
    for (name, sql) in WATCHED.iter().flat_map(triggers) {
        if definition(conn, &name).await?.as_deref() != Some(sql.as_str()) {
            missing.push(name);
        }
    }
    Ok(missing)
}

async fn definition(conn: &mut Conn, name: &str) -> Result<Option<String>, DbError> {
    let row: Option<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = $1"
    )
    .bind(name)
    .fetch_optional(c)
    .await)?;
    Ok(row.map(|(sql,)| sql))
}

fn triggers(watched: &Watched) -> [(String, String); 3] {
    let Watched { table, key, .. } = watched;
    let log = |row: &str, event: &str, old: &str, new: &str| {
        format!(
            "INSERT INTO change_log (table_name, row_key, event, old_row, new_row) \
             VALUES ('{table}', CAST({row}.\"{key}\" AS TEXT), '{event}', {old}, {new});"
        )
    };
    let (old, new) = (
        image::whole(Engine::Sqlite, watched, "OLD"),
        image::whole(Engine::Sqlite, watched, "NEW"),
    );
    let name = |event: &str| format!("pugmark_{table}_{event}");
    [
        (
            name("insert"),
            format!(
                "CREATE TRIGGER {} AFTER INSERT ON {table} BEGIN {} END",
                name("insert"),
                log("NEW", "INSERT", "NULL", &new)
            ),
        ),
        (
            name("update"),
            format!(
                "CREATE TRIGGER {} AFTER UPDATE ON {table} WHEN {} BEGIN {} END",
                name("update"),
                image::changed(Engine::Sqlite, watched, "OLD", "NEW"),
                log("NEW", "UPDATE", &old, &new)
            ),
        ),
        (
            name("delete"),
            format!(
                "CREATE TRIGGER {} AFTER DELETE ON {table} BEGIN {} END",
                name("delete"),
                log("OLD", "DELETE", &old, "NULL")
            ),
        ),
    ]
}
