//! Every human action: who, when, on what, why.

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::dialect;
use super::journey::Until;

/// One entry of the audit log.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Who did it: a person, or the name of a token.
    pub actor: &'a str,
    /// What was done, for example `queue.retry`.
    pub action: &'a str,
    /// To what.
    pub subject: &'a str,
    /// Why, in the person's words.
    pub reason: Option<&'a str>,
    /// Correlation id of the request.
    pub correlation_id: Option<&'a str>,
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    /// Its number; later entries have higher ones.
    pub id: i64,
    /// When.
    pub at: Ts,
    /// See [`Entry::actor`].
    pub actor: String,
    /// See [`Entry::action`].
    pub action: String,
    /// See [`Entry::subject`].
    pub subject: String,
    /// See [`Entry::reason`].
    pub reason: Option<String>,
    /// See [`Entry::correlation_id`].
    pub correlation_id: Option<String>,
}

/// Which entries are meant. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this action, or of those that begin with it and a point: `queue` means `queue.retry`, too.
    pub action: Option<String>,
    /// Contained in actor, subject, reason or correlation id, in letters of any case.
    pub text: Option<String>,
    /// Older than the entry with this number.
    pub before: Option<i64>,
    /// The entry with this number, or a later one.
    pub from: Option<i64>,
    /// Most entries.
    pub limit: u32,
}

/// Entries, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &Filter) -> Result<Vec<Kept>, DbError> {
    let engine = conn.engine();
    Ok(on!(conn, |c, DB| {
        let mut query = QueryBuilder::<DB>::new(
            "SELECT id, at, actor, action, subject, reason, correlation_id FROM audit_log WHERE 1 = 1",
        );
        if let Some(action) = &filter.action {
            query
                .push(" AND (action = ")
                .push_bind(action.clone())
                .push(" OR substr(action, 1, length(")
                .push_bind(action.clone())
                .push(") + 1) = ")
                .push_bind(format!("{action}."))
                .push(")");
        }
        if let Some(text) = &filter.text {
            query
                .push(" AND (actor || ' ' || subject || ' ' || COALESCE(reason, '') || ' ' || COALESCE(correlation_id, '')) ")
                .push(dialect::matches(engine))
                .push_bind(dialect::containing(engine, text));
        }
        if let Some(from) = filter.from {
            query.push(" AND id >= ").push_bind(from);
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before);
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(filter.limit));
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The statement behind [`of_customer`], for tests of its plan.
pub fn of_customer_sql(engine: Engine) -> String {
    let subject = match engine {
        Engine::Sqlite => "subject",
        Engine::Postgres => "subject COLLATE \"C\"",
    };
    let columns = "id, at, actor, action, subject, reason, correlation_id";
    // Two searches along one index, each bounded by what was done to one customer.
    format!(
        "SELECT {columns} FROM (SELECT {columns} FROM audit_log WHERE {listed} \
         UNION ALL SELECT {columns} FROM audit_log WHERE {subject} >= $2 AND {subject} < $2 || '~') a \
         WHERE (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT $5",
        listed = dialect::text_in(engine, subject, 1),
    )
}

/// What people did to a customer and to these operations, newest first behind a time and a number.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    operations: &[OperationId],
    until: Until,
    limit: u32,
) -> Result<Vec<Kept>, DbError> {
    let sql = of_customer_sql(conn.engine());
    let operations: Vec<String> = operations.iter().map(ToString::to_string).collect();
    let operations = dialect::json_text(&operations)?;
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(operations)
        .bind(subject_of_customer(customer))
        .bind(until.at)
        .bind(until.id)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// What stands as the subject of an entry about a customer, or how it begins.
pub fn subject_of_customer(customer: &str) -> String {
    format!("customer {customer}")
}

/// The numbers of the oldest and the newest entry.
///
/// # Errors
/// Whatever the database says.
pub async fn bounds(conn: &mut Conn) -> Result<Option<(i64, i64)>, DbError> {
    let sql = "SELECT (SELECT min(id) FROM audit_log), (SELECT max(id) FROM audit_log)";
    let (oldest, newest): (Option<i64>, Option<i64>) =
        on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await)?;
    Ok(oldest.zip(newest))
}

/// Writes an entry, in the transaction of the action itself.
///
/// # Errors
/// Whatever the database says.
pub async fn record(conn: &mut Conn, at: Ts, entry: &Entry<'_>) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "INSERT INTO audit_log (at, actor, action, subject, reason, correlation_id) VALUES ($1, $2, $3, $4, $5, $6)"
    )
    .bind(at)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.subject)
    .bind(entry.reason)
    .bind(entry.correlation_id)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}
