//! How customers stand towards the CRM: row, link, what is under way, and when both sides were last proved equal.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::dialect;

/// How one customer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// The customer's id.
    pub id: String,
    /// Whether it is a test customer; `None` when there is no row.
    pub is_test: Option<bool>,
    /// The linked contact.
    pub vtiger_id: Option<String>,
    /// Whether the contact is marked as withdrawn.
    pub withdrawn: Option<bool>,
    /// When the link was last written.
    pub linked_at: Option<Ts>,
    /// Whether a change waits to be planned, or an operation to be ended.
    pub unfinished: bool,
}

impl Standing {
    /// Whether there should be a contact that carries the row's values.
    pub fn is_member(&self) -> bool {
        self.is_test == Some(false)
    }

    /// Whether nothing has happened since `before`, and nothing is under way.
    pub fn is_quiet_since(&self, before: &Standing) -> bool {
        !self.unfinished && self == before
    }
}

/// What of the queue and of the change log is still to be done, for the customer with this id.
fn unfinished(id: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.lane = 'customer:' || {id} AND q.unfinished = 1) \
         OR EXISTS (SELECT 1 FROM change_log g WHERE g.table_name = 'customers' AND g.row_key = {id} \
                    AND g.processed_at IS NULL))"
    )
}

/// The statement behind [`of`], for tests of its plan.
pub fn of_sql(engine: Engine) -> String {
    let of_link = |column: &str| {
        format!(
            "(SELECT l.{column} FROM crm_links l WHERE l.entity_type = 'CUSTOMER' AND l.entity_id = CAST($1 AS TEXT))"
        )
    };
    format!(
        "SELECT CAST($1 AS TEXT) AS id, (SELECT c.\"isTestUser\" FROM customers c WHERE c.\"id\" = {row}) AS is_test, \
         {vtiger_id} AS vtiger_id, {withdrawn} AS withdrawn, {linked_at} AS linked_at, {unfinished} AS unfinished",
        row = dialect::uuid_parameter(engine, 1),
        vtiger_id = of_link("vtiger_id"),
        withdrawn = of_link("withdrawn"),
        linked_at = of_link("updated_at"),
        unfinished = unfinished("CAST($1 AS TEXT)"),
    )
}

/// How the customer with this id stands, whether there is one or not.
///
/// # Errors
/// Whatever the database says.
pub async fn of(conn: &mut Conn, id: &str) -> Result<Standing, DbError> {
    let engine = conn.engine();
    if engine == Engine::Postgres && uuid::Uuid::parse_str(id).is_err() {
        return Ok(Standing {
            id: id.to_owned(),
            ..Standing::default()
        });
    }
    let sql = of_sql(engine);
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_one(c)
        .await)?)
}

/// Customers in the order of their ids, behind `after`.
///
/// # Errors
/// Whatever the database says.
pub async fn page(
    conn: &mut Conn,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Standing>, DbError> {
    let engine = conn.engine();
    let id = "CAST(c.\"id\" AS TEXT)";
    let sql = format!(
        "SELECT {id} AS id, c.\"isTestUser\" AS is_test, l.vtiger_id, l.withdrawn, l.updated_at AS linked_at, \
                {} AS unfinished \
         FROM customers c LEFT JOIN crm_links l ON l.entity_type = 'CUSTOMER' AND l.entity_id = {id} \
         WHERE {further} ORDER BY c.\"id\" LIMIT $2",
        unfinished(id),
        further = match after {
            None => "CAST($1 AS TEXT) IS NULL".to_owned(),
            Some(_) => format!("c.\"id\" > {}", dialect::uuid_parameter(engine, 1)),
        },
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// How many customers there are.
///
/// # Errors
/// Whatever the database says.
pub async fn customers(conn: &mut Conn) -> Result<i64, DbError> {
    let sql = "SELECT COUNT(*) FROM customers";
    Ok(on!(conn, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
}

/// The statement behind [`least_checked`], for tests of its plan.
pub const LEAST_CHECKED: &str = "SELECT entity_id, checked_at FROM crm_links WHERE entity_type = 'CUSTOMER' \
     AND vtiger_id IS NOT NULL AND NOT withdrawn ORDER BY checked_at NULLS FIRST LIMIT $1";

/// Linked customers that were not compared since `before`, those first whose comparison is oldest.
///
/// # Errors
/// Whatever the database says.
pub async fn least_checked(
    conn: &mut Conn,
    before: Ts,
    limit: u32,
) -> Result<Vec<String>, DbError> {
    let rows: Vec<(String, Option<Ts>)> = on!(conn, |c| sqlx::query_as(LEAST_CHECKED)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows
        .into_iter()
        .filter(|(_, checked)| checked.is_none_or(|at| at < before))
        .map(|(customer, _)| customer)
        .collect())
}

/// Notes that a customer was compared with its contact, and whether they were equal. The link itself is not touched.
///
/// # Errors
/// Whatever the database says.
pub async fn note_checked(
    conn: &mut Conn,
    customer: &str,
    equal: bool,
    now: Ts,
) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "UPDATE crm_links SET checked_at = $2, verified_at = CASE WHEN $3 THEN $2 ELSE NULL END \
         WHERE entity_type = 'CUSTOMER' AND entity_id = $1"
    )
    .bind(customer)
    .bind(now)
    .bind(equal)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Notes that a customer's turn is over although nothing could be said: a change was under way.
///
/// # Errors
/// Whatever the database says.
pub async fn note_passed_over(conn: &mut Conn, customer: &str, now: Ts) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "UPDATE crm_links SET checked_at = $2 WHERE entity_type = 'CUSTOMER' AND entity_id = $1"
    )
    .bind(customer)
    .bind(now)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// How much is proved equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Proof {
    /// Linked contacts.
    pub contacts: i64,
    /// Those proved equal, and not found different since.
    pub proved: i64,
    /// The oldest of these proofs.
    pub oldest: Option<Ts>,
}

/// How much is proved equal.
///
/// # Errors
/// Whatever the database says.
pub async fn proof(conn: &mut Conn) -> Result<Proof, DbError> {
    let sql = "SELECT COUNT(*) AS contacts, COUNT(verified_at) AS proved, MIN(verified_at) AS oldest FROM crm_links \
               WHERE entity_type = 'CUSTOMER' AND vtiger_id IS NOT NULL AND NOT withdrawn";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_one(c).await)?)
}

/// Notes what the CRM was seen to hold of some fields, so that the next delivery puts right what differs.
///
/// # Errors
/// Whatever the database says.
pub async fn note_held(
    conn: &mut Conn,
    customer: &str,
    snapshot: &BTreeMap<String, String>,
    now: Ts,
) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(
        "UPDATE crm_links SET snapshot = $2, snapshot_verified = $3, updated_at = $4 \
         WHERE entity_type = 'CUSTOMER' AND entity_id = $1"
    )
    .bind(customer)
    .bind(sqlx::types::Json(snapshot))
    .bind(false)
    .bind(now)
    .execute(c)
    .await
    .map(drop))?;
    Ok(())
}

/// Forgets the contact of a customer: it is gone, and another one is to be made.
///
/// # Errors
/// Whatever the database says.
pub async fn unlink(conn: &mut Conn, customer: &str, now: Ts) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(
        "UPDATE crm_links SET vtiger_id = NULL, snapshot = $2, snapshot_verified = $3, look_first = $4, row_hash = NULL, \
         checked_at = NULL, verified_at = NULL, updated_at = $5 WHERE entity_type = 'CUSTOMER' AND entity_id = $1"
    )
    .bind(customer)
    .bind(sqlx::types::Json(BTreeMap::<String, String>::new()))
    .bind(false)
    .bind(true)
    .bind(now)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}
