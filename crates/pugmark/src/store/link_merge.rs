//! What `crm_links` keeps for fields that people may edit on both sides.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use sqlx::types::Json;

/// What a merge needs to know of a link besides what was agreed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeState {
    /// The CRM's value that was last overruled, by field.
    pub overruled: BTreeMap<String, String>,
    /// When the record was found to be gone.
    pub gone_at: Option<Ts>,
}

/// Reads it.
///
/// # Errors
/// Whatever the database says.
pub async fn state(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
) -> Result<MergeState, DbError> {
    let sql = "SELECT CAST(overruled AS TEXT), gone_at FROM crm_links WHERE entity_type = $1 AND entity_id = $2";
    let row: Option<(Option<String>, Option<Ts>)> = on!(conn, |c| sqlx::query_as(sql)
        .bind(entity_type)
        .bind(entity_id)
        .fetch_optional(c)
        .await)?;
    let (overruled, gone_at) = row.unwrap_or_default();
    Ok(MergeState {
        overruled: overruled
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
        gone_at,
    })
}

/// Notes what is about to be written.
///
/// # Errors
/// Whatever the database says.
pub async fn set_in_flight(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    about: &BTreeMap<String, String>,
) -> Result<(), DbError> {
    let sql = "UPDATE crm_links SET in_flight = $3 WHERE entity_type = $1 AND entity_id = $2";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(entity_type)
        .bind(entity_id)
        .bind(Json(about))
        .execute(c)
        .await
        .map(drop))?)
}

/// What a merge leaves at the link.
#[derive(Debug, Clone)]
pub struct Left {
    /// What both sides agree on now, as the CRM stores it.
    pub snapshot: BTreeMap<String, String>,
    /// The CRM's value that was last overruled, by field.
    pub overruled: BTreeMap<String, String>,
    /// What people should know.
    pub warnings: Vec<String>,
    /// Code and words of what a person has to decide; `None` when nothing is in the way.
    pub trouble: Option<(&'static str, String)>,
    /// Whether something waits to be sent: then the record is not in step yet.
    pub waits: bool,
}

/// Stores it.
///
/// # Errors
/// Whatever the database says.
pub async fn set_merged(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    left: &Left,
    now: Ts,
) -> Result<(), DbError> {
    // What keeps a delivery from succeeding is not mended by a merge, and stays.
    const OURS: &str = "(CAST($6 AS TEXT) IS NOT NULL OR sync_error_code IS NULL \
         OR sync_error_code IN ('PUG-5101', 'PUG-5102', 'PUG-5103', 'PUG-3004'))";
    let sql = format!(
        "UPDATE crm_links SET snapshot = $3, overruled = $4, warnings = $5, \
         sync_error_code = CASE WHEN {OURS} THEN $6 ELSE sync_error_code END, \
         sync_error = CASE WHEN {OURS} THEN $7 ELSE sync_error END, \
         sync_status = CASE WHEN {OURS} THEN $8 ELSE sync_status END, \
         snapshot_verified = NOT $9, gone_at = NULL, \
         last_synced_at = CASE WHEN $9 THEN last_synced_at ELSE $10 END, updated_at = $10 \
         WHERE entity_type = $1 AND entity_id = $2"
    );
    let status = match (&left.trouble, left.waits) {
        (Some(_), _) => "FAILED",
        (None, true) => "PENDING",
        (None, false) => "SYNCED",
    };
    let (code, message) = match &left.trouble {
        Some((code, message)) => (Some(*code), Some(message.as_str())),
        None => (None, None),
    };
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(entity_type)
        .bind(entity_id)
        .bind(Json(&left.snapshot))
        .bind(Json(&left.overruled))
        .bind(Json(&left.warnings))
        .bind(code)
        .bind(message)
        .bind(status)
        .bind(left.waits)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?)
}

/// Notes that the record was found to be gone.
///
/// # Errors
/// Whatever the database says.
pub async fn set_gone(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    code: &str,
    message: &str,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE crm_links SET gone_at = COALESCE(gone_at, $5), sync_status = 'FAILED', sync_error_code = $3, \
               sync_error = $4, updated_at = $5 WHERE entity_type = $1 AND entity_id = $2";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(entity_type)
        .bind(entity_id)
        .bind(code)
        .bind(message)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?)
}
