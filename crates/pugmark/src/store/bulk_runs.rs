//! `bulk_runs`: the same act on many dead letters, and how far it is.

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// `retry` or `discard`.
    pub action: String,
    /// Which dead letters, in the filter language of the console.
    pub filter: String,
    /// None that was queued after this one.
    pub upto: OperationId,
    /// How many there were when it was asked for.
    pub meant: i64,
    /// Who asked for it.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// The request; every entry of the audit log carries it.
    pub correlation_id: String,
    /// The last operation that was dealt with.
    pub place: Option<OperationId>,
    /// It was done to so many.
    pub done: i64,
    /// It could not be done to so many.
    pub skipped: i64,
    /// When it was asked for.
    pub created_at: Ts,
    /// When it ended, or was stopped.
    pub ended_at: Option<Ts>,
    /// Who stopped it before its end.
    pub stopped_by: Option<String>,
}

/// A run that is asked for.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// See [`Run::action`].
    pub action: &'a str,
    /// See [`Run::filter`].
    pub filter: &'a str,
    /// See [`Run::upto`].
    pub upto: OperationId,
    /// See [`Run::meant`].
    pub meant: i64,
    /// See [`Run::requested_by`].
    pub requested_by: &'a str,
    /// See [`Run::reason`].
    pub reason: &'a str,
    /// See [`Run::correlation_id`].
    pub correlation_id: &'a str,
}

const COLUMNS: &str = "id, action, filter, upto, meant, requested_by, reason, correlation_id, place, done, skipped, \
                       created_at, ended_at, stopped_by";

/// Asks for a run and gives its number.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(conn: &mut Conn, run: &NewRun<'_>, now: Ts) -> Result<i64, DbError> {
    let sql = "INSERT INTO bulk_runs (action, filter, upto, meant, requested_by, reason, correlation_id, done, skipped, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8) RETURNING id";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(run.action)
        .bind(run.filter)
        .bind(run.upto)
        .bind(run.meant)
        .bind(run.requested_by)
        .bind(run.reason)
        .bind(run.correlation_id)
        .bind(now)
        .fetch_one(c)
        .await)?)
}

/// A run by its number.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM bulk_runs WHERE id = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// The oldest run that has not ended.
///
/// # Errors
/// Whatever the database says.
pub async fn under_way(conn: &mut Conn) -> Result<Option<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM bulk_runs WHERE ended_at IS NULL ORDER BY id LIMIT 1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .fetch_optional(c)
        .await)?)
}

/// The latest runs, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn latest(conn: &mut Conn, limit: u32) -> Result<Vec<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM bulk_runs ORDER BY id DESC LIMIT $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Notes how far a run has come; `false` when somebody else has moved or stopped it since it was read.
///
/// # Errors
/// Whatever the database says.
pub async fn advance(
    conn: &mut Conn,
    run: &Run,
    done: i64,
    skipped: i64,
    place: Option<OperationId>,
    ended_at: Option<Ts>,
) -> Result<bool, DbError> {
    let sql = "UPDATE bulk_runs SET done = $2, skipped = $3, place = $4, ended_at = $5 \
               WHERE id = $1 AND done = $6 AND skipped = $7 AND ended_at IS NULL";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(run.id)
        .bind(done)
        .bind(skipped)
        .bind(place)
        .bind(ended_at)
        .bind(run.done)
        .bind(run.skipped)
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}

/// Stops a run: nothing more is done. `false` when it had ended.
///
/// # Errors
/// Whatever the database says.
pub async fn stop(conn: &mut Conn, id: i64, who: &str, now: Ts) -> Result<bool, DbError> {
    let sql =
        "UPDATE bulk_runs SET ended_at = $2, stopped_by = $3 WHERE id = $1 AND ended_at IS NULL";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(id)
        .bind(now)
        .bind(who)
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}

/// What finished operations of one kind cost, by the latest of them.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Cost {
    /// Their kind.
    pub kind: String,
    /// How many were looked at.
    pub operations: i64,
    /// Calls of all of them together.
    pub calls: i64,
    /// Time of all of them together, in microseconds.
    pub micros: i64,
}

/// What the latest finished operations cost, by kind: the last `most` that were finished, whatever their kind.
///
/// # Errors
/// Whatever the database says.
pub async fn costs(conn: &mut Conn, most: u32) -> Result<Vec<Cost>, DbError> {
    let sql = COSTS;
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(i64::from(most))
        .fetch_all(c)
        .await)?)
}

/// $1 how many operations.
pub const COSTS: &str = "SELECT f.kind, count(DISTINCT f.id) AS operations, CAST(COALESCE(sum(a.crm_calls), 0) AS BIGINT) AS calls, \
     CAST(COALESCE(sum(a.duration_us), 0) AS BIGINT) AS micros \
     FROM (SELECT id, kind FROM vtiger_sync_queue WHERE status = 'COMPLETED' AND dead_at IS NULL AND superseded_by IS NULL \
     ORDER BY processed_at DESC LIMIT $1) AS f JOIN vtiger_sync_attempts AS a ON a.operation_id = f.id \
     GROUP BY f.kind ORDER BY f.kind";
