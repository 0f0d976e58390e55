//! `processes`: which processes run, as each says of itself.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// A process of this store.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Process {
    /// host/process id/life.
    pub process: String,
    /// What it does: `api, worker, scheduler`.
    pub roles: String,
    /// Of Pugmark.
    pub version: String,
    /// When it was started.
    pub started_at: Ts,
    /// When it last said that it runs.
    pub seen_at: Ts,
}

/// Notes that a process runs.
///
/// # Errors
/// Whatever the database says.
pub async fn seen(conn: &mut Conn, process: &Process) -> Result<(), DbError> {
    let sql = "INSERT INTO processes (process, roles, version, started_at, seen_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (process) DO UPDATE SET seen_at = excluded.seen_at";
    on!(conn, |c| sqlx::query(sql)
        .bind(&process.process)
        .bind(&process.roles)
        .bind(&process.version)
        .bind(process.started_at)
        .bind(process.seen_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// All that are known, the oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn all(conn: &mut Conn) -> Result<Vec<Process>, DbError> {
    let sql = "SELECT process, roles, version, started_at, seen_at FROM processes ORDER BY started_at, process";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
}

/// Forgets a process that ends.
///
/// # Errors
/// Whatever the database says.
pub async fn ended(conn: &mut Conn, process: &str) -> Result<(), DbError> {
    let sql = "DELETE FROM processes WHERE process = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(process)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Forgets those that were last seen before this instant.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_before(conn: &mut Conn, before: Ts) -> Result<(), DbError> {
    let sql = "DELETE FROM processes WHERE seen_at < $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
