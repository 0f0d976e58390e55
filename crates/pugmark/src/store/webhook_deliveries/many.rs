//! Many deliveries at once: one statement for each table, however many there are.

use std::collections::{HashMap, HashSet};

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::{Became, NewDelivery};
use crate::store::dialect::{self, Kind};

/// A delivery to be stored together with others. No two of them have the same key.
#[derive(Debug, Clone)]
pub struct Coming<'a> {
    /// The delivery.
    pub new: &'a NewDelivery,
    /// What became of it.
    pub became: &'a Became,
    /// Whether its key takes the place of another delivery's, which is then known by it no more. Otherwise nobody may have it.
    pub replaces: bool,
}

/// Which of these keys deliveries have.
///
/// # Errors
/// Whatever the database says.
pub async fn taken_keys(conn: &mut Conn, keys: &[&str]) -> Result<HashSet<String>, DbError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = taken_keys_sql(conn.engine());
    let keys = dialect::json_text(keys)?;
    let taken: Vec<String> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(keys)
        .fetch_all(c)
        .await)?;
    Ok(taken.into_iter().collect())
}

/// The statement behind [`taken_keys`], for tests of its plan.
pub fn taken_keys_sql(engine: Engine) -> String {
    let keys = dialect::texts(engine, 1);
    // One value of a subquery is looked up in the index for each key; a join might read the whole table.
    format!(
        "SELECT r.value FROM {keys} \
         WHERE (SELECT k.delivery_id FROM webhook_keys k WHERE k.dedup_key = r.value) IS NOT NULL"
    )
}

const COLUMNS: [(&str, Kind); 15] = [
    ("received_at", Kind::Instant),
    ("endpoint", Kind::Text),
    ("proof", Kind::Text),
    ("secret_number", Kind::Number),
    ("dedup_key", Kind::Text),
    ("content_type", Kind::Text),
    ("parameters", Kind::Text),
    ("body", Kind::Text),
    ("correlation_id", Kind::Text),
    ("event", Kind::Text),
    ("module", Kind::Text),
    ("record_id", Kind::Text),
    ("status", Kind::Text),
    ("reason", Kind::Text),
    ("operation_id", Kind::Uuid),
];

#[derive(Serialize)]
struct Row<'a> {
    received_at: i64,
    endpoint: &'a str,
    proof: &'a str,
    secret_number: i64,
    dedup_key: &'a str,
    content_type: Option<&'a str>,
    parameters: Option<&'a str>,
    body: &'a str,
    correlation_id: &'a str,
    event: Option<&'a str>,
    module: Option<&'a str>,
    record_id: Option<&'a str>,
    status: &'a str,
    reason: Option<&'a str>,
    operation_id: Option<String>,
}

impl<'a> Row<'a> {
    fn of(coming: &Coming<'a>) -> Self {
        let Coming { new, became, .. } = *coming;
        Row {
            received_at: new.received_at.as_micros(),
            endpoint: &new.endpoint,
            proof: &new.proof,
            secret_number: new.secret_number,
            dedup_key: &new.dedup_key,
            content_type: new.content_type.as_deref(),
            parameters: new.parameters.as_deref(),
            body: &new.body,
            correlation_id: &new.correlation_id,
            event: became.event.as_deref(),
            module: became.module.as_deref(),
            record_id: became.record_id.as_deref(),
            status: became.status,
            reason: became.reason.as_deref(),
            operation_id: became.operation_id.map(|id| hex::encode(id.0)),
        }
    }
}

/// Stores deliveries with their keys.
///
/// # Errors
/// [`DbError::Conflict`] when another process has just taken a key that nobody may have: then everything is for the caller to
/// undo. Otherwise whatever the database says.
pub async fn insert_many(conn: &mut Conn, coming: &[Coming<'_>]) -> Result<(), DbError> {
    let sql = format!(
        "INSERT INTO webhook_deliveries ({}) {} RETURNING id, dedup_key",
        dialect::names(&COLUMNS),
        dialect::own_rows_of(conn.engine(), 1, &COLUMNS)
    );
    let rows: Vec<Row<'_>> = coming.iter().map(Row::of).collect();
    let rows = dialect::json_text(&rows)?;
    let stored: Vec<(i64, String)> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(rows)
        .fetch_all(c)
        .await)?;
    let numbers: HashMap<String, i64> = stored.into_iter().map(|(id, key)| (key, id)).collect();
    for replaces in [true, false] {
        let of_kind = coming.iter().filter(|one| one.replaces == replaces);
        let keys = of_kind.filter_map(|one| KeyRow::of(one.new, &numbers));
        insert_keys(conn, &keys.collect::<Vec<_>>(), replaces).await?;
    }
    Ok(())
}

const KEY_COLUMNS: [(&str, Kind); 3] = [
    ("dedup_key", Kind::Text),
    ("delivery_id", Kind::Number),
    ("seen_at", Kind::Instant),
];

#[derive(Serialize)]
struct KeyRow<'a> {
    dedup_key: &'a str,
    delivery_id: i64,
    seen_at: i64,
}

impl<'a> KeyRow<'a> {
    fn of(new: &'a NewDelivery, numbers: &HashMap<String, i64>) -> Option<Self> {
        Some(KeyRow {
            dedup_key: &new.dedup_key,
            delivery_id: *numbers.get(&new.dedup_key)?,
            seen_at: new.received_at.as_micros(),
        })
    }
}

async fn insert_keys(conn: &mut Conn, keys: &[KeyRow<'_>], replace: bool) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let taken = match replace {
        true => "UPDATE SET delivery_id = excluded.delivery_id, seen_at = excluded.seen_at",
        false => "NOTHING",
    };
    let sql = format!(
        "INSERT INTO webhook_keys ({}) {} WHERE true ON CONFLICT (dedup_key) DO {taken}",
        dialect::names(&KEY_COLUMNS),
        dialect::own_rows_of(conn.engine(), 1, &KEY_COLUMNS)
    );
    let rows = dialect::json_text(keys)?;
    let stored = on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(rows)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    match usize::try_from(stored) {
        Ok(stored) if stored == keys.len() => Ok(()),
        _ => Err(DbError::Conflict),
    }
}
