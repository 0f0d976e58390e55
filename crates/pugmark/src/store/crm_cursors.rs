//! `crm_cursors`: how far the CRM's changes have been read; and what a poll needs to know of links.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::dialect;

/// How far the changes of a module have been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Time of change of the last record read, as the CRM writes it.
    pub modified_time: Option<String>,
    /// Id of that record.
    pub record_id: Option<String>,
    /// Unlinked records that were noticed a moment ago, by id, with their time of change.
    pub seen: BTreeMap<String, String>,
    /// Behind which customer the search for deleted contacts goes on.
    pub round_place: String,
    /// When that search last came to its end.
    pub round_ended_at: Option<Ts>,
    /// When the last poll came to its end.
    pub polled_at: Option<Ts>,
    /// Code and words of what keeps polls from succeeding.
    pub trouble: Option<(String, String)>,
    /// Changes noticed so far.
    pub noticed: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    modified_time: Option<String>,
    record_id: Option<String>,
    seen: String,
    round_place: String,
    round_ended_at: Option<Ts>,
    polled_at: Option<Ts>,
    error_code: Option<String>,
    error: Option<String>,
    noticed: i64,
}

/// The cursor of a module; `None` before the first poll.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, module: &str) -> Result<Option<Cursor>, DbError> {
    let sql = "SELECT modified_time, record_id, CAST(seen AS TEXT) AS seen, round_place, round_ended_at, polled_at, error_code, \
               error, noticed FROM crm_cursors WHERE module = $1";
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(sql)
        .bind(module)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(|row| Cursor {
        modified_time: row.modified_time,
        record_id: row.record_id,
        seen: serde_json::from_str(&row.seen).unwrap_or_default(),
        round_place: row.round_place,
        round_ended_at: row.round_ended_at,
        polled_at: row.polled_at,
        trouble: row
            .error_code
            .map(|code| (code, row.error.unwrap_or_default())),
        noticed: row.noticed,
    }))
}

/// Stores a cursor.
///
/// # Errors
/// Whatever the database says.
pub async fn put(conn: &mut Conn, module: &str, cursor: &Cursor, now: Ts) -> Result<(), DbError> {
    let sql = "INSERT INTO crm_cursors (module, modified_time, record_id, seen, round_place, round_ended_at, polled_at, \
               error_code, error, noticed, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
               ON CONFLICT (module) DO UPDATE SET modified_time = excluded.modified_time, record_id = excluded.record_id, \
               seen = excluded.seen, round_place = excluded.round_place, round_ended_at = excluded.round_ended_at, \
               polled_at = excluded.polled_at, error_code = excluded.error_code, error = excluded.error, \
               noticed = excluded.noticed, updated_at = excluded.updated_at";
    let (code, words) = match &cursor.trouble {
        Some((code, words)) => (Some(code.as_str()), Some(words.as_str())),
        None => (None, None),
    };
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(module)
        .bind(cursor.modified_time.as_deref())
        .bind(cursor.record_id.as_deref())
        .bind(Json(&cursor.seen))
        .bind(&cursor.round_place)
        .bind(cursor.round_ended_at)
        .bind(cursor.polled_at)
        .bind(code)
        .bind(words)
        .bind(cursor.noticed)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?)
}

/// A linked record as a poll compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// What is linked to it: the customer.
    pub entity_id: String,
    /// The CRM's id.
    pub vtiger_id: String,
    /// What both sides last agreed on.
    pub snapshot: BTreeMap<String, String>,
    /// Whether that was read from the CRM.
    pub verified: bool,
    /// Content when a poll last noticed that it differs.
    pub noticed_hash: Option<String>,
    /// Whether the record was found to be gone.
    pub gone: bool,
    /// Whether the record is marked as withdrawn: it is nobody's any more.
    pub withdrawn: bool,
    /// When the link was last written; a comparison made before that proves nothing.
    pub updated_at: Ts,
}

#[derive(sqlx::FromRow)]
struct LinkedRow {
    entity_id: String,
    vtiger_id: String,
    snapshot: String,
    snapshot_verified: bool,
    noticed_hash: Option<String>,
    gone_at: Option<Ts>,
    withdrawn: bool,
    updated_at: Ts,
}

impl From<LinkedRow> for Linked {
    fn from(row: LinkedRow) -> Self {
        Linked {
            entity_id: row.entity_id,
            vtiger_id: row.vtiger_id,
            snapshot: serde_json::from_str(&row.snapshot).unwrap_or_default(),
            verified: row.snapshot_verified,
            noticed_hash: row.noticed_hash,
            gone: row.gone_at.is_some(),
            withdrawn: row.withdrawn,
            updated_at: row.updated_at,
        }
    }
}

const LINKED: &str = "entity_id, vtiger_id, CAST(snapshot AS TEXT) AS snapshot, snapshot_verified, noticed_hash, gone_at, \
     withdrawn, updated_at";

/// The statement behind [`linked`], for tests of its plan.
pub fn linked_sql(engine: Engine) -> String {
    format!(
        "SELECT {LINKED} FROM crm_links WHERE module = $1 AND entity_type = $2 AND {}",
        dialect::text_in(engine, "vtiger_id", 3)
    )
}

/// What of a type is linked to these records of a module.
///
/// # Errors
/// Whatever the database says.
pub async fn linked(
    conn: &mut Conn,
    module: &str,
    entity_type: &str,
    records: &[String],
) -> Result<Vec<Linked>, DbError> {
    let sql = linked_sql(conn.engine());
    let records = dialect::json_text(records)?;
    let rows: Vec<LinkedRow> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(module)
        .bind(entity_type)
        .bind(records)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Linked::from).collect())
}

/// The statement behind [`linked_behind`], for tests of its plan.
pub const LINKED_BEHIND: &str = "SELECT entity_id, vtiger_id, CAST(snapshot AS TEXT) AS snapshot, snapshot_verified, \
     noticed_hash, gone_at, withdrawn, updated_at FROM crm_links WHERE entity_type = $1 AND entity_id > $2 \
     AND vtiger_id IS NOT NULL AND NOT withdrawn ORDER BY entity_id LIMIT $3";

/// Linked records in the order of what they are linked to, from a place on.
///
/// # Errors
/// Whatever the database says.
pub async fn linked_behind(
    conn: &mut Conn,
    entity_type: &str,
    place: &str,
    limit: u32,
) -> Result<Vec<Linked>, DbError> {
    let rows: Vec<LinkedRow> = on!(conn, |c| sqlx::query_as(LINKED_BEHIND)
        .bind(entity_type)
        .bind(place)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Linked::from).collect())
}

/// When the first of all links was agreed on that still is one; `None` when nothing is linked.
///
/// # Errors
/// Whatever the database says.
pub async fn first_agreed(conn: &mut Conn, entity_type: &str) -> Result<Option<Ts>, DbError> {
    let sql = "SELECT MIN(last_synced_at) FROM crm_links WHERE entity_type = $1 AND vtiger_id IS NOT NULL";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(entity_type)
        .fetch_one(c)
        .await)?)
}

/// Notes what a comparison showed: the content that differs, or that nothing does. Does nothing when the link was written
/// meanwhile.
///
/// # Errors
/// Whatever the database says.
pub async fn compared(
    conn: &mut Conn,
    entity_type: &str,
    linked: &Linked,
    differs: Option<&str>,
) -> Result<(), DbError> {
    let sql = "UPDATE crm_links SET noticed_hash = $3, \
               snapshot_verified = CASE WHEN CAST($3 AS TEXT) IS NULL THEN $5 ELSE snapshot_verified END \
               WHERE entity_type = $1 AND entity_id = $2 AND updated_at = $4";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(entity_type)
        .bind(&linked.entity_id)
        .bind(differs)
        .bind(linked.updated_at)
        .bind(true)
        .execute(c)
        .await
        .map(drop))?)
}
