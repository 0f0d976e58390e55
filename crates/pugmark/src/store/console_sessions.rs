//! `console_sessions`: who is signed in to the console.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::rows_changed;

/// A session that was not ended, of a person who is not disabled. Whether it has run out is for the caller to judge.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Open {
    /// The session.
    pub session_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Word of their role.
    pub role: String,
    /// Their login in Supabase, which decides about the role then.
    pub login_id: Option<String>,
    /// When it was last used, to the minute.
    pub seen_at: Ts,
    /// When it ends in any case.
    pub expires_at: Ts,
}

/// A session as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// The session.
    pub session_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// `password`, `link` or `supabase`.
    pub opened_with: String,
    /// What the browser calls itself.
    pub user_agent: String,
    /// From where it was opened.
    pub peer: String,
    /// When it was opened.
    pub created_at: Ts,
    /// When it was last used.
    pub seen_at: Ts,
    /// When it ends in any case.
    pub expires_at: Ts,
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// SHA-256 of the token.
    pub digest: Vec<u8>,
    /// Whose it is.
    pub user_id: Uuid,
    /// `password`, `link` or `supabase`.
    pub opened_with: &'static str,
    /// What the browser calls itself.
    pub user_agent: String,
    /// From where it is opened.
    pub peer: String,
    /// When it ends in any case.
    pub expires_at: Ts,
}

/// The open session whose token has this digest.
///
/// # Errors
/// Whatever the database says.
pub async fn find(conn: &mut Conn, digest: &[u8]) -> Result<Option<Open>, DbError> {
    let sql = "SELECT s.session_id, s.user_id, u.name, u.email, u.role, u.login_id, s.seen_at, s.expires_at \
               FROM console_sessions s JOIN console_users u ON u.user_id = s.user_id \
               WHERE s.digest = $1 AND s.ended_at IS NULL AND u.disabled_at IS NULL";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(digest)
        .fetch_optional(c)
        .await)?)
}

/// Opens a session.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, new: &NewSession, now: Ts) -> Result<Uuid, DbError> {
    let id = Uuid::now_v7();
    let sql = "INSERT INTO console_sessions (session_id, digest, user_id, opened_with, user_agent, peer, created_at, seen_at, \
               expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8)";
    on!(conn, |c| sqlx::query(sql)
        .bind(id)
        .bind(new.digest.as_slice())
        .bind(new.user_id)
        .bind(new.opened_with)
        .bind(new.user_agent.as_str())
        .bind(new.peer.as_str())
        .bind(now)
        .bind(new.expires_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(id)
}

/// Notes that a session was used.
///
/// # Errors
/// Whatever the database says.
pub async fn seen(conn: &mut Conn, id: Uuid, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE console_sessions SET seen_at = $2 WHERE session_id = $1 AND ended_at IS NULL";
    rows_changed!(conn, sql, id, now)
}

/// Ends the session with this digest.
///
/// # Errors
/// Whatever the database says.
pub async fn end(conn: &mut Conn, digest: &[u8], by: &str, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE console_sessions SET ended_at = $3, ended_by = $2 WHERE digest = $1 AND ended_at IS NULL";
    rows_changed!(conn, sql, digest, by, now)
}

/// Ends one session of a person.
///
/// # Errors
/// Whatever the database says.
pub async fn revoke(
    conn: &mut Conn,
    user: Uuid,
    session: Uuid,
    by: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE console_sessions SET ended_at = $4, ended_by = $3 \
               WHERE session_id = $1 AND user_id = $2 AND ended_at IS NULL";
    rows_changed!(conn, sql, session, user, by, now)
}

/// Ends every session of a person and says how many there were.
///
/// # Errors
/// Whatever the database says.
pub async fn revoke_all(conn: &mut Conn, user: Uuid, by: &str, now: Ts) -> Result<u64, DbError> {
    let sql = "UPDATE console_sessions SET ended_at = $3, ended_by = $2 WHERE user_id = $1 AND ended_at IS NULL";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(user)
        .bind(by)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// Sessions that are neither ended nor run out, the last used first.
///
/// # Errors
/// Whatever the database says.
pub async fn open(conn: &mut Conn, now: Ts, idle_since: Ts) -> Result<Vec<Listed>, DbError> {
    let sql = "SELECT session_id, user_id, opened_with, user_agent, peer, created_at, seen_at, expires_at FROM console_sessions \
               WHERE ended_at IS NULL AND expires_at > $1 AND seen_at > $2 ORDER BY seen_at DESC LIMIT 1000";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(now)
        .bind(idle_since)
        .fetch_all(c)
        .await)?)
}

/// Removes sessions that ran out before `before`, and says how many.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, batch: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM console_sessions WHERE session_id IN \
               (SELECT session_id FROM console_sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(batch))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
