use std::time::Duration;

use futures::FutureExt;
use sqlx::QueryBuilder;

use super::Queue;
use crate::db::Conn;
use crate::on;
use crate::{OperationId, QueueError};

impl Queue {
    /// Removes up to `limit` operations that were completed longer than `older_than` ago, the oldest first, with their attempts.
    /// Dead letters stay until someone has decided about them, idempotency keys stay for ever. Gives how many went.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn prune(&self, older_than: Duration, limit: u32) -> Result<usize, QueueError> {
        self.committed("prune", move |queue, conn| {
            async move { queue.prune_in(conn, older_than, limit.min(MOST)).await }.boxed()
        })
        .await
    }

    async fn prune_in(
        &self,
        conn: &mut Conn,
        older_than: Duration,
        limit: u32,
    ) -> Result<usize, QueueError> {
        let before = self.now(conn).await?.before(older_than);
        // A discarded operation whose history no other has taken over is still a reason to look before sending.
        let sql = "DELETE FROM vtiger_sync_queue WHERE id IN (SELECT id FROM vtiger_sync_queue WHERE status = 'COMPLETED' \
                   AND processed_at < $1 AND NOT (dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL \
                   AND attempts + inherited_attempts > 0) \
                   ORDER BY processed_at LIMIT $2) RETURNING id";
        let gone: Vec<OperationId> = on!(conn, |c| sqlx::query_scalar(sql)
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(c)
            .await)?;
        if gone.is_empty() {
            return Ok(0);
        }
        for table in ["vtiger_sync_attempts", "vtiger_sync_correlations"] {
            on!(conn, |c, DB| {
                let mut query = QueryBuilder::<DB>::new("DELETE FROM ");
                query.push(table).push(" WHERE operation_id IN (");
                let mut ids = query.separated(", ");
                gone.iter().for_each(|id| {
                    ids.push_bind(*id);
                });
                query.push(")");
                query.build().execute(c).await.map(drop)
            })?;
        }
        Ok(gone.len())
    }
}

/// Well below the number of parameters a statement may have, and little enough for one group commit.
const MOST: u32 = 1_000;
