//! `mapping_runs`: bringing the linked contacts up to date after a change of the mapping.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// One such run.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// Who asked for it.
    pub requested_by: String,
    /// The request; every operation of the run carries it.
    pub correlation_id: String,
    /// Linked contacts when it began.
    pub contacts: i64,
    /// Customers queued so far.
    pub queued: i64,
    /// Id of the last one.
    pub place: String,
    /// When it was asked for.
    pub created_at: Ts,
    /// When the last one was queued, or when it was stopped.
    pub queued_at: Option<Ts>,
    /// Who stopped it before its end.
    pub stopped_by: Option<String>,
}

const COLUMNS: &str =
    "id, requested_by, correlation_id, contacts, queued, place, created_at, queued_at, stopped_by";

/// Begins a run.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(
    conn: &mut Conn,
    requested_by: &str,
    correlation_id: &str,
    contacts: i64,
    now: Ts,
) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO mapping_runs (requested_by, correlation_id, contacts, created_at) VALUES ($1, $2, $3, $4)"
    )
    .bind(requested_by)
    .bind(correlation_id)
    .bind(contacts)
    .bind(now)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// The latest run.
///
/// # Errors
/// Whatever the database says.
pub async fn latest(conn: &mut Conn) -> Result<Option<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM mapping_runs ORDER BY id DESC LIMIT 1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .fetch_optional(c)
        .await)?)
}

/// Notes how far a run has come; `false` when somebody else has moved or stopped it since it was read.
///
/// # Errors
/// Whatever the database says.
pub async fn advance(
    conn: &mut Conn,
    run: &Run,
    queued: i64,
    place: &str,
    queued_at: Option<Ts>,
) -> Result<bool, DbError> {
    let moved = on!(conn, |c| sqlx::query(
        "UPDATE mapping_runs SET queued = $3, place = $4, queued_at = $5 \
         WHERE id = $1 AND place = $2 AND queued_at IS NULL"
    )
    .bind(run.id)
    .bind(&run.place)
    .bind(queued)
    .bind(place)
    .bind(queued_at)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(moved == 1)
}

/// Stops a run: nothing more is queued. `false` when it had ended.
///
/// # Errors
/// Whatever the database says.
pub async fn stop(conn: &mut Conn, id: i64, who: &str, now: Ts) -> Result<bool, DbError> {
    let stopped = on!(conn, |c| {
        sqlx::query(
        "UPDATE mapping_runs SET queued_at = $2, stopped_by = $3 WHERE id = $1 AND queued_at IS NULL"
    )
    .bind(id)
    .bind(now)
    .bind(who)
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(stopped == 1)
}
