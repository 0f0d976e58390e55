use futures::FutureExt;
use serde_json::Value;
use uuid::Uuid;

use super::finish::{AttemptReport, Ended, end_attempt};
use super::row::load_leased;
use super::verdict::Release;
use super::{Queue, codes};
use crate::db::{Conn, DbError, StoreLock, Ts};
use crate::on;
use crate::{OperationId, QueueError};

/// What a sweep for lost leases and old secrets found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reclaimed {
    /// Leases that had run out; their operations wait again, with an unknown outcome.
    pub leases: usize,
    /// Operations that waited for longer than their secret may be kept, and are dead letters now.
    pub secrets: usize,
}

/// The most one sweep takes, so that it does not fill a group commit by itself.
const BATCH: i64 = 200;

type Held = (OperationId, String, Uuid);

impl Queue {
    /// Takes away the leases that have run out by the database's clock, and the secrets that were kept as long as they may be.
    /// What an attempt whose lease ran out has done is unknown.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reclaim_expired(&self) -> Result<Reclaimed, QueueError> {
        let held = {
            let mut conn = self.db().read().await?;
            let now = self.now(&mut conn).await?;
            let sql = "SELECT id, lane, lease_token FROM vtiger_sync_queue \
                       WHERE status = 'PROCESSING' AND lease_expires_at <= $1 ORDER BY lease_expires_at LIMIT $2";
            on!(&mut conn, |c| sqlx::query_as::<_, Held>(sql)
                .bind(now)
                .bind(BATCH)
                .fetch_all(c)
                .await)?
        };
        let leases = self.reclaim(held, Mercy::NotExpired).await?;
        let secrets = self.expire_secrets().await?;
        Ok(Reclaimed { leases, secrets })
    }

    /// Takes away every lease, run out or not. For SQLite at start-up: who holds the lock on the store is its only server, so
    /// whoever held those leases is dead.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reclaim_all_of_dead_process(
        &self,
        _proof: &StoreLock,
    ) -> Result<Reclaimed, QueueError> {
        let held = {
            let mut conn = self.db().read().await?;
            let sql =
                "SELECT id, lane, lease_token FROM vtiger_sync_queue WHERE status = 'PROCESSING'";
            on!(&mut conn, |c| sqlx::query_as::<_, Held>(sql)
                .fetch_all(c)
                .await)?
        };
        let leases = self.reclaim(held, Mercy::None).await?;
        Ok(Reclaimed { leases, secrets: 0 })
    }

    async fn reclaim(&self, held: Vec<Held>, mercy: Mercy) -> Result<usize, QueueError> {
        let each = held.into_iter().map(|(id, lane, token)| {
            self.committed("reclaim", move |queue, conn| {
                async move { queue.reclaim_one(conn, id, &lane, token, mercy).await }.boxed()
            })
        });
        let reclaimed = futures::future::try_join_all(each).await?;
        Ok(reclaimed.into_iter().filter(|taken| *taken).count())
    }

    async fn reclaim_one(
        &self,
        conn: &mut Conn,
        id: OperationId,
        lane: &str,
        token: Uuid,
        mercy: Mercy,
    ) -> Result<bool, QueueError> {
        let now = self.lock_lane(conn, lane).await?;
        // It may have been renewed, completed or reclaimed since it was found.
        let Some(row) = take_lease(conn, id, token, now, mercy).await? else {
            return Ok(false);
        };
        let report = AttemptReport {
            crm_calls: 0,
            classification: "lease_expired".to_owned(),
            request: Value::Null,
            answer: Value::Null,
        };
        end_attempt(conn, token, None, Ended::Expired, &report, now).await?;
        tracing::warn!(operation = %id, owner = row.lease_owner, "a lease ran out; the outcome of its attempt is unknown");
        let why = Release::Unknown {
            not_before: None,
            code: codes::LEASE_EXPIRED.to_owned(),
            message: "the worker did not report before its lease ran out".to_owned(),
        };
        self.give_back(conn, row, why, 0, now).await?;
        Ok(true)
    }

    /// Waiting operations become dead letters, and in dead letters the secret is erased.
    async fn expire_secrets(&self) -> Result<usize, QueueError> {
        let waiting = {
            let mut conn = self.db().read().await?;
            let now = self.now(&mut conn).await?;
            let sql = "SELECT id, lane FROM vtiger_sync_queue WHERE sealed_payload IS NOT NULL AND secret_expires_at <= $1 \
                       AND status <> 'PROCESSING' ORDER BY secret_expires_at LIMIT $2";
            on!(&mut conn, |c| sqlx::query_as::<_, (OperationId, String)>(
                sql
            )
            .bind(now)
            .bind(BATCH)
            .fetch_all(c)
            .await)?
        };
        let each = waiting.into_iter().map(|(id, lane)| {
            self.committed("expire secret", move |queue, conn| {
                async move { queue.expire_secret(conn, id, &lane).await }.boxed()
            })
        });
        let expired = futures::future::try_join_all(each).await?;
        Ok(expired.into_iter().filter(|died| *died).count())
    }

    async fn expire_secret(
        &self,
        conn: &mut Conn,
        id: OperationId,
        lane: &str,
    ) -> Result<bool, QueueError> {
        let now = self.lock_lane(conn, lane).await?;
        let sql = "UPDATE vtiger_sync_queue SET sealed_payload = NULL, updated_at = $2 WHERE id = $1 \
                   AND status = 'FAILED' AND dead_at IS NOT NULL";
        on!(conn, |c| sqlx::query(sql)
            .bind(id)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        let sql = "UPDATE vtiger_sync_queue SET sealed_payload = NULL, status = 'FAILED', head = 0, dead_at = $2, \
                   error_code = $3, error_message = $4, blocked_by = NULL, updated_at = $2 WHERE id = $1 AND waiting = 1";
        let message = "the secret was kept as long as it may be and is erased; enter a new one";
        let died = on!(conn, |c| {
            sqlx::query(sql)
                .bind(id)
                .bind(now)
                .bind(codes::SECRET_EXPIRED)
                .bind(message)
                .execute(c)
                .await
                .map(|done| done.rows_affected() == 1)
        })?;
        if died {
            self.promote(conn, lane, now).await?;
        }
        Ok(died)
    }
}

/// Whether a lease is spared that has not run out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mercy {
    NotExpired,
    None,
}

/// Locks the row against a renewal, if its lease is still the one that was found and has (still) run out.
async fn take_lease(
    conn: &mut Conn,
    id: OperationId,
    token: Uuid,
    now: Ts,
    mercy: Mercy,
) -> Result<Option<crate::OperationRecord>, DbError> {
    let sql = "UPDATE vtiger_sync_queue SET updated_at = $3 WHERE id = $1 AND lease_token = $2 AND status = 'PROCESSING' \
               AND (lease_expires_at <= $3 OR $4 = 1)";
    let all = i32::from(mercy == Mercy::None);
    let taken = on!(conn, |c| {
        sqlx::query(sql)
            .bind(id)
            .bind(token)
            .bind(now)
            .bind(all)
            .execute(c)
            .await
            .map(|done| done.rows_affected())
    })?;
    if taken == 1 {
        load_leased(conn, id, token).await
    } else {
        Ok(None)
    }
}
