//! MicroBima's `policy_payments`, row by row: one per expected or received payment. Amounts are shillings in the rows and
//! cents here. What they come to is asked elsewhere.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::{dialect, rows_changed};
use crate::microbima::amount::Amount;

/// A row of `policy_payments`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PolicyPayment {
    /// The only stable key of a payment; made by the database.
    pub id: i32,
    /// `customers.id` of the policy.
    pub customer_id: String,
    /// Label of `PolicyStatus` of the policy.
    pub policy_status: String,
    /// What people edit.
    #[sqlx(flatten)]
    pub entry: PaymentEntry,
    /// When it was taken off.
    pub detached_at: Option<Ts>,
    /// Who took it off: the id of a login.
    pub detached_by: Option<String>,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
}

/// The columns of a payment that people edit.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PaymentEntry {
    /// `policies.id`.
    pub policy_id: String,
    /// Label of `PaymentType`.
    pub payment_type: String,
    /// Receipt, other reference or placeholder; unique.
    pub transaction_reference: String,
    /// Shillings.
    pub amount: Amount,
    /// Payer's phone or the customer's id number.
    pub account_number: Option<String>,
    /// Text for people; carries the reason of a detach.
    pub details: Option<String>,
    /// When it is or was expected, as stored.
    pub expected_payment_date: Ts,
    /// When it was paid, digit for digit as stored: of M-Pesa mostly the time of day in Nairobi.
    pub actual_payment_date: Option<Ts>,
    /// Label of `PaymentStatus`.
    pub payment_status: String,
}

fn select(engine: Engine) -> String {
    format!(
        "SELECT y.\"id\" AS id, CAST(y.\"policyId\" AS TEXT) AS policy_id, CAST(p.\"customerId\" AS TEXT) AS customer_id, \
         CAST(p.\"status\" AS TEXT) AS policy_status, CAST(y.\"paymentType\" AS TEXT) AS payment_type, \
         y.\"transactionReference\" AS transaction_reference, {} AS amount, y.\"accountNumber\" AS account_number, \
         y.\"details\" AS details, {} AS expected_payment_date, {} AS actual_payment_date, \
         CAST(y.\"paymentStatus\" AS TEXT) AS payment_status, {} AS detached_at, \
         CAST(y.\"detachedBy\" AS TEXT) AS detached_by, {} AS created_at, {} AS updated_at \
         FROM policy_payments y JOIN policies p ON p.\"id\" = y.\"policyId\"",
        dialect::cents("y.\"amount\""),
        dialect::instant(engine, "y.\"expectedPaymentDate\""),
        dialect::stored_time(engine, "y.\"actualPaymentDate\""),
        dialect::zoned_time(engine, "y.\"detachedAt\""),
        dialect::instant(engine, "y.\"createdAt\""),
        dialect::instant(engine, "y.\"updatedAt\""),
    )
}

/// One payment.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: i32) -> Result<Option<PolicyPayment>, DbError> {
    let sql = format!("{} WHERE y.\"id\" = $1", select(conn.engine()));
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// One payment, held with its policy until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn get_for_update(conn: &mut Conn, id: i32) -> Result<Option<PolicyPayment>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "{} WHERE y.\"id\" = $1 {}",
        select(engine),
        dialect::for_update(engine)
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// A policy's payments with ids below `before`, highest first.
///
/// # Errors
/// Whatever the database says.
pub async fn of_policy(
    conn: &mut Conn,
    policy: &str,
    before: Option<i32>,
    limit: u32,
) -> Result<Vec<PolicyPayment>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "{} WHERE y.\"policyId\" = {} AND y.\"id\" < $2 ORDER BY y.\"id\" DESC LIMIT $3",
        select(engine),
        dialect::uuid_parameter(engine, 1),
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(policy)
        .bind(before.unwrap_or(i32::MAX))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// A customer's payments of all policies, the newest rows first.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    limit: u32,
) -> Result<Vec<PolicyPayment>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "{} WHERE p.\"customerId\" = {} ORDER BY y.\"id\" DESC LIMIT $2",
        select(engine),
        dialect::uuid_parameter(engine, 1),
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Inserts a payment and gives the id that the database made.
///
/// # Errors
/// [`DbError`] with the violated constraint when the reference is taken or the policy does not exist.
pub async fn insert(conn: &mut Conn, entry: &PaymentEntry, now: Ts) -> Result<i32, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
         \"accountNumber\", \"details\", \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\", \
         \"createdAt\", \"updatedAt\") \
         VALUES ({policy}, {kind}, $3, {amount}, $5, $6, {expected}, {actual}, {status}, {now}, {now}) RETURNING \"id\"",
        policy = dialect::uuid_parameter(engine, 1),
        kind = dialect::enum_parameter(engine, 2, "PaymentType"),
        amount = dialect::amount_parameter(4),
        expected = dialect::instant_parameter(engine, 7),
        actual = dialect::instant_parameter(engine, 8),
        status = dialect::enum_parameter(engine, 9, "PaymentStatus"),
        now = dialect::instant_parameter(engine, 10),
    );
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(&entry.policy_id)
        .bind(&entry.payment_type)
        .bind(&entry.transaction_reference)
        .bind(entry.amount.to_string())
        .bind(entry.account_number.as_deref())
        .bind(entry.details.as_deref())
        .bind(entry.expected_payment_date)
        .bind(entry.actual_payment_date)
        .bind(&entry.payment_status)
        .bind(now)
        .fetch_one(c)
        .await)?)
}

/// Writes every editable column of a payment and says whether the row was there.
///
/// # Errors
/// As [`insert`].
pub async fn update(
    conn: &mut Conn,
    id: i32,
    entry: &PaymentEntry,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE policy_payments SET \"policyId\" = {policy}, \"paymentType\" = {kind}, \"transactionReference\" = $4, \
         \"amount\" = {amount}, \"accountNumber\" = $6, \"details\" = $7, \"expectedPaymentDate\" = {expected}, \
         \"actualPaymentDate\" = {actual}, \"paymentStatus\" = {status}, \"updatedAt\" = {now} WHERE \"id\" = $1",
        policy = dialect::uuid_parameter(engine, 2),
        kind = dialect::enum_parameter(engine, 3, "PaymentType"),
        amount = dialect::amount_parameter(5),
        expected = dialect::instant_parameter(engine, 8),
        actual = dialect::instant_parameter(engine, 9),
        status = dialect::enum_parameter(engine, 10, "PaymentStatus"),
        now = dialect::instant_parameter(engine, 11),
    );
    rows_changed!(
        conn,
        sql,
        id,
        &entry.policy_id,
        &entry.payment_type,
        &entry.transaction_reference,
        entry.amount.to_string(),
        entry.account_number.as_deref(),
        entry.details.as_deref(),
        entry.expected_payment_date,
        entry.actual_payment_date,
        &entry.payment_status,
        now
    )
}

/// Takes a payment off, in one update as MicroBima does.
///
/// # Errors
/// As [`insert`].
pub async fn detach(
    conn: &mut Conn,
    id: i32,
    reference: &str,
    reason: &str,
    by: Option<&str>,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE policy_payments SET \"paymentStatus\" = 'DETACHED', \"transactionReference\" = $2, \"details\" = $3, \
         \"detachedBy\" = {by}, \"detachedAt\" = $5, \"updatedAt\" = {now} \
         WHERE \"id\" = $1 AND \"detachedAt\" IS NULL",
        by = dialect::uuid_parameter(engine, 4),
        now = dialect::instant_parameter(engine, 5),
    );
    rows_changed!(conn, sql, id, reference, reason, by, now)
}

/// Removes a row.
///
/// # Errors
/// Whatever the database says.
pub async fn delete(conn: &mut Conn, id: i32) -> Result<bool, DbError> {
    let sql = "DELETE FROM policy_payments WHERE \"id\" = $1".to_owned();
    rows_changed!(conn, sql, id)
}
