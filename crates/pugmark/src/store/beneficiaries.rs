//! MicroBima's `beneficiaries`: the next of kin of customers. Removed ones stay, with a time.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::page::{Condition, Wanted, one, page};
use super::{dialect, rows_changed};

/// A row of `beneficiaries`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Beneficiary {
    /// UUID, as text.
    pub id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// Who it is.
    #[sqlx(flatten)]
    pub person: BeneficiaryPerson,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
    /// When the person was removed.
    pub deleted_at: Option<Ts>,
    /// Where the row stands in a list.
    pub place: String,
}

/// The columns of a beneficiary that people edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct BeneficiaryPerson {
    /// As typed, not trimmed.
    pub first_name: String,
    /// As typed.
    pub middle_name: Option<String>,
    /// As typed.
    pub last_name: String,
    /// A word of MicroBima's API; free text in the database.
    pub relationship: Option<String>,
}

/// A beneficiary that is to be added.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewBeneficiary {
    /// UUID, as text.
    pub id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// Who it is.
    #[serde(flatten)]
    pub person: BeneficiaryPerson,
}

fn select(engine: Engine) -> String {
    format!(
        "SELECT CAST(b.\"id\" AS TEXT) AS id, CAST(b.\"customerId\" AS TEXT) AS customer_id, \
         b.\"firstName\" AS first_name, b.\"middleName\" AS middle_name, b.\"lastName\" AS last_name, \
         b.\"relationship\" AS relationship, {} AS created_at, {} AS updated_at, {} AS deleted_at, {} AS place \
         FROM beneficiaries b",
        dialect::instant(engine, "b.\"createdAt\""),
        dialect::instant(engine, "b.\"updatedAt\""),
        dialect::zoned_time(engine, "b.\"deletedAt\""),
        dialect::place(engine, "b.\"createdAt\""),
    )
}

fn by_id(engine: Engine) -> String {
    format!(
        "{} WHERE b.\"id\" = {}",
        select(engine),
        dialect::uuid_parameter(engine, 1)
    )
}

/// One beneficiary, removed or not.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Beneficiary>, DbError> {
    let sql = by_id(conn.engine());
    one(conn, sql, id).await
}

/// One beneficiary, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn get_for_update(conn: &mut Conn, id: &str) -> Result<Option<Beneficiary>, DbError> {
    let engine = conn.engine();
    let sql = format!("{} {}", by_id(engine), dialect::for_update(engine));
    one(conn, sql, id).await
}

/// A customer's beneficiaries, newest first; with those removed, or without.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    with_removed: bool,
    wanted: &Wanted,
) -> Result<Vec<Beneficiary>, DbError> {
    let engine = conn.engine();
    let living = if with_removed {
        ""
    } else {
        " AND b.\"deletedAt\" IS NULL"
    };
    let of_customer = Condition {
        sql: format!(
            "b.\"customerId\" = {}{living}",
            dialect::uuid_parameter(engine, 1)
        ),
        value: Some(customer),
    };
    let conditions = [of_customer, Condition::NONE];
    page(conn, &select(engine), "b", conditions, wanted).await
}

/// Adds beneficiaries, all with one statement.
///
/// # Errors
/// [`DbError`] with the violated constraint when the customer does not exist.
pub async fn insert(conn: &mut Conn, new: &[NewBeneficiary], now: Ts) -> Result<(), DbError> {
    const COLUMNS: [(&str, &str); 6] = [
        ("id", "UUID"),
        ("customerId", "UUID"),
        ("firstName", "TEXT"),
        ("middleName", "TEXT"),
        ("lastName", "TEXT"),
        ("relationship", "TEXT"),
    ];
    let engine = conn.engine();
    let now_parameter = dialect::instant_parameter(engine, 2);
    let rows = dialect::rows_of(engine, 1, &COLUMNS, &[now_parameter.clone(), now_parameter]);
    let sql = format!(
        "INSERT INTO beneficiaries (\"id\", \"customerId\", \"firstName\", \"middleName\", \"lastName\", \
         \"relationship\", \"createdAt\", \"updatedAt\") {rows}"
    );
    let new = dialect::json_text(new)?;
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(new)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes every editable column of a living beneficiary. `false` when there is none.
///
/// # Errors
/// Whatever the database says.
pub async fn update(
    conn: &mut Conn,
    id: &str,
    person: &BeneficiaryPerson,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE beneficiaries SET \"firstName\" = $2, \"middleName\" = $3, \"lastName\" = $4, \"relationship\" = $5, \
         \"updatedAt\" = {now} WHERE \"id\" = {id} AND \"deletedAt\" IS NULL",
        id = dialect::uuid_parameter(engine, 1),
        now = dialect::instant_parameter(engine, 6),
    );
    rows_changed!(
        conn,
        sql,
        id,
        &person.first_name,
        person.middle_name.as_deref(),
        &person.last_name,
        person.relationship.as_deref(),
        now
    )
}

/// Marks a living beneficiary as removed. `false` when there is none: whoever was removed keeps that time.
///
/// # Errors
/// Whatever the database says.
pub async fn remove(conn: &mut Conn, id: &str, now: Ts) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE beneficiaries SET \"deletedAt\" = $2, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"deletedAt\" IS NULL",
        id = dialect::uuid_parameter(engine, 1),
        now = dialect::instant_parameter(engine, 2),
    );
    rows_changed!(conn, sql, id, now)
}
