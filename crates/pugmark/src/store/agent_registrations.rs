//! MicroBima's `agent_registrations`: which brand ambassador registered a customer. Missing requirements belong to one.

use pugmark_queue::db::{Conn, DbError, Ts};

use super::page::one;
use super::{dialect, rows_changed};

/// A registration, as a missing requirement needs it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Registration {
    /// UUID, as text.
    pub id: String,
    /// `partners.id`.
    pub partner_id: i32,
}

/// The latest registration of a customer.
///
/// # Errors
/// Whatever the database says.
pub async fn latest_of(conn: &mut Conn, customer: &str) -> Result<Option<Registration>, DbError> {
    let sql = format!(
        "SELECT CAST(r.\"id\" AS TEXT) AS id, r.\"partnerId\" AS partner_id FROM agent_registrations r \
         WHERE r.\"customerId\" = {} ORDER BY r.\"createdAt\" DESC, r.\"id\" DESC LIMIT 1",
        dialect::uuid_parameter(conn.engine(), 1)
    );
    one(conn, sql, customer).await
}

/// A brand ambassador who can be named in a registration.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Registrar {
    /// `brand_ambassadors.id`.
    pub id: String,
    /// `partners.id`.
    pub partner_id: i32,
}

/// The ambassador with this id.
///
/// # Errors
/// Whatever the database says.
pub async fn registrar(conn: &mut Conn, ambassador: &str) -> Result<Option<Registrar>, DbError> {
    let sql = format!(
        "SELECT CAST(a.\"id\" AS TEXT) AS id, a.\"partnerId\" AS partner_id FROM brand_ambassadors a WHERE a.\"id\" = {}",
        dialect::uuid_parameter(conn.engine(), 1)
    );
    one(conn, sql, ambassador).await
}

/// The ambassador whose login made the customer's row, if one did.
///
/// # Errors
/// Whatever the database says.
pub async fn registrar_of(conn: &mut Conn, customer: &str) -> Result<Option<Registrar>, DbError> {
    let sql = format!(
        "SELECT CAST(a.\"id\" AS TEXT) AS id, a.\"partnerId\" AS partner_id \
         FROM customers c JOIN brand_ambassadors a ON CAST(a.\"userId\" AS TEXT) = c.\"createdBy\" WHERE c.\"id\" = {}",
        dialect::uuid_parameter(conn.engine(), 1)
    );
    one(conn, sql, customer).await
}

/// Stores a finished registration, as MicroBima's agent app does.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(
    conn: &mut Conn,
    id: &str,
    customer: &str,
    registrar: &Registrar,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\", \"registrationStatus\", \
         \"completedAt\", \"createdAt\", \"updatedAt\") VALUES ({id}, {ambassador}, {customer}, $4, {status}, {now}, {now}, {now})",
        id = dialect::uuid_parameter(engine, 1),
        ambassador = dialect::uuid_parameter(engine, 2),
        customer = dialect::uuid_parameter(engine, 3),
        status = dialect::enum_parameter(engine, 5, "RegistrationStatus"),
        now = dialect::instant_parameter(engine, 6),
    );
    rows_changed!(
        conn,
        sql,
        id,
        &registrar.id,
        customer,
        registrar.partner_id,
        "COMPLETED",
        now
    )
}
