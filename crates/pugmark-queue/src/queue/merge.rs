//! Handing the work, or the history, of one operation on to a newer one of the same lane and key.

use serde_json::json;

use super::Queue;
use super::enqueue::add_correlation;
use super::row::storable;
use super::verdict::{Next, Verdict};
use crate::db::{Conn, DbError, Ts};
use crate::on;
use crate::{OperationId, OperationRecord};

/// What the heir takes over, beside the history.
pub(super) struct Legacy {
    pub(super) lane_seq: i64,
    pub(super) head: bool,
    pub(super) retry_count: i32,
    pub(super) deferrals: i32,
    pub(super) troubled_since: Option<Ts>,
    pub(super) next_attempt_at: Ts,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) blocked_by: Option<String>,
}

impl Legacy {
    /// Of an operation that was being carried out and would now wait until `until`: its place at the head of the lane, its
    /// failures and its backoff.
    pub(super) fn of_running(
        old: &OperationRecord,
        verdict: &Verdict,
        until: Ts,
        heir: &OperationRecord,
    ) -> Self {
        Self {
            lane_seq: old.lane_seq,
            head: true,
            retry_count: verdict.retry_count.max(heir.retry_count),
            deferrals: verdict.deferrals.max(heir.deferrals),
            troubled_since: earliest(verdict.troubled_since, heir.troubled_since),
            next_attempt_at: until.max(heir.next_attempt_at),
            code: verdict.code.clone().or_else(|| heir.error_code.clone()),
            message: verdict
                .message
                .clone()
                .or_else(|| heir.error_message.clone()),
            blocked_by: verdict.blocked_by.clone(),
        }
    }

    /// Of a dead letter: nothing. It gave up its place when it died, and whoever replays it forgives its failures.
    pub(super) fn of_dead(heir: &OperationRecord) -> Self {
        Self {
            lane_seq: heir.lane_seq,
            head: heir.head,
            retry_count: heir.retry_count,
            deferrals: heir.deferrals,
            troubled_since: heir.troubled_since,
            next_attempt_at: heir.next_attempt_at,
            code: heir.error_code.clone(),
            message: heir.error_message.clone(),
            blocked_by: heir.blocked_by.clone(),
        }
    }
}

fn earliest(a: Option<Ts>, b: Option<Ts>) -> Option<Ts> {
    a.into_iter().chain(b).min()
}

impl Queue {
    /// `old` ends as superseded by the waiting `heir`, which takes over its place, its failures and its history.
    pub(super) async fn supersede_running(
        &self,
        conn: &mut Conn,
        old: &OperationRecord,
        verdict: &Verdict,
        heir: &OperationRecord,
        now: Ts,
    ) -> Result<(), DbError> {
        let Next::Wait { until, .. } = verdict.next else {
            return Ok(());
        };
        let old = OperationRecord {
            retry_count: verdict.retry_count,
            deferrals: verdict.deferrals,
            unknown_at: verdict.unknown_at,
            attempts: verdict.attempts,
            error_code: verdict.code.clone(),
            error_message: verdict.message.clone(),
            ..old.clone()
        };
        end_superseded(conn, &old, heir.id, now).await?;
        take_over(
            conn,
            &old,
            heir,
            Legacy::of_running(&old, verdict, until, heir),
            now,
        )
        .await?;
        hand_on_correlations(conn, &old, heir).await
    }

    /// The replayed dead letter `old` ends as superseded by the waiting `heir`.
    pub(super) async fn supersede_dead(
        &self,
        conn: &mut Conn,
        old: &OperationRecord,
        heir: &OperationRecord,
        now: Ts,
    ) -> Result<(), DbError> {
        end_superseded(conn, old, heir.id, now).await?;
        if old.heir.is_none() {
            take_over(conn, old, heir, Legacy::of_dead(heir), now).await?;
        }
        hand_on_correlations(conn, old, heir).await
    }

    /// The history of `old`, which has just died, goes to the waiting `heir`: an attempt that may have had an effect concerns
    /// whoever attempts the same again.
    pub(super) async fn bequeath(
        &self,
        conn: &mut Conn,
        old: &OperationRecord,
        heir: &OperationRecord,
        now: Ts,
    ) -> Result<(), DbError> {
        let sql = "UPDATE vtiger_sync_queue SET heir = $2 WHERE id = $1";
        on!(conn, |c| sqlx::query(sql)
            .bind(old.id)
            .bind(heir.id)
            .execute(c)
            .await
            .map(drop))?;
        take_over(conn, old, heir, Legacy::of_dead(heir), now).await
    }
}

/// It keeps what its last attempt came to, for people to see.
async fn end_superseded(
    conn: &mut Conn,
    old: &OperationRecord,
    heir: OperationId,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE vtiger_sync_queue SET status = 'COMPLETED', head = 0, superseded_by = $2, heir = $2, \
               outcome = $3, attempts = $5, retry_count = $6, deferrals = $7, unknown_at = $8, error_code = $9, error_message = $10, \
               processed_at = $4, dead_at = NULL, lease_owner = NULL, lease_token = NULL, \
               lease_expires_at = NULL, sealed_payload = NULL, blocked_by = NULL, updated_at = $4 WHERE id = $1";
    let outcome = crate::db::JsonText(json!({ "result": "superseded", "by": heir }));
    on!(conn, |c| {
        sqlx::query(sql)
            .bind(old.id)
            .bind(heir)
            .bind(outcome)
            .bind(now)
            .bind(old.attempts)
            .bind(old.retry_count)
            .bind(old.deferrals)
            .bind(old.unknown_at)
            .bind(old.error_code.as_deref().map(storable))
            .bind(old.error_message.as_deref().map(storable))
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn take_over(
    conn: &mut Conn,
    old: &OperationRecord,
    heir: &OperationRecord,
    legacy: Legacy,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE vtiger_sync_queue SET lane_seq = $2, head = $3, retry_count = $4, deferrals = $5, troubled_since = $6, \
               next_attempt_at = $7, error_code = $8, error_message = $9, blocked_by = $10, inherited_attempts = $11, \
               unknown_at = $12, first_queued_at = $13, priority = $14, updated_at = $15 WHERE id = $1";
    let inherited = heir.inherited_attempts + old.attempts + old.inherited_attempts;
    on!(conn, |c| {
        sqlx::query(sql)
            .bind(heir.id)
            .bind(legacy.lane_seq)
            .bind(i32::from(legacy.head))
            .bind(legacy.retry_count)
            .bind(legacy.deferrals)
            .bind(legacy.troubled_since)
            .bind(legacy.next_attempt_at)
            .bind(legacy.code.as_deref().map(storable))
            .bind(legacy.message.as_deref().map(storable))
            .bind(legacy.blocked_by)
            .bind(inherited)
            .bind(old.unknown_at.max(heir.unknown_at))
            .bind(old.first_queued_at.min(heir.first_queued_at))
            .bind(old.priority.min(heir.priority).rank())
            .bind(now)
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn hand_on_correlations(
    conn: &mut Conn,
    old: &OperationRecord,
    heir: &OperationRecord,
) -> Result<(), DbError> {
    if old.correlation_id != heir.correlation_id {
        add_correlation(conn, heir.id, &old.correlation_id).await?;
    }
    let sql = "INSERT INTO vtiger_sync_correlations (correlation_id, operation_id) \
               SELECT correlation_id, $2 FROM vtiger_sync_correlations WHERE operation_id = $1 AND correlation_id <> $3 \
               ON CONFLICT (correlation_id, operation_id) DO NOTHING";
    on!(conn, |c| {
        sqlx::query(sql)
            .bind(old.id)
            .bind(heir.id)
            .bind(&heir.correlation_id)
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}
