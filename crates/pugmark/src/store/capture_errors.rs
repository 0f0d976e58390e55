//! Errors that capture swallowed, so that the write of the host went through.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::dialect;

/// Errors of one table that say the same.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Errors {
    /// The table whose changes were not captured.
    pub table_name: String,
    /// SQLSTATE.
    pub sqlstate: String,
    /// The database's words.
    pub message: String,
    /// How many.
    pub errors: i64,
    /// When the last one came.
    pub last: Ts,
}

/// Errors whose changes no sweep has looked for yet.
///
/// # Errors
/// Whatever the database says.
pub async fn open(conn: &mut Conn) -> Result<Vec<Errors>, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
        "SELECT table_name, sqlstate, message, COUNT(*) AS errors, MAX(at) AS last FROM capture_errors \
         WHERE healed_at IS NULL GROUP BY table_name, sqlstate, message ORDER BY MAX(at) DESC"
    )
    .fetch_all(c)
    .await
    })?)
}

/// Their ids.
///
/// # Errors
/// Whatever the database says.
pub async fn open_ids(conn: &mut Conn) -> Result<Vec<i64>, DbError> {
    let rows: Vec<(i64,)> = on!(conn, |c| sqlx::query_as(
        "SELECT id FROM capture_errors WHERE healed_at IS NULL"
    )
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Notes that a sweep which began after these errors were seen has found what they lost.
///
/// # Errors
/// Whatever the database says.
pub async fn mark_healed(conn: &mut Conn, ids: &[i64], now: Ts) -> Result<(), DbError> {
    let sql = format!(
        "UPDATE capture_errors SET healed_at = $1 WHERE {}",
        dialect::id_in(conn.engine(), 2)
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(now)
        .bind(Value::from(ids).to_string())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Removes errors that were healed before `before`.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts) -> Result<u64, DbError> {
    Ok(on!(conn, |c| sqlx::query(
        "DELETE FROM capture_errors WHERE healed_at < $1"
    )
    .bind(before)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}
