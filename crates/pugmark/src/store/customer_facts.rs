//! What is known of a customer besides the columns that every delivery reads: for mappings that ask for it.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::dialect;

/// Columns of the customer's row whose change is no update of the customer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RestOfRow {
    /// Label of `OnboardingStep`.
    pub onboarding_step: Option<String>,
    /// `createdByPartnerId`.
    pub partner_id: i32,
    /// Whether a requirement is missing.
    pub has_missing_requirements: bool,
    /// Login id of the agent who registered the customer.
    pub created_by: Option<String>,
    /// Login id of who last edited it.
    pub updated_by: Option<String>,
    /// `en` or `sw`.
    pub messaging_language: Option<String>,
    /// When the portal was set up.
    pub portal_pin_set_up_at: Option<Ts>,
    /// When the customer was deactivated.
    pub deactivated_at: Option<Ts>,
}

/// The rest of a customer's row; `None` when it is gone.
///
/// # Errors
/// Whatever the database says.
pub async fn rest_of_row(conn: &mut Conn, id: &str) -> Result<Option<RestOfRow>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT CAST(\"onboardingStep\" AS TEXT) AS onboarding_step, \"createdByPartnerId\" AS partner_id, \
         \"hasMissingRequirements\" AS has_missing_requirements, \"createdBy\" AS created_by, \"updatedBy\" AS updated_by, \
         \"defaultMessagingLanguage\" AS messaging_language, {portal} AS portal_pin_set_up_at, {gone} AS deactivated_at \
         FROM customers WHERE \"id\" = {id}",
        portal = dialect::stored_time(engine, "\"portalPinSetupCompletedAt\""),
        gone = dialect::stored_time(engine, "\"deactivatedAt\""),
        id = dialect::uuid_parameter(engine, 1),
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// The partner who registered a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Partner {
    /// Its name.
    pub name: Option<String>,
    /// Its own id of the customer.
    pub customer_id: Option<String>,
}

/// The partner of a customer; `None` when the customer is gone.
///
/// # Errors
/// Whatever the database says.
pub async fn partner(conn: &mut Conn, id: &str) -> Result<Option<Partner>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT p.\"partnerName\" AS name, \
         (SELECT MIN(k.\"partnerCustomerId\") FROM partner_customers k \
          WHERE k.\"customerId\" = c.\"id\" AND k.\"partnerId\" = c.\"createdByPartnerId\") AS customer_id \
         FROM customers c LEFT JOIN partners p ON p.\"id\" = c.\"createdByPartnerId\" WHERE c.\"id\" = {}",
        dialect::uuid_parameter(engine, 1),
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// A customer's latest registration by an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Registration {
    /// The agent's name.
    pub agent: Option<String>,
    /// Label of `RegistrationStatus`.
    pub status: Option<String>,
    /// When it was completed.
    pub completed_at: Option<Ts>,
}

/// The latest registration of a customer, if an agent ever made one.
///
/// # Errors
/// Whatever the database says.
pub async fn registration(conn: &mut Conn, id: &str) -> Result<Option<Registration>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT b.\"displayName\" AS agent, CAST(r.\"registrationStatus\" AS TEXT) AS status, {completed} AS completed_at \
         FROM agent_registrations r LEFT JOIN brand_ambassadors b ON b.\"id\" = r.\"baId\" \
         WHERE r.\"customerId\" = {id} ORDER BY r.\"createdAt\" DESC, r.\"id\" DESC LIMIT 1",
        completed = dialect::stored_time(engine, "r.\"completedAt\""),
        id = dialect::uuid_parameter(engine, 1),
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}
