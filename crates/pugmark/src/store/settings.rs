//! Facts about this store that outlive the process, by name.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde_json::Value;

/// Whose the tables of MicroBima's slice are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SliceMode {
    /// Pugmark made them and serves their REST API.
    Standalone,
    /// MicroBima made them; Pugmark adds triggers and its own schema, and can take them away again.
    Attached,
}

impl SliceMode {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            SliceMode::Standalone => "standalone",
            SliceMode::Attached => "attached",
        }
    }
}

/// Name of the setting that says whether capture is meant to be installed in MicroBima's own database.
pub const CAPTURE_INSTALLED: &str = "capture.installed";

/// Whether this store's slice was made by MicroBima or by Pugmark.
///
/// # Errors
/// Whatever the database says, also that it has not been migrated.
pub async fn slice_mode(conn: &mut Conn) -> Result<SliceMode, DbError> {
    Ok(match get(conn, "slice.mode").await? {
        Some(Value::String(word)) if word == SliceMode::Attached.as_str() => SliceMode::Attached,
        _ => SliceMode::Standalone,
    })
}

/// Whether capture is meant to be installed: always in a standalone store, between attach and detach in MicroBima's own.
///
/// # Errors
/// As [`slice_mode`].
pub async fn capture_is_wanted(conn: &mut Conn) -> Result<bool, DbError> {
    Ok(slice_mode(conn).await? == SliceMode::Standalone
        || get(conn, CAPTURE_INSTALLED).await? == Some(Value::Bool(true)))
}

/// A setting; `None` when it was never stored.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<Value>, DbError> {
    let row: Option<(String,)> = on!(conn, |c| sqlx::query_as(
        "SELECT CAST(value AS TEXT) FROM settings WHERE name = $1"
    )
    .bind(name)
    .fetch_optional(c)
    .await)?;
    Ok(row.and_then(|(text,)| serde_json::from_str(&text).ok()))
}

/// Stores a setting.
///
/// # Errors
/// Whatever the database says.
pub async fn put(conn: &mut Conn, name: &str, value: &Value, now: Ts) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
    )
    .bind(name)
    .bind(sqlx::types::Json(value))
    .bind(now)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// The statement that notes whether capture is installed, for people who want to see it before it is run.
pub fn note_capture(installed: bool) -> String {
    format!(
        "INSERT INTO pugmark.settings (name, value, updated_at) VALUES ('{CAPTURE_INSTALLED}', '{installed}', now()) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
    )
}

/// Whether this is a PostgreSQL database with MicroBima's tables in which Pugmark has never been.
///
/// # Errors
/// Whatever the database says.
pub async fn is_untouched_microbima(conn: &mut Conn) -> Result<bool, DbError> {
    if conn.engine() == Engine::Sqlite {
        return Ok(false);
    }
    let (untouched,): (bool,) = on!(conn, |c| {
        sqlx::query_as(
        "SELECT to_regclass('public.customers') IS NOT NULL AND to_regclass('pugmark.change_log') IS NULL"
    )
    .fetch_one(c)
    .await
    })?;
    Ok(untouched)
}

/// Whether the table of settings is there, that is, whether [`slice_mode`] can be asked.
///
/// # Errors
/// Whatever the database says.
pub async fn exist(conn: &mut Conn) -> Result<bool, DbError> {
    let sql = match conn.engine() {
        Engine::Sqlite => "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'settings')",
        Engine::Postgres => "SELECT to_regclass('pugmark.settings') IS NOT NULL",
    };
    let (exist,): (bool,) = on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await)?;
    Ok(exist)
}
