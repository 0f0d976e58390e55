//! Deliveries as the console lists them: without their bodies, and no further back at once than a page may cost.

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::on;
use sqlx::QueryBuilder;

use super::{COLUMNS, Delivery};
use crate::store::dialect;

/// Which deliveries a page shows. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    pub status: Option<&'static str>,
    /// Where they came in.
    pub endpoint: Option<&'static str>,
    /// Contained in record, module, event, reason or correlation id, in letters of any case.
    pub text: Option<String>,
    /// Older than the one with this number.
    pub before: Option<i64>,
    /// The one with this number, or a later one.
    pub from: Option<i64>,
    /// Most deliveries.
    pub limit: u32,
}

/// Deliveries, newest first; their bodies are left out.
///
/// # Errors
/// Whatever the database says.
pub async fn glance(conn: &mut Conn, sought: &Sought) -> Result<Vec<Delivery>, DbError> {
    let engine = conn.engine();
    let columns = COLUMNS.replace(" body,", " '' AS body,");
    Ok(on!(conn, |c, DB| {
        let mut query = QueryBuilder::<DB>::new(format!(
            "SELECT {columns} FROM webhook_deliveries WHERE 1 = 1"
        ));
        if let Some(status) = sought.status {
            query.push(" AND status = ").push_bind(status);
        }
        if let Some(endpoint) = sought.endpoint {
            query.push(" AND endpoint = ").push_bind(endpoint);
        }
        if let Some(text) = &sought.text {
            query
                .push(
                    " AND (COALESCE(record_id, '') || ' ' || COALESCE(module, '') || ' ' || COALESCE(event, '') || ' ' || \
                     COALESCE(reason, '') || ' ' || correlation_id) ",
                )
                .push(dialect::matches(engine))
                .push_bind(dialect::containing(engine, text));
        }
        if let Some(from) = sought.from {
            query.push(" AND id >= ").push_bind(from);
        }
        if let Some(before) = sought.before {
            query.push(" AND id < ").push_bind(before);
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(sought.limit));
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The numbers of the oldest and the newest delivery that is kept.
///
/// # Errors
/// Whatever the database says.
pub async fn bounds(conn: &mut Conn) -> Result<Option<(i64, i64)>, DbError> {
    let sql =
        "SELECT (SELECT min(id) FROM webhook_deliveries), (SELECT max(id) FROM webhook_deliveries)";
    let (oldest, newest): (Option<i64>, Option<i64>) =
        on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await)?;
    Ok(oldest.zip(newest))
}
