//! `console_users`: people who use the console.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::rows_changed;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// The id.
    pub user_id: Uuid,
    /// As colleagues know them.
    pub name: String,
    /// E-mail address, as it was given.
    pub email: String,
    /// Word of a [`crate::people::Role`].
    pub role: String,
    /// Whether a password was chosen.
    pub has_password: bool,
    /// Id of the login in Supabase, for people who sign in with one.
    pub login_id: Option<String>,
    /// When the account was made.
    pub created_at: Ts,
    /// Who made it.
    pub created_by: String,
    /// When the person was last seen.
    pub seen_at: Option<Ts>,
    /// Since when the account is disabled.
    pub disabled_at: Option<Ts>,
}

const COLUMNS: &str = "user_id, name, email, role, password_hash IS NOT NULL AS has_password, login_id, created_at, created_by, \
     seen_at, disabled_at";

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The id.
    pub user_id: Uuid,
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Word of a role.
    pub role: &'static str,
    /// argon2id in PHC form.
    pub password_hash: Option<String>,
    /// Id of the login in Supabase.
    pub login_id: Option<String>,
    /// Who makes it.
    pub created_by: String,
}

/// By what a person is found: the address without regard to case and to spaces around it.
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Whether anybody has an account.
///
/// # Errors
/// Whatever the database says.
pub async fn any(conn: &mut Conn) -> Result<bool, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM console_users)";
    Ok(on!(conn, |c| sqlx::query_scalar(sql).fetch_one(c).await)?)
}

/// Everybody, by name.
///
/// # Errors
/// Whatever the database says.
pub async fn all(conn: &mut Conn) -> Result<Vec<User>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM console_users ORDER BY lower(name), user_id");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .fetch_all(c)
        .await)?)
}

/// The person with this id.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: Uuid) -> Result<Option<User>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM console_users WHERE user_id = $1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// The person with this address.
///
/// # Errors
/// Whatever the database says.
pub async fn by_email(conn: &mut Conn, email: &str) -> Result<Option<User>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM console_users WHERE email_key = $1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(email_key(email))
        .fetch_optional(c)
        .await)?)
}

/// The person behind a login of Supabase.
///
/// # Errors
/// Whatever the database says.
pub async fn by_login(conn: &mut Conn, login: &str) -> Result<Option<User>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM console_users WHERE login_id = $1");
    Ok(on!(conn, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(login)
        .fetch_optional(c)
        .await)?)
}

/// The hash of the password of somebody who may sign in with one.
///
/// # Errors
/// Whatever the database says.
pub async fn password_hash(conn: &mut Conn, id: Uuid) -> Result<Option<String>, DbError> {
    let sql = "SELECT password_hash FROM console_users WHERE user_id = $1 AND disabled_at IS NULL";
    let found: Option<Option<String>> = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(found.flatten())
}

/// Makes an account. `false` when somebody has the address already.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, user: &NewUser, now: Ts) -> Result<bool, DbError> {
    let sql = "INSERT INTO console_users (user_id, name, email, email_key, role, password_hash, login_id, created_at, created_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (email_key) DO NOTHING";
    rows_changed!(
        conn,
        sql,
        user.user_id,
        user.name.trim(),
        user.email.trim(),
        email_key(&user.email),
        user.role,
        user.password_hash.as_deref(),
        user.login_id.as_deref(),
        now,
        user.created_by.as_str()
    )
}

/// Gives a person another role. `false` when there is no such person, or the role was that before.
///
/// # Errors
/// Whatever the database says.
pub async fn set_role(conn: &mut Conn, id: Uuid, role: &str) -> Result<bool, DbError> {
    let sql = "UPDATE console_users SET role = $2 WHERE user_id = $1 AND role <> $2";
    rows_changed!(conn, sql, id, role)
}

/// Sets a password.
///
/// # Errors
/// Whatever the database says.
pub async fn set_password(conn: &mut Conn, id: Uuid, hash: &str) -> Result<bool, DbError> {
    let sql = "UPDATE console_users SET password_hash = $2 WHERE user_id = $1";
    rows_changed!(conn, sql, id, hash)
}

/// Disables an account. `false` when it was disabled before, or there is none.
///
/// # Errors
/// Whatever the database says.
pub async fn disable(conn: &mut Conn, id: Uuid, now: Ts) -> Result<bool, DbError> {
    let sql =
        "UPDATE console_users SET disabled_at = $2 WHERE user_id = $1 AND disabled_at IS NULL";
    rows_changed!(conn, sql, id, now)
}

/// Enables an account again.
///
/// # Errors
/// Whatever the database says.
pub async fn enable(conn: &mut Conn, id: Uuid) -> Result<bool, DbError> {
    let sql = "UPDATE console_users SET disabled_at = NULL WHERE user_id = $1 AND disabled_at IS NOT NULL";
    rows_changed!(conn, sql, id)
}

/// Notes that a person was there.
///
/// # Errors
/// Whatever the database says.
pub async fn seen(conn: &mut Conn, id: Uuid, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE console_users SET seen_at = $2 WHERE user_id = $1";
    rows_changed!(conn, sql, id, now)
}

/// How many administrators can sign in, other than this person. Called in the transaction that would take the last one away: writes
/// of PostgreSQL's other processes are kept out by the lock on these rows.
///
/// # Errors
/// Whatever the database says.
pub async fn other_admins(conn: &mut Conn, id: Uuid) -> Result<usize, DbError> {
    let lock = super::dialect::for_update(conn.engine());
    let sql = format!(
        "SELECT user_id FROM console_users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY user_id {lock}"
    );
    let admins: Vec<Uuid> = on!(conn, |c| sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_all(c)
        .await)?;
    Ok(admins.into_iter().filter(|admin| *admin != id).count())
}
