//! What the database says of itself: its version, and the migrations that were run on it.

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;

/// A migration that was run.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// What it brought.
    pub description: String,
    /// When it was run, in UTC: `2026-11-22 04:40:14`.
    pub applied_at: String,
}

/// The database's version, as it writes it.
///
/// # Errors
/// Whatever the database says.
pub async fn of_database(conn: &mut Conn) -> Result<String, DbError> {
    let sql = match conn.engine() {
        Engine::Sqlite => "SELECT sqlite_version()",
        Engine::Postgres => "SELECT current_setting('server_version')",
    };
    Ok(on!(conn, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
}

/// The migrations that were run, the newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn migrations(conn: &mut Conn) -> Result<Vec<Applied>, DbError> {
    let at = match conn.engine() {
        Engine::Sqlite => "substr(CAST(installed_on AS TEXT), 1, 19)",
        Engine::Postgres => "to_char(installed_on AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')",
    };
    let sql = format!(
        "SELECT version, description, {at} AS applied_at FROM _sqlx_migrations ORDER BY version DESC"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .fetch_all(c)
        .await)?)
}
