use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::row::{load_leased, load_waiting, storable};
use super::verdict::{Next, Verdict, judge};
use super::{Lease, Queue, Release};
use crate::db::{Conn, DbError, JsonText, Ts};
use crate::on;
use crate::{Hint, OperationId, OperationRecord, QueueError};

/// What an attempt was like; kept for people. The caller takes out what must not be kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttemptReport {
    /// Calls to the other system.
    pub crm_calls: u32,
    /// How the answer was judged; empty: what the release says.
    pub classification: String,
    /// What was sent.
    pub request: Value,
    /// What came back.
    pub answer: Value,
}

/// Whether a call changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It did.
    Applied,
    /// The same call had done it before; this one changed nothing, and its caller must not repeat what belongs to it.
    Repeated,
}

/// What became of a released operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// It waits for its next attempt.
    Waiting {
        /// The earliest start.
        until: Ts,
    },
    /// A newer one took over its work.
    Superseded {
        /// The newer one.
        by: OperationId,
    },
    /// It is a dead letter.
    Dead,
    /// The same call was made before.
    Repeated,
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Completed,
    Released,
    Expired,
}

impl Ended {
    fn word(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Released => "RELEASED",
            Self::Expired => "EXPIRED",
        }
    }
}

impl Queue {
    /// Ends the operation as done, inside the transaction that also stores what it achieved. Safe to repeat with the same lease
    /// when the fate of the commit is unknown: see [`Transition`].
    ///
    /// A lease that has run out but was not yet taken away still counts: what was done is true.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`]: nothing was changed.
    pub async fn complete(
        &self,
        conn: &mut Conn,
        lease: &Lease,
        outcome: Value,
        report: AttemptReport,
    ) -> Result<Transition, QueueError> {
        let now = self.lock_leased_lane(conn, lease).await?;
        if !mark_completed(conn, lease, outcome, now).await? {
            return repeated(conn, lease, Ended::Completed)
                .await
                .map(|()| Transition::Repeated);
        }
        let report = filed_as(report, "done");
        end_attempt(
            conn,
            lease.token,
            Some(lease.started),
            Ended::Completed,
            &report,
            now,
        )
        .await?;
        self.promote(conn, &lease.lane, now).await?;
        Ok(Transition::Applied)
    }

    /// Gives the operation back, for the reason `why`. Safe to repeat as [`complete`](Self::complete) is.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`]: nothing was changed.
    pub async fn release(
        &self,
        conn: &mut Conn,
        lease: &Lease,
        why: Release,
        report: AttemptReport,
    ) -> Result<Released, QueueError> {
        let now = self.lock_leased_lane(conn, lease).await?;
        let Some(row) = load_leased(conn, lease.operation, lease.token).await? else {
            return repeated(conn, lease, Ended::Released)
                .await
                .map(|()| Released::Repeated);
        };
        let report = filed_as(report, why.word());
        end_attempt(
            conn,
            lease.token,
            Some(lease.started),
            Ended::Released,
            &report,
            now,
        )
        .await?;
        self.give_back(conn, row, why, report.crm_calls, now).await
    }

    /// A lane without a row never had an operation, so the lease is none of this database's.
    async fn lock_leased_lane(&self, conn: &mut Conn, lease: &Lease) -> Result<Ts, QueueError> {
        match self.lock_lane(conn, &lease.lane).await {
            Err(DbError::Sql(error)) if matches!(*error, sqlx::Error::RowNotFound) => {
                Err(QueueError::LeaseLost(lease.operation))
            }
            other => Ok(other?),
        }
    }

    /// Moves a row that was being carried out on to what `why` makes of it. The caller holds the lane's lock.
    pub(super) async fn give_back(
        &self,
        conn: &mut Conn,
        row: OperationRecord,
        why: Release,
        crm_calls: u32,
        now: Ts,
    ) -> Result<Released, QueueError> {
        let verdict = judge(
            &row,
            why,
            crm_calls,
            self.policies().of(&row.kind),
            now,
            &mut *self.rng(),
        );
        let newer = load_waiting(conn, &row.lane, row.coalesce_key.as_deref()).await?;
        match (verdict.next, newer) {
            (Next::Wait { .. }, Some(newer)) => {
                self.supersede_running(conn, &row, &verdict, &newer, now)
                    .await?;
                // It may be blocked now, or another of the lane, in front of it, may have been unblocked while it ran.
                self.reseat(conn, &row.lane, now).await?;
                self.wake_after_commit(conn, Hint::from(&newer));
                Ok(Released::Superseded { by: newer.id })
            }
            (Next::Wait { until, .. }, None) => {
                store(conn, &row, &verdict, now).await?;
                self.reseat(conn, &row.lane, now).await?;
                self.wake_after_commit(conn, Hint::from(&row));
                Ok(Released::Waiting { until })
            }
            (Next::Dead, newer) => {
                store(conn, &row, &verdict, now).await?;
                if let Some(newer) = newer {
                    let row = OperationRecord {
                        attempts: verdict.attempts,
                        unknown_at: verdict.unknown_at,
                        ..row.clone()
                    };
                    self.bequeath(conn, &row, &newer, now).await?;
                }
                self.promote(conn, &row.lane, now).await?;
                tracing::warn!(operation = %row.id, kind = row.kind, code = verdict.code, "an operation became a dead letter");
                Ok(Released::Dead)
            }
        }
    }
}

fn filed_as(report: AttemptReport, word: &str) -> AttemptReport {
    if report.classification.is_empty() {
        AttemptReport {
            classification: word.to_owned(),
            ..report
        }
    } else {
        report
    }
}

async fn mark_completed(
    conn: &mut Conn,
    lease: &Lease,
    outcome: Value,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE vtiger_sync_queue SET status = 'COMPLETED', head = 0, outcome = $4, processed_at = $3, error_code = NULL, \
               error_message = NULL, unknown_at = NULL, troubled_since = NULL, deferrals = 0, sealed_payload = NULL, \
               lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL, updated_at = $3 \
               WHERE id = $1 AND lease_token = $2 AND status = 'PROCESSING'";
    let changed = on!(conn, |c| {
        sqlx::query(sql)
            .bind(lease.operation)
            .bind(lease.token)
            .bind(now)
            .bind(JsonText(outcome))
            .execute(c)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// The attempt is over. If the same call ended it, that is not an error.
async fn repeated(conn: &mut Conn, lease: &Lease, ended: Ended) -> Result<(), QueueError> {
    let sql = "SELECT ended FROM vtiger_sync_attempts WHERE id = $1 AND operation_id = $2";
    let found: Option<Option<String>> = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(lease.token)
        .bind(lease.operation)
        .fetch_optional(c)
        .await)?;
    if found.flatten().as_deref() == Some(ended.word()) {
        Ok(())
    } else {
        Err(QueueError::LeaseLost(lease.operation))
    }
}

/// `started` is this process's monotonic clock, so an attempt that another process ends has no duration.
pub(super) async fn end_attempt(
    conn: &mut Conn,
    token: Uuid,
    started: Option<Instant>,
    ended: Ended,
    report: &AttemptReport,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE vtiger_sync_attempts SET finished_at = $2, duration_us = $3, ended = $4, crm_calls = $5, \
               classification = $6, request = $7, answer = $8 WHERE id = $1";
    let duration =
        started.map(|started| i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX));
    on!(conn, |c| {
        sqlx::query(sql)
            .bind(token)
            .bind(now)
            .bind(duration)
            .bind(ended.word())
            .bind(i32::try_from(report.crm_calls).unwrap_or(i32::MAX))
            .bind(storable(&report.classification))
            .bind(JsonText(&report.request))
            .bind(JsonText(&report.answer))
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}

/// Writes the verdict into the row.
async fn store(
    conn: &mut Conn,
    row: &OperationRecord,
    verdict: &Verdict,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE vtiger_sync_queue SET status = $2, head = $3, next_attempt_at = $4, dead_at = $5, retry_count = $6, \
               deferrals = $7, troubled_since = $8, unknown_at = $9, attempts = $10, error_code = $11, error_message = $12, \
               blocked_by = $13, lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL, updated_at = $14, \
               sealed_payload = CASE WHEN secret_expires_at <= $14 THEN NULL ELSE sealed_payload END WHERE id = $1";
    let (status, head, next_attempt_at, dead_at) = match verdict.next {
        Next::Wait { until, status } => (status, 1, until, None),
        Next::Dead => (crate::Status::Failed, 0, row.next_attempt_at, Some(now)),
    };
    on!(conn, |c| {
        sqlx::query(sql)
            .bind(row.id)
            .bind(status.as_str())
            .bind(head)
            .bind(next_attempt_at)
            .bind(dead_at)
            .bind(verdict.retry_count)
            .bind(verdict.deferrals)
            .bind(verdict.troubled_since)
            .bind(verdict.unknown_at)
            .bind(verdict.attempts)
            .bind(verdict.code.as_deref().map(storable))
            .bind(verdict.message.as_deref().map(storable))
            .bind(&verdict.blocked_by)
            .bind(now)
            .execute(c)
            .await
            .map(drop)
    })?;
    Ok(())
}
