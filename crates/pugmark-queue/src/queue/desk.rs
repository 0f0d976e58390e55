//! What people do to operations.

use futures::FutureExt;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{FromRow, QueryBuilder};
use zeroize::Zeroizing;

use super::lanes::Claimable;
use super::row::{load, load_waiting};
use super::{Queue, codes};
use crate::db::{Conn, DbError, JsonText, Ts};
use crate::on;
use crate::seal::SealError;
use crate::{Hint, OperationId, OperationRecord, QueueError, Status};

/// A kind of operation that is not claimed until someone resumes it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// The kind.
    pub kind: String,
    /// Who paused it.
    pub paused_by: String,
    /// Since when.
    pub paused_at: Ts,
}

/// Which dead letters are meant. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct BulkFilter {
    /// Of this kind.
    pub kind: Option<String>,
    /// On this kind of record.
    pub entity_type: Option<String>,
    /// On this record.
    pub entity_id: Option<String>,
    /// That died with this code.
    pub error_code: Option<String>,
    /// That were queued after this one: goes on behind those that could not be dealt with.
    pub after: Option<OperationId>,
    /// At most so many, oldest first.
    pub limit: u32,
}

impl Queue {
    /// Lets an operation run again at once: a dead letter is replayed with its failures forgiven (its history stays), a failed one does not wait
    /// for its backoff, nor a blocked one for what it waits for. If a newer one of the same lane and key waits, that one takes over.
    ///
    /// Gives the operation that will do the work.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Running`], [`QueueError::Finished`], [`QueueError::SecretNeeded`].
    pub async fn retry(
        &self,
        id: OperationId,
        who: &str,
        why: &str,
    ) -> Result<OperationId, QueueError> {
        self.retry_with(id, who, why, None).await
    }

    /// As [`retry`](Self::retry), with a new secret in place of the one that was erased.
    ///
    /// # Errors
    /// As [`retry`](Self::retry), and [`QueueError::Seal`].
    pub async fn retry_with_secret(
        &self,
        id: OperationId,
        who: &str,
        why: &str,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<OperationId, QueueError> {
        self.retry_with(id, who, why, Some(secret)).await
    }

    async fn retry_with(
        &self,
        id: OperationId,
        who: &str,
        why: &str,
        secret: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<OperationId, QueueError> {
        let act = Act::new("retry", who, why);
        self.committed("retry", move |queue, conn| {
            async move {
                queue
                    .retry_as(conn, id, &act, secret.as_deref().map(Vec::as_slice))
                    .await
            }
            .boxed()
        })
        .await
    }

    /// As [`retry`](Self::retry), in the caller's transaction, so that what the caller notes of it is committed with it.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn retry_in(
        &self,
        conn: &mut Conn,
        id: OperationId,
        who: &str,
        why: &str,
    ) -> Result<OperationId, QueueError> {
        self.retry_as(conn, id, &Act::new("retry", who, why), None)
            .await
    }

    /// As [`retry_with_secret`](Self::retry_with_secret), in the caller's transaction.
    ///
    /// # Errors
    /// As [`retry_with_secret`](Self::retry_with_secret).
    pub async fn retry_with_secret_in(
        &self,
        conn: &mut Conn,
        id: OperationId,
        who: &str,
        why: &str,
        secret: &[u8],
    ) -> Result<OperationId, QueueError> {
        self.retry_as(conn, id, &Act::new("retry", who, why), Some(secret))
            .await
    }

    /// As [`retry_in`](Self::retry_in), with another payload. What it had before is kept in `human_action`. Only an operation
    /// that never merges has a payload of its own: what brings a record up to date takes its values from the record.
    ///
    /// # Errors
    /// As [`retry`](Self::retry), and [`QueueError::Invalid`] for an operation that merges.
    pub async fn retry_edited_in(
        &self,
        conn: &mut Conn,
        id: OperationId,
        who: &str,
        why: &str,
        payload: Value,
    ) -> Result<OperationId, QueueError> {
        let (row, now) = self.lock_current(conn, id).await?;
        refuse_unless_open(&row)?;
        if row.coalesce_key.is_some() {
            return Err(QueueError::Invalid(
                "it takes its values from the record when it runs; change the record instead"
                    .to_owned(),
            ));
        }
        let sql = "UPDATE vtiger_sync_queue SET payload = $2, updated_at = $3 \
                   WHERE id = $1 AND (waiting = 1 OR dead_at IS NOT NULL)";
        let changed = on!(conn, |c| sqlx::query(sql)
            .bind(row.id)
            .bind(JsonText(payload))
            .bind(now)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        if changed == 0 {
            return Err(QueueError::Running(row.id));
        }
        let act = Act {
            before: Some(row.payload),
            ..Act::new("edit", who, why)
        };
        self.retry_as(conn, row.id, &act, None).await
    }

    async fn retry_as(
        &self,
        conn: &mut Conn,
        id: OperationId,
        act: &Act,
        secret: Option<&[u8]>,
    ) -> Result<OperationId, QueueError> {
        let (row, now) = self.lock_current(conn, id).await?;
        refuse_unless_open(&row)?;
        if let Some(secret) = secret {
            self.reseal(conn, &row, secret, now).await?;
        } else if row.secret_expires_at.is_some()
            && (!row.sealed || row.secret_expires_at <= Some(now))
        {
            return Err(QueueError::SecretNeeded(row.id));
        }
        let worker = if row.failed_for_good() {
            self.replay(conn, &row, now).await?
        } else {
            if !due_now(conn, row.id, now).await? {
                return Err(QueueError::Running(row.id));
            }
            if row.blocked_by.is_some() {
                self.reseat(conn, &row.lane, now).await?;
            }
            row.id
        };
        act.note(conn, row.id, now).await?;
        let hint = Hint {
            operation: Some(worker),
            ..Hint::from(&row)
        };
        self.wake_after_commit(conn, hint);
        Ok(worker)
    }

    /// A dead letter goes to the end of its lane: the order it once had is gone. Others of its lane and key may have died
    /// after it; what their attempts may have done concerns the one that runs again.
    async fn replay(
        &self,
        conn: &mut Conn,
        row: &OperationRecord,
        now: Ts,
    ) -> Result<OperationId, QueueError> {
        if let Some(newer) = load_waiting(conn, &row.lane, row.coalesce_key.as_deref()).await? {
            self.supersede_dead(conn, row, &newer, now).await?;
            return Ok(newer.id);
        }
        let (lane_seq, _) = self.next_in_lane(conn, &row.lane).await?;
        let sql = "SELECT CAST(COALESCE(sum(attempts + inherited_attempts), 0) AS BIGINT), max(unknown_at) \
                   FROM vtiger_sync_queue WHERE lane = $2 AND coalesce_key = $3 AND id <> $1 \
                   AND dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL";
        let (attempts, unknown_at): (i64, Option<Ts>) = on!(conn, |c| sqlx::query_as(sql)
            .bind(row.id)
            .bind(&row.lane)
            .bind(&row.coalesce_key)
            .fetch_one(c)
            .await)?;
        let inherited = row
            .inherited_attempts
            .saturating_add(i32::try_from(attempts).unwrap_or(i32::MAX));
        let sql = "UPDATE vtiger_sync_queue SET heir = $1, updated_at = $4 WHERE lane = $2 AND coalesce_key = $3 AND id <> $1 \
                   AND dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL";
        on!(conn, |c| sqlx::query(sql)
            .bind(row.id)
            .bind(&row.lane)
            .bind(&row.coalesce_key)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        let sql = "UPDATE vtiger_sync_queue SET status = 'PENDING', dead_at = NULL, heir = NULL, retry_count = 0, deferrals = 0, \
                   troubled_since = NULL, next_attempt_at = $2, lane_seq = $3, updated_at = $2, inherited_attempts = $5, \
                   unknown_at = $6, \
                   head = CASE WHEN EXISTS (SELECT 1 FROM vtiger_sync_queue WHERE lane = $4 AND unfinished = 1) \
                   THEN 0 ELSE 1 END WHERE id = $1";
        on!(conn, |c| sqlx::query(sql)
            .bind(row.id)
            .bind(now)
            .bind(lane_seq)
            .bind(&row.lane)
            .bind(inherited)
            .bind(row.unknown_at.max(unknown_at))
            .execute(c)
            .await
            .map(drop))?;
        self.step_past_blocked(conn, &row.lane, now).await?;
        Ok(row.id)
    }

    async fn reseal(
        &self,
        conn: &mut Conn,
        row: &OperationRecord,
        secret: &[u8],
        now: Ts,
    ) -> Result<(), QueueError> {
        if row.secret_expires_at.is_none() {
            return Err(QueueError::Invalid(
                "the operation never had a secret".to_owned(),
            ));
        }
        let sealed = self
            .sealer()
            .ok_or(SealError::NoKey)?
            .seal(row.id, secret)?;
        let expires = now.after(self.policies().of(&row.kind).max_secret_age);
        let sql = "UPDATE vtiger_sync_queue SET sealed_payload = $2, secret_expires_at = $3 WHERE id = $1";
        on!(conn, |c| sqlx::query(sql)
            .bind(row.id)
            .bind(sealed)
            .bind(expires)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Replays the dead letters that `filter` means, each by itself; those that need a new secret stay. Gives the operations
    /// that will do the work.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn retry_many(
        &self,
        filter: BulkFilter,
        who: &str,
        why: &str,
    ) -> Result<Vec<OperationId>, QueueError> {
        let mut workers = Vec::new();
        for id in self.dead_letters(&filter).await? {
            match self.retry(id, who, why).await {
                Ok(worker) => workers.push(worker),
                // Someone else was quicker, or it cannot be done without a person.
                Err(
                    QueueError::SecretNeeded(_)
                    | QueueError::Finished(_)
                    | QueueError::Running(_)
                    | QueueError::NotFound(_),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(workers)
    }

    /// The dead letters that `filter` means, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn dead_letters(&self, filter: &BulkFilter) -> Result<Vec<OperationId>, QueueError> {
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c, DB| {
            let mut query = QueryBuilder::<DB>::new(
                "SELECT id FROM vtiger_sync_queue WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL",
            );
            let equal = [
                (" AND kind = ", &filter.kind),
                (" AND entity_type = ", &filter.entity_type),
                (" AND entity_id = ", &filter.entity_id),
                (" AND error_code = ", &filter.error_code),
            ];
            for (condition, value) in equal {
                if let Some(value) = value {
                    query.push(condition).push_bind(value.clone());
                }
            }
            if let Some(after) = filter.after {
                query.push(" AND id > ").push_bind(after);
            }
            query
                .push(" ORDER BY id LIMIT ")
                .push_bind(i64::from(filter.limit));
            query.build_query_scalar().fetch_all(c).await
        })?)
    }

    /// Ends an operation without carrying it out. Not one that is being carried out.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Running`], [`QueueError::Finished`].
    pub async fn discard(&self, id: OperationId, who: &str, why: &str) -> Result<(), QueueError> {
        let act = Act::new("discard", who, why);
        self.committed("discard", move |queue, conn| {
            async move { queue.discard_as(conn, id, &act).await }.boxed()
        })
        .await
    }

    /// As [`discard`](Self::discard), in the caller's transaction.
    ///
    /// # Errors
    /// As [`discard`](Self::discard).
    pub async fn discard_in(
        &self,
        conn: &mut Conn,
        id: OperationId,
        who: &str,
        why: &str,
    ) -> Result<(), QueueError> {
        self.discard_as(conn, id, &Act::new("discard", who, why))
            .await
    }

    async fn discard_as(
        &self,
        conn: &mut Conn,
        id: OperationId,
        act: &Act,
    ) -> Result<(), QueueError> {
        let (row, now) = self.lock_current(conn, id).await?;
        refuse_unless_open(&row)?;
        // `dead_at` stays or is set: a later operation on the same key inherits the history of this one as of any dead one.
        let sql = "UPDATE vtiger_sync_queue SET status = 'COMPLETED', head = 0, outcome = $2, error_code = $3, processed_at = $4, \
                   dead_at = COALESCE(dead_at, $4), sealed_payload = NULL, blocked_by = NULL, updated_at = $4 \
                   WHERE id = $1 AND (waiting = 1 OR dead_at IS NOT NULL)";
        let outcome = JsonText(json!({ "result": "discarded", "by": act.who, "why": act.why }));
        let changed = on!(conn, |c| {
            sqlx::query(sql)
                .bind(row.id)
                .bind(outcome)
                .bind(codes::DISCARDED)
                .bind(now)
                .execute(c)
                .await
                .map(|done| done.rows_affected())
        })?;
        if changed == 0 {
            return Err(QueueError::Running(row.id));
        }
        act.note(conn, row.id, now).await?;
        self.promote(conn, &row.lane, now).await
    }

    /// The operation that does the work of `id` now, with its lane locked.
    async fn lock_current(
        &self,
        conn: &mut Conn,
        id: OperationId,
    ) -> Result<(OperationRecord, Ts), QueueError> {
        let lane = load(conn, id).await?.ok_or(QueueError::NotFound(id))?.lane;
        // Whatever supersedes an operation is in the same lane, so this lock holds the whole chain still.
        let now = self.lock_lane(conn, &lane).await?;
        let mut current = load(conn, id).await?.ok_or(QueueError::NotFound(id))?;
        while let Some(next) = current.superseded_by {
            current = load(conn, next).await?.ok_or(QueueError::NotFound(next))?;
        }
        Ok((current, now))
    }

    /// Stops claiming operations of `kind`; those being carried out go on. Their lanes wait with them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pause(&self, kind: &str, who: &str) -> Result<(), QueueError> {
        let (kind, who) = (kind.to_owned(), who.to_owned());
        self.committed("pause", move |queue, conn| {
            async move {
                let now = queue.now(conn).await?;
                let sql = "INSERT INTO queue_pauses (kind, paused_by, paused_at) VALUES ($1, $2, $3) \
                           ON CONFLICT (kind) DO NOTHING";
                on!(conn, |c| sqlx::query(sql).bind(&kind).bind(&who).bind(now).execute(c).await.map(drop))?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Claims operations of `kind` again. Gives whether it was paused.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn resume(&self, kind: &str) -> Result<bool, QueueError> {
        let (hint, kind) = (Hint::some(kind), kind.to_owned());
        let resumed = self
            .committed("resume", move |_, conn| {
                async move {
                    let sql = "DELETE FROM queue_pauses WHERE kind = $1";
                    Ok(on!(conn, |c| sqlx::query(sql)
                        .bind(&kind)
                        .execute(c)
                        .await
                        .map(|done| done.rows_affected() > 0))?)
                }
                .boxed()
            })
            .await?;
        self.waker().wake(Some(hint));
        Ok(resumed)
    }

    /// The kinds that are paused, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn paused(&self) -> Result<Vec<Pause>, QueueError> {
        let sql = "SELECT kind, paused_by, paused_at FROM queue_pauses ORDER BY kind";
        let mut conn = self.db().read().await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql).fetch_all(c).await)?)
    }

    /// What waited for `key` is due now. Inside the transaction that made it available, so that no wake-up is lost between.
    /// Gives how many waited.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unblock(&self, conn: &mut Conn, key: &str) -> Result<usize, QueueError> {
        let sql = "SELECT DISTINCT lane FROM vtiger_sync_queue \
                   WHERE blocked_by = $1 AND blocked_by IS NOT NULL AND waiting = 1 ORDER BY lane";
        let lanes: Vec<String> = on!(conn, |c| sqlx::query_scalar(sql)
            .bind(key)
            .fetch_all(c)
            .await)?;
        let mut freed = 0;
        for lane in lanes {
            freed += self.unblock_lane(conn, &lane, key).await?;
        }
        Ok(freed)
    }

    async fn unblock_lane(
        &self,
        conn: &mut Conn,
        lane: &str,
        key: &str,
    ) -> Result<usize, QueueError> {
        let now = self.lock_lane(conn, lane).await?;
        let sql = "UPDATE vtiger_sync_queue SET blocked_by = NULL, next_attempt_at = $2, updated_at = $2 \
                   WHERE blocked_by = $1 AND blocked_by IS NOT NULL AND waiting = 1 AND lane = $3 \
                   RETURNING id, kind, priority, correlation_id";
        let freed: Vec<Claimable> = on!(conn, |c| sqlx::query_as(sql)
            .bind(key)
            .bind(now)
            .bind(lane)
            .fetch_all(c)
            .await)?;
        self.reseat(conn, lane, now).await?;
        let count = freed.len();
        freed
            .into_iter()
            .for_each(|due| self.wake_after_commit(conn, due.into()));
        Ok(count)
    }
}

fn refuse_unless_open(row: &OperationRecord) -> Result<(), QueueError> {
    match row.status {
        Status::Processing => Err(QueueError::Running(row.id)),
        Status::Completed => Err(QueueError::Finished(row.id)),
        Status::Pending | Status::Failed => Ok(()),
    }
}

async fn due_now(conn: &mut Conn, id: OperationId, now: Ts) -> Result<bool, DbError> {
    let sql = "UPDATE vtiger_sync_queue SET next_attempt_at = $2, troubled_since = NULL, blocked_by = NULL, updated_at = $2 \
               WHERE id = $1 AND waiting = 1";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(id)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected() == 1))?)
}

/// What a person did.
#[derive(Clone)]
struct Act {
    action: &'static str,
    who: String,
    why: String,
    /// The payload that the person replaced.
    before: Option<Value>,
}

impl Act {
    fn new(action: &'static str, who: &str, why: &str) -> Self {
        Self {
            action,
            who: who.to_owned(),
            why: why.to_owned(),
            before: None,
        }
    }

    async fn note(&self, conn: &mut Conn, id: OperationId, now: Ts) -> Result<(), DbError> {
        let mut act = json!({ "action": self.action, "by": self.who, "why": self.why, "at": now });
        if let Some(before) = &self.before {
            act["before"] = before.clone();
        }
        let act = JsonText(act);
        let sql = "UPDATE vtiger_sync_queue SET human_action = $2 WHERE id = $1";
        on!(conn, |c| sqlx::query(sql)
            .bind(id)
            .bind(act)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}
