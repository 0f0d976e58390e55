//! `application_logs`: log lines worth keeping.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::dialect;

/// A line to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLine {
    /// When.
    pub timestamp: Ts,
    /// `error`, `warn` or `info`.
    pub level: &'static str,
    /// The part of the program that wrote it.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Its fields and those of the spans around it.
    pub context: serde_json::Map<String, serde_json::Value>,
    /// The request it belongs to.
    pub correlation_id: Option<String>,
}

/// A kept line.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Line {
    /// Its number; later lines have higher ones.
    pub log_id: i64,
    /// When.
    pub timestamp: Ts,
    /// `error`, `warn` or `info`.
    pub level: String,
    /// The part of the program that wrote it.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Its fields and those of the spans around it, a JSON object.
    pub context: String,
    /// The request it belongs to.
    pub correlation_id: Option<String>,
}

/// Keeps lines.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, lines: &[NewLine]) -> Result<(), DbError> {
    on!(conn, |c, DB| {
        let mut query = QueryBuilder::<DB>::new(
            "INSERT INTO application_logs (timestamp, level, target, message, context, correlation_id) ",
        );
        query.push_values(lines, |mut row, line| {
            row.push_bind(line.timestamp)
                .push_bind(line.level)
                .push_bind(storable(&line.target))
                .push_bind(storable(&line.message))
                .push_bind(Json(line.context.clone()))
                .push_bind(line.correlation_id.as_deref().map(storable));
        });
        query.build().execute(c).await.map(drop)
    })?;
    Ok(())
}

/// PostgreSQL keeps every character but this one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Which lines are meant. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct LineFilter {
    /// Of any of these requests.
    pub correlation_ids: Option<Vec<String>>,
    /// Of one of these levels.
    pub levels: Option<Vec<&'static str>>,
    /// From this instant on.
    pub since: Option<Ts>,
    /// Before this instant.
    pub until: Option<Ts>,
    /// Contained in the message, the part of the program or the fields, in letters of any case.
    pub text: Option<String>,
    /// Older than the line with this number.
    pub before: Option<i64>,
    /// The line with this number, or a later one.
    pub from: Option<i64>,
    /// Most lines.
    pub limit: u32,
}

/// Lines, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &LineFilter) -> Result<Vec<Line>, DbError> {
    let engine = conn.engine();
    Ok(on!(conn, |c, DB| {
        let mut query = QueryBuilder::<DB>::new(
            "SELECT log_id, timestamp, level, target, message, CAST(context AS TEXT) AS context, correlation_id \
             FROM application_logs WHERE 1 = 1",
        );
        if let Some(ids) = &filter.correlation_ids {
            query.push(" AND correlation_id IN (");
            let mut list = query.separated(", ");
            ids.iter().for_each(|id| {
                list.push_bind(storable(id));
            });
            query.push(")");
        }
        if let Some(levels) = &filter.levels {
            query.push(" AND level IN (");
            let mut list = query.separated(", ");
            levels.iter().for_each(|level| {
                list.push_bind(*level);
            });
            query.push(")");
        }
        if let Some(since) = filter.since {
            query.push(" AND timestamp >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query.push(" AND timestamp < ").push_bind(until);
        }
        if let Some(text) = &filter.text {
            query
                .push(" AND (message || ' ' || target || ' ' || CAST(context AS TEXT)) ")
                .push(dialect::matches(engine))
                .push_bind(dialect::containing(engine, &storable(text)));
        }
        if let Some(from) = filter.from {
            query.push(" AND log_id >= ").push_bind(from);
        }
        if let Some(before) = filter.before {
            query.push(" AND log_id < ").push_bind(before);
        }
        query
            .push(" ORDER BY log_id DESC LIMIT ")
            .push_bind(i64::from(filter.limit));
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The numbers of the oldest and the newest line.
///
/// # Errors
/// Whatever the database says.
pub async fn bounds(conn: &mut Conn) -> Result<Option<(i64, i64)>, DbError> {
    let sql = "SELECT (SELECT min(log_id) FROM application_logs), (SELECT max(log_id) FROM application_logs)";
    let (oldest, newest): (Option<i64>, Option<i64>) =
        on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await)?;
    Ok(oldest.zip(newest))
}

/// Removes lines older than `before`, at most `limit` of them, and says how many went.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, limit: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM application_logs WHERE log_id IN (SELECT log_id FROM application_logs WHERE timestamp < $1 LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(limit))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
