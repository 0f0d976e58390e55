//! MicroBima's `partners`, `packages` and `package_plans`: whether what a row points to exists. SQLite does not tell which
//! column of a refused row it was, so the rows are looked for first.

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::on;

/// Whether the partner exists.
///
/// # Errors
/// Whatever the database says.
pub async fn has_partner(conn: &mut Conn, partner: i32) -> Result<bool, DbError> {
    let found: i64 = on!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM partners WHERE \"id\" = $1"
    )
    .bind(partner)
    .fetch_one(c)
    .await)?;
    Ok(found > 0)
}

/// A partner, as forms let people choose it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Partner {
    /// Number of the row.
    pub id: i32,
    /// Name.
    pub name: String,
}

/// Most partners that a form lists.
const PARTNERS: i64 = 500;

/// The partners by their names.
///
/// # Errors
/// Whatever the database says.
pub async fn partners(conn: &mut Conn) -> Result<Vec<Partner>, DbError> {
    let sql = "SELECT \"id\" AS id, \"partnerName\" AS name FROM partners ORDER BY \"partnerName\", \"id\" LIMIT $1";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(PARTNERS)
        .fetch_all(c)
        .await)?)
}

/// Whether the package exists.
///
/// # Errors
/// Whatever the database says.
pub async fn has_package(conn: &mut Conn, package: i32) -> Result<bool, DbError> {
    let found: i64 = on!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM packages WHERE \"id\" = $1"
    )
    .bind(package)
    .fetch_one(c)
    .await)?;
    Ok(found > 0)
}

/// Whether the plan exists and belongs to the package.
///
/// # Errors
/// Whatever the database says.
pub async fn has_plan(conn: &mut Conn, plan: i32, package: i32) -> Result<bool, DbError> {
    let found: i64 = on!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM package_plans WHERE \"id\" = $1 AND \"packageId\" = $2"
    )
    .bind(plan)
    .bind(package)
    .fetch_one(c)
    .await)?;
    Ok(found > 0)
}
