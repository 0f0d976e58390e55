use sqlx::FromRow;

use super::Queue;
use super::enqueue_many::holder_of;
use super::row::storable;
use crate::db::{Conn, DbError, Engine, JsonText, Ts};
use crate::on;
use crate::seal::SealError;
use crate::{Enqueued, Hint, NewOperation, OperationId, QueueError};

/// Stores the operation, or merges it into the one of the same lane and key that waits.
///
/// A waiting row that has no history yet may only move to an earlier start, so that a stream of changes does not postpone it for
/// ever; one that has keeps its time, so that a new change does not break its backoff. History of dead predecessors goes to the
/// new row. A record that is still to appear and changes meanwhile is still to appear: an update leaves a waiting create a
/// create.
const UPSERT: &str = "\
    INSERT INTO vtiger_sync_queue AS q (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
        retry_count, max_retries, deferrals, next_attempt_at, payload, sealed_payload, secret_expires_at, correlation_id, \
        coalesce_key, idempotency_key, attempts, inherited_attempts, unknown_at, requested_by, first_queued_at, created_at, \
        updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, \
        CASE WHEN EXISTS (SELECT 1 FROM vtiger_sync_queue WHERE lane = $6 AND unfinished = 1) THEN 0 ELSE 1 END, \
        'PENDING', $8, 0, $9, 0, $10, $11, $12, $13, $14, $15, $16, 0, \
        COALESCE((SELECT sum(attempts + inherited_attempts) FROM vtiger_sync_queue WHERE lane = $6 AND coalesce_key = $15 \
            AND dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL), 0), \
        (SELECT max(unknown_at) FROM vtiger_sync_queue WHERE lane = $6 AND coalesce_key = $15 \
            AND dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL), \
        $17, $18, $18, $18) \
    ON CONFLICT (lane, coalesce_key) WHERE waiting = 1 AND coalesce_key IS NOT NULL DO UPDATE SET \
        kind = CASE WHEN q.operation = 'CREATE' AND excluded.operation = 'UPDATE' THEN q.kind ELSE excluded.kind END, \
        entity_type = excluded.entity_type, entity_id = excluded.entity_id, \
        operation = CASE WHEN q.operation = 'CREATE' AND excluded.operation = 'UPDATE' THEN q.operation \
            ELSE excluded.operation END, payload = excluded.payload, max_retries = excluded.max_retries, \
        priority = CASE WHEN excluded.priority < q.priority THEN excluded.priority ELSE q.priority END, \
        next_attempt_at = CASE WHEN q.attempts + q.inherited_attempts = 0 AND q.error_code IS NULL AND q.blocked_by IS NULL \
            AND excluded.next_attempt_at < q.next_attempt_at THEN excluded.next_attempt_at ELSE q.next_attempt_at END, \
        requested_by = COALESCE(excluded.requested_by, q.requested_by), updated_at = excluded.updated_at \
    RETURNING id, correlation_id, inherited_attempts, head = 1 AS head";

#[derive(FromRow)]
struct Stored {
    id: OperationId,
    correlation_id: String,
    inherited_attempts: i32,
    head: bool,
}

impl Queue {
    /// Stores `operation` inside the caller's transaction: it exists exactly if that commits.
    ///
    /// # Errors
    /// [`QueueError::Invalid`], [`QueueError::Seal`], and those of the database; of these a collision
    /// ([`DbError::is_retryable`]) is for the caller to repeat, because the whole transaction is.
    pub async fn enqueue(
        &self,
        conn: &mut Conn,
        operation: NewOperation,
    ) -> Result<Enqueued, QueueError> {
        self.enqueue_as(conn, OperationId::fresh(), operation).await
    }

    /// As [`enqueue`](Self::enqueue), under an id (UUIDv7) that the caller has made and may have stored already. It is the operation's
    /// only if that is [`Enqueued::New`].
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_as(
        &self,
        conn: &mut Conn,
        id: OperationId,
        operation: NewOperation,
    ) -> Result<Enqueued, QueueError> {
        validate(&operation)?;
        let sealed = self.seal(id, &operation)?;
        if let Some(key) = &operation.idempotency_key
            && let Some(earlier) = self.reserve(conn, key, id).await?
        {
            return Ok(Enqueued::Duplicate(earlier));
        }
        let (lane_seq, now) = self.next_in_lane(conn, &operation.lane).await?;
        let stored = self
            .upsert(conn, &operation, id, lane_seq, sealed, now)
            .await?;
        let hint = Hint {
            kind: operation.kind.clone(),
            operation: Some(stored.id),
            priority: operation.priority,
            correlation_id: Some(operation.correlation_id.clone()),
        };
        self.wake_after_commit(conn, hint);
        if stored.id == id {
            if !stored.head {
                self.step_past_blocked(conn, &operation.lane, now).await?;
            }
            if stored.inherited_attempts > 0 {
                appoint_heir(conn, &operation, id, now).await?;
            }
            return Ok(Enqueued::New(id));
        }
        if let Some(key) = &operation.idempotency_key {
            let sql =
                "UPDATE queue_idempotency_keys SET operation_id = $2 WHERE idempotency_key = $1";
            on!(conn, |c| sqlx::query(sql)
                .bind(key)
                .bind(stored.id)
                .execute(c)
                .await
                .map(drop))?;
        }
        if stored.correlation_id != operation.correlation_id {
            add_correlation(conn, stored.id, &operation.correlation_id).await?;
        }
        Ok(Enqueued::Coalesced { into: stored.id })
    }

    pub(super) fn seal(
        &self,
        id: OperationId,
        operation: &NewOperation,
    ) -> Result<Option<Vec<u8>>, QueueError> {
        let Some(secret) = &operation.secret else {
            return Ok(None);
        };
        let sealer = self.sealer().ok_or(SealError::NoKey)?;
        Ok(Some(sealer.seal(id, secret)?))
    }

    /// Notes the key for ever; the operation that has it already, if there is one.
    async fn reserve(
        &self,
        conn: &mut Conn,
        key: &str,
        id: OperationId,
    ) -> Result<Option<OperationId>, DbError> {
        let local = self.local_now(conn.engine());
        let sql = match conn.engine() {
            Engine::Sqlite => {
                "INSERT INTO queue_idempotency_keys (idempotency_key, operation_id, created_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (idempotency_key) DO NOTHING RETURNING operation_id"
            }
            // The server's clock is asked by the statement itself, and not by one of its own.
            Engine::Postgres => {
                "INSERT INTO queue_idempotency_keys (idempotency_key, operation_id, created_at) \
                 VALUES ($1, $2, COALESCE($3, clock_timestamp())) \
                 ON CONFLICT (idempotency_key) DO NOTHING RETURNING operation_id"
            }
        };
        let reserved: Option<OperationId> = on!(conn, |c| sqlx::query_scalar(sql)
            .bind(key)
            .bind(id)
            .bind(local)
            .fetch_optional(c)
            .await)?;
        if reserved.is_some() {
            return Ok(None);
        }
        Ok(Some(holder_of(conn, key).await?))
    }

    async fn upsert(
        &self,
        conn: &mut Conn,
        new: &NewOperation,
        id: OperationId,
        lane_seq: i64,
        sealed: Option<Vec<u8>>,
        now: Ts,
    ) -> Result<Stored, DbError> {
        let policy = self.policies().of(&new.kind);
        let secret_expires_at = sealed.as_ref().map(|_| now.after(policy.max_secret_age));
        let next_attempt_at = new.not_before.map_or(now, |start| start.earliest(now));
        let max_retries = i32::try_from(policy.max_retries).unwrap_or(i32::MAX);
        Ok(on!(conn, |c| {
            sqlx::query_as(UPSERT)
                .bind(id)
                .bind(&new.kind)
                .bind(&new.entity_type)
                .bind(&new.entity_id)
                .bind(new.operation.as_str())
                .bind(&new.lane)
                .bind(lane_seq)
                .bind(new.priority.rank())
                .bind(max_retries)
                .bind(next_attempt_at)
                .bind(JsonText(&new.payload))
                .bind(sealed)
                .bind(secret_expires_at)
                .bind(&new.correlation_id)
                .bind(&new.coalesce_key)
                .bind(&new.idempotency_key)
                .bind(&new.requested_by)
                .bind(now)
                .fetch_one(c)
                .await
        })?)
    }
}

pub(super) fn validate(operation: &NewOperation) -> Result<(), QueueError> {
    let texts = [
        ("kind", Some(&operation.kind)),
        ("entity_type", Some(&operation.entity_type)),
        ("entity_id", Some(&operation.entity_id)),
        ("lane", Some(&operation.lane)),
        ("correlation_id", Some(&operation.correlation_id)),
        ("coalesce_key", operation.coalesce_key.as_ref()),
        ("idempotency_key", operation.idempotency_key.as_ref()),
    ];
    for (name, text) in texts {
        let Some(text) = text else { continue };
        if text.is_empty() {
            return Err(QueueError::Invalid(format!("{name} is empty")));
        }
        if *text != storable(text) {
            return Err(QueueError::Invalid(format!(
                "{name} contains the character U+0000"
            )));
        }
    }
    if operation.secret.is_some() && operation.coalesce_key.is_some() {
        let reason = "an operation with a secret cannot merge into another: the secret is sealed for one operation alone";
        return Err(QueueError::Invalid(reason.to_owned()));
    }
    Ok(())
}

/// The history of the dead predecessors now is the new row's, so no later one takes it over again.
async fn appoint_heir(
    conn: &mut Conn,
    new: &NewOperation,
    id: OperationId,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE vtiger_sync_queue SET heir = $1, updated_at = $4 WHERE lane = $2 AND coalesce_key = $3 \
               AND dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL";
    on!(conn, |c| sqlx::query(sql)
        .bind(id)
        .bind(&new.lane)
        .bind(&new.coalesce_key)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Notes that `id` also answers the request `correlation_id`.
pub(super) async fn add_correlation(
    conn: &mut Conn,
    id: OperationId,
    correlation_id: &str,
) -> Result<(), DbError> {
    let sql = "INSERT INTO vtiger_sync_correlations (correlation_id, operation_id) VALUES ($1, $2) \
               ON CONFLICT (correlation_id, operation_id) DO NOTHING";
    on!(conn, |c| sqlx::query(sql)
        .bind(correlation_id)
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
