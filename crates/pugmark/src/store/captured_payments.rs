//! The paid payments of each customer as they were last planned, as sums: how many, how much, on which days, with which ids.
//! Sums can be moved on by a change without reading the other payments, and compared without keeping millions of rows.
//!
//! What the sweep finds is `payments there are - payments planned - payments captured but not yet planned`, per customer.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::dialect;
use crate::capture::image;
use crate::capture::watched::PAYMENTS;
use crate::flows::insurance::events::PAID;

const TABLE: &str = PAYMENTS.table;

/// M-Pesa's digits are those of Nairobi, stored as if they were UTC.
const NAIROBI_AHEAD: std::time::Duration = std::time::Duration::from_secs(3 * 3_600);

/// Moves the sums on by what these changes made paid or unpaid. Healed changes are left out: the sweep that wrote them has
/// corrected the sums itself.
///
/// # Errors
/// Whatever the database says.
pub async fn record(conn: &mut Conn, changes: &[i64]) -> Result<(), DbError> {
    let engine = conn.engine();
    let sql = add_to_sums(&format!(
        "SELECT customer, CAST(SUM(payments) AS BIGINT) AS payments, CAST(SUM(cents) AS BIGINT) AS cents, \
                CAST(SUM(days) AS BIGINT) AS days, CAST(SUM(ids) AS BIGINT) AS ids \
         FROM ({}) d GROUP BY customer",
        moved(engine, &dialect::id_in(engine, 1), 1)
    ));
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(json!(changes).to_string())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

fn add_to_sums(select: &str) -> String {
    format!(
        "INSERT INTO captured_payments (customer_id, payments, cents, days, ids) \
         SELECT customer, payments, cents, days, ids FROM ({select}) s WHERE customer IS NOT NULL \
         ON CONFLICT (customer_id) DO UPDATE SET payments = captured_payments.payments + excluded.payments, \
         cents = captured_payments.cents + excluded.cents, days = captured_payments.days + excluded.days, \
         ids = captured_payments.ids + excluded.ids"
    )
}

/// By how much each entry of the log that `among` selects moves the sums of a customer, `times` once or back.
fn moved(engine: Engine, among: &str, times: i8) -> String {
    let side = |image: &str, sign: i8| {
        let json = Image { engine, image };
        format!(
            "SELECT {customer} AS customer, {sign} AS payments, {sign} * ({cents}) AS cents, {sign} * ({days}) AS days, \
                    {sign} * ({ids}) AS ids \
             FROM change_log WHERE table_name = '{TABLE}' AND NOT healed AND {among} AND {image} IS NOT NULL AND {paid}",
            customer = json.text("customerId"),
            cents = json.cents(),
            days = json.days(),
            ids = json.id(),
            paid = json.is_paid(),
        )
    };
    format!(
        "{} UNION ALL {}",
        side("new_row", times),
        side("old_row", -times)
    )
}

/// A payment's image in the log. Nothing in here may fail: one odd row would stop all planning.
struct Image<'a> {
    engine: Engine,
    image: &'a str,
}

impl Image<'_> {
    fn text(&self, name: &str) -> String {
        match self.engine {
            Engine::Sqlite => format!(
                "(CASE WHEN json_valid({0}) THEN json_extract({0}, '$.\"{name}\"') END)",
                self.image
            ),
            Engine::Postgres => format!("({} ->> '{name}')", self.image),
        }
    }

    fn is_paid(&self) -> String {
        format!(
            "{} IN ({}) AND {} IS NULL",
            self.text("paymentStatus"),
            paid_labels(),
            self.text("detachedAt")
        )
    }

    fn cents(&self) -> String {
        let amount = self.text("amount");
        match self.engine {
            Engine::Sqlite => format!("CAST(ROUND(COALESCE({amount}, 0) * 100) AS INTEGER)"),
            Engine::Postgres => format!(
                "CASE WHEN {amount} ~ '^-?[0-9]{{1,12}}(\\.[0-9]+)?$' THEN CAST(ROUND(CAST({amount} AS NUMERIC) * 100) AS BIGINT) \
                 ELSE 0 END"
            ),
        }
    }

    fn days(&self) -> String {
        let at = format!(
            "COALESCE({}, {})",
            self.text("actualPaymentDate"),
            self.text("expectedPaymentDate")
        );
        match self.engine {
            Engine::Sqlite => days_on_sqlite(&at),
            Engine::Postgres => format!(
                "CASE WHEN {at} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}' THEN CAST(left({at}, 10) AS DATE) - DATE '1970-01-01' ELSE 0 END"
            ),
        }
    }

    fn id(&self) -> String {
        let id = self.text("id");
        match self.engine {
            Engine::Sqlite => format!("CAST({id} AS INTEGER)"),
            Engine::Postgres => {
                format!("CASE WHEN {id} ~ '^[0-9]{{1,18}}$' THEN CAST({id} AS BIGINT) ELSE 0 END")
            }
        }
    }
}

fn paid_labels() -> String {
    PAID.map(|label| format!("'{label}'")).join(", ")
}

/// Instants are integers of our own making or text of other programs'.
fn days_on_sqlite(at: &str) -> String {
    format!(
        "CASE typeof({at}) WHEN 'integer' THEN {at} / 86400000000 \
         ELSE COALESCE(CAST(julianday({at}) - 2440587.5 AS INTEGER), 0) END"
    )
}

/// The same sums of the rows themselves; `among` is a condition on policy `p`.
fn there_are(engine: Engine, among: &str) -> String {
    let at = "COALESCE(y.\"actualPaymentDate\", y.\"expectedPaymentDate\")";
    let (cents, days) = match engine {
        Engine::Sqlite => (
            "CAST(ROUND(CAST(y.\"amount\" AS TEXT) * 100) AS INTEGER)".to_owned(),
            days_on_sqlite(at),
        ),
        Engine::Postgres => (
            "CASE WHEN y.\"amount\" = 'NaN' THEN 0 ELSE CAST(ROUND(y.\"amount\" * 100) AS BIGINT) END".to_owned(),
            format!("CASE WHEN isfinite({at}) THEN CAST({at} AS DATE) - DATE '1970-01-01' ELSE 0 END"),
        ),
    };
    format!(
        "SELECT CAST(t.customer AS TEXT) AS customer, t.payments, t.cents, t.days, t.ids FROM ( \
           SELECT p.\"customerId\" AS customer, COUNT(*) AS payments, CAST(SUM({cents}) AS BIGINT) AS cents, \
                  CAST(SUM({days}) AS BIGINT) AS days, CAST(SUM(CAST(y.\"id\" AS BIGINT)) AS BIGINT) AS ids \
           FROM {payments} y JOIN {policies} p ON p.\"id\" = y.\"policyId\" \
           WHERE {is_paid} AND {among} GROUP BY p.\"customerId\") t",
        payments = image::table(engine, TABLE),
        policies = image::table(engine, "policies"),
        is_paid = is_paid_row(),
    )
}

fn is_paid_row() -> String {
    format!(
        "CAST(y.\"paymentStatus\" AS TEXT) IN ({}) AND y.\"detachedAt\" IS NULL",
        paid_labels()
    )
}

/// By how much the sums of each customer differ from the rows. `policies`, `sums` and `customers` are conditions that
/// select the customers, on a policy `p`, on a row of `captured_payments` and on the result.
fn differences(engine: Engine, policies: &str, sums: &str, customers: &str) -> String {
    format!(
        "SELECT customer, CAST(SUM(payments) AS BIGINT) AS payments, CAST(SUM(cents) AS BIGINT) AS cents, \
                CAST(SUM(days) AS BIGINT) AS days, CAST(SUM(ids) AS BIGINT) AS ids \
         FROM ({there_are} UNION ALL \
               SELECT customer_id, -payments, -cents, -days, -ids FROM captured_payments WHERE {sums} UNION ALL \
               {waiting}) d \
         WHERE customer IS NOT NULL AND {customers} GROUP BY customer \
         HAVING SUM(payments) <> 0 OR SUM(cents) <> 0 OR SUM(days) <> 0 OR SUM(ids) <> 0",
        there_are = there_are(engine, policies),
        waiting = moved(engine, "processed_at IS NULL", -1),
    )
}

/// Customers, at most `limit`, whose payments differ from what was captured of them. Reads every payment once.
///
/// # Errors
/// Whatever the database says.
pub async fn look(conn: &mut Conn, limit: u32) -> Result<Vec<String>, DbError> {
    let all = "1 = 1";
    let sql = format!(
        "SELECT customer FROM ({}) d ORDER BY customer LIMIT $1",
        differences(conn.engine(), all, all, all)
    );
    // With millions of rows this takes longer than any other query should.
    patience(conn, "SET statement_timeout = '10min'").await?;
    let found: Result<Vec<(String,)>, DbError> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)
    .map_err(DbError::from);
    patience(conn, "RESET statement_timeout").await?;
    Ok(found?.into_iter().map(|(customer,)| customer).collect())
}

async fn patience(conn: &mut Conn, sql: &'static str) -> Result<(), DbError> {
    if conn.engine() == Engine::Postgres {
        on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Sets the sums of these customers right and says whose were wrong.
///
/// # Errors
/// Whatever the database says.
pub async fn correct(conn: &mut Conn, customers: &[String]) -> Result<Vec<String>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "{} RETURNING customer_id",
        add_to_sums(&differences(
            engine,
            &dialect::uuid_in(engine, "p.\"customerId\"", 1),
            &dialect::text_in(engine, "customer_id", 1),
            &dialect::text_in(engine, "customer", 1),
        ))
    );
    let rows: Vec<(String,)> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(json!(customers).to_string())
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|(customer,)| customer).collect())
}

/// Has the contacts of these customers brought up to date, figures included. Test customers and customers whose row is
/// gone have none.
///
/// # Errors
/// Whatever the database says.
pub async fn heal_figures(conn: &mut Conn, customers: &[String]) -> Result<u64, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO change_log (table_name, row_key, event, correlation_id, healed) \
         SELECT 'customers', CAST(c.\"id\" AS TEXT), 'UPDATE', 'gap-sweep-' || CAST(c.\"id\" AS TEXT), TRUE \
         FROM {} c WHERE {} AND NOT c.\"isTestUser\"",
        image::table(engine, "customers"),
        dialect::uuid_in(engine, "c.\"id\"", 1),
    );
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(json!(customers).to_string())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Writes the payments of these customers that became paid or were taken off since `baseline` and were not captured, each
/// as a change of its own, for the notes on them. Where it cannot be told that a payment is newer than the baseline, none is
/// written: no note is better than a wrong one.
///
/// # Errors
/// Whatever the database says.
pub async fn heal_payments(
    conn: &mut Conn,
    customers: &[String],
    baseline: Ts,
) -> Result<u64, DbError> {
    let engine = conn.engine();
    let whole = image::whole(engine, &PAYMENTS, "y");
    let before = match engine {
        Engine::Sqlite => format!(
            "json_set({whole}, '$.\"paymentStatus\"', '{0}', '$.\"detachedAt\"', NULL)",
            PAID[0]
        ),
        Engine::Postgres => format!(
            "{whole} || jsonb_build_object('paymentStatus', '{}', 'detachedAt', NULL)",
            PAID[0]
        ),
    };
    let since = |column: &str, number| {
        format!(
            "{} >= ${number}",
            dialect::instant(engine, &format!("y.\"{column}\""))
        )
    };
    let is_paid = is_paid_row();
    let detached_at = match engine {
        Engine::Sqlite => dialect::instant(engine, "y.\"detachedAt\""),
        Engine::Postgres => "y.\"detachedAt\"".to_owned(),
    };
    let sql = format!(
        "INSERT INTO change_log (table_name, row_key, event, old_row, new_row, correlation_id, healed) \
         SELECT '{TABLE}', CAST(y.\"id\" AS TEXT), CASE WHEN {is_paid} THEN 'INSERT' ELSE 'UPDATE' END, \
                CASE WHEN {is_paid} THEN NULL ELSE {before} END, {whole}, 'gap-sweep-' || CAST(y.\"id\" AS TEXT), TRUE \
         FROM {payments} y JOIN {policies} p ON p.\"id\" = y.\"policyId\" \
         WHERE {among} AND (({is_paid} AND ({created} OR (y.\"actualPaymentDate\" IS NOT NULL AND {paid_at}))) \
                OR (CAST(y.\"paymentStatus\" AS TEXT) = 'DETACHED' AND y.\"detachedAt\" IS NOT NULL AND {detached_at} >= $2)) \
         AND NOT EXISTS (SELECT 1 FROM change_log g WHERE g.table_name = '{TABLE}' AND g.row_key = CAST(y.\"id\" AS TEXT) \
                AND {logged} = CAST(y.\"paymentStatus\" AS TEXT))",
        payments = image::table(engine, TABLE),
        policies = image::table(engine, "policies"),
        among = dialect::uuid_in(engine, "p.\"customerId\"", 1),
        created = since("createdAt", 2),
        paid_at = since("actualPaymentDate", 3),
        logged = Image {
            engine,
            image: "g.new_row"
        }
        .text("paymentStatus"),
    );
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(json!(customers).to_string())
        .bind(baseline)
        .bind(baseline.after(NAIROBI_AHEAD))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
