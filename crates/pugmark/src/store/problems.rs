//! Problems: operations that failed, by what they have in common, and what people said of each.
//!
//! Everything is counted along the index `queue_problems`, hopping from one group to the next, and up to a limit: the page costs
//! the same when a million operations failed alike.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// Operations of one kind that failed with one code, dead or tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their kind.
    pub kind: String,
    /// The code of their last failure.
    pub error_code: String,
    /// How many; never more than [`COUNTED`] + 1.
    pub operations: i64,
    /// The oldest of their last failures.
    pub first: Ts,
    /// The newest.
    pub last: Ts,
}

/// No group is counted further.
pub const COUNTED: i64 = 10_000;
/// So many operations of a group are looked at closely, the latest failures first.
pub const LOOKED_AT: i64 = 1_000;

/// $1 kind, $2 code: the next code of this kind.
pub const NEXT_CODE: &str = "SELECT kind, error_code FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL \
     AND lane_seq >= 0 AND kind = $1 AND error_code > $2 ORDER BY error_code LIMIT 1";

/// $1 kind: the next kind, with its first code.
pub const NEXT_KIND: &str = "SELECT kind, error_code FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL \
     AND lane_seq >= 0 AND kind > $1 AND error_code IS NOT NULL ORDER BY kind, error_code LIMIT 1";

/// $1 kind, $2 code, $3 counts up to so many.
pub const MEASURE: &str = "SELECT (SELECT count(*) FROM (SELECT 1 FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL \
     AND lane_seq >= 0 AND kind = $1 AND error_code = $2 ORDER BY updated_at LIMIT $3) AS counted), \
     (SELECT min(updated_at) FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL AND lane_seq >= 0 \
     AND kind = $1 AND error_code = $2), \
     (SELECT max(updated_at) FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL AND lane_seq >= 0 \
     AND kind = $1 AND error_code = $2)";

/// Every group, in the order of kind and code. Small statements in turn: as one, PostgreSQL takes it for so great a work that it
/// spends most of a second on compiling it.
///
/// # Errors
/// Whatever the database says.
pub async fn groups(conn: &mut Conn) -> Result<Vec<Group>, DbError> {
    let mut groups = Vec::new();
    let mut place = next_kind(conn, "").await?;
    while let Some((kind, error_code)) = place {
        groups.extend(measured(conn, &kind, &error_code).await?);
        place = match next_code(conn, &kind, &error_code).await? {
            Some(next) => Some(next),
            None => next_kind(conn, &kind).await?,
        };
    }
    Ok(groups)
}

async fn next_code(
    conn: &mut Conn,
    kind: &str,
    code: &str,
) -> Result<Option<(String, String)>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(NEXT_CODE)
        .bind(kind)
        .bind(code)
        .fetch_optional(c)
        .await)?)
}

async fn next_kind(conn: &mut Conn, kind: &str) -> Result<Option<(String, String)>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(NEXT_KIND)
        .bind(kind)
        .fetch_optional(c)
        .await)?)
}

/// `None` when its last operation has gone meanwhile.
async fn measured(conn: &mut Conn, kind: &str, code: &str) -> Result<Option<Group>, DbError> {
    let (operations, first, last): (i64, Option<Ts>, Option<Ts>) =
        on!(conn, |c| sqlx::query_as(MEASURE)
            .bind(kind)
            .bind(code)
            .bind(COUNTED + 1)
            .fetch_one(c)
            .await)?;
    Ok(first.zip(last).map(|(first, last)| Group {
        kind: kind.to_owned(),
        error_code: code.to_owned(),
        operations,
        first,
        last,
    }))
}

/// What the latest failures of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Look {
    /// How many were looked at; never more than [`LOOKED_AT`].
    pub operations: i64,
    /// Of these, how many wait for a person.
    pub dead: i64,
    /// When the first of the others is tried again.
    pub next_attempt_at: Option<Ts>,
    /// How many different lanes they are in: customers, accounts, records of the CRM.
    pub lanes: i64,
    /// How many of those are customers'.
    pub customers: i64,
}

/// $1 kind, $2 code, $3 how many.
pub const LOOK: &str = "SELECT count(*) AS operations, count(dead_at) AS dead, \
     min(CASE WHEN dead_at IS NULL THEN next_attempt_at END) AS next_attempt_at, count(DISTINCT lane) AS lanes, \
     count(DISTINCT CASE WHEN lane LIKE 'customer:%' THEN lane END) AS customers \
     FROM (SELECT dead_at, next_attempt_at, lane FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL \
     AND lane_seq >= 0 AND kind = $1 AND error_code = $2 ORDER BY updated_at DESC LIMIT $3) AS latest";

/// Looks at the latest failures of a group.
///
/// # Errors
/// Whatever the database says.
pub async fn look(conn: &mut Conn, kind: &str, code: &str) -> Result<Look, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(LOOK)
        .bind(kind)
        .bind(code)
        .bind(LOOKED_AT)
        .fetch_one(c)
        .await)?)
}

/// $1 kind, $2 code.
pub const EXAMPLE: &str = "SELECT error_message FROM vtiger_sync_queue WHERE status = 'FAILED' AND heir IS NULL AND lane_seq >= 0 AND kind = $1 \
     AND error_code = $2 ORDER BY updated_at DESC LIMIT 1";

/// What the latest failure of a group said.
///
/// # Errors
/// Whatever the database says.
pub async fn example(conn: &mut Conn, kind: &str, code: &str) -> Result<Option<String>, DbError> {
    let found: Option<Option<String>> = on!(conn, |c| sqlx::query_scalar(EXAMPLE)
        .bind(kind)
        .bind(code)
        .fetch_optional(c)
        .await)?;
    Ok(found.flatten())
}

/// What somebody said of a problem.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Mark {
    /// Kind of its operations.
    pub kind: String,
    /// Their code.
    pub error_code: String,
    /// `acknowledged`, `snoozed` or `resolved`.
    pub state: String,
    /// Of a snoozed one: when it comes back.
    pub until: Option<Ts>,
    /// Who.
    pub marked_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub marked_at: Ts,
}

/// Every mark.
///
/// # Errors
/// Whatever the database says.
pub async fn marks(conn: &mut Conn) -> Result<Vec<Mark>, DbError> {
    let sql = "SELECT kind, error_code, state, until, marked_by, reason, marked_at FROM problem_marks ORDER BY kind, error_code";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
}

/// Marks a problem, in place of what was said before.
///
/// # Errors
/// Whatever the database says.
pub async fn mark(conn: &mut Conn, mark: &Mark) -> Result<(), DbError> {
    let sql = "INSERT INTO problem_marks (kind, error_code, state, until, marked_by, reason, marked_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, error_code) DO UPDATE SET state = excluded.state, \
               until = excluded.until, marked_by = excluded.marked_by, reason = excluded.reason, marked_at = excluded.marked_at";
    on!(conn, |c| sqlx::query(sql)
        .bind(&mark.kind)
        .bind(&mark.error_code)
        .bind(&mark.state)
        .bind(mark.until)
        .bind(&mark.marked_by)
        .bind(&mark.reason)
        .bind(mark.marked_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Takes a mark away; `false` when there was none.
///
/// # Errors
/// Whatever the database says.
pub async fn unmark(conn: &mut Conn, kind: &str, code: &str) -> Result<bool, DbError> {
    let sql = "DELETE FROM problem_marks WHERE kind = $1 AND error_code = $2";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(kind)
        .bind(code)
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}
