//! `crm_links`: which CRM record a row is linked to, and what both sides last agreed on.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::dialect;

/// Whether a record is in step, in the words of the integration plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SyncStatus {
    /// A change waits.
    Pending,
    /// A change is being delivered.
    Syncing,
    /// Both sides agree.
    Synced,
    /// The last delivery was refused; a person is needed.
    Failed,
}

impl SyncStatus {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            SyncStatus::Pending => "PENDING",
            SyncStatus::Syncing => "SYNCING",
            SyncStatus::Synced => "SYNCED",
            SyncStatus::Failed => "FAILED",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "PENDING" => Some(SyncStatus::Pending),
            "SYNCING" => Some(SyncStatus::Syncing),
            "SYNCED" => Some(SyncStatus::Synced),
            "FAILED" => Some(SyncStatus::Failed),
            _ => None,
        }
    }
}

/// A link as the delivery needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The CRM's id, once there is one.
    pub vtiger_id: Option<String>,
    /// The fields last agreed on by both sides, as the CRM stores them.
    pub snapshot: BTreeMap<String, String>,
    /// When both sides last agreed.
    pub last_synced_at: Option<Ts>,
    /// The record may exist although no attempt of ours is known, so it is looked for before it is created.
    pub look_first: bool,
    /// What a revise of fields that people may edit on both sides was about to write and nobody has confirmed.
    pub in_flight: BTreeMap<String, String>,
}

#[derive(sqlx::FromRow)]
struct LinkRow {
    vtiger_id: Option<String>,
    snapshot: String,
    last_synced_at: Option<Ts>,
    look_first: bool,
    in_flight: Option<String>,
}

/// The statement behind [`get`], for tests of its plan.
pub const GET: &str = "SELECT vtiger_id, CAST(snapshot AS TEXT) AS snapshot, last_synced_at, look_first, \
         CAST(in_flight AS TEXT) AS in_flight FROM crm_links WHERE entity_type = $1 AND entity_id = $2";

/// The link of a row, if one was ever begun.
///
/// # Errors
/// Whatever the database says.
pub async fn get(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
) -> Result<Option<Link>, DbError> {
    let row: Option<LinkRow> = on!(conn, |c| {
        sqlx::query_as(GET)
            .bind(entity_type)
            .bind(entity_id)
            .fetch_optional(c)
            .await
    })?;
    Ok(row.map(|row| Link {
        vtiger_id: row.vtiger_id,
        // An unreadable snapshot is an empty one: every field counts as different and is sent.
        snapshot: serde_json::from_str(&row.snapshot).unwrap_or_default(),
        last_synced_at: row.last_synced_at,
        look_first: row.look_first,
        in_flight: row
            .in_flight
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    }))
}

/// Holds the link of a row, if one was begun, until the transaction ends: whoever is about to link it has either committed, so
/// that a look after this sees the record, or waits and sees what this transaction wrote.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn, entity_type: &str, entity_id: &str) -> Result<(), DbError> {
    let sql = format!(
        "SELECT entity_id FROM crm_links WHERE entity_type = $1 AND entity_id = $2 {}",
        dialect::for_update(conn.engine())
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(entity_type)
        .bind(entity_id)
        .fetch_optional(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The statement behind [`of_record`], for tests of its plan.
pub const OF_RECORD: &str =
    "SELECT entity_type, entity_id FROM crm_links WHERE module = $1 AND vtiger_id = $2";

/// What of ours is linked to a record of the CRM: entity type and id.
///
/// # Errors
/// Whatever the database says.
pub async fn of_record(
    conn: &mut Conn,
    module: &str,
    vtiger_id: &str,
) -> Result<Option<(String, String)>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(OF_RECORD)
        .bind(module)
        .bind(vtiger_id)
        .fetch_optional(c)
        .await)?)
}

/// A link as people see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct LinkView {
    /// Module of the record.
    pub module: String,
    /// The CRM's id, once there is one.
    pub vtiger_id: Option<String>,
    /// Status as stored.
    pub sync_status: String,
    /// When both sides last agreed.
    pub last_synced_at: Option<Ts>,
    /// Why they do not.
    pub sync_error: Option<String>,
    /// The code of that reason.
    pub sync_error_code: Option<String>,
    /// What was adapted, a JSON list.
    pub warnings: Option<String>,
}

/// The link of a row as people see it.
///
/// # Errors
/// Whatever the database says.
pub async fn view(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
) -> Result<Option<LinkView>, DbError> {
    let sql = "SELECT module, vtiger_id, sync_status, last_synced_at, sync_error, sync_error_code, \
               CAST(warnings AS TEXT) AS warnings FROM crm_links WHERE entity_type = $1 AND entity_id = $2";
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(entity_type)
        .bind(entity_id)
        .fetch_optional(c)
        .await)?)
}

/// Notes that a change of this row waits. `look_first`: no trigger saw it, so the record may have been made by somebody
/// before us.
///
/// # Errors
/// Whatever the database says.
pub async fn set_pending(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    module: &str,
    look_first: bool,
    now: Ts,
) -> Result<(), DbError> {
    on!(conn, |c| {
        sqlx::query(concat!(
            "INSERT INTO crm_links (entity_type, entity_id, module, sync_status, look_first, created_at, updated_at) ",
            "VALUES ($1, $2, $3, 'PENDING', $5, $4, $4) ",
            "ON CONFLICT (entity_type, entity_id) DO UPDATE SET sync_status = 'PENDING', ",
            "look_first = CASE WHEN excluded.look_first THEN excluded.look_first ELSE crm_links.look_first END, ",
            "updated_at = excluded.updated_at"
        ))
    .bind(entity_type)
    .bind(entity_id)
    .bind(module)
    .bind(now)
    .bind(look_first)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Notes that the CRM record is ours, before anything is written to it. What it holds is not yet agreed on.
///
/// # Errors
/// Whatever the database says; a unique violation when another row is linked to that record already.
pub async fn adopt(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    module: &str,
    vtiger_id: &str,
    snapshot: &BTreeMap<String, String>,
    now: Ts,
) -> Result<(), DbError> {
    let snapshot = to_json(snapshot);
    on!(conn, |c| {
        sqlx::query(concat!(
        "INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, snapshot, created_at, updated_at) ",
        "VALUES ($1, $2, $3, $4, $5, $6, $6) ",
        "ON CONFLICT (entity_type, entity_id) DO UPDATE SET vtiger_id = excluded.vtiger_id, ",
        "snapshot = excluded.snapshot, updated_at = excluded.updated_at"
    ))
    .bind(entity_type)
    .bind(entity_id)
    .bind(module)
    .bind(vtiger_id)
    .bind(snapshot)
    .bind(now)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Both sides agree.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// The CRM's id; `None` when there is no record and none is wanted.
    pub vtiger_id: Option<String>,
    /// What the CRM stores of our fields.
    pub snapshot: BTreeMap<String, String>,
    /// Whether the snapshot was read from the CRM, not predicted.
    pub verified: bool,
    /// Whether the record is marked as withdrawn.
    pub withdrawn: bool,
    /// What had to be adapted, for people.
    pub warnings: serde_json::Value,
    /// Hash of the watched columns that were delivered; the gap sweep compares it.
    pub row_hash: Option<String>,
}

/// Whether the trouble noted at a link is a field about which a person still has to decide.
macro_rules! undecided {
    () => {
        "crm_links.entity_type = 'CUSTOMER' AND crm_links.sync_error_code IN ('PUG-5101', 'PUG-5102') AND EXISTS \
         (SELECT 1 FROM conflicts k WHERE k.customer_id = crm_links.entity_id AND k.status <> 'RESOLVED')"
    };
}

/// Stores an agreement.
///
/// # Errors
/// Whatever the database says; a unique violation when another row is linked to that record already.
pub async fn set_synced(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    module: &str,
    agreement: &Agreement,
    now: Ts,
) -> Result<(), DbError> {
    let snapshot = to_json(&agreement.snapshot);
    on!(conn, |c| {
        sqlx::query(concat!(
        "INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, sync_status, last_synced_at, warnings, ",
        "snapshot, snapshot_verified, withdrawn, row_hash, created_at, updated_at) ",
        "VALUES ($1, $2, $3, $4, 'SYNCED', $5, $6, $7, $8, $9, $10, $5, $5) ",
        "ON CONFLICT (entity_type, entity_id) DO UPDATE SET vtiger_id = excluded.vtiger_id, ",
        // While a person has to decide about a field, the rest being in step does not make the customer so.
        "sync_status = CASE WHEN ", undecided!(), " THEN crm_links.sync_status ELSE 'SYNCED' END, ",
        "sync_error = CASE WHEN ", undecided!(), " THEN crm_links.sync_error END, ",
        "sync_error_code = CASE WHEN ", undecided!(), " THEN crm_links.sync_error_code END, ",
        "last_synced_at = excluded.last_synced_at, in_flight = NULL, gone_at = NULL, ",
        "warnings = excluded.warnings, snapshot = excluded.snapshot, snapshot_verified = excluded.snapshot_verified, ",
        "withdrawn = excluded.withdrawn, row_hash = excluded.row_hash, look_first = excluded.look_first, updated_at = excluded.updated_at"
    ))
    .bind(entity_type)
    .bind(entity_id)
    .bind(module)
    .bind(agreement.vtiger_id.as_deref())
    .bind(now)
    .bind(sqlx::types::Json(&agreement.warnings))
    .bind(snapshot)
    .bind(agreement.verified)
    .bind(agreement.withdrawn)
    .bind(agreement.row_hash.as_deref())
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Notes why the record is not in step. `failed` when a person is needed, otherwise it is tried again by itself.
///
/// # Errors
/// Whatever the database says.
pub async fn set_trouble(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
    failed: bool,
    code: &str,
    message: &str,
    now: Ts,
) -> Result<(), DbError> {
    let status = if failed {
        SyncStatus::Failed
    } else {
        SyncStatus::Pending
    };
    on!(conn, |c| {
        sqlx::query(
        "UPDATE crm_links SET sync_status = $3, sync_error_code = $4, sync_error = $5, updated_at = $6 \
         WHERE entity_type = $1 AND entity_id = $2"
    )
    .bind(entity_type)
    .bind(entity_id)
    .bind(status.as_str())
    .bind(code)
    .bind(message)
    .bind(now)
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// What is in the way, in words, and its code.
///
/// # Errors
/// Whatever the database says.
pub async fn trouble(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
) -> Result<(Option<String>, Option<String>), DbError> {
    let sql = "SELECT sync_error, sync_error_code FROM crm_links WHERE entity_type = $1 AND entity_id = $2";
    let row: Option<(Option<String>, Option<String>)> = on!(conn, |c| sqlx::query_as(sql)
        .bind(entity_type)
        .bind(entity_id)
        .fetch_optional(c)
        .await)?;
    Ok(row.unwrap_or_default())
}

/// Nothing is in the way any more: what both sides agreed on is as it was.
///
/// # Errors
/// Whatever the database says.
pub async fn clear_trouble(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
) -> Result<(), DbError> {
    let sql = "UPDATE crm_links SET sync_error = NULL, sync_error_code = NULL, \
               sync_status = CASE WHEN vtiger_id IS NULL THEN sync_status ELSE 'SYNCED' END \
               WHERE entity_type = $1 AND entity_id = $2";
    on!(conn, |c| sqlx::query(sql)
        .bind(entity_type)
        .bind(entity_id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// There never was a record and none is wanted any more.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_unlinked(
    conn: &mut Conn,
    entity_type: &str,
    entity_id: &str,
) -> Result<(), DbError> {
    let sql =
        "DELETE FROM crm_links WHERE entity_type = $1 AND entity_id = $2 AND vtiger_id IS NULL";
    on!(conn, |c| sqlx::query(sql)
        .bind(entity_type)
        .bind(entity_id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// How many records of a type stand in each status. Rows that went before they had a record are not counted: there is
/// nothing to keep in step.
///
/// # Errors
/// Whatever the database says.
pub async fn counts(conn: &mut Conn, entity_type: &str) -> Result<BTreeMap<String, i64>, DbError> {
    let rows: Vec<(String, i64)> = on!(conn, |c| {
        sqlx::query_as(
            "SELECT sync_status, COUNT(*) FROM crm_links \
         WHERE entity_type = $1 AND (vtiger_id IS NOT NULL OR NOT withdrawn) GROUP BY sync_status",
        )
        .bind(entity_type)
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().collect())
}

fn to_json(snapshot: &BTreeMap<String, String>) -> sqlx::types::Json<BTreeMap<String, String>> {
    sqlx::types::Json(snapshot.clone())
}
