//! MicroBima's `missing_requirements`: fields of people that turned out to be blank, and the people they are about.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::page::{Condition, Wanted, one, page, page_sql};
use super::{dialect, rows_changed};

/// A row of `missing_requirements`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MissingRequirement {
    /// UUID, as text.
    pub id: String,
    /// `agent_registrations.id`.
    pub registration_id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// `partners.id`.
    pub partner_id: i32,
    /// Label of `RegistrationEntityKind`.
    pub entity_kind: String,
    /// `dependants.id` or `beneficiaries.id`, where it is known.
    pub entity_id: Option<String>,
    /// Name of the field in camel case.
    pub field_path: String,
    /// Label of `RegistrationMissingStatus`.
    pub status: String,
    /// When it was resolved.
    pub resolved_at: Option<Ts>,
    /// By whom: the id of a login, or `system`.
    pub resolved_by: Option<String>,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
    /// Where the row stands in a list.
    pub place: String,
}

impl MissingRequirement {
    /// Whether somebody still has to see to it. Whatever else a row's status may say, it is dealt with.
    pub fn is_open(&self) -> bool {
        self.status == "PENDING"
    }
}

/// A requirement that is to be added. It is open.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRequirement {
    /// UUID, as text.
    pub id: String,
    /// `agent_registrations.id`.
    pub registration_id: String,
    /// `customers.id`.
    pub customer_id: String,
    /// `partners.id`.
    pub partner_id: i32,
    /// Label of `RegistrationEntityKind`.
    pub entity_kind: String,
    /// `dependants.id` or `beneficiaries.id`.
    pub entity_id: Option<String>,
    /// Name of the field in camel case.
    pub field_path: String,
}

fn select(engine: Engine) -> String {
    format!(
        "SELECT CAST(m.\"id\" AS TEXT) AS id, CAST(m.\"registrationId\" AS TEXT) AS registration_id, \
         CAST(m.\"customerId\" AS TEXT) AS customer_id, m.\"partnerId\" AS partner_id, \
         CAST(m.\"entityKind\" AS TEXT) AS entity_kind, m.\"entityId\" AS entity_id, m.\"fieldPath\" AS field_path, \
         CAST(m.\"status\" AS TEXT) AS status, {} AS resolved_at, m.\"resolvedBy\" AS resolved_by, \
         {} AS created_at, {} AS updated_at, {} AS place FROM missing_requirements m",
        dialect::stored_time(engine, "m.\"resolvedAt\""),
        dialect::instant(engine, "m.\"createdAt\""),
        dialect::instant(engine, "m.\"updatedAt\""),
        dialect::place(engine, "m.\"createdAt\""),
    )
}

fn by_id(engine: Engine) -> String {
    format!(
        "{} WHERE m.\"id\" = {}",
        select(engine),
        dialect::uuid_parameter(engine, 1)
    )
}

/// One requirement.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<MissingRequirement>, DbError> {
    let sql = by_id(conn.engine());
    one(conn, sql, id).await
}

/// One requirement, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn get_for_update(
    conn: &mut Conn,
    id: &str,
) -> Result<Option<MissingRequirement>, DbError> {
    let engine = conn.engine();
    let sql = format!("{} {}", by_id(engine), dialect::for_update(engine));
    one(conn, sql, id).await
}

/// Which requirements a list shows.
#[derive(Debug, Clone, Default)]
pub struct RequirementFilter {
    /// Only those of this customer.
    pub customer: Option<String>,
    /// Only those with this label of `RegistrationMissingStatus`.
    pub status: Option<String>,
    /// Which part of the list.
    pub wanted: Wanted,
}

fn conditions(engine: Engine, filter: &RequirementFilter) -> [Condition<'_>; 2] {
    [
        Condition {
            sql: format!("m.\"customerId\" = {}", dialect::uuid_parameter(engine, 1)),
            value: filter.customer.as_deref(),
        },
        Condition {
            sql: format!(
                "m.\"status\" = {}",
                dialect::enum_parameter(engine, 2, "RegistrationMissingStatus")
            ),
            value: filter.status.as_deref(),
        },
    ]
}

/// Requirements, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    conn: &mut Conn,
    filter: &RequirementFilter,
) -> Result<Vec<MissingRequirement>, DbError> {
    let engine = conn.engine();
    let conditions = conditions(engine, filter);
    page(conn, &select(engine), "m", conditions, &filter.wanted).await
}

/// The statements whose cost must not grow with the table, by name, for tests of their plans.
pub fn hot_queries(engine: Engine) -> [(&'static str, String); 2] {
    let sql = |status: Option<&str>| {
        let filter = RequirementFilter {
            status: status.map(str::to_owned),
            ..RequirementFilter::default()
        };
        page_sql(
            engine,
            &select(engine),
            "m",
            &conditions(engine, &filter),
            None,
        )
    };
    [
        ("requirements", sql(None)),
        ("open requirements", sql(Some("PENDING"))),
    ]
}

/// The open requirements of a customer.
///
/// # Errors
/// Whatever the database says.
pub async fn open_of_customer(
    conn: &mut Conn,
    customer: &str,
) -> Result<Vec<MissingRequirement>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "{} WHERE m.\"customerId\" = {} AND m.\"status\" = 'PENDING' ORDER BY m.\"id\"",
        select(engine),
        dialect::uuid_parameter(engine, 1)
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .fetch_all(c)
        .await)?)
}

/// Adds open requirements, all with one statement.
///
/// # Errors
/// [`DbError`] with the violated constraint when the customer does not exist.
pub async fn insert(conn: &mut Conn, new: &[NewRequirement], now: Ts) -> Result<(), DbError> {
    const COLUMNS: [(&str, &str); 7] = [
        ("id", "UUID"),
        ("registrationId", "UUID"),
        ("customerId", "UUID"),
        ("partnerId", "INTEGER"),
        ("entityKind", "\"RegistrationEntityKind\""),
        ("entityId", "TEXT"),
        ("fieldPath", "TEXT"),
    ];
    let engine = conn.engine();
    let now_parameter = dialect::instant_parameter(engine, 2);
    let rows = dialect::rows_of(
        engine,
        1,
        &COLUMNS,
        &["'PENDING'".to_owned(), now_parameter.clone(), now_parameter],
    );
    let sql = format!(
        "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
         \"entityId\", \"fieldPath\", \"status\", \"createdAt\", \"updatedAt\") {rows}"
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

/// Closes an open requirement: `RESOLVED` with the time and by whom, or `EXPIRED`. `false` when it is closed already.
///
/// # Errors
/// Whatever the database says.
pub async fn close(
    conn: &mut Conn,
    id: &str,
    status: &str,
    resolved_by: Option<&str>,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE missing_requirements SET \"status\" = {status}, \"resolvedBy\" = $3, \
         \"resolvedAt\" = CASE WHEN CAST($2 AS TEXT) = 'RESOLVED' THEN {now} END, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"status\" = 'PENDING'",
        id = dialect::uuid_parameter(engine, 1),
        status = dialect::enum_parameter(engine, 2, "RegistrationMissingStatus"),
        now = dialect::instant_parameter(engine, 4),
    );
    rows_changed!(conn, sql, id, status, resolved_by, now)
}

/// Names the person that an open requirement is about.
///
/// # Errors
/// Whatever the database says.
pub async fn set_entity(
    conn: &mut Conn,
    id: &str,
    entity: Option<&str>,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE missing_requirements SET \"entityId\" = $2, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"status\" = 'PENDING'",
        id = dialect::uuid_parameter(engine, 1),
        now = dialect::instant_parameter(engine, 3),
    );
    rows_changed!(conn, sql, id, entity, now)
}

/// First, middle and last name of the person whose row a requirement names: a beneficiary for the kind `BENEFICIARY`, else
/// a dependant. `None` when there is no such row.
///
/// # Errors
/// Whatever the database says.
pub async fn person_name(
    conn: &mut Conn,
    entity_kind: &str,
    entity_id: &str,
) -> Result<Option<String>, DbError> {
    // Rows have UUIDs; the column that names them holds any text.
    if entity_id.parse::<Uuid>().is_err() {
        return Ok(None);
    }
    let table = match entity_kind {
        "BENEFICIARY" => "beneficiaries",
        _ => "dependants",
    };
    let sql = format!(
        "SELECT COALESCE(\"firstName\", '') || ' ' || COALESCE(\"middleName\", '') || ' ' || COALESCE(\"lastName\", '') \
         FROM {table} WHERE \"id\" = {}",
        dialect::uuid_parameter(conn.engine(), 1),
    );
    Ok(on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(entity_id)
        .fetch_optional(c)
        .await)?)
}
