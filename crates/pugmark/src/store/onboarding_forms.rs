//! `onboarding_forms`: what new clients filled in and sent, on its way to the CRM.

use std::collections::BTreeMap;

use pugmark_queue::OperationId;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::dialect::json_object;
use super::rows_changed;

/// Where a form stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On its way; it goes on by itself.
    Waiting,
    /// Every answer is in the CRM.
    Saved,
    /// Some answers could not be saved, for a reason that stands with each.
    PartlySaved,
    /// Nothing could be saved; a person is needed.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [
        State::Waiting,
        State::Saved,
        State::PartlySaved,
        State::Failed,
    ];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Saved => "saved",
            State::PartlySaved => "partly_saved",
            State::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        State::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A form as kept.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Submission {
    /// By which people ask for it.
    pub tracking_id: Uuid,
    /// The lead or contact, as the link or the portal names it.
    pub client_id: String,
    /// `api` or `page`.
    pub source: String,
    /// Keyed digest of the answers.
    pub content_hash: Vec<u8>,
    /// The answers, sealed.
    pub sealed_fields: Option<Vec<u8>>,
    /// By [`Submission::standing`].
    pub state: String,
    /// The record that was written.
    pub record_id: Option<String>,
    /// What could not be saved, a JSON object of name and reason.
    pub not_saved: String,
    /// What was changed on the way, likewise.
    pub changed: String,
    /// Why it waits or failed.
    pub error_code: Option<String>,
    /// The same, for people.
    pub error_message: Option<String>,
    /// The operation that writes it.
    pub operation_id: Option<OperationId>,
    /// Who sent it.
    pub requested_by: String,
    /// Correlation id of the request.
    pub correlation_id: String,
    /// When it came.
    pub created_at: Ts,
    /// When it last changed.
    pub updated_at: Ts,
    /// When it ended.
    pub ended_at: Option<Ts>,
}

impl Submission {
    /// Where it stands.
    pub fn standing(&self) -> State {
        State::parse(&self.state).unwrap_or(State::Waiting)
    }

    /// What could not be saved, by name.
    pub fn not_saved(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.not_saved).unwrap_or_default()
    }

    /// What was changed on the way, by name.
    pub fn changed(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.changed).unwrap_or_default()
    }
}

const COLUMNS: &str = "tracking_id, client_id, source, content_hash, sealed_fields, state, record_id, not_saved, changed, \
     error_code, error_message, operation_id, requested_by, correlation_id, created_at, updated_at, ended_at";

/// A form to be stored.
#[derive(Clone)]
pub struct NewSubmission {
    /// By which people ask for it.
    pub tracking_id: Uuid,
    /// The lead or contact.
    pub client_id: String,
    /// `api` or `page`.
    pub source: &'static str,
    /// Keyed digest of the answers.
    pub content_hash: Vec<u8>,
    /// Keyed digest of the sender's idempotency key.
    pub key_hash: Option<Vec<u8>>,
    /// The answers, sealed.
    pub sealed_fields: Vec<u8>,
    /// Who sent it.
    pub requested_by: String,
    /// Correlation id of the request.
    pub correlation_id: String,
    /// When it came.
    pub created_at: Ts,
}

/// Stores a form; `false` when the same one of this client is under way, or another one has its idempotency key.
///
/// # Errors
/// Whatever the database says.
pub async fn insert(conn: &mut Conn, new: &NewSubmission) -> Result<bool, DbError> {
    let sql = "INSERT INTO onboarding_forms (tracking_id, client_id, source, content_hash, key_hash, sealed_fields, state, \
               requested_by, correlation_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, $9) \
               ON CONFLICT DO NOTHING";
    rows_changed!(
        conn,
        sql,
        new.tracking_id,
        &new.client_id,
        new.source,
        &new.content_hash,
        new.key_hash.as_deref(),
        &new.sealed_fields,
        &new.requested_by,
        &new.correlation_id,
        new.created_at
    )
}

/// A form.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, tracking_id: Uuid) -> Result<Option<Submission>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM onboarding_forms WHERE tracking_id = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(tracking_id)
        .fetch_optional(c)
        .await)?)
}

/// The latest form of a client.
///
/// # Errors
/// Whatever the database says.
pub async fn latest_of(conn: &mut Conn, client: &str) -> Result<Option<Submission>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM onboarding_forms WHERE client_id = $1 ORDER BY created_at DESC, tracking_id DESC LIMIT 1"
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(client)
        .fetch_optional(c)
        .await)?)
}

/// The form of a client that was sent with this idempotency key.
///
/// # Errors
/// Whatever the database says.
pub async fn of_key(
    conn: &mut Conn,
    client: &str,
    key_hash: &[u8],
) -> Result<Option<Submission>, DbError> {
    let sql =
        format!("SELECT {COLUMNS} FROM onboarding_forms WHERE client_id = $1 AND key_hash = $2");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(client)
        .bind(key_hash)
        .fetch_optional(c)
        .await)?)
}

/// The form of a client with these answers that is under way.
///
/// # Errors
/// Whatever the database says.
pub async fn waiting_alike(
    conn: &mut Conn,
    client: &str,
    content_hash: &[u8],
) -> Result<Option<Submission>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM onboarding_forms WHERE client_id = $1 AND content_hash = $2 AND state = 'waiting'"
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(client)
        .bind(content_hash)
        .fetch_optional(c)
        .await)?)
}

/// The statement behind [`unsaved`], for tests of its plan.
pub fn unsaved_sql() -> String {
    format!(
        "SELECT {COLUMNS} FROM onboarding_forms WHERE state <> 'saved' AND state = $1 AND tracking_id < $2 \
         ORDER BY tracking_id DESC LIMIT $3"
    )
}

/// Forms in this state, which is any but saved, newest first, older than `before`.
///
/// # Errors
/// Whatever the database says.
pub async fn unsaved(
    conn: &mut Conn,
    state: State,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Submission>, DbError> {
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(unsaved_sql()))
        .bind(state.as_str())
        .bind(before.unwrap_or(Uuid::max()))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Notes which operation writes the form; what was in the way before is over.
///
/// # Errors
/// Whatever the database says.
pub async fn set_operation(
    conn: &mut Conn,
    tracking_id: Uuid,
    operation: OperationId,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE onboarding_forms SET operation_id = $2, state = 'waiting', error_code = NULL, error_message = NULL, \
               updated_at = $3, ended_at = NULL WHERE tracking_id = $1 AND sealed_fields IS NOT NULL";
    rows_changed!(conn, sql, tracking_id, operation, now)
}

/// What became of the answers of a form that was written.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The record.
    pub record_id: String,
    /// What could not be saved, by name.
    pub not_saved: BTreeMap<String, String>,
    /// What was changed on the way, by name.
    pub changed: BTreeMap<String, String>,
}

/// The form is written. When every answer is saved, they go; otherwise they stay, so that nothing is lost.
///
/// # Errors
/// Whatever the database says.
pub async fn set_written(
    conn: &mut Conn,
    tracking_id: Uuid,
    written: &Written,
    now: Ts,
) -> Result<bool, DbError> {
    let state = match written.not_saved.is_empty() {
        true => State::Saved,
        false => State::PartlySaved,
    };
    let sql = "UPDATE onboarding_forms SET state = $2, record_id = $3, not_saved = $4, changed = $5, error_code = NULL, \
               error_message = NULL, sealed_fields = CASE WHEN $2 = 'saved' THEN NULL ELSE sealed_fields END, \
               updated_at = $6, ended_at = $6 WHERE tracking_id = $1";
    rows_changed!(
        conn,
        sql,
        tracking_id,
        state.as_str(),
        &written.record_id,
        json_object(&written.not_saved),
        json_object(&written.changed),
        now
    )
}

/// Notes what delays the form, or, with `failed`, what it stands still for.
///
/// # Errors
/// Whatever the database says.
pub async fn set_trouble(
    conn: &mut Conn,
    tracking_id: Uuid,
    failed: bool,
    code: &str,
    message: &str,
    now: Ts,
) -> Result<bool, DbError> {
    let state = if failed {
        State::Failed
    } else {
        State::Waiting
    };
    let ended = failed.then_some(now);
    let sql = "UPDATE onboarding_forms SET state = $2, error_code = $3, error_message = $4, updated_at = $5, ended_at = $6 \
               WHERE tracking_id = $1";
    rows_changed!(
        conn,
        sql,
        tracking_id,
        state.as_str(),
        code,
        message,
        now,
        ended
    )
}

/// Forgets a form whose refusal was told to the caller who sent it.
///
/// # Errors
/// Whatever the database says.
pub async fn forget(conn: &mut Conn, tracking_id: Uuid) -> Result<bool, DbError> {
    let sql = "DELETE FROM onboarding_forms WHERE tracking_id = $1 AND state = 'failed'";
    rows_changed!(conn, sql, tracking_id)
}

/// Removes forms that were saved completely before `before`; at most `limit`. What is not saved stays until somebody has seen to it.
///
/// # Errors
/// Whatever the database says.
pub async fn prune(conn: &mut Conn, before: Ts, limit: u32) -> Result<u64, DbError> {
    let sql = "DELETE FROM onboarding_forms WHERE tracking_id IN (SELECT tracking_id FROM onboarding_forms \
               WHERE ended_at < $1 AND state = 'saved' LIMIT $2)";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(before)
        .bind(i64::from(limit))
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}
