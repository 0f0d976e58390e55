//! Counting what was refused. However many come, at most one write of them is under way, and nothing of what was sent is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pugmark_queue::db::{Db, DbError, Ts};

use crate::store::webhook_deliveries;

/// What was refused and is not yet in the store.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    counts: BTreeMap<(&'static str, &'static str), i64>,
    /// Somebody is writing and will look again.
    writing: bool,
}

impl Refusals {
    /// Counts one, and sees to it that it gets into the store.
    pub(super) fn count(self: &Arc<Self>, db: &Db, endpoint: &'static str, reason: &'static str) {
        {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting.counts.entry((endpoint, reason)).or_default() += 1;
            if std::mem::replace(&mut waiting.writing, true) {
                return;
            }
        }
        tokio::spawn(self.clone().write(db.clone()));
    }

    async fn write(self: Arc<Self>, db: Db) {
        while let Some(counts) = self.take() {
            for ((endpoint, reason), count) in &counts {
                tracing::warn!(endpoint, reason, count, "webhook deliveries were refused");
            }
            let stored = db
                .write("count refused webhooks", move |conn| {
                    Box::pin(async move {
                        for ((endpoint, reason), count) in counts {
                            let now = Ts::now();
                            webhook_deliveries::count_refusals(conn, endpoint, reason, count, now)
                                .await?;
                        }
                        Ok::<_, DbError>(())
                    })
                })
                .await;
            if let Err(error) = stored {
                tracing::warn!(%error, "refused webhook deliveries could not be counted");
            }
        }
    }

    fn take(&self) -> Option<BTreeMap<(&'static str, &'static str), i64>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = std::mem::take(&mut waiting.counts);
        waiting.writing = !counts.is_empty();
        waiting.writing.then_some(counts)
    }
}
