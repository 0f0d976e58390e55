//! MicroBima's `dependants`: spouses and children of customers. Removed ones stay, with a time.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::page::{Condition, Wanted, one, page};
use super::{dialect, rows_changed};

/// A row of `dependants`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Dependant {
    /// UUID, as text.
    pub id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// Who it is.
    #[sqlx(flatten)]
    pub person: DependantPerson,
    /// Whether somebody has verified the person.
    pub is_verified: bool,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
    /// When the person was removed.
    pub deleted_at: Option<Ts>,
    /// Who removed the person: the id of a login.
    pub deleted_by: Option<String>,
    /// Where the row stands in a list.
    pub place: String,
}

/// The columns of a dependant that people edit. Enum columns hold labels of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct DependantPerson {
    /// As typed, not trimmed.
    pub first_name: String,
    /// As typed.
    pub middle_name: Option<String>,
    /// As typed.
    pub last_name: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// Label of `Gender`.
    pub gender: Option<String>,
    /// Label of `IdType`.
    pub id_type: Option<String>,
    /// Number of that document.
    pub id_number: Option<String>,
    /// Label of `DependantRelationship`.
    pub relationship: String,
    /// E-mail.
    pub email: Option<String>,
    /// Phone number as typed.
    pub phone_number: Option<String>,
    /// Whether the person has to be verified: children of 18 to 24.
    pub verification_required: bool,
}

/// A dependant that is to be added.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDependant {
    /// UUID, as text.
    pub id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// Who it is.
    #[serde(flatten)]
    pub person: DependantPerson,
}

fn select(engine: Engine) -> String {
    format!(
        "SELECT CAST(d.\"id\" AS TEXT) AS id, CAST(d.\"customerId\" AS TEXT) AS customer_id, \
         d.\"firstName\" AS first_name, d.\"middleName\" AS middle_name, d.\"lastName\" AS last_name, \
         CAST(d.\"dateOfBirth\" AS TEXT) AS date_of_birth, CAST(d.\"gender\" AS TEXT) AS gender, \
         CAST(d.\"idType\" AS TEXT) AS id_type, d.\"idNumber\" AS id_number, \
         CAST(d.\"relationship\" AS TEXT) AS relationship, d.\"email\" AS email, d.\"phoneNumber\" AS phone_number, \
         d.\"verificationRequired\" AS verification_required, d.\"isVerified\" AS is_verified, \
         {} AS created_at, {} AS updated_at, {} AS deleted_at, CAST(d.\"deletedBy\" AS TEXT) AS deleted_by, {} AS place \
         FROM dependants d",
        dialect::instant(engine, "d.\"createdAt\""),
        dialect::instant(engine, "d.\"updatedAt\""),
        dialect::zoned_time(engine, "d.\"deletedAt\""),
        dialect::place(engine, "d.\"createdAt\""),
    )
}

fn by_id(engine: Engine) -> String {
    format!(
        "{} WHERE d.\"id\" = {}",
        select(engine),
        dialect::uuid_parameter(engine, 1)
    )
}

/// One dependant, removed or not.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Dependant>, DbError> {
    let sql = by_id(conn.engine());
    one(conn, sql, id).await
}

/// One dependant, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn get_for_update(conn: &mut Conn, id: &str) -> Result<Option<Dependant>, DbError> {
    let engine = conn.engine();
    let sql = format!("{} {}", by_id(engine), dialect::for_update(engine));
    one(conn, sql, id).await
}

/// A customer's dependants, newest first; with those removed, or without.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    with_removed: bool,
    wanted: &Wanted,
) -> Result<Vec<Dependant>, DbError> {
    let engine = conn.engine();
    let living = if with_removed {
        ""
    } else {
        " AND d.\"deletedAt\" IS NULL"
    };
    let of_customer = Condition {
        sql: format!(
            "d.\"customerId\" = {}{living}",
            dialect::uuid_parameter(engine, 1)
        ),
        value: Some(customer),
    };
    let conditions = [of_customer, Condition::NONE];
    page(conn, &select(engine), "d", conditions, wanted).await
}

/// Adds dependants, all with one statement. The partner is the customer's.
///
/// # Errors
/// [`DbError`] with the violated constraint when the customer does not exist.
pub async fn insert(conn: &mut Conn, new: &[NewDependant], now: Ts) -> Result<(), DbError> {
    const COLUMNS: [(&str, &str); 13] = [
        ("id", "UUID"),
        ("customerId", "UUID"),
        ("firstName", "TEXT"),
        ("middleName", "TEXT"),
        ("lastName", "TEXT"),
        ("dateOfBirth", "DATE"),
        ("gender", "\"Gender\""),
        ("idType", "\"IdType\""),
        ("idNumber", "TEXT"),
        ("relationship", "\"DependantRelationship\""),
        ("email", "TEXT"),
        ("phoneNumber", "TEXT"),
        ("verificationRequired", "BOOLEAN"),
    ];
    let engine = conn.engine();
    let customer = match engine {
        Engine::Sqlite => "json_extract(r.value, '$.customerId')",
        Engine::Postgres => "r.\"customerId\"",
    };
    let now_parameter = dialect::instant_parameter(engine, 2);
    let rows = dialect::rows_of(
        engine,
        1,
        &COLUMNS,
        &[
            format!(
                "(SELECT c.\"createdByPartnerId\" FROM customers c WHERE c.\"id\" = {customer})"
            ),
            now_parameter.clone(),
            now_parameter,
        ],
    );
    let sql = format!(
        "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"middleName\", \"lastName\", \"dateOfBirth\", \
         \"gender\", \"idType\", \"idNumber\", \"relationship\", \"email\", \"phoneNumber\", \"verificationRequired\", \
         \"createdByPartnerId\", \"createdAt\", \"updatedAt\") {rows}"
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

/// Writes every editable column of a living dependant. `false` when there is none.
///
/// # Errors
/// Whatever the database says.
pub async fn update(
    conn: &mut Conn,
    id: &str,
    person: &DependantPerson,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE dependants SET \"firstName\" = $2, \"middleName\" = $3, \"lastName\" = $4, \"dateOfBirth\" = {birth}, \
         \"gender\" = {gender}, \"idType\" = {id_type}, \"idNumber\" = $8, \"relationship\" = {relationship}, \
         \"email\" = $10, \"phoneNumber\" = $11, \"verificationRequired\" = $12, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"deletedAt\" IS NULL",
        id = dialect::uuid_parameter(engine, 1),
        birth = dialect::date_parameter(engine, 5),
        gender = dialect::enum_parameter(engine, 6, "Gender"),
        id_type = dialect::enum_parameter(engine, 7, "IdType"),
        relationship = dialect::enum_parameter(engine, 9, "DependantRelationship"),
        now = dialect::instant_parameter(engine, 13),
    );
    rows_changed!(
        conn,
        sql,
        id,
        &person.first_name,
        person.middle_name.as_deref(),
        &person.last_name,
        person.date_of_birth.as_deref(),
        person.gender.as_deref(),
        person.id_type.as_deref(),
        person.id_number.as_deref(),
        &person.relationship,
        person.email.as_deref(),
        person.phone_number.as_deref(),
        person.verification_required,
        now
    )
}

/// Marks a living dependant as removed. `false` when there is none: whoever was removed keeps that time.
///
/// # Errors
/// Whatever the database says.
pub async fn remove(conn: &mut Conn, id: &str, by: Option<&str>, now: Ts) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE dependants SET \"deletedAt\" = $2, \"deletedBy\" = {by}, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"deletedAt\" IS NULL",
        id = dialect::uuid_parameter(engine, 1),
        by = dialect::uuid_parameter(engine, 3),
        now = dialect::instant_parameter(engine, 2),
    );
    rows_changed!(conn, sql, id, now, by)
}
