//! MicroBima's `brand_ambassadors`: its staff, by the id of their login.

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::page::{Place, Wanted, one};
use super::{dialect, rows_changed};

/// A brand ambassador. The e-mail stands in the login alone.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Ambassador {
    /// UUID, as text.
    pub id: String,
    /// Id of the login: UUID, as text.
    pub user_id: String,
    /// The partner worked for.
    pub partner_id: i32,
    /// First and last name.
    pub display_name: String,
    /// 254######### at creation, as typed after an edit.
    pub phone_number: Option<String>,
    /// Pay per registration in cents of a Kenyan shilling.
    pub rate_cents: i32,
    /// `false`: disabled.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
}

/// An ambassador with the state of the link and of the operation that matters.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AmbassadorView {
    /// The row itself.
    #[sqlx(flatten)]
    pub ambassador: Ambassador,
    /// Where the row stands in a list; [`Place::parse`] reads it.
    pub place: String,
    /// Id of the user in vTiger.
    pub vtiger_id: Option<String>,
    /// When both sides last agreed.
    pub last_synced_at: Option<Ts>,
    /// Why it is not in step.
    pub sync_error: Option<String>,
    /// The code of that reason.
    pub sync_error_code: Option<String>,
    /// The newest operation on the account that is not over: it waits, runs, or is a dead letter.
    pub operation_id: Option<OperationId>,
    /// Its kind.
    pub operation_kind: Option<String>,
    /// Whether it failed for good.
    pub operation_dead: Option<bool>,
    /// Whether it is meant to make a user in the CRM.
    pub operation_payload: Option<String>,
    /// The code of its last error.
    pub operation_error_code: Option<String>,
    /// Its last error.
    pub operation_error: Option<String>,
}

/// Which ambassadors a list shows.
#[derive(Debug, Clone, Default)]
pub struct AmbassadorFilter {
    /// Part of a name or phone; letters of any case.
    pub search: Option<String>,
    /// Only linked ones (`true`), or only others (`false`).
    pub linked: Option<bool>,
    /// Which part of the list; the id in it is that of the login.
    pub wanted: Wanted,
}

fn columns(engine: Engine) -> String {
    format!(
        "CAST(a.\"id\" AS TEXT) AS id, CAST(a.\"userId\" AS TEXT) AS user_id, a.\"partnerId\" AS partner_id, \
         a.\"displayName\" AS display_name, a.\"phoneNumber\" AS phone_number, \
         a.\"perRegistrationRateCents\" AS rate_cents, a.\"isActive\" AS is_active, \
         {} AS created_at, {} AS updated_at",
        dialect::instant(engine, "a.\"createdAt\""),
        dialect::instant(engine, "a.\"updatedAt\""),
    )
}

/// The ambassador's link, and the newest operation on the account that is not over.
const JOINS: &str = "LEFT JOIN crm_links l ON l.entity_type = 'USER' AND l.entity_id = CAST(a.\"userId\" AS TEXT) \
    LEFT JOIN vtiger_sync_queue q ON q.id = (SELECT o.id FROM vtiger_sync_queue o WHERE o.entity_type = 'USER' \
        AND o.entity_id = CAST(a.\"userId\" AS TEXT) AND o.status <> 'COMPLETED' AND o.heir IS NULL ORDER BY o.id DESC LIMIT 1)";

fn view_columns(engine: Engine) -> String {
    format!(
        "{}, {} AS place, l.vtiger_id, l.last_synced_at, l.sync_error, l.sync_error_code, q.id AS operation_id, \
         q.kind AS operation_kind, q.dead_at IS NOT NULL AS operation_dead, CAST(q.payload AS TEXT) AS operation_payload, \
         q.error_code AS operation_error_code, \
         q.error_message AS operation_error",
        columns(engine),
        dialect::place(engine, "a.\"createdAt\""),
    )
}

/// One ambassador, by the login.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, user: &str) -> Result<Option<Ambassador>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM brand_ambassadors a WHERE a.\"userId\" = {}",
        columns(engine),
        dialect::uuid_parameter(engine, 1)
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(user)
        .fetch_optional(c)
        .await)?)
}

/// One ambassador with the link, by the login.
///
/// # Errors
/// Whatever the database says.
pub async fn view(conn: &mut Conn, user: &str) -> Result<Option<AmbassadorView>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM brand_ambassadors a {JOINS} WHERE a.\"userId\" = {}",
        view_columns(engine),
        dialect::uuid_parameter(engine, 1)
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(user)
        .fetch_optional(c)
        .await)?)
}

/// Ambassadors, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    conn: &mut Conn,
    filter: &AmbassadorFilter,
) -> Result<Vec<AmbassadorView>, DbError> {
    let engine = conn.engine();
    let created = "a.\"createdAt\"";
    let search = match filter.search {
        None => "CAST($1 AS TEXT) IS NULL".to_owned(),
        Some(_) => dialect::contains(
            engine,
            "a.\"displayName\" || ' ' || COALESCE(a.\"phoneNumber\", '')",
            1,
        ),
    };
    let linked = match filter.linked {
        None => "TRUE",
        Some(true) => "l.vtiger_id IS NOT NULL",
        Some(false) => "l.vtiger_id IS NULL",
    };
    let further = match &filter.wanted.after {
        None => "CAST($2 AS TEXT) IS NULL AND CAST($3 AS TEXT) IS NULL".to_owned(),
        Some((place, _)) => format!(
            "({created}, a.\"userId\") < ({}, {})",
            dialect::place_parameter(engine, 3, matches!(place, Place::Text(_))),
            dialect::uuid_parameter(engine, 2),
        ),
    };
    let sql = format!(
        "SELECT {columns} FROM brand_ambassadors a {JOINS} WHERE {search} AND {linked} AND {further} \
         ORDER BY {created} DESC, a.\"userId\" DESC LIMIT $4",
        columns = view_columns(engine),
    );
    let pattern = filter
        .search
        .as_deref()
        .map(|text| dialect::containing(engine, text.trim()));
    let (place, user) = filter.wanted.parameters();
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(pattern)
        .bind(user)
        .bind(place)
        .bind(i64::from(filter.wanted.limit))
        .fetch_all(c)
        .await)?)
}

/// Inserts an ambassador. `false` when the login has one already; then nothing is changed.
///
/// # Errors
/// [`DbError`] with the violated constraint when the partner does not exist.
pub async fn insert(
    conn: &mut Conn,
    new: &Ambassador,
    created_by: Option<&str>,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"phoneNumber\", \
         \"perRegistrationRateCents\", \"isActive\", \"createdAt\", \"updatedAt\", \"createdBy\", \"updatedBy\") \
         VALUES ({id}, {user}, $3, $4, $5, $6, $7, {created}, {updated}, $10, $10) ON CONFLICT (\"userId\") DO NOTHING",
        id = dialect::uuid_parameter(engine, 1),
        user = dialect::uuid_parameter(engine, 2),
        created = dialect::instant_parameter(engine, 8),
        updated = dialect::instant_parameter(engine, 9),
    );
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(&new.id)
        .bind(&new.user_id)
        .bind(new.partner_id)
        .bind(&new.display_name)
        .bind(new.phone_number.as_deref())
        .bind(new.rate_cents)
        .bind(new.is_active)
        .bind(new.created_at)
        .bind(new.updated_at)
        .bind(created_by)
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}

/// Enables or disables an ambassador. `false` when it was so already; then nothing is written.
///
/// # Errors
/// Whatever the database says.
pub async fn set_active(
    conn: &mut Conn,
    user: &str,
    active: bool,
    by: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE brand_ambassadors SET \"isActive\" = $2, \"updatedAt\" = {now}, \"updatedBy\" = $4 \
         WHERE \"userId\" = {user} AND \"isActive\" <> $2",
        user = dialect::uuid_parameter(engine, 1),
        now = dialect::instant_parameter(engine, 3),
    );
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(user)
        .bind(active)
        .bind(now)
        .bind(by)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0))?)
}

/// One ambassador by the row's own id, held until the transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn get_by_id_for_update(
    conn: &mut Conn,
    id: &str,
) -> Result<Option<Ambassador>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM brand_ambassadors a WHERE a.\"id\" = {} {}",
        columns(engine),
        dialect::uuid_parameter(engine, 1),
        dialect::for_update(engine),
    );
    one(conn, sql, id).await
}

/// One ambassador with the link, by the row's own id.
///
/// # Errors
/// Whatever the database says.
pub async fn view_by_id(conn: &mut Conn, id: &str) -> Result<Option<AmbassadorView>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM brand_ambassadors a {JOINS} WHERE a.\"id\" = {}",
        view_columns(engine),
        dialect::uuid_parameter(engine, 1)
    );
    one(conn, sql, id).await
}

/// Writes every editable column of an ambassador and says whether the row was there.
///
/// # Errors
/// [`DbError`] with the violated constraint when the partner does not exist.
pub async fn update(
    conn: &mut Conn,
    ambassador: &Ambassador,
    by: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE brand_ambassadors SET \"partnerId\" = $2, \"phoneNumber\" = $3, \"perRegistrationRateCents\" = $4, \
         \"isActive\" = $5, \"updatedBy\" = $6, \"updatedAt\" = {now} WHERE \"id\" = {id}",
        id = dialect::uuid_parameter(engine, 1),
        now = dialect::instant_parameter(engine, 7),
    );
    rows_changed!(
        conn,
        sql,
        &ambassador.id,
        ambassador.partner_id,
        ambassador.phone_number.as_deref(),
        ambassador.rate_cents,
        ambassador.is_active,
        by,
        now
    )
}
