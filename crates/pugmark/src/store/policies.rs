//! MicroBima's `policies`. Premiums are shillings in the rows and cents here.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::page::{Condition, Wanted, one, page};
use super::{dialect, rows_changed};
use crate::microbima::amount::Amount;

/// A row of `policies`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Policy {
    /// UUID, as text.
    pub id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// Label of `PolicyStatus`.
    pub status: String,
    /// What people edit.
    #[sqlx(flatten)]
    pub terms: PolicyTerms,
    /// Payments are overdue, but the policy still holds.
    pub in_grace_period: bool,
    /// When it was deactivated or terminated.
    pub deactivated_at: Option<Ts>,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
    /// Where the row stands in a list.
    pub place: String,
}

/// The columns of a policy that people edit, but its status.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PolicyTerms {
    /// Unique where there is one.
    pub policy_number: Option<String>,
    /// Name of the product.
    pub product_name: String,
    /// An instalment.
    pub premium: Amount,
    /// A year's premium.
    pub annual_premium: Option<Amount>,
    /// Label of `PaymentFrequency`.
    pub frequency: String,
    /// Days between instalments.
    pub payment_cadence: i32,
    /// `packages.id`.
    pub package_id: i32,
    /// `package_plans.id`.
    pub package_plan_id: Option<i32>,
    /// Account number for payments by pay bill; unique where there is one.
    pub payment_ac_number: Option<String>,
    /// Number of the member at the employer.
    pub staff_number: Option<String>,
    /// Begin of the cover.
    pub start_date: Option<Ts>,
    /// End of the cover.
    pub end_date: Option<Ts>,
}

fn select(engine: Engine) -> String {
    format!(
        "SELECT CAST(p.\"id\" AS TEXT) AS id, CAST(p.\"customerId\" AS TEXT) AS customer_id, \
         CAST(p.\"status\" AS TEXT) AS status, p.\"policyNumber\" AS policy_number, p.\"productName\" AS product_name, \
         {} AS premium, {} AS annual_premium, CAST(p.\"frequency\" AS TEXT) AS frequency, \
         p.\"paymentCadence\" AS payment_cadence, p.\"packageId\" AS package_id, p.\"packagePlanId\" AS package_plan_id, \
         p.\"paymentAcNumber\" AS payment_ac_number, p.\"staffNumber\" AS staff_number, \
         {} AS start_date, {} AS end_date, p.\"inGracePeriod\" AS in_grace_period, {} AS deactivated_at, \
         {} AS created_at, {} AS updated_at, {} AS place FROM policies p",
        dialect::cents("p.\"premium\""),
        dialect::cents("p.\"annualPremium\""),
        dialect::stored_time(engine, "p.\"startDate\""),
        dialect::stored_time(engine, "p.\"endDate\""),
        dialect::stored_time(engine, "p.\"deactivatedAt\""),
        dialect::instant(engine, "p.\"createdAt\""),
        dialect::instant(engine, "p.\"updatedAt\""),
        dialect::place(engine, "p.\"createdAt\""),
    )
}

fn by_id(engine: Engine) -> String {
    format!(
        "{} WHERE p.\"id\" = {}",
        select(engine),
        dialect::uuid_parameter(engine, 1)
    )
}

/// One policy.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Policy>, DbError> {
    let sql = by_id(conn.engine());
    one(conn, sql, id).await
}

/// One policy, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn get_for_update(conn: &mut Conn, id: &str) -> Result<Option<Policy>, DbError> {
    let engine = conn.engine();
    let sql = format!("{} {}", by_id(engine), dialect::for_update(engine));
    one(conn, sql, id).await
}

/// A customer's policies, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    wanted: &Wanted,
) -> Result<Vec<Policy>, DbError> {
    let engine = conn.engine();
    let of_customer = Condition {
        sql: format!("p.\"customerId\" = {}", dialect::uuid_parameter(engine, 1)),
        value: Some(customer),
    };
    let conditions = [of_customer, Condition::NONE];
    page(conn, &select(engine), "p", conditions, wanted).await
}

/// The labels of `PolicyStatus` of all policies of a customer.
///
/// # Errors
/// Whatever the database says.
pub async fn statuses_of(conn: &mut Conn, customer: &str) -> Result<Vec<String>, DbError> {
    let sql = format!(
        "SELECT CAST(p.\"status\" AS TEXT) FROM policies p WHERE p.\"customerId\" = {}",
        dialect::uuid_parameter(conn.engine(), 1)
    );
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(customer)
        .fetch_all(c)
        .await)?)
}

/// Inserts a policy.
///
/// # Errors
/// [`DbError`] with the violated constraint when the number or account is taken, the customer has an open policy of the
/// package, or something it points to does not exist.
pub async fn insert(
    conn: &mut Conn,
    id: &str,
    customer: &str,
    status: &str,
    terms: &PolicyTerms,
    now: Ts,
) -> Result<(), DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO policies (\"id\", \"customerId\", \"status\", \"policyNumber\", \"productName\", \"premium\", \
         \"annualPremium\", \"frequency\", \"paymentCadence\", \"packageId\", \"packagePlanId\", \"paymentAcNumber\", \
         \"staffNumber\", \"startDate\", \"endDate\", \"createdAt\", \"updatedAt\") \
         VALUES ({id}, {customer}, {status}, $4, $5, {premium}, {annual}, {frequency}, $9, $10, $11, $12, $13, \
         {start}, {end}, {now}, {now})",
        id = dialect::uuid_parameter(engine, 1),
        customer = dialect::uuid_parameter(engine, 2),
        status = dialect::enum_parameter(engine, 3, "PolicyStatus"),
        premium = dialect::amount_parameter(6),
        annual = dialect::amount_parameter(7),
        frequency = dialect::enum_parameter(engine, 8, "PaymentFrequency"),
        start = dialect::instant_parameter(engine, 14),
        end = dialect::instant_parameter(engine, 15),
        now = dialect::instant_parameter(engine, 16),
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(customer)
        .bind(status)
        .bind(terms.policy_number.as_deref())
        .bind(&terms.product_name)
        .bind(terms.premium.to_string())
        .bind(terms.annual_premium.map(|amount| amount.to_string()))
        .bind(&terms.frequency)
        .bind(terms.payment_cadence)
        .bind(terms.package_id)
        .bind(terms.package_plan_id)
        .bind(terms.payment_ac_number.as_deref())
        .bind(terms.staff_number.as_deref())
        .bind(terms.start_date)
        .bind(terms.end_date)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes every editable column of a policy but its status, and says whether the row was there.
///
/// # Errors
/// As [`insert`].
pub async fn update(
    conn: &mut Conn,
    id: &str,
    terms: &PolicyTerms,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE policies SET \"policyNumber\" = $2, \"productName\" = $3, \"premium\" = {premium}, \
         \"annualPremium\" = {annual}, \"frequency\" = {frequency}, \"paymentCadence\" = $7, \"packageId\" = $8, \
         \"packagePlanId\" = $9, \"paymentAcNumber\" = $10, \"staffNumber\" = $11, \"startDate\" = {start}, \
         \"endDate\" = {end}, \"updatedAt\" = {now} WHERE \"id\" = {id}",
        id = dialect::uuid_parameter(engine, 1),
        premium = dialect::amount_parameter(4),
        annual = dialect::amount_parameter(5),
        frequency = dialect::enum_parameter(engine, 6, "PaymentFrequency"),
        start = dialect::instant_parameter(engine, 12),
        end = dialect::instant_parameter(engine, 13),
        now = dialect::instant_parameter(engine, 14),
    );
    rows_changed!(
        conn,
        sql,
        id,
        terms.policy_number.as_deref(),
        &terms.product_name,
        terms.premium.to_string(),
        terms.annual_premium.map(|amount| amount.to_string()),
        &terms.frequency,
        terms.payment_cadence,
        terms.package_id,
        terms.package_plan_id,
        terms.payment_ac_number.as_deref(),
        terms.staff_number.as_deref(),
        terms.start_date,
        terms.end_date,
        now
    )
}

/// Sets the status and the times that go with it: each is that of its status, and NULL in another. `false` when the policy
/// has that status already.
///
/// # Errors
/// As [`insert`]: an open policy of the package may stand in the way.
pub async fn set_status(conn: &mut Conn, id: &str, status: &str, now: Ts) -> Result<bool, DbError> {
    let engine = conn.engine();
    let now_parameter = dialect::instant_parameter(engine, 3);
    let time_of =
        |labels: &str| format!("CASE WHEN CAST($2 AS TEXT) IN ({labels}) THEN {now_parameter} END");
    let sql = format!(
        "UPDATE policies SET \"status\" = {status}, \"deactivatedAt\" = {deactivated}, \"suspendedAt\" = {suspended}, \
         \"inactivatedAt\" = {inactivated}, \"expiredAt\" = {expired}, \"updatedAt\" = {now_parameter} \
         WHERE \"id\" = {id} AND \"status\" <> {status}",
        id = dialect::uuid_parameter(engine, 1),
        status = dialect::enum_parameter(engine, 2, "PolicyStatus"),
        deactivated = time_of("'DEACTIVATED', 'TERMINATED'"),
        suspended = time_of("'SUSPENDED'"),
        inactivated = time_of("'INACTIVE'"),
        expired = time_of("'EXPIRED'"),
    );
    rows_changed!(conn, sql, id, status, now)
}

/// Begins the cover of a policy that waits for its first payment. `false` when it does not wait for one.
///
/// # Errors
/// Whatever the database says.
pub async fn activate(
    conn: &mut Conn,
    id: &str,
    start: Ts,
    end: Ts,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE policies SET \"status\" = 'ACTIVE', \"startDate\" = {start}, \"endDate\" = {end}, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"status\" = 'PENDING_ACTIVATION'",
        id = dialect::uuid_parameter(engine, 1),
        start = dialect::instant_parameter(engine, 2),
        end = dialect::instant_parameter(engine, 3),
        now = dialect::instant_parameter(engine, 4),
    );
    rows_changed!(conn, sql, id, start, end, now)
}
