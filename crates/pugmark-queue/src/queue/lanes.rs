//! The order of a lane. Whatever changes which row stands first in a lane holds the lane's lock: on PostgreSQL the row in
//! `queue_lanes`, on SQLite the one writer there is.

use sqlx::FromRow;

use crate::db::{Conn, DbError, Engine, Ts};
use crate::on;
use crate::queue::Queue;
use crate::{Hint, OperationId, Priority, QueueError};

/// The first unfinished row of a lane that is not blocked becomes its head; where all are blocked, the first of them, so that it
/// looks again from time to time. Nothing happens where there is a head.
pub(crate) const PROMOTE: &str = "UPDATE vtiger_sync_queue SET head = 1, updated_at = $2 WHERE head = 0 \
     AND NOT EXISTS (SELECT 1 FROM vtiger_sync_queue WHERE lane = $1 AND head = 1) AND id = COALESCE(\
     (SELECT id FROM vtiger_sync_queue WHERE lane = $1 AND unfinished = 1 AND blocked_by IS NULL ORDER BY lane_seq LIMIT 1), \
     (SELECT id FROM vtiger_sync_queue WHERE lane = $1 AND unfinished = 1 ORDER BY lane_seq LIMIT 1)) \
     RETURNING id, kind, priority, correlation_id";

/// A head that waits gives its place back. One that is being carried out keeps it, and so does one that a claim takes at the
/// same moment: then the lane is put in order when that attempt ends.
const STEP_BACK: &str = "UPDATE vtiger_sync_queue SET head = 0, updated_at = $2 WHERE lane = $1 AND head = 1 AND waiting = 1";

/// As [`STEP_BACK`], but only if what it waits for is not time alone.
const STEP_BACK_IF_BLOCKED: &str = "UPDATE vtiger_sync_queue SET head = 0, updated_at = $2 \
     WHERE lane = $1 AND head = 1 AND waiting = 1 AND blocked_by IS NOT NULL";

/// What a hint says of a row.
#[derive(FromRow)]
pub(super) struct Claimable {
    id: OperationId,
    kind: String,
    #[sqlx(try_from = "i32")]
    priority: Priority,
    correlation_id: String,
}

impl From<Claimable> for Hint {
    fn from(row: Claimable) -> Self {
        Self {
            kind: row.kind,
            operation: Some(row.id),
            priority: row.priority,
            correlation_id: Some(row.correlation_id),
        }
    }
}

impl Queue {
    /// Locks the lane until the transaction ends, and tells the time.
    pub(super) async fn lock_lane(&self, conn: &mut Conn, lane: &str) -> Result<Ts, DbError> {
        let local = self.local_now(conn.engine());
        match (conn.engine(), local) {
            (Engine::Sqlite, Some(now)) => Ok(now),
            (Engine::Sqlite, None) => Ok(Ts::now()),
            (Engine::Postgres, _) => {
                let sql = "SELECT COALESCE($2, clock_timestamp()) FROM queue_lanes WHERE lane = $1 FOR UPDATE";
                Ok(on!(conn, |c| sqlx::query_scalar::<_, Ts>(sql)
                    .bind(lane)
                    .bind(local)
                    .fetch_one(c)
                    .await)?)
            }
        }
    }

    /// Locks the lane (made if need be), takes its next number and tells the time.
    pub(super) async fn next_in_lane(
        &self,
        conn: &mut Conn,
        lane: &str,
    ) -> Result<(i64, Ts), DbError> {
        let local = self.local_now(conn.engine());
        let sql = match conn.engine() {
            Engine::Sqlite => {
                "INSERT INTO queue_lanes AS l (lane, last_seq) VALUES ($1, 1) \
                 ON CONFLICT (lane) DO UPDATE SET last_seq = l.last_seq + 1 RETURNING last_seq, $2"
            }
            Engine::Postgres => {
                "INSERT INTO queue_lanes AS l (lane, last_seq) VALUES ($1, 1) \
                 ON CONFLICT (lane) DO UPDATE SET last_seq = l.last_seq + 1 \
                 RETURNING last_seq, COALESCE($2, clock_timestamp())"
            }
        };
        Ok(on!(conn, |c| sqlx::query_as(sql)
            .bind(lane)
            .bind(local)
            .fetch_one(c)
            .await)?)
    }

    /// Lets the next row of the lane move up after its head has finished.
    pub(super) async fn promote(
        &self,
        conn: &mut Conn,
        lane: &str,
        now: Ts,
    ) -> Result<(), QueueError> {
        let promoted: Option<Claimable> = on!(conn, |c| sqlx::query_as(PROMOTE)
            .bind(lane)
            .bind(now)
            .fetch_optional(c)
            .await)?;
        if let Some(promoted) = promoted {
            self.wake_after_commit(conn, promoted.into());
        }
        Ok(())
    }

    /// Puts the lane in order after a row in it was blocked or is no longer.
    pub(super) async fn reseat(
        &self,
        conn: &mut Conn,
        lane: &str,
        now: Ts,
    ) -> Result<(), QueueError> {
        step_back(conn, STEP_BACK, lane, now).await?;
        self.promote(conn, lane, now).await
    }

    /// Lets a row that was put behind others go first if these are all blocked: it may be what they wait for.
    pub(super) async fn step_past_blocked(
        &self,
        conn: &mut Conn,
        lane: &str,
        now: Ts,
    ) -> Result<(), QueueError> {
        if step_back(conn, STEP_BACK_IF_BLOCKED, lane, now).await? {
            self.promote(conn, lane, now).await?;
        }
        Ok(())
    }
}

async fn step_back(
    conn: &mut Conn,
    sql: &'static str,
    lane: &str,
    now: Ts,
) -> Result<bool, DbError> {
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(lane)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0))?)
}
