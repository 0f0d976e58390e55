//! The queue itself: what may be done to an operation, and the SQL that does it.

mod claim;
pub mod codes;
mod desk;
mod enqueue;
mod enqueue_many;
mod finish;
mod held;
mod lanes;
mod merge;
mod prune;
mod read;
mod reclaim;
mod row;
mod search;
mod slots;
mod sweep;
mod verdict;

use std::sync::{Arc, Mutex, MutexGuard};

use futures::future::BoxFuture;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use claim::{ClaimRequest, Claimed, Lease};
pub use desk::{BulkFilter, Pause};
pub use finish::{AttemptReport, Released, Transition};
pub use read::{Count, Cursor, DeadGroup, Filter, Found, Page, Progress, UnderWay};
pub use reclaim::Reclaimed;
pub use search::{Search, Size, Sought, Standing};
pub use sweep::{Due, Swept};
pub use verdict::Release;

#[cfg(feature = "testing")]
pub(crate) use claim::{CLAIM_POSTGRES, CLAIM_SQLITE};
#[cfg(feature = "testing")]
pub(crate) use lanes::PROMOTE;
#[cfg(feature = "testing")]
pub(crate) use search::sql as search_sql;
#[cfg(feature = "testing")]
pub(crate) use slots::{NEXT_DUE_POSTGRES, NEXT_DUE_SQLITE};

use crate::QueueError;
use crate::db::{Clock, Conn, Db, DbError, Engine, Ts};
use crate::on;
use crate::policy::Policies;
use crate::seal::Sealer;
use crate::waker::{Hint, NotifyWaker, Waker};

/// What a [`Queue`] is made with besides its database.
#[derive(Clone, Default)]
pub struct QueueOptions {
    /// How failures are treated.
    pub policies: Policies,
    /// `None`: the database's clock judges (see the crate's page). For tests a clock of their own.
    pub clock: Option<Arc<dyn Clock>>,
    /// Seed of the jitter; `None`: from the operating system.
    pub seed: Option<u64>,
    /// Carries wake-ups; `None`: inside this process.
    pub waker: Option<Arc<dyn Waker>>,
    /// Seals secrets; without one, operations that carry a secret are refused.
    pub sealer: Option<Arc<Sealer>>,
}

/// A durable queue of operations. Cloning is cheap.
#[derive(Clone)]
pub struct Queue {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    policies: Policies,
    clock: Option<Arc<dyn Clock>>,
    rng: Mutex<StdRng>,
    waker: Arc<dyn Waker>,
    sealer: Option<Arc<Sealer>>,
}

impl Queue {
    /// A queue in `db`, whose migrations ([`db::migrations`](crate::db::migrations)) have been run.
    pub fn new(db: Db, options: QueueOptions) -> Self {
        let rng = match options.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        Self {
            inner: Arc::new(Inner {
                db,
                policies: options.policies,
                clock: options.clock,
                rng: Mutex::new(rng),
                waker: options
                    .waker
                    .unwrap_or_else(|| Arc::new(NotifyWaker::default())),
                sealer: options.sealer,
            }),
        }
    }

    /// The same queue through another handle on the same database, for instance a guarded one.
    #[must_use]
    pub fn through(&self, db: Db) -> Self {
        let rng = StdRng::from_rng(&mut *self.rng());
        Self {
            inner: Arc::new(Inner {
                db,
                policies: self.inner.policies.clone(),
                clock: self.inner.clock.clone(),
                rng: Mutex::new(rng),
                waker: self.inner.waker.clone(),
                sealer: self.inner.sealer.clone(),
            }),
        }
    }

    /// The database the queue lives in.
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// Carries the wake-ups of this queue.
    pub fn waker(&self) -> &Arc<dyn Waker> {
        &self.inner.waker
    }

    /// How failures are treated.
    pub fn policies(&self) -> &Policies {
        &self.inner.policies
    }

    /// The present instant, by the clock that judges everything here.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn now(&self, conn: &mut Conn) -> Result<Ts, DbError> {
        match self.local_now(conn.engine()) {
            Some(now) => Ok(now),
            None => {
                let sql = "SELECT clock_timestamp()";
                Ok(on!(conn, |c| sqlx::query_scalar::<_, Ts>(sql)
                    .fetch_one(c)
                    .await)?)
            }
        }
    }

    /// The present instant if it can be had without asking a server; otherwise the statement has to ask.
    fn local_now(&self, engine: Engine) -> Option<Ts> {
        match (&self.inner.clock, engine) {
            (Some(clock), _) => Some(clock.now()),
            // SQLite runs in this process, so its clock is this host's.
            (None, Engine::Sqlite) => Some(Ts::now()),
            (None, Engine::Postgres) => None,
        }
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.inner
            .rng
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn sealer(&self) -> Option<&Sealer> {
        self.inner.sealer.as_deref()
    }

    fn wake_after_commit(&self, conn: &mut Conn, hint: Hint) {
        let waker = self.inner.waker.clone();
        conn.after_commit(move || waker.wake(Some(hint)));
    }

    /// Runs `work` as a member of a group commit, again if it was undone by a collision.
    async fn committed<T, F>(&self, label: &'static str, work: F) -> Result<T, QueueError>
    where
        F: for<'c> FnOnce(Queue, &'c mut Conn) -> BoxFuture<'c, Result<T, QueueError>>
            + Clone
            + Send
            + 'static,
        T: Send + 'static,
    {
        const TRIES: u32 = 5;
        let mut tried = 0;
        loop {
            let (queue, work) = (self.clone(), work.clone());
            let result = self
                .inner
                .db
                .write(label, move |conn| work(queue, conn))
                .await;
            tried += 1;
            match result {
                Err(QueueError::Db(error @ (DbError::Conflict | DbError::RolledBack)))
                    if tried < TRIES =>
                {
                    tracing::debug!(%error, label, "tried again");
                    tokio::time::sleep(crate::db::retry_pause(tried)).await;
                }
                other => return other,
            }
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("db", &self.inner.db)
            .finish_non_exhaustive()
    }
}
