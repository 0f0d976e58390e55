//! Reading whole rows.

use uuid::Uuid;

use crate::db::{Conn, DbError};
use crate::on;
use crate::{OperationId, OperationRecord};

/// The columns of [`OperationRecord`], in the middle of a SELECT.
macro_rules! columns {
    () => {
        "id, kind, entity_type, entity_id, operation, lane, lane_seq, head = 1 AS head, status, priority, retry_count, \
         max_retries, deferrals, troubled_since, next_attempt_at, lease_owner, lease_token, lease_expires_at, payload, \
         sealed_payload IS NOT NULL AS sealed, secret_expires_at, outcome, error_code, error_message, correlation_id, \
         coalesce_key, idempotency_key, superseded_by, heir, unknown_at, attempts, inherited_attempts, blocked_by, dead_at, \
         requested_by, human_action, first_queued_at, processed_at, created_at, updated_at"
    };
}
pub(super) use columns;

pub(super) async fn load(
    conn: &mut Conn,
    id: OperationId,
) -> Result<Option<OperationRecord>, DbError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM vtiger_sync_queue WHERE id = $1"
    );
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// The row, if `token` still is the lease on it. The caller holds the lane's lock, so it stays as it is.
pub(super) async fn load_leased(
    conn: &mut Conn,
    id: OperationId,
    token: Uuid,
) -> Result<Option<OperationRecord>, DbError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM vtiger_sync_queue WHERE id = $1 AND lease_token = $2 AND status = 'PROCESSING'"
    );
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(id)
        .bind(token)
        .fetch_optional(c)
        .await)?)
}

/// The waiting row of the same lane and key. The caller holds the lane's lock.
pub(super) async fn load_waiting(
    conn: &mut Conn,
    lane: &str,
    coalesce_key: Option<&str>,
) -> Result<Option<OperationRecord>, DbError> {
    let Some(key) = coalesce_key else {
        return Ok(None);
    };
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM vtiger_sync_queue WHERE lane = $1 AND coalesce_key = $2 AND waiting = 1 AND coalesce_key IS NOT NULL"
    );
    Ok(on!(conn, |c| sqlx::query_as(sql)
        .bind(lane)
        .bind(key)
        .fetch_optional(c)
        .await)?)
}

/// PostgreSQL's text cannot hold U+0000, and an answer of another system must not make its own storage fail.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
