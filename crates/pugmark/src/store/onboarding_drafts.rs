//! `onboarding_drafts`: what somebody has typed into the onboarding form, sealed; and `onboarding_links`: which links are revoked.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use uuid::Uuid;

use super::rows_changed;

/// A draft as kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Draft {
    /// Sealed bytes open under it alone.
    pub draft_id: Uuid,
    /// What was typed.
    pub sealed: Vec<u8>,
    /// The form that was sent last.
    pub tracking_id: Option<Uuid>,
    /// When it last changed.
    pub updated_at: Ts,
}

/// The draft of a client.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, client: &str) -> Result<Option<Draft>, DbError> {
    let sql = "SELECT draft_id, sealed, tracking_id, updated_at FROM onboarding_drafts WHERE client_id = $1";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(client)
        .fetch_optional(c)
        .await)?)
}

/// Stores the draft of a client in place of the one there was.
///
/// # Errors
/// Whatever the database says.
pub async fn put(
    conn: &mut Conn,
    client: &str,
    draft: Uuid,
    sealed: &[u8],
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "INSERT INTO onboarding_drafts (client_id, draft_id, sealed, updated_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (client_id) DO UPDATE SET draft_id = excluded.draft_id, sealed = excluded.sealed, \
               updated_at = excluded.updated_at";
    rows_changed!(conn, sql, client, draft, sealed, now)
}

/// Notes the form that was sent last.
///
/// # Errors
/// Whatever the database says.
pub async fn set_sent(conn: &mut Conn, client: &str, tracking_id: Uuid) -> Result<bool, DbError> {
    let sql = "UPDATE onboarding_drafts SET tracking_id = $2 WHERE client_id = $1";
    rows_changed!(conn, sql, client, tracking_id)
}

/// Removes drafts that nobody has touched since `before`; at most `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, limit: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM onboarding_drafts WHERE client_id IN \
               (SELECT client_id FROM onboarding_drafts WHERE updated_at < $1 LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(limit))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

/// The generation of a client's links; 0 as long as none was revoked.
///
/// # Errors
/// Whatever the database says.
pub async fn generation(conn: &mut Conn, client: &str) -> Result<u32, DbError> {
    let sql = "SELECT CAST(generation AS BIGINT) FROM onboarding_links WHERE client_id = $1";
    let found: Option<i64> = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(client)
        .fetch_optional(c)
        .await)?;
    Ok(found
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(0))
}

/// Begins a new generation: every link of the client that was made before is revoked.
///
/// # Errors
/// Whatever the database says.
pub async fn revoke(conn: &mut Conn, client: &str, who: &str, now: Ts) -> Result<bool, DbError> {
    let sql = "INSERT INTO onboarding_links AS l (client_id, generation, updated_at, updated_by) VALUES ($1, 1, $2, $3) \
               ON CONFLICT (client_id) DO UPDATE SET generation = l.generation + 1, updated_at = excluded.updated_at, \
               updated_by = excluded.updated_by";
    rows_changed!(conn, sql, client, now, who)
}
