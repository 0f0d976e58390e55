//! `api_tokens`: programs that call the internal API.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::rows_changed;

/// A token, without what would let anybody in.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ApiToken {
    /// The id.
    pub token_id: Uuid,
    /// What the program is called.
    pub name: String,
    /// Word of a [`crate::http::rights::Right`].
    pub right_name: String,
    /// When it was made.
    pub created_at: Ts,
    /// By whom.
    pub created_by: String,
    /// When it stops working; `None`: when it is revoked.
    pub expires_at: Option<Ts>,
    /// When it was last used, exact to a minute.
    pub seen_at: Option<Ts>,
    /// Since when it works no more.
    pub revoked_at: Option<Ts>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
}

const COLUMNS: &str = "token_id, name, right_name, created_at, created_by, expires_at, seen_at, revoked_at, revoked_by";

/// A token to be kept.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The id.
    pub token_id: Uuid,
    /// SHA-256 of the token.
    pub digest: Vec<u8>,
    /// What the program is called.
    pub name: String,
    /// Word of a right.
    pub right_name: &'static str,
    /// Who makes it.
    pub created_by: String,
    /// When it stops working.
    pub expires_at: Option<Ts>,
}

/// Keeps a token. `false` when another one that was not revoked has its name.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, new: &NewToken, now: Ts) -> Result<bool, DbError> {
    let sql = "INSERT INTO api_tokens (token_id, digest, name, right_name, created_at, created_by, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING";
    let rows = on!(conn, |c| sqlx::query(sql)
        .bind(new.token_id)
        .bind(&new.digest)
        .bind(&new.name)
        .bind(new.right_name)
        .bind(now)
        .bind(&new.created_by)
        .bind(new.expires_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

/// The token with this digest, if it works at `now`.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, digest: &[u8], now: Ts) -> Result<Option<ApiToken>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM api_tokens WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(digest)
        .bind(now)
        .fetch_optional(c)
        .await)?)
}

/// All of them, those that were revoked last.
///
/// # Errors
/// Whatever the database says.
pub async fn all(conn: &mut Conn) -> Result<Vec<ApiToken>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM api_tokens ORDER BY revoked_at IS NOT NULL, name, created_at DESC"
    );
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .fetch_all(c)
        .await)?)
}

/// The token with this id.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: Uuid) -> Result<Option<ApiToken>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE token_id = $1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// Notes that a token was used.
///
/// # Errors
/// Whatever the database says.
pub async fn seen(conn: &mut Conn, id: Uuid, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE api_tokens SET seen_at = $2 WHERE token_id = $1";
    rows_changed!(conn, sql, id, now)
}

/// Makes a token useless. `false` when it was so already.
///
/// # Errors
/// Whatever the database says.
pub async fn revoke(conn: &mut Conn, id: Uuid, by: &str, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE api_tokens SET revoked_at = $2, revoked_by = $3 WHERE token_id = $1 AND revoked_at IS NULL";
    rows_changed!(conn, sql, id, now, by)
}
