//! Whether what a row points to exists: MicroBima's `partners`, `packages` and `package_plans`. SQLite does not tell which
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
