//! The triggers that watch MicroBima's tables.
//!
//! They write `change_log` and nothing else: no NOTIFY, which would serialise the host's commits, and no business rule.
//! Whatever program writes a row is captured in the same transaction. An update is captured only when a watched column
//! really changed (NULL-safe): `updatedAt` moves on every write of the application and must not count.

use pugmark_queue::db::{Conn, Db, DbError, Engine};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use crate::flows::insurance::plan::WATCHED_CUSTOMER_COLUMNS;

/// A table that is watched.
struct Watched {
    table: &'static str,
    key: &'static str,
    columns: &'static [&'static str],
}

const WATCHED: [Watched; 1] = [Watched {
    table: "customers",
    key: "id",
    columns: &WATCHED_CUSTOMER_COLUMNS,
}];

/// Installs what is missing and replaces what differs from this program's version. Changes nothing when all is in place,
/// so that starting the program never waits for a lock on a busy table.
///
/// # Errors
/// Whatever the database says, for example that this role may not create a trigger.
pub async fn install(db: &Db) -> Result<(), DbError> {
    let engine = db.engine();
    db.write("install capture", move |conn| {
        Box::pin(async move {
            for watched in &WATCHED {
                match engine {
                    Engine::Sqlite => install_sqlite(conn, watched).await?,
                    Engine::Postgres => install_postgres(conn, watched).await?,
                }
            }
            Ok(())
        })
    })
    .await
}

/// Whether every capture trigger is there and enabled; names those that are not.
///
/// # Errors
/// Whatever the database says.
pub async fn missing(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let mut missing = Vec::new();
    for watched in &WATCHED {
        match conn.engine() {
            Engine::Sqlite => {
                for (name, sql) in sqlite_triggers(watched) {
                    if sqlite_definition(conn, &name).await?.as_deref() != Some(sql.as_str()) {
                        missing.push(name);
                    }
                }
            }
            Engine::Postgres => {
                if !postgres_trigger_enabled(conn, watched).await? {
                    missing.push(postgres_trigger_name(watched));
                }
            }
        }
    }
    Ok(missing)
}

async fn install_sqlite(conn: &mut Conn, watched: &Watched) -> Result<(), DbError> {
    for (name, sql) in sqlite_triggers(watched) {
        if sqlite_definition(conn, &name).await?.as_deref() == Some(sql.as_str()) {
            continue;
        }
        execute(conn, format!("DROP TRIGGER IF EXISTS {name}")).await?;
        execute(conn, sql).await?;
    }
    Ok(())
}

async fn sqlite_definition(conn: &mut Conn, name: &str) -> Result<Option<String>, DbError> {
    let row: Option<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = $1"
    )
    .bind(name)
    .fetch_optional(c)
    .await)?;
    Ok(row.map(|(sql,)| sql))
}

fn sqlite_triggers(watched: &Watched) -> [(String, String); 3] {
    let Watched {
        table,
        key,
        columns,
    } = watched;
    // A BLOB, which SQLite lets any program store anywhere, has no place in JSON: the error would be the program's.
    let value = |row: &str, column: &str| {
        format!(
            "CASE typeof({row}.\"{column}\") WHEN 'blob' THEN hex({row}.\"{column}\") ELSE {row}.\"{column}\" END"
        )
    };
    let image = |row: &str| {
        let pairs: Vec<String> = std::iter::once(key)
            .chain(columns.iter())
            .map(|column| format!("'{column}', {}", value(row, column)))
            .collect();
        format!("json_object({})", pairs.join(", "))
    };
    let differs: Vec<String> = std::iter::once(key)
        .chain(columns.iter())
        .map(|column| format!("OLD.\"{column}\" IS NOT NEW.\"{column}\""))
        .collect();
    let log = |row: &str, event: &str, old: &str, new: &str| {
        format!(
            "INSERT INTO change_log (table_name, row_key, event, old_row, new_row) \
             VALUES ('{table}', CAST({row}.\"{key}\" AS TEXT), '{event}', {old}, {new});"
        )
    };
    let (old, new) = (image("OLD"), image("NEW"));
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
                differs.join(" OR "),
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

fn postgres_trigger_name(watched: &Watched) -> String {
    format!("pugmark_capture_{}", watched.table)
}

async fn install_postgres(conn: &mut Conn, watched: &Watched) -> Result<(), DbError> {
    let function = postgres_function(watched);
    let source = function_body(watched);
    let current: Option<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE n.nspname = 'pugmark' AND p.proname = $1"
    )
    .bind(format!("capture_{}", watched.table))
    .fetch_optional(c)
    .await)?;
    if current.as_ref().is_none_or(|(current,)| *current != source) {
        execute(conn, function).await?;
    }
    if !postgres_trigger_enabled(conn, watched).await? {
        let name = postgres_trigger_name(watched);
        let table = watched.table;
        execute(
            conn,
            format!(
                "CREATE OR REPLACE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON public.{table} \
                 FOR EACH ROW EXECUTE FUNCTION pugmark.capture_{table}()"
            ),
        )
        .await?;
        execute(
            conn,
            format!("ALTER TABLE public.{table} ENABLE TRIGGER {name}"),
        )
        .await?;
    }
    Ok(())
}

async fn postgres_trigger_enabled(conn: &mut Conn, watched: &Watched) -> Result<bool, DbError> {
    let row: Option<(String,)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT t.tgenabled::text FROM pg_trigger t WHERE t.tgname = $1 AND t.tgrelid = to_regclass($2) \
         AND NOT t.tgisinternal"
    )
    .bind(postgres_trigger_name(watched))
    .bind(format!("public.{}", watched.table))
    .fetch_optional(c)
    .await
    })?;
    Ok(row.is_some_and(|(state,)| state == "O" || state == "A"))
}

/// The function runs as its owner, so that a writing role without rights on schema `pugmark` can still write, and with a
/// fixed search path, so that nobody can slip another `change_log` under it. Its own errors are not the writer's: whatever
/// goes wrong is a warning, and the gap sweep heals what is missing.
fn postgres_function(watched: &Watched) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION pugmark.capture_{}() RETURNS trigger LANGUAGE plpgsql \
         SECURITY DEFINER SET search_path = pugmark, pg_catalog, pg_temp AS $capture${}$capture$",
        watched.table,
        function_body(watched)
    )
}

fn function_body(watched: &Watched) -> String {
    let Watched {
        table,
        key,
        columns,
    } = watched;
    let image = |row: &str| {
        let pairs: Vec<String> = std::iter::once(key)
            .chain(columns.iter())
            .map(|column| format!("'{column}', {row}.\"{column}\""))
            .collect();
        format!("jsonb_build_object({})", pairs.join(", "))
    };
    let differs: Vec<String> = std::iter::once(key)
        .chain(columns.iter())
        .map(|column| format!("OLD.\"{column}\" IS DISTINCT FROM NEW.\"{column}\""))
        .collect();
    format!(
        "
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO change_log (table_name, row_key, event, new_row)
        VALUES ('{table}', NEW.\"{key}\"::text, 'INSERT', {new});
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO change_log (table_name, row_key, event, old_row)
        VALUES ('{table}', OLD.\"{key}\"::text, 'DELETE', {old});
    ELSIF {differs} THEN
        INSERT INTO change_log (table_name, row_key, event, old_row, new_row)
        VALUES ('{table}', NEW.\"{key}\"::text, 'UPDATE', {old}, {new});
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'pugmark could not capture a change of {table} (SQLSTATE %); its gap sweep will find it', SQLSTATE;
    RETURN NULL;
END
",
        new = image("NEW"),
        old = image("OLD"),
        differs = differs.join(" OR "),
    )
}

async fn execute(conn: &mut Conn, sql: String) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
