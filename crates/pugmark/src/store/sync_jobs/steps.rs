//! `sync_job_steps`: which steps of a job may have had their effect although nobody saw it.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::Step;
use crate::store::rows_changed;

/// A step that was begun.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Begun {
    /// From when on it may have had its effect.
    pub begun_at: Ts,
    /// What was sent along to be known by.
    pub token: Option<String>,
    /// When it was known to have had it.
    pub finished_at: Option<Ts>,
}

/// Notes, before the call, that the step may have its effect from now on.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(
    conn: &mut Conn,
    job: Uuid,
    step: Step,
    token: Option<&str>,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO sync_job_steps (job_id, step, begun_at, token) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (job_id, step) DO UPDATE SET begun_at = excluded.begun_at, token = excluded.token, finished_at = NULL";
    rows_changed!(conn, sql, job, step.as_str(), now, token)
}

/// The step, if it was begun.
///
/// # Errors
/// Whatever the database says.
pub async fn begun(conn: &mut Conn, job: Uuid, step: Step) -> Result<Option<Begun>, DbError> {
    let sql =
        "SELECT begun_at, token, finished_at FROM sync_job_steps WHERE job_id = $1 AND step = $2";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(job)
        .bind(step.as_str())
        .fetch_optional(c)
        .await)?)
}

/// Notes that the step has had its effect.
///
/// # Errors
/// Whatever the database says.
pub async fn finish(conn: &mut Conn, job: Uuid, step: Step, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE sync_job_steps SET finished_at = $3 WHERE job_id = $1 AND step = $2";
    rows_changed!(conn, sql, job, step.as_str(), now)
}

/// The step is known to have had no effect: it was refused, or never sent.
///
/// # Errors
/// Whatever the database says.
pub async fn forget(conn: &mut Conn, job: Uuid, step: Step) -> Result<bool, DbError> {
    let sql = "DELETE FROM sync_job_steps WHERE job_id = $1 AND step = $2 AND finished_at IS NULL";
    rows_changed!(conn, sql, job, step.as_str())
}

/// A step that was begun, with its name.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Taken {
    /// By [`Step::parse`].
    pub step: String,
    /// From when on it may have had its effect.
    pub begun_at: Ts,
    /// When it was known to have had it.
    pub finished_at: Option<Ts>,
}

/// Every step of a job that was begun.
///
/// # Errors
/// Whatever the database says.
pub async fn taken(conn: &mut Conn, job: Uuid) -> Result<Vec<Taken>, DbError> {
    let sql = "SELECT step, begun_at, finished_at FROM sync_job_steps WHERE job_id = $1 ORDER BY begun_at";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(job)
        .fetch_all(c)
        .await)?)
}
