//! Finding what nobody was woken for.

use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Queue, Reclaimed};
use crate::db::Ts;
use crate::on;
use crate::{Hint, QueueError};

/// What a sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leases that had run out and secrets that had grown too old.
    pub reclaimed: Reclaimed,
    /// Lanes in which something waited behind nothing: a hand in the database had removed their head.
    pub lanes: usize,
    /// What could be claimed now, by kind. Workers were woken for it.
    pub due: Vec<Due>,
}

/// Operations of one kind that could be claimed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// The kind.
    pub kind: String,
    /// How many of them are due.
    pub operations: i64,
    /// How many of these were due so long ago that something keeps them from being claimed: a pause, a breaker, no worker, or a
    /// worker that was not woken.
    pub overdue: i64,
    /// Since when the oldest is due.
    pub since: Ts,
}

/// The most lanes one sweep mends.
const BATCH: i64 = 200;

impl Queue {
    /// Takes back leases that ran out, mends lanes without a head, and wakes the workers for whatever is due. What has been due
    /// for `late` counts as overdue.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, late: Duration) -> Result<Swept, QueueError> {
        let reclaimed = self.reclaim_expired().await?;
        let lanes = self.mend_lanes().await?;
        let due = self.due(late).await?;
        for due in &due {
            self.waker().wake(Some(Hint::some(&due.kind)));
        }
        Ok(Swept {
            reclaimed,
            lanes,
            due,
        })
    }

    /// What could be claimed now, by kind.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn due(&self, late: Duration) -> Result<Vec<Due>, QueueError> {
        let sql = "SELECT kind, count(*) AS operations, \
                   CAST(sum(CASE WHEN next_attempt_at <= $2 THEN 1 ELSE 0 END) AS BIGINT) AS overdue, \
                   min(next_attempt_at) AS since FROM vtiger_sync_queue \
                   WHERE head = 1 AND waiting = 1 AND next_attempt_at <= $1 GROUP BY kind ORDER BY kind";
        let mut conn = self.db().read().await?;
        let now = self.now(&mut conn).await?;
        Ok(on!(&mut conn, |c| sqlx::query_as(sql)
            .bind(now)
            .bind(now.before(late))
            .fetch_all(c)
            .await)?)
    }

    async fn mend_lanes(&self) -> Result<usize, QueueError> {
        let sql = "SELECT DISTINCT q.lane FROM vtiger_sync_queue AS q WHERE q.unfinished = 1 AND q.head = 0 AND NOT EXISTS \
                   (SELECT 1 FROM vtiger_sync_queue AS h WHERE h.lane = q.lane AND h.head = 1) LIMIT $1";
        let headless: Vec<String> = {
            let mut conn = self.db().read().await?;
            on!(&mut conn, |c| sqlx::query_scalar(sql)
                .bind(BATCH)
                .fetch_all(c)
                .await)?
        };
        for lane in &headless {
            let lane = lane.clone();
            self.committed("mend lane", move |queue, conn| {
                async move {
                    let now = queue.lock_lane(conn, &lane).await?;
                    queue.promote(conn, &lane, now).await
                }
                .boxed()
            })
            .await?;
        }
        Ok(headless.len())
    }
}
