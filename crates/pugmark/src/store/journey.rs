//! What happened to one customer, source by source, each newest first behind a place in time.

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::dialect;
use crate::flows::insurance::inbound::record_lane;
use crate::flows::insurance::plan::{customer_lane, requirement_lane};

/// Behind which entry of a source a page goes on: earlier than `at`, or at that time with a smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// The time.
    pub at: Ts,
    /// The number.
    pub id: i64,
}

/// The lanes in which operations that concern a customer run: its own, those of its requirements, and that of its contact, in
/// which a converted lead becomes a customer.
///
/// # Errors
/// Whatever the database says.
pub async fn lanes(
    conn: &mut Conn,
    customer: &str,
    contact: Option<&str>,
) -> Result<Vec<String>, DbError> {
    let requirements: Vec<String> = on!(conn, |c| sqlx::query_scalar(
        "SELECT DISTINCT requirement_id FROM task_assignments WHERE customer_id = $1"
    )
    .bind(customer)
    .fetch_all(c)
    .await)?;
    let sql = format!(
        "SELECT CAST(m.\"id\" AS TEXT) FROM missing_requirements m WHERE m.\"customerId\" = {}",
        dialect::uuid_parameter(conn.engine(), 1)
    );
    let open: Vec<String> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(customer)
        .fetch_all(c)
        .await)?;
    let mut lanes = vec![customer_lane(customer)];
    lanes.extend(contact.map(record_lane));
    lanes.extend(
        requirements
            .iter()
            .chain(&open)
            .map(|id| requirement_lane(id)),
    );
    lanes.sort();
    lanes.dedup();
    Ok(lanes)
}

/// The statement behind [`operations`], for tests of its plan.
pub fn operations_sql(engine: Engine) -> String {
    // The condition on the kind names the index that has finished operations as well.
    format!(
        "SELECT id FROM vtiger_sync_queue WHERE kind <> '' AND {} AND id < $2 ORDER BY id DESC LIMIT $3",
        dialect::text_in(engine, "lane", 1)
    )
}

/// Operations of these lanes, finished or not, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn operations(
    conn: &mut Conn,
    lanes: &[String],
    before: OperationId,
    limit: u32,
) -> Result<Vec<OperationId>, DbError> {
    let sql = operations_sql(conn.engine());
    let lanes = dialect::json_text(lanes)?;
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(lanes)
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// The smallest id that an operation can have that was queued in this millisecond since 1970 or later: ids are UUIDv7.
pub fn first_of(millis: i64) -> OperationId {
    let millis = u128::try_from(millis.max(0)).unwrap_or_default();
    OperationId(Uuid::from_u128((millis << 80) | (0x7 << 76)))
}

/// A webhook that concerns a record of the CRM.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivered {
    /// Its number.
    pub id: i64,
    /// When it came.
    pub received_at: Ts,
    /// Where it was sent to.
    pub endpoint: String,
    /// What it says happened.
    pub event: Option<String>,
    /// `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    pub status: String,
    /// Why it came to nothing.
    pub reason: Option<String>,
    /// The operation that it led to.
    pub operation_id: Option<OperationId>,
    /// Correlation id of the request.
    pub correlation_id: String,
}

/// The statement behind [`deliveries`], for tests of its plan.
pub const DELIVERIES: &str = "SELECT id, received_at, endpoint, event, status, reason, operation_id, correlation_id FROM webhook_deliveries \
     WHERE record_id = $1 AND (received_at, id) < ($2, $3) ORDER BY received_at DESC, id DESC LIMIT $4";

/// Webhooks that concern a record of the CRM.
///
/// # Errors
/// Whatever the database says.
pub async fn deliveries(
    conn: &mut Conn,
    record: &str,
    until: Until,
    limit: u32,
) -> Result<Vec<Delivered>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(DELIVERIES)
        .bind(record)
        .bind(until.at)
        .bind(until.id)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}
