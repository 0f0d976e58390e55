//! `flow_minutes`, `flow_hours` and `flows`: what became of attempts, by flow and time, so that nobody counts a day's operations.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

/// Figures of one flow in one span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Figures {
    /// Kind of operation.
    pub kind: String,
    /// Operations that were queued.
    pub queued: i64,
    /// Attempts that carried their operation out.
    pub done: i64,
    /// Attempts that failed.
    pub failed: i64,
    /// Calls to the outside.
    pub calls: i64,
}

/// Attempts that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Ended {
    /// Kind of operation.
    pub kind: String,
    /// `COMPLETED`, `RELEASED` or `EXPIRED`.
    pub ended: String,
    /// How they were filed.
    pub classification: Option<String>,
    /// How many.
    pub attempts: i64,
    /// Their calls together.
    pub calls: i64,
    /// When the last of them ended.
    pub last: Ts,
}

/// $1 from, $2 before.
pub const ENDED: &str = "SELECT q.kind, a.ended, a.classification, count(*) AS attempts, \
     CAST(COALESCE(sum(a.crm_calls), 0) AS BIGINT) AS calls, max(a.finished_at) AS last \
     FROM vtiger_sync_attempts AS a JOIN vtiger_sync_queue AS q ON q.id = a.operation_id \
     WHERE a.finished_at >= $1 AND a.finished_at < $2 AND a.ended IS NOT NULL GROUP BY q.kind, a.ended, a.classification";

/// $1 from, $2 before, as ids.
pub const QUEUED: &str =
    "SELECT kind, count(*) FROM vtiger_sync_queue WHERE id >= $1 AND id < $2 GROUP BY kind";

/// $1 from.
pub const NEXT_ENDED: &str =
    "SELECT min(finished_at) FROM vtiger_sync_attempts WHERE finished_at >= $1";

/// $1 from, as an id.
pub const NEXT_QUEUED: &str = "SELECT id FROM vtiger_sync_queue WHERE id >= $1 ORDER BY id LIMIT 1";

/// Attempts that ended in this span.
///
/// # Errors
/// Whatever the database says.
pub async fn ended(conn: &mut Conn, from: Ts, before: Ts) -> Result<Vec<Ended>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(ENDED)
        .bind(from)
        .bind(before)
        .fetch_all(c)
        .await)?)
}

/// Operations that were queued in this span, by kind: ids of operations begin with their time.
///
/// # Errors
/// Whatever the database says.
pub async fn queued(conn: &mut Conn, from: Ts, before: Ts) -> Result<Vec<(String, i64)>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(QUEUED)
        .bind(first_id(from))
        .bind(first_id(before))
        .fetch_all(c)
        .await)?)
}

/// The first instant from `from` on at which something ended or was queued.
///
/// # Errors
/// Whatever the database says.
pub async fn next_activity(conn: &mut Conn, from: Ts) -> Result<Option<Ts>, DbError> {
    let ended: Option<Ts> = on!(conn, |c| sqlx::query_scalar(NEXT_ENDED)
        .bind(from)
        .fetch_one(c)
        .await)?;
    let queued: Option<Uuid> = on!(conn, |c| sqlx::query_scalar(NEXT_QUEUED)
        .bind(first_id(from))
        .fetch_optional(c)
        .await)?;
    let queued = queued.map(time_of);
    Ok(match (ended, queued) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    })
}

/// The least id that an operation queued at `at` can have.
fn first_id(at: Ts) -> Uuid {
    let millis = u128::try_from(at.as_micros().div_euclid(1_000)).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

fn time_of(id: Uuid) -> Ts {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX);
    Ts::from_micros(millis.saturating_mul(1_000))
}

/// The last minute that has figures.
///
/// # Errors
/// Whatever the database says.
pub async fn last_minute(conn: &mut Conn) -> Result<Option<Ts>, DbError> {
    let sql = "SELECT max(minute) FROM flow_minutes";
    Ok(on!(conn, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
}

/// The figures of one minute, in the order of kinds.
///
/// # Errors
/// Whatever the database says.
pub async fn of_minute(conn: &mut Conn, minute: Ts) -> Result<Vec<Figures>, DbError> {
    let sql = "SELECT kind, queued, done, failed, calls FROM flow_minutes WHERE minute = $1 ORDER BY kind";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(minute)
        .fetch_all(c)
        .await)?)
}

/// Puts the figures of a minute in place of those that were there.
///
/// # Errors
/// Whatever the database says.
pub async fn put_minute(conn: &mut Conn, minute: Ts, all: &[Figures]) -> Result<(), DbError> {
    let sql = "DELETE FROM flow_minutes WHERE minute = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(minute)
        .execute(c)
        .await
        .map(drop))?;
    let sql = "INSERT INTO flow_minutes (minute, kind, queued, done, failed, calls) VALUES ($1, $2, $3, $4, $5, $6)";
    for figures in all {
        on!(conn, |c| sqlx::query(sql)
            .bind(minute)
            .bind(&figures.kind)
            .bind(figures.queued)
            .bind(figures.done)
            .bind(figures.failed)
            .bind(figures.calls)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Sums the minutes of an hour up.
///
/// # Errors
/// Whatever the database says.
pub async fn sum_hour(conn: &mut Conn, hour: Ts, next: Ts) -> Result<(), DbError> {
    let sql = "INSERT INTO flow_hours (hour, kind, queued, done, failed, calls) \
               SELECT $1, kind, CAST(sum(queued) AS BIGINT), CAST(sum(done) AS BIGINT), CAST(sum(failed) AS BIGINT), \
               CAST(sum(calls) AS BIGINT) FROM flow_minutes WHERE minute >= $1 AND minute < $2 GROUP BY kind \
               ON CONFLICT (hour, kind) DO UPDATE SET queued = excluded.queued, done = excluded.done, failed = excluded.failed, \
               calls = excluded.calls";
    on!(conn, |c| sqlx::query(sql)
        .bind(hour)
        .bind(next)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Notes when a flow last carried an operation out; an earlier time than the one noted changes nothing.
///
/// # Errors
/// Whatever the database says.
pub async fn note_done(conn: &mut Conn, kind: &str, at: Ts) -> Result<(), DbError> {
    let sql = "INSERT INTO flows (kind, last_done_at, waiting, delivering, dead) VALUES ($1, $2, 0, 0, 0) \
               ON CONFLICT (kind) DO UPDATE SET last_done_at = excluded.last_done_at \
               WHERE flows.last_done_at IS NULL OR flows.last_done_at < excluded.last_done_at";
    on!(conn, |c| sqlx::query(sql)
        .bind(kind)
        .bind(at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Figures since this minute, by kind.
///
/// # Errors
/// Whatever the database says.
pub async fn since(conn: &mut Conn, minute: Ts) -> Result<Vec<Figures>, DbError> {
    let sql = "SELECT kind, CAST(sum(queued) AS BIGINT) AS queued, CAST(sum(done) AS BIGINT) AS done, \
               CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(calls) AS BIGINT) AS calls \
               FROM flow_minutes WHERE minute >= $1 GROUP BY kind ORDER BY kind";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(minute)
        .fetch_all(c)
        .await)?)
}

/// Figures by hour, the oldest first.
///
/// # Errors
/// Whatever the database says.
pub async fn hours(conn: &mut Conn, since: Ts) -> Result<Vec<(Ts, Figures)>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        hour: Ts,
        #[sqlx(flatten)]
        figures: Figures,
    }
    let sql = "SELECT hour, kind, queued, done, failed, calls FROM flow_hours WHERE hour >= $1 ORDER BY hour, kind";
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(sql).bind(since).fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.hour, row.figures))
        .collect())
}

/// Removes what is older than it has to be.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, minutes: Ts, hours: Ts) -> Result<(), DbError> {
    for (sql, before) in [
        ("DELETE FROM flow_minutes WHERE minute < $1", minutes),
        ("DELETE FROM flow_hours WHERE hour < $1", hours),
    ] {
        on!(conn, |c| sqlx::query(sql)
            .bind(before)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Unfinished operations that are alike.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Open {
    /// Their kind.
    pub kind: String,
    /// Their status.
    pub status: String,
    /// They are dead letters.
    pub dead: bool,
    /// How many.
    pub operations: i64,
    /// When the first of them was queued.
    pub oldest: Option<Ts>,
}

/// $1 no more than so many are looked at.
pub const OPEN: &str = "SELECT kind, status, dead, count(*) AS operations, min(queued) AS oldest FROM \
     (SELECT kind, status, dead_at IS NOT NULL AS dead, first_queued_at AS queued FROM vtiger_sync_queue \
     WHERE status <> 'COMPLETED' AND heir IS NULL LIMIT $1) AS counted GROUP BY kind, status, dead ORDER BY kind, status, dead";

/// What is not finished, by kind and status; of no more than `most` operations.
///
/// # Errors
/// Whatever the database says.
pub async fn open(conn: &mut Conn, most: i64) -> Result<Vec<Open>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(OPEN)
        .bind(most)
        .fetch_all(c)
        .await)?)
}

/// $1 since, $2 no more than so many.
pub const FINISHED: &str = "SELECT kind, carried_out, count(*) AS operations FROM (SELECT kind, \
     dead_at IS NULL AND superseded_by IS NULL AS carried_out FROM vtiger_sync_queue \
     WHERE status = 'COMPLETED' AND processed_at >= $1 LIMIT $2) AS counted GROUP BY kind, carried_out ORDER BY kind";

/// Finished operations that are alike.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Finished {
    /// Their kind.
    pub kind: String,
    /// They were carried out, and neither given up nor merged into others.
    pub carried_out: bool,
    /// How many.
    pub operations: i64,
}

/// What was finished since, of no more than `most` operations.
///
/// # Errors
/// Whatever the database says.
pub async fn finished(conn: &mut Conn, since: Ts, most: i64) -> Result<Vec<Finished>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(FINISHED)
        .bind(since)
        .bind(most)
        .fetch_all(c)
        .await)?)
}

/// $1 since, $2 no more than so many.
pub const DIED: &str = "SELECT kind, count(*) FROM (SELECT kind FROM vtiger_sync_queue WHERE status = 'FAILED' \
     AND dead_at IS NOT NULL AND dead_at >= $1 LIMIT $2) AS counted GROUP BY kind ORDER BY kind";

/// What became a dead letter since and still is one, of no more than `most` operations.
///
/// # Errors
/// Whatever the database says.
pub async fn died(conn: &mut Conn, since: Ts, most: i64) -> Result<Vec<(String, i64)>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(DIED)
        .bind(since)
        .bind(most)
        .fetch_all(c)
        .await)?)
}

/// $1 kind, $2 priority, $3 due before, $4 no more than so many.
pub const OVERDUE: &str = "SELECT count(*) FROM (SELECT 1 FROM vtiger_sync_queue WHERE head = 1 AND waiting = 1 AND kind = $1 \
     AND priority = $2 AND next_attempt_at <= $3 LIMIT $4) AS counted";

/// Priorities, as they are stored.
const PRIORITIES: std::ops::RangeInclusive<i32> = 0..=3;

/// How many operations of a kind have been due since before, of no more than `most` of each priority.
///
/// # Errors
/// Whatever the database says.
pub async fn overdue(conn: &mut Conn, kind: &str, before: Ts, most: i64) -> Result<i64, DbError> {
    let mut overdue = 0;
    for priority in PRIORITIES {
        let found: i64 = on!(conn, |c| sqlx::query_scalar(OVERDUE)
            .bind(kind)
            .bind(priority)
            .bind(before)
            .bind(most)
            .fetch_one(c)
            .await)?;
        overdue += found;
    }
    Ok(overdue)
}

/// How a flow stands, as it was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Flow {
    /// Kind of operation.
    pub kind: String,
    /// When it last carried an operation out.
    pub last_done_at: Option<Ts>,
    /// Operations that wait, when it was counted.
    pub waiting: i64,
    /// Operations that were being carried out.
    pub delivering: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the first that waits was queued.
    pub waiting_since: Option<Ts>,
    /// When it was counted; `None`: never.
    pub counted_at: Option<Ts>,
}

/// Every flow.
///
/// # Errors
/// Whatever the database says.
pub async fn flows(conn: &mut Conn) -> Result<Vec<Flow>, DbError> {
    let sql = "SELECT kind, last_done_at, waiting, delivering, dead, waiting_since, counted_at FROM flows ORDER BY kind";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
}

/// Notes what was counted of every flow; those that are not named have nothing.
///
/// # Errors
/// Whatever the database says.
pub async fn put_counts(conn: &mut Conn, counted: &[Flow], now: Ts) -> Result<(), DbError> {
    let sql = "UPDATE flows SET waiting = 0, delivering = 0, dead = 0, waiting_since = NULL, counted_at = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    let sql = "INSERT INTO flows (kind, waiting, delivering, dead, waiting_since, counted_at) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (kind) DO UPDATE SET waiting = excluded.waiting, delivering = excluded.delivering, \
               dead = excluded.dead, waiting_since = excluded.waiting_since, counted_at = excluded.counted_at";
    for flow in counted {
        on!(conn, |c| sqlx::query(sql)
            .bind(&flow.kind)
            .bind(flow.waiting)
            .bind(flow.delivering)
            .bind(flow.dead)
            .bind(flow.waiting_since)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_an_operation_lies_between_the_bounds_of_its_minute() {
        let now = Ts::now();
        let id = Uuid::now_v7();
        assert!(first_id(now.before(std::time::Duration::from_secs(1))) < id);
        assert!(id < first_id(now.after(std::time::Duration::from_secs(60))));
        assert!(time_of(id).since(now).as_secs() < 60);
    }
}
