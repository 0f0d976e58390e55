//! `mapping_versions`: the field mapping as a whole after each change of it.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// The mapping as it was after a change.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    /// Its number; later ones are higher.
    pub version: i64,
    /// When.
    pub at: Ts,
    /// Who made it.
    pub actor: String,
    /// `mapping.create`, `mapping.update`, `mapping.delete`, `mapping.restore`, or `mapping.found`.
    pub action: String,
    /// Why; may be empty.
    pub reason: String,
    /// Correlation id of the request.
    pub correlation_id: Option<String>,
    /// JSON: a list of mappings, by source.
    pub mappings: String,
}

const COLUMNS: &str = "version, at, actor, action, reason, correlation_id, mappings";

/// A version to be kept.
#[derive(Debug, Clone)]
pub struct NewVersion<'a> {
    /// Who made it.
    pub actor: &'a str,
    /// What was done.
    pub action: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Correlation id of the request.
    pub correlation_id: Option<&'a str>,
    /// JSON: a list of mappings, by source.
    pub mappings: &'a str,
}

/// Keeps a version.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, new: &NewVersion<'_>, now: Ts) -> Result<(), DbError> {
    let sql = "INSERT INTO mapping_versions (at, actor, action, reason, correlation_id, mappings) VALUES ($1, $2, $3, $4, $5, $6)";
    on!(conn, |c| sqlx::query(sql)
        .bind(now)
        .bind(new.actor)
        .bind(new.action)
        .bind(new.reason)
        .bind(new.correlation_id)
        .bind(new.mappings)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Versions from this one backwards, the newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, upto: i64, limit: u32) -> Result<Vec<Version>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM mapping_versions WHERE version <= $1 ORDER BY version DESC LIMIT $2"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(upto)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// The version with this number.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, version: i64) -> Result<Option<Version>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM mapping_versions WHERE version = $1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(version)
        .fetch_optional(c)
        .await)?)
}
