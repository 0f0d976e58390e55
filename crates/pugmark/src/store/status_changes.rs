//! MicroBima's `entity_status_changes`: its own record of who changed the status of a policy or a customer.

use pugmark_queue::db::{Conn, DbError, Ts};

use super::{dialect, rows_changed};

/// Who changed what is nobody in particular: MicroBima's id for its own jobs.
pub const AUTOMATIC: &str = "00000000-0000-0000-0000-000000000001";

/// A change of status.
#[derive(Debug, Clone)]
pub struct StatusChange<'a> {
    /// `customers.id`.
    pub customer: &'a str,
    /// `policies.id`; `None` when it is the customer's own status.
    pub policy: Option<&'a str>,
    /// Label before.
    pub from: &'a str,
    /// Label after.
    pub to: &'a str,
    /// Why, in words.
    pub reason: &'a str,
    /// Label of `StatusChangeTrigger`.
    pub trigger: &'a str,
    /// The id of a login, or [`AUTOMATIC`].
    pub changed_by: &'a str,
    /// Of the request.
    pub correlation_id: &'a str,
}

/// Writes it down.
///
/// # Errors
/// Whatever the database says.
pub async fn record(conn: &mut Conn, change: &StatusChange<'_>, now: Ts) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO entity_status_changes (\"id\", \"entityType\", \"customerId\", \"policyId\", \"fromStatus\", \
         \"toStatus\", \"reason\", \"trigger\", \"changedBy\", \"correlationId\", \"createdAt\") \
         VALUES ({id}, {kind}, {customer}, {policy}, $5, $6, $7, {trigger}, {by}, $10, {now})",
        id = dialect::uuid_parameter(engine, 1),
        kind = dialect::enum_parameter(engine, 2, "StatusChangeEntityType"),
        customer = dialect::uuid_parameter(engine, 3),
        policy = dialect::uuid_parameter(engine, 4),
        trigger = dialect::enum_parameter(engine, 8, "StatusChangeTrigger"),
        by = dialect::uuid_parameter(engine, 9),
        now = dialect::instant_parameter(engine, 11),
    );
    let kind = match change.policy {
        Some(_) => "POLICY",
        None => "CUSTOMER",
    };
    // The column holds 100 characters, the header of a request up to 128.
    let correlation_id: String = change.correlation_id.chars().take(100).collect();
    rows_changed!(
        conn,
        sql,
        uuid::Uuid::new_v4().to_string(),
        kind,
        change.customer,
        change.policy,
        change.from,
        change.to,
        change.reason,
        change.trigger,
        change.changed_by,
        correlation_id.as_str(),
        now
    )
}
