//! Figures of payments, always from MicroBima's rows as they are: `policies` and `policy_payments`. Money is whole cents.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::dialect;
use crate::flows::insurance::events::PAID;
use crate::flows::insurance::week::Window;

/// What some paid rows come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Paid {
    /// How many there are.
    pub count: i64,
    /// Their sum, in cents.
    pub cents: i64,
    /// The stored time of the first.
    pub first: Option<Ts>,
    /// The stored time of the last.
    pub last: Option<Ts>,
}

impl Paid {
    /// The average in cents, rounded to the nearest, a half up; 0 of nothing.
    pub fn average(&self) -> i64 {
        match self.count {
            0 => 0,
            count => (2 * self.cents + count).div_euclid(2 * count),
        }
    }
}

/// Whether a row of `policy_payments` (as `y`) counts as paid.
fn is_paid() -> String {
    format!(
        "CAST(y.\"paymentStatus\" AS TEXT) IN ('{}') AND y.\"detachedAt\" IS NULL",
        PAID.join("', '")
    )
}

/// When a row (as `y`) was paid: `actualPaymentDate` is NULL on payments that were entered without a date.
fn paid_at(engine: Engine) -> String {
    dialect::stored_time(
        engine,
        "COALESCE(y.\"actualPaymentDate\", y.\"expectedPaymentDate\")",
    )
}

/// Parameters: $1 the customer, $2 and $3 the window.
fn paid_sql(engine: Engine, within: bool) -> String {
    let within = match within {
        true => "WHERE y.paid_at >= $2 AND y.paid_at < $3",
        false => "",
    };
    format!(
        "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(y.cents), 0) AS BIGINT) AS cents, \
         MIN(y.paid_at) AS first, MAX(y.paid_at) AS last \
         FROM (SELECT CAST(ROUND(y.\"amount\" * 100) AS BIGINT) AS cents, {paid_at} AS paid_at \
               FROM policies p JOIN policy_payments y ON y.\"policyId\" = p.\"id\" \
               WHERE p.\"customerId\" = {customer} AND {is_paid}) y {within}",
        paid_at = paid_at(engine),
        customer = dialect::uuid_parameter(engine, 1),
        is_paid = is_paid(),
    )
}

/// What a customer has paid, ever.
///
/// # Errors
/// Whatever the database says.
pub async fn ever(conn: &mut Conn, customer: &str) -> Result<Paid, DbError> {
    let sql = paid_sql(conn.engine(), false);
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .fetch_one(c)
        .await)?)
}

/// What a customer has paid in this stretch of days.
///
/// # Errors
/// Whatever the database says.
pub async fn within(conn: &mut Conn, customer: &str, window: Window) -> Result<Paid, DbError> {
    let sql = paid_sql(conn.engine(), true);
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .bind(window.from)
        .bind(window.until)
        .fetch_one(c)
        .await)?)
}

/// A customer, as the planning of a weekly summary sees them.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Payer {
    /// `customers.id`.
    pub id: String,
    /// Test customers never reach the CRM.
    pub is_test_user: bool,
    /// Payments in the week.
    pub payments: i64,
    /// What they come to, in cents.
    pub cents: i64,
    /// Payments in the other week.
    pub other_payments: i64,
    /// Whether a summary of the week was planned before.
    pub summed_up: bool,
}

/// Parameters: $1 and $2 the week, $3 and $4 the other week, $5 the week's Monday; then what `customers` takes.
///
/// Joined, not looked up row by row: where MicroBima has no index by customer, PostgreSQL reads each table once for a page.
/// `CROSS JOIN` tells SQLite to begin with the page; PostgreSQL sees no difference.
fn payers_sql(engine: Engine, customers: &str) -> String {
    let within = |from: u8| {
        format!(
            "FILTER (WHERE y.paid_at >= ${from} AND y.paid_at < ${})",
            from + 1
        )
    };
    format!(
        "WITH page AS ({customers}) \
         SELECT CAST(c.\"id\" AS TEXT) AS id, c.\"isTestUser\" AS is_test_user, \
                COALESCE(f.payments, 0) AS payments, COALESCE(f.cents, 0) AS cents, \
                COALESCE(f.other_payments, 0) AS other_payments, \
                EXISTS (SELECT 1 FROM payment_summaries s WHERE s.week = {monday} \
                        AND s.customer_id = CAST(c.\"id\" AS TEXT)) AS summed_up \
         FROM page c LEFT JOIN ( \
             SELECT y.customer, COUNT(*) {week} AS payments, CAST(COALESCE(SUM(y.cents) {week}, 0) AS BIGINT) AS cents, \
                    COUNT(*) {other} AS other_payments \
             FROM (SELECT p.\"customerId\" AS customer, CAST(ROUND(y.\"amount\" * 100) AS BIGINT) AS cents, \
                          {paid_at} AS paid_at \
                   FROM page CROSS JOIN policies p JOIN policy_payments y ON y.\"policyId\" = p.\"id\" \
                   WHERE p.\"customerId\" = page.\"id\" AND {is_paid}) y \
             GROUP BY y.customer) f ON f.customer = c.\"id\" \
         ORDER BY c.\"id\"",
        week = within(1),
        other = within(3),
        monday = dialect::date_parameter(engine, 5),
        paid_at = paid_at(engine),
        is_paid = is_paid(),
    )
}

/// The statement behind [`payers`], for tests of its plan.
pub fn page_sql(engine: Engine, further: bool) -> String {
    // Not `$6 IS NULL OR ...`: a plan that does not know the parameters would read the whole table for that.
    let further = match further {
        true => format!("c.\"id\" > {}", dialect::uuid_parameter(engine, 6)),
        false => "CAST($6 AS TEXT) IS NULL".to_owned(),
    };
    let customers = format!(
        "SELECT c.\"id\", c.\"isTestUser\" FROM customers c WHERE {further} ORDER BY c.\"id\" LIMIT $7"
    );
    payers_sql(engine, &customers)
}

fn one_sql(engine: Engine) -> String {
    let customers = format!(
        "SELECT c.\"id\", c.\"isTestUser\" FROM customers c WHERE c.\"id\" = {}",
        dialect::uuid_parameter(engine, 6)
    );
    payers_sql(engine, &customers)
}

/// Which payments are counted for [`Payer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Monday of the week, `YYYY-MM-DD`.
    pub monday: String,
    /// Its stored times.
    pub week: Window,
    /// Those of the other week.
    pub other: Option<Window>,
}

/// A page of all customers in the order of their ids, those who paid nothing included: a page costs the same wherever it is.
///
/// # Errors
/// Whatever the database says.
pub async fn payers(
    conn: &mut Conn,
    counted: &Counted,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Payer>, DbError> {
    let sql = page_sql(conn.engine(), after.is_some());
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(counted.week.from)
        .bind(counted.week.until)
        .bind(counted.other.map(|other| other.from))
        .bind(counted.other.map(|other| other.until))
        .bind(&counted.monday)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// One customer.
///
/// # Errors
/// Whatever the database says.
pub async fn payer(
    conn: &mut Conn,
    counted: &Counted,
    customer: &str,
) -> Result<Option<Payer>, DbError> {
    let sql = one_sql(conn.engine());
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(counted.week.from)
        .bind(counted.week.until)
        .bind(counted.other.map(|other| other.from))
        .bind(counted.other.map(|other| other.until))
        .bind(&counted.monday)
        .bind(customer)
        .fetch_optional(c)
        .await)?)
}

/// The statements whose cost must not grow with the tables, by name, for tests of their plans.
pub fn hot_queries(engine: Engine) -> [(&'static str, String); 2] {
    [
        ("payments of a customer", paid_sql(engine, false)),
        ("payments of a customer in a week", paid_sql(engine, true)),
    ]
}
