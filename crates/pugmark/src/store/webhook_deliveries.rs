//! `webhook_deliveries`, `webhook_keys`, `webhook_refusals`: what was delivered, what was delivered before, and what was refused.

mod desk;
mod many;

use std::borrow::Cow;

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::rows_changed;

pub use desk::{Sought, bounds, glance};
pub use many::{Coming, insert_many, taken_keys, taken_keys_sql};

/// A delivery to be stored.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// When it came.
    pub received_at: Ts,
    /// `lead-convert`, `vtiger`, `lead-status-change` or `maxio`.
    pub endpoint: Cow<'static, str>,
    /// `hmac`, `standard`, `header` or `path`.
    pub proof: Cow<'static, str>,
    /// Which of the secrets of that kind it was, counted from 1.
    pub secret_number: i64,
    /// By what a second one is known.
    pub dedup_key: String,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// What stood behind the question mark of the address.
    pub parameters: Option<String>,
    /// The body. What is no UTF-8 is replaced.
    pub body: String,
    /// Correlation id of the request.
    pub correlation_id: String,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    /// `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    pub status: &'static str,
    /// Why it came to nothing.
    pub reason: Option<String>,
    /// What it says happened.
    pub event: Option<String>,
    /// Module of the record.
    pub module: Option<String>,
    /// The record.
    pub record_id: Option<String>,
    /// The operation that it led to.
    pub operation_id: Option<OperationId>,
}

impl Became {
    /// It cannot be read, for this reason.
    pub fn unusable(why: &str) -> Self {
        Became {
            status: "UNUSABLE",
            reason: Some(why.to_owned()),
            event: None,
            module: None,
            record_id: None,
            operation_id: None,
        }
    }
}

/// A delivery as kept.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Delivery {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// When it came.
    pub received_at: Ts,
    /// `lead-convert`, `vtiger` or `lead-status-change`.
    pub endpoint: String,
    /// `hmac`, `standard`, `header` or `path`.
    pub proof: String,
    /// Which of the secrets of that kind it was, counted from 1.
    pub secret_number: i64,
    /// By what a second one is known.
    pub dedup_key: String,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// What stood behind the question mark of the address.
    pub parameters: Option<String>,
    /// The body.
    pub body: String,
    /// Correlation id of the request.
    pub correlation_id: String,
    /// What it says happened.
    pub event: Option<String>,
    /// Module of the record.
    pub module: Option<String>,
    /// The record.
    pub record_id: Option<String>,
    /// `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    pub status: String,
    /// Why it came to nothing.
    pub reason: Option<String>,
    /// The operation that it led to.
    pub operation_id: Option<OperationId>,
    /// How often it came again.
    pub duplicates: i64,
    /// When it came again last.
    pub last_duplicate_at: Option<Ts>,
    /// How often somebody replayed it.
    pub replays: i64,
    /// When somebody did so last.
    pub replayed_at: Option<Ts>,
    /// Who.
    pub replayed_by: Option<String>,
}

const COLUMNS: &str = "id, received_at, endpoint, proof, secret_number, dedup_key, content_type, parameters, body, \
     correlation_id, event, module, record_id, status, reason, operation_id, duplicates, last_duplicate_at, replays, \
     replayed_at, replayed_by";

/// The statement behind [`claim_key`], for tests of its plan.
pub const CLAIM_KEY: &str = "INSERT INTO webhook_keys AS k (dedup_key, delivery_id, seen_at) VALUES ($1, 0, $2) \
     ON CONFLICT (dedup_key) DO UPDATE SET delivery_id = 0, seen_at = excluded.seen_at WHERE k.seen_at < $3 \
     RETURNING delivery_id";

/// Takes the key for a delivery that is about to be stored. `false` when another one has it that came at `since` or later; of
/// several at the same time exactly one gets it.
///
/// # Errors
/// Whatever the database says.
pub async fn claim_key(conn: &mut Conn, key: &str, now: Ts, since: Ts) -> Result<bool, DbError> {
    let claimed: Option<i64> = on!(conn, |c| sqlx::query_scalar(CLAIM_KEY)
        .bind(key)
        .bind(now)
        .bind(since)
        .fetch_optional(c)
        .await)?;
    Ok(claimed.is_some())
}

/// Stores a delivery with its key, and gives its number. Another one that had the key is known by it no more.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, new: &NewDelivery, result: &Became) -> Result<i64, DbError> {
    let sql = "INSERT INTO webhook_deliveries (received_at, endpoint, proof, secret_number, dedup_key, content_type, \
               parameters, body, correlation_id, event, module, record_id, status, reason, operation_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id";
    let id: i64 = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(new.received_at)
        .bind(&*new.endpoint)
        .bind(&*new.proof)
        .bind(new.secret_number)
        .bind(&new.dedup_key)
        .bind(new.content_type.as_deref())
        .bind(new.parameters.as_deref())
        .bind(&new.body)
        .bind(&new.correlation_id)
        .bind(result.event.as_deref())
        .bind(result.module.as_deref())
        .bind(result.record_id.as_deref())
        .bind(result.status)
        .bind(result.reason.as_deref())
        .bind(result.operation_id)
        .fetch_one(c)
        .await)?;
    let sql = "INSERT INTO webhook_keys (dedup_key, delivery_id, seen_at) VALUES ($1, $2, $3) \
               ON CONFLICT (dedup_key) DO UPDATE SET delivery_id = excluded.delivery_id, seen_at = excluded.seen_at";
    on!(conn, |c| sqlx::query(sql)
        .bind(&new.dedup_key)
        .bind(id)
        .bind(new.received_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(id)
}

/// Counts that the delivery with this key came again, and gives it; `None` when it is kept no more.
///
/// # Errors
/// Whatever the database says.
pub async fn note_duplicate(
    conn: &mut Conn,
    key: &str,
    now: Ts,
) -> Result<Option<Delivery>, DbError> {
    let sql = format!(
        "UPDATE webhook_deliveries SET duplicates = duplicates + 1, last_duplicate_at = $2 \
         WHERE id = (SELECT k.delivery_id FROM webhook_keys k WHERE k.dedup_key = $1) RETURNING {COLUMNS}"
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(key)
        .bind(now)
        .fetch_optional(c)
        .await)?)
}

/// One delivery.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Delivery>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook_deliveries WHERE id = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// Which deliveries a list shows. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    pub status: Option<&'static str>,
    /// Older than the one with this number.
    pub before: Option<i64>,
    /// Most deliveries.
    pub limit: u32,
}

/// Deliveries, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &DeliveryFilter) -> Result<Vec<Delivery>, DbError> {
    Ok(on!(conn, |c, DB| {
        let mut query = QueryBuilder::<DB>::new(format!(
            "SELECT {COLUMNS} FROM webhook_deliveries WHERE 1 = 1"
        ));
        if let Some(status) = filter.status {
            query.push(" AND status = ").push_bind(status);
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

/// Notes what came of replaying a delivery.
///
/// # Errors
/// Whatever the database says.
pub async fn note_replay(
    conn: &mut Conn,
    id: i64,
    result: &Became,
    who: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE webhook_deliveries SET status = $2, reason = $3, event = $4, module = $5, record_id = $6, \
               operation_id = $7, replays = replays + 1, replayed_at = $8, replayed_by = $9 WHERE id = $1";
    let (status, reason, event) = (
        result.status,
        result.reason.as_deref(),
        result.event.as_deref(),
    );
    let (module, record) = (result.module.as_deref(), result.record_id.as_deref());
    rows_changed!(
        conn,
        sql,
        id,
        status,
        reason,
        event,
        module,
        record,
        result.operation_id,
        now,
        who
    )
}

/// Refused deliveries of one hour.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Refusal {
    /// The hour's beginning.
    pub hour: Ts,
    /// `lead-convert`, `vtiger` or `lead-status-change`.
    pub endpoint: String,
    /// Why, in one word.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// When the last one came.
    pub last_at: Ts,
}

/// Counts refused deliveries.
///
/// # Errors
/// Whatever the database says.
pub async fn count_refusals(
    conn: &mut Conn,
    endpoint: &str,
    reason: &str,
    count: i64,
    now: Ts,
) -> Result<(), DbError> {
    const HOUR: i64 = 3_600_000_000;
    let hour = Ts::from_micros(now.as_micros().div_euclid(HOUR) * HOUR);
    let sql = "INSERT INTO webhook_refusals AS r (hour, endpoint, reason, count, last_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (hour, endpoint, reason) DO UPDATE SET count = r.count + excluded.count, last_at = excluded.last_at";
    on!(conn, |c| sqlx::query(sql)
        .bind(hour)
        .bind(endpoint)
        .bind(reason)
        .bind(count)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Refused deliveries by hour, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn refusals(conn: &mut Conn, limit: u32) -> Result<Vec<Refusal>, DbError> {
    let sql = "SELECT hour, endpoint, reason, count, last_at FROM webhook_refusals \
               ORDER BY hour DESC, endpoint, reason LIMIT $1";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Removes deliveries older than `before`, and keys and counts older than `keys_before`; at most `limit` of each. Says how many
/// deliveries went.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(
    conn: &mut Conn,
    before: Ts,
    keys_before: Ts,
    limit: u32,
) -> Result<u64, DbError> {
    let keys = "DELETE FROM webhook_keys WHERE dedup_key IN \
                (SELECT dedup_key FROM webhook_keys WHERE seen_at < $1 LIMIT $2)";
    let deliveries = "DELETE FROM webhook_deliveries WHERE id IN \
                      (SELECT id FROM webhook_deliveries WHERE received_at < $1 LIMIT $2)";
    on!(conn, |c| sqlx::query(keys)
        .bind(keys_before)
        .bind(i64::from(limit))
        .execute(c)
        .await
        .map(drop))?;
    let sql = "DELETE FROM webhook_refusals WHERE hour < $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(keys_before)
        .execute(c)
        .await
        .map(drop))?;
    Ok(on!(conn, |c| sqlx::query(deliveries)
        .bind(before)
        .bind(i64::from(limit))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
