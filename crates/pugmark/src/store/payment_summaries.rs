//! `payment_summary_runs` and `payment_summaries`: which weeks were summed up, for whom, and how far the planning is.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{dialect, settings};

/// A run as it is stored. Weeks are the dates of their Mondays, `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Run {
    /// Number of the run.
    pub id: i64,
    /// The week that is summed up.
    pub week: String,
    /// The week that contacts showed before, when they show this one from now on.
    pub previous_week: Option<String>,
    /// The only customer it is made for; `None` is all of them.
    pub customer_id: Option<String>,
    /// Whether it was made by the clock.
    pub scheduled: bool,
    /// Whether those are planned again whose summary was planned before.
    pub again: bool,
    /// Who asked for it.
    pub requested_by: String,
    /// The correlation id of its operations.
    pub correlation_id: String,
    /// The last customer of the last page that was planned.
    pub cursor: Option<String>,
    /// Operations planned.
    pub planned: i64,
    /// Customers left out because their summary was planned before.
    pub known: i64,
    /// When it was asked for.
    pub created_at: Ts,
    /// When the last page was planned; `None` while some are to come.
    pub planned_at: Option<Ts>,
}

const COLUMNS: &str = "id, CAST(week AS TEXT) AS week, CAST(previous_week AS TEXT) AS previous_week, customer_id, scheduled, \
     again, requested_by, correlation_id, cursor, planned, known, created_at, planned_at";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Monday of the week.
    pub week: String,
    /// The week that contacts showed before.
    pub previous_week: Option<String>,
    /// The only customer; `None` is all of them.
    pub customer_id: Option<String>,
    /// Also those whose summary was planned before.
    pub again: bool,
    /// Who asks.
    pub requested_by: String,
    /// The correlation id of its operations.
    pub correlation_id: String,
}

/// Stores a run and gives its number.
///
/// # Errors
/// Whatever the database says.
pub async fn begin(conn: &mut Conn, new: &NewRun, now: Ts) -> Result<i64, DbError> {
    let sql = insert_sql(conn.engine(), "");
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(&new.week)
        .bind(new.previous_week.as_deref())
        .bind(new.customer_id.as_deref())
        .bind(false)
        .bind(new.again)
        .bind(&new.requested_by)
        .bind(&new.correlation_id)
        .bind(now)
        .fetch_one(c)
        .await)?)
}

/// Stores the run that the clock makes of a week and gives its number. `None` when it was made before.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_scheduled(
    conn: &mut Conn,
    new: &NewRun,
    now: Ts,
) -> Result<Option<i64>, DbError> {
    let sql = insert_sql(conn.engine(), "ON CONFLICT DO NOTHING");
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(&new.week)
        .bind(new.previous_week.as_deref())
        .bind(new.customer_id.as_deref())
        .bind(true)
        .bind(new.again)
        .bind(&new.requested_by)
        .bind(&new.correlation_id)
        .bind(now)
        .fetch_optional(c)
        .await)?)
}

fn insert_sql(engine: Engine, on_conflict: &str) -> String {
    format!(
        "INSERT INTO payment_summary_runs (week, previous_week, customer_id, scheduled, again, requested_by, correlation_id, \
         created_at) VALUES ({week}, {previous}, $3, $4, $5, $6, $7, $8) {on_conflict} RETURNING id",
        week = dialect::date_parameter(engine, 1),
        previous = dialect::date_parameter(engine, 2),
    )
}

/// One run.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Run>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM payment_summary_runs WHERE id = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// Runs, newest first, after the one with the number `before`.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, before: Option<i64>, limit: u32) -> Result<Vec<Run>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM payment_summary_runs WHERE id < $1 ORDER BY id DESC LIMIT $2"
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// The runs that still have pages to plan, the oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn open(conn: &mut Conn) -> Result<Vec<i64>, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(
        "SELECT id FROM payment_summary_runs WHERE planned_at IS NULL ORDER BY id"
    )
    .fetch_all(c)
    .await)?)
}

/// The statement behind [`shown_week`], for tests of its plan.
pub const SHOWN_WEEK: &str =
    "SELECT CAST(MAX(week) AS TEXT) FROM payment_summary_runs WHERE customer_id IS NULL";

/// The week that contacts show: the newest that was summed up for all. `None` before the first.
///
/// # Errors
/// Whatever the database says.
pub async fn shown_week(conn: &mut Conn) -> Result<Option<String>, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(SHOWN_WEEK)
        .fetch_one(c)
        .await)?)
}

/// The newest week that the clock has summed up.
///
/// # Errors
/// Whatever the database says.
pub async fn last_scheduled(conn: &mut Conn) -> Result<Option<String>, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(
        "SELECT CAST(MAX(week) AS TEXT) FROM payment_summary_runs WHERE scheduled"
    )
    .fetch_one(c)
    .await)?)
}

/// Name of the setting that holds the first week of all.
const FIRST_WEEK: &str = "summary.first_week";

/// The first week that the clock sums up: `week`, the first time this is asked, and the same ever after.
///
/// # Errors
/// Whatever the database says.
pub async fn first_week(conn: &mut Conn, week: &str, now: Ts) -> Result<String, DbError> {
    if let Some(Value::String(first)) = settings::get(conn, FIRST_WEEK).await? {
        return Ok(first);
    }
    settings::put(conn, FIRST_WEEK, &Value::from(week), now).await?;
    Ok(week.to_owned())
}

/// Holds a run whose next page begins after `cursor` until the transaction ends. `false` when another process holds it, has
/// gone on, or is done with it: what was read for that page is then worth nothing.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn, id: i64, cursor: Option<&str>) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT id FROM payment_summary_runs WHERE id = $1 AND planned_at IS NULL \
         AND cursor IS NOT DISTINCT FROM CAST($2 AS TEXT) {}",
        dialect::skip_locked(conn.engine())
    );
    let held: Option<i64> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(id)
        .bind(cursor)
        .fetch_optional(c)
        .await)?;
    Ok(held.is_some())
}

/// A page that was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PagePlanned {
    /// Its last customer; `None` when it was empty.
    pub cursor: Option<String>,
    /// Operations planned.
    pub planned: i64,
    /// Customers left out because their summary was planned before.
    pub known: i64,
    /// Whether it was the last.
    pub last: bool,
}

/// Notes a page, in the transaction that queued its operations.
///
/// # Errors
/// Whatever the database says.
pub async fn page_planned(
    conn: &mut Conn,
    id: i64,
    page: &PagePlanned,
    now: Ts,
) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "UPDATE payment_summary_runs SET cursor = COALESCE($2, cursor), planned = planned + $3, known = known + $4, \
         planned_at = $5 WHERE id = $1"
    )
    .bind(id)
    .bind(page.cursor.as_deref())
    .bind(page.planned)
    .bind(page.known)
    .bind(Some(now).filter(|_| page.last))
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Notes that a customer's summary of a week was planned.
///
/// # Errors
/// Whatever the database says.
pub async fn note_planned(
    conn: &mut Conn,
    week: &str,
    customer: &str,
    run: i64,
) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO payment_summaries (week, customer_id, run) VALUES ({}, $2, $3) \
         ON CONFLICT (week, customer_id) DO UPDATE SET run = excluded.run",
        dialect::date_parameter(conn.engine(), 1)
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(week)
        .bind(customer)
        .bind(run)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Operations of a run that have not ended well, yet or for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Still to be delivered.
    pub waiting: i64,
    /// Dead letters.
    pub failed: i64,
}

/// Those of all runs, by the correlation id of the run. Finished operations are not looked at, however many there are.
///
/// # Errors
/// Whatever the database says.
pub async fn unfinished(
    conn: &mut Conn,
    kind: &str,
) -> Result<BTreeMap<String, Unfinished>, DbError> {
    let rows: Vec<(String, i64, i64)> = on!(conn, |c| sqlx::query_as(UNFINISHED)
        .bind(kind)
        .fetch_all(c)
        .await)?;
    Ok(rows
        .into_iter()
        .map(|(run, waiting, failed)| (run, Unfinished { waiting, failed }))
        .collect())
}

/// The statement behind [`unfinished`], for tests of its plan.
pub const UNFINISHED: &str = "SELECT correlation_id, COUNT(*) FILTER (WHERE dead_at IS NULL), COUNT(*) FILTER (WHERE dead_at IS NOT NULL) \
     FROM vtiger_sync_queue WHERE status <> 'COMPLETED' AND kind = $1 GROUP BY correlation_id";
