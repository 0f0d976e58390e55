//! `grants`: who may do what, beside what Supabase's `app_metadata` says.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;

/// One right of one person.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Grant {
    /// Id of the login, a lower-case UUID.
    pub user_id: String,
    /// Name of the right.
    pub right_name: String,
    /// Who granted it.
    pub granted_by: String,
    /// When.
    pub granted_at: Ts,
    /// Why, in that person's words.
    pub reason: Option<String>,
}

/// Every grant, by person.
///
/// # Errors
/// Whatever the database says.
pub async fn all(conn: &mut Conn) -> Result<Vec<Grant>, DbError> {
    let sql = "SELECT user_id, right_name, granted_by, granted_at, reason FROM grants ORDER BY user_id, right_name";
    Ok(on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
}

/// Names of the rights granted to a person.
///
/// # Errors
/// Whatever the database says.
pub async fn of(conn: &mut Conn, user: &str) -> Result<Vec<String>, DbError> {
    let sql = "SELECT right_name FROM grants WHERE user_id = $1 ORDER BY right_name";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(user)
        .fetch_all(c)
        .await)?)
}

/// Stores a grant. `false` when the person had it; then it stays as it was.
///
/// # Errors
/// Whatever the database says.
pub async fn add(conn: &mut Conn, grant: &Grant) -> Result<bool, DbError> {
    let sql = "INSERT INTO grants (user_id, right_name, granted_by, granted_at, reason) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (user_id, right_name) DO NOTHING";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(&grant.user_id)
        .bind(&grant.right_name)
        .bind(&grant.granted_by)
        .bind(grant.granted_at)
        .bind(grant.reason.as_deref())
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}

/// Takes a grant away. `false` when there was none.
///
/// # Errors
/// Whatever the database says.
pub async fn remove(conn: &mut Conn, user: &str, right: &str) -> Result<bool, DbError> {
    let sql = "DELETE FROM grants WHERE user_id = $1 AND right_name = $2";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(user)
        .bind(right)
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}
