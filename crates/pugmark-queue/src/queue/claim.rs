use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use tokio::time::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Queue;
use super::slots::{json_list, slots};
use crate::db::{Conn, Engine, Ts};
use crate::on;
use crate::seal::{SealError, Sealer};
use crate::{Operation, OperationId, Priority, QueueError};

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Names the worker in leases and attempts.
    pub owner: String,
    /// The most operations wanted.
    pub limit: u32,
    /// How long the worker may hold each before it has to renew.
    pub lease: Duration,
    /// Kinds that must not be claimed now, because the breaker of their system is open.
    pub held_back: Vec<String>,
    /// Only these kinds; `None`: all.
    pub only: Option<Vec<String>>,
}

/// The right to carry out one attempt at one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The operation.
    pub operation: OperationId,
    /// Its lane.
    pub lane: String,
    /// The worker.
    pub owner: String,
    /// Proves the lease; also the id of the attempt.
    pub token: Uuid,
    /// By this process's monotonic clock, never later than the database's end of the lease: counted from before the claim was
    /// sent. A call to another system starts only if its whole timeout fits before it.
    pub deadline: Instant,
    /// By the database's clock; to be shown, not to be compared with this host's.
    pub expires_at: Ts,
    /// When the attempt began, by this process's monotonic clock.
    pub started: Instant,
}

/// A claimed operation.
#[derive(Clone)]
pub struct Claimed {
    /// The operation.
    pub id: OperationId,
    /// What kind of work it is.
    pub kind: String,
    /// The kind of record it concerns.
    pub entity_type: String,
    /// The record.
    pub entity_id: String,
    /// What is to happen to it.
    pub operation: Operation,
    /// Its lane.
    pub lane: String,
    /// Its priority.
    pub priority: Priority,
    /// What the handler needs to know.
    pub payload: Value,
    /// The requests it answers: its own first, then those merged into it.
    pub correlation_ids: Vec<String>,
    /// Failures that counted so far.
    pub retry_count: u32,
    /// Attempts that began before this one, its own and those of operations it took over. Zero means that nothing can have been
    /// sent yet.
    pub earlier_attempts: u32,
    /// When the latest of the earlier attempts ended that may have had an effect which nobody has confirmed.
    pub unknown_at: Option<Ts>,
    /// This attempt.
    pub attempt_id: Uuid,
    /// The right to make it.
    pub lease: Lease,
    /// The person or system that asked for it.
    pub requested_by: Option<String>,
    sealed: Option<Vec<u8>>,
    deadline: Arc<Mutex<Instant>>,
}

impl Claimed {
    /// Until when the lease lasts now; moves when the [`Worker`](crate::Worker) renews it, and lies in the past once it is
    /// lost. A call to another system starts only if its whole timeout fits before it.
    pub fn deadline(&self) -> Instant {
        *self
            .deadline
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Tells at any time what [`deadline`](Self::deadline) says then, for whoever makes calls in the course of the attempt.
    pub fn moving_deadline(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let deadline = self.deadline.clone();
        move || {
            *deadline
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        }
    }

    /// What is left until [`deadline`](Self::deadline).
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    pub(crate) fn set_deadline(&self, deadline: Instant) {
        *self
            .deadline
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = deadline;
    }

    /// Opens the sealed part.
    ///
    /// # Errors
    /// [`SealError::Nothing`] when there is none, otherwise those of [`Sealer::open`].
    pub fn open_secret(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>, SealError> {
        sealer.open(self.id, self.sealed.as_deref().ok_or(SealError::Nothing)?)
    }

    /// It has a sealed part.
    pub fn has_secret(&self) -> bool {
        self.sealed.is_some()
    }
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimed")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("entity_type", &self.entity_type)
            .field("entity_id", &self.entity_id)
            .field("retry_count", &self.retry_count)
            .field("earlier_attempts", &self.earlier_attempts)
            .field("unknown_at", &self.unknown_at)
            .field("sealed", &self.sealed.as_ref().map(|_| "***"))
            .finish_non_exhaustive()
    }
}

/// $1 kinds held back, $2 the only kinds wanted or NULL, $3 now, $4 limit, $5 owner, $6 end of the lease.
///
/// `INDEXED BY`: an unanalysed SQLite may take another index and then sort everything that waits.
pub(crate) const CLAIM_SQLITE: &str = concat!(
    slots!(
        hint: "INDEXED BY queue_claim",
        held_back: "json_each($1)",
        only: "$2 IS NULL OR k.kind IN (SELECT value FROM json_each($2))))"
    ),
    " UPDATE vtiger_sync_queue SET status = 'PROCESSING', lease_owner = $5, lease_token = randomblob(16), \
      lease_expires_at = $6, attempts = attempts + 1, blocked_by = NULL, updated_at = $3 \
      WHERE id IN (SELECT q.id FROM slots AS s CROSS JOIN vtiger_sync_queue AS q WHERE q.id IN (\
        SELECT i.id FROM vtiger_sync_queue AS i INDEXED BY queue_claim WHERE i.head = 1 AND i.waiting = 1 \
        AND i.kind = s.kind AND i.priority = s.priority AND i.next_attempt_at <= $3 \
        AND (i.secret_expires_at IS NULL OR i.secret_expires_at > $3) \
        ORDER BY i.next_attempt_at, i.id LIMIT $4) \
      ORDER BY q.priority, q.next_attempt_at, q.id LIMIT $4) \
      RETURNING id, kind, entity_type, entity_id, operation, lane, priority, next_attempt_at, payload, sealed_payload, \
      correlation_id, retry_count, attempts, inherited_attempts, unknown_at, lease_token, lease_expires_at, requested_by, \
      (SELECT json_group_array(m.correlation_id) FROM vtiger_sync_correlations AS m \
       WHERE m.operation_id = vtiger_sync_queue.id) AS merged"
);

/// $1 now. The attempts of the rows that were just claimed: those that have none yet.
const BEGIN_ATTEMPTS_SQLITE: &str = "\
    INSERT INTO vtiger_sync_attempts (id, operation_id, owner, started_at, correlation_id) \
    SELECT q.lease_token, q.id, q.lease_owner, $1, q.correlation_id FROM vtiger_sync_queue AS q \
    WHERE q.status = 'PROCESSING' AND q.lease_expires_at = $2 \
    AND NOT EXISTS (SELECT 1 FROM vtiger_sync_attempts AS a WHERE a.id = q.lease_token)";

/// As [`CLAIM_SQLITE`], but $3 is NULL where the server's clock is to judge, and $6 is the length of the lease in microseconds.
/// One statement, so that its locks last no longer than it does; it also begins the attempts. Rows that another claim is looking
/// at are left to that one.
pub(crate) const CLAIM_POSTGRES: &str = concat!(
    slots!(
        hint: "",
        held_back: "json_array_elements_text($1::json) AS h(value)",
        only: "$2::text IS NULL OR k.kind IN (SELECT value FROM json_array_elements_text($2::json) AS o(value))))"
    ),
    ", candidates AS MATERIALIZED (SELECT c.id FROM slots AS s CROSS JOIN LATERAL (\
        SELECT i.id, i.priority, i.next_attempt_at FROM vtiger_sync_queue AS i WHERE i.head = 1 AND i.waiting = 1 \
        AND i.kind = s.kind AND i.priority = s.priority AND i.next_attempt_at <= COALESCE($3, statement_timestamp()) \
        AND (i.secret_expires_at IS NULL OR i.secret_expires_at > COALESCE($3, statement_timestamp())) \
        ORDER BY i.next_attempt_at, i.id LIMIT $4 FOR UPDATE OF i SKIP LOCKED) AS c \
      ORDER BY c.priority, c.next_attempt_at, c.id LIMIT $4), \
    claimed AS (UPDATE vtiger_sync_queue AS q SET status = 'PROCESSING', lease_owner = $5, lease_token = gen_random_uuid(), \
      lease_expires_at = COALESCE($3, statement_timestamp()) + $6::bigint * interval '1 microsecond', \
      attempts = q.attempts + 1, blocked_by = NULL, updated_at = COALESCE($3, statement_timestamp()) \
      FROM candidates AS c WHERE q.id = c.id RETURNING q.*), \
    begun AS (INSERT INTO vtiger_sync_attempts (id, operation_id, owner, started_at, correlation_id) \
      SELECT lease_token, id, lease_owner, updated_at, correlation_id FROM claimed) \
    SELECT id, kind, entity_type, entity_id, operation, lane, priority, next_attempt_at, payload, sealed_payload, \
      correlation_id, retry_count, attempts, inherited_attempts, unknown_at, lease_token, lease_expires_at, requested_by, \
      (SELECT COALESCE(json_agg(m.correlation_id), '[]'::json) FROM vtiger_sync_correlations AS m \
       WHERE m.operation_id = claimed.id) AS merged \
    FROM claimed"
);

#[derive(FromRow)]
struct Row {
    id: OperationId,
    kind: String,
    entity_type: String,
    entity_id: String,
    #[sqlx(try_from = "String")]
    operation: Operation,
    lane: String,
    #[sqlx(try_from = "i32")]
    priority: Priority,
    next_attempt_at: Ts,
    #[sqlx(json)]
    payload: Value,
    sealed_payload: Option<Vec<u8>>,
    correlation_id: String,
    retry_count: i32,
    attempts: i32,
    inherited_attempts: i32,
    unknown_at: Option<Ts>,
    lease_token: Uuid,
    lease_expires_at: Ts,
    requested_by: Option<String>,
    merged: Json<Vec<String>>,
}

impl Row {
    fn into_claimed(self, owner: &str, sent: Instant, lease: Duration) -> Claimed {
        let earlier = (self.attempts - 1).max(0) + self.inherited_attempts;
        let mut correlation_ids = vec![self.correlation_id];
        correlation_ids.extend(self.merged.0);
        Claimed {
            lease: Lease {
                operation: self.id,
                lane: self.lane.clone(),
                owner: owner.to_owned(),
                token: self.lease_token,
                deadline: sent + lease,
                expires_at: self.lease_expires_at,
                started: sent,
            },
            id: self.id,
            kind: self.kind,
            entity_type: self.entity_type,
            entity_id: self.entity_id,
            operation: self.operation,
            lane: self.lane,
            priority: self.priority,
            payload: self.payload,
            correlation_ids,
            retry_count: self.retry_count.unsigned_abs(),
            earlier_attempts: earlier.unsigned_abs(),
            unknown_at: self.unknown_at,
            attempt_id: self.lease_token,
            requested_by: self.requested_by,
            sealed: self.sealed_payload,
            deadline: Arc::new(Mutex::new(sent + lease)),
        }
    }
}

impl Queue {
    /// Takes up to `limit` operations that are due, the most urgent first, then the longest due. Each of them is the first unfinished one
    /// of its lane. That an attempt began is committed before they are handed out.
    ///
    /// # Errors
    /// Those of the database. Operations whose claim was committed but not learnt of come back when their leases run out.
    pub async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, QueueError> {
        if request.limit == 0 {
            return Ok(Vec::new());
        }
        let sent = Instant::now();
        let (owner, lease) = (request.owner.clone(), request.lease);
        let mut rows = match self.db().engine() {
            Engine::Sqlite => self.claim_sqlite(request).await?,
            Engine::Postgres => self.claim_postgres(request).await?,
        };
        rows.sort_by_key(|row| (row.priority, row.next_attempt_at, row.id));
        Ok(rows
            .into_iter()
            .map(|row| row.into_claimed(&owner, sent, lease))
            .collect())
    }

    async fn claim_sqlite(&self, request: ClaimRequest) -> Result<Vec<Row>, QueueError> {
        self.committed("claim", move |queue, conn| {
            async move {
                let now = queue.now(conn).await?;
                let expires = now.after(request.lease);
                let rows: Vec<Row> = on!(conn, |c| {
                    sqlx::query_as(CLAIM_SQLITE)
                        .bind(json_list(&request.held_back))
                        .bind(request.only.as_deref().map(json_list))
                        .bind(now)
                        .bind(i64::from(request.limit))
                        .bind(&request.owner)
                        .bind(expires)
                        .fetch_all(c)
                        .await
                })?;
                if !rows.is_empty() {
                    on!(conn, |c| sqlx::query(BEGIN_ATTEMPTS_SQLITE)
                        .bind(now)
                        .bind(expires)
                        .execute(c)
                        .await
                        .map(drop))?;
                }
                Ok(rows)
            }
            .boxed()
        })
        .await
    }

    async fn claim_postgres(&self, request: ClaimRequest) -> Result<Vec<Row>, QueueError> {
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| {
            sqlx::query_as(CLAIM_POSTGRES)
                .bind(json_list(&request.held_back))
                .bind(request.only.as_deref().map(json_list))
                .bind(self.local_now(Engine::Postgres))
                .bind(i64::from(request.limit))
                .bind(&request.owner)
                .bind(i64::try_from(request.lease.as_micros()).unwrap_or(i64::MAX))
                .fetch_all(c)
                .await
        })?)
    }

    /// Prolongs a lease that has not run out, to `lease` from now.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`] when it has run out, or the operation is no longer held under it.
    pub async fn renew(&self, held: &Lease, lease: Duration) -> Result<Lease, QueueError> {
        let sent = Instant::now();
        let key = (held.operation, held.token);
        let renewed = self
            .committed("renew", move |queue, conn| {
                async move {
                    let now = queue.now(conn).await?;
                    renew_until(conn, key, now, now.after(lease)).await
                }
                .boxed()
            })
            .await?;
        let expires_at = renewed.ok_or(QueueError::LeaseLost(held.operation))?;
        Ok(Lease {
            deadline: sent + lease,
            expires_at,
            ..held.clone()
        })
    }
}

async fn renew_until(
    conn: &mut Conn,
    (id, token): (OperationId, Uuid),
    now: Ts,
    until: Ts,
) -> Result<Option<Ts>, QueueError> {
    let sql = "UPDATE vtiger_sync_queue SET lease_expires_at = $4, updated_at = $3 \
               WHERE id = $1 AND lease_token = $2 AND status = 'PROCESSING' AND lease_expires_at > $3 \
               RETURNING lease_expires_at";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(id)
        .bind(token)
        .bind(now)
        .bind(until)
        .fetch_optional(c)
        .await)?)
}
