//! One leader for everything that is done by the clock, however many processes have the role scheduler.
//!
//! Whoever holds the lease in the store leads, one term at a time. The database's clock judges when it runs out; the leader itself
//! counts by its monotonic clock from before it asked, minus a margin, so that it has stopped before anybody else may begin.
//! A process that was frozen meanwhile may still have something in its hands when it wakes up. So everything that scheduled work
//! writes goes through handles that check, in the transaction in which they write, whether their term is still the last one: what
//! is late is undone by the database, whoever wrote it. What is asked of the CRM is read-only, except for the pages of a first
//! sync, which check once more before they are sent and make each contact only once for its reference.
//!
//! On SQLite there is one process, which the file's lock proves: it takes the lease at once, and never loses it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use pugmark_queue::Queue;
use pugmark_queue::db::{Conn, Db, DbError, Engine, WriteGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::problem::Code;
use crate::store::leader_lease;

/// On an orderly end, what is under way may take so long before it is broken off. It is made for that, and others wait.
const GRACE: Duration = Duration::from_secs(2);
/// No lease of a process that is alone runs out.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long a lease is, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    lease: Duration,
}

impl Pace {
    /// The pace of leases of this length.
    pub fn of(lease: Duration) -> Self {
        Pace { lease }
    }

    /// How often a leader prolongs its lease.
    fn renewal(self) -> Duration {
        self.lease / 4
    }

    /// So long before the lease runs out a leader that could not prolong it stops.
    fn margin(self) -> Duration {
        self.lease / 5
    }

    /// How often the others look whether there is a leader.
    fn look(self) -> Duration {
        (self.lease / 5).min(Duration::from_secs(2))
    }

    /// Within this time after a leader's death another process has begun to take over.
    pub fn takeover(self) -> Duration {
        self.lease + self.look()
    }
}

/// A process that would lead.
pub struct Candidate {
    db: Db,
    queue: Queue,
    name: String,
    pace: Pace,
    /// No other process can be alive.
    alone: bool,
}

/// What scheduled work is given: it writes through nothing else.
pub struct Term {
    /// The store; writes are refused once another term has begun.
    pub db: Db,
    /// The queue; likewise.
    pub queue: Queue,
    /// Ends the work.
    pub stopped: CancellationToken,
    epoch: i64,
    /// By then, on the monotonic clock, the work must have stopped.
    until: Instant,
}

/// Why a term ended.
enum End {
    /// The process is to end.
    Asked,
    /// The lease could not be kept.
    Lost,
    /// A part of the work ended by itself, which only a defect can cause.
    Broken,
}

/// The name by which people know a process: host, process id, and something that tells two lives of it apart.
pub fn process_name() -> String {
    let host = whoami::hostname().unwrap_or_else(|_| "unknown-host".to_owned());
    let life = Uuid::new_v4().simple().to_string();
    format!("{host}/{}/{}", std::process::id(), &life[..8])
}

impl Candidate {
    /// A candidate of this name. `alone`: no other process can be alive, which the lock of a SQLite file proves.
    pub fn new(db: Db, queue: Queue, name: String, lease: Duration, alone: bool) -> Self {
        Candidate {
            db,
            queue,
            name,
            pace: Pace::of(lease),
            alone,
        }
    }

    /// Stands for election until cancelled, and while it leads has `work` start everything that is done by the clock. Ends by itself only
    /// when a part of the work did.
    pub async fn run(self, work: impl Fn(&Term, &mut JoinSet<()>), cancelled: CancellationToken) {
        while !cancelled.is_cancelled() {
            match self.stand().await {
                Ok(Some(term)) => match self.lead(term, &work, &cancelled).await {
                    End::Lost => continue,
                    End::Asked | End::Broken => return,
                },
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "who leads the scheduled work could not be found out; it is tried again");
                }
            }
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(self.pace.look()) => {}
            }
        }
    }

    /// Begins a term, unless somebody else leads.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn stand(&self) -> Result<Option<Term>, DbError> {
        let asked = Instant::now();
        let (name, lease, alone) = (self.name.clone(), self.pace.lease, self.alone);
        let taken = self
            .apart(move |conn| {
                Box::pin(async move { leader_lease::take(conn, &name, lease, alone).await })
            })
            .await?;
        Ok(taken.map(|epoch| {
            let db = self.db.guarded(Arc::new(Fence { epoch }));
            Term {
                queue: self.queue.through(db.clone()),
                db,
                stopped: CancellationToken::new(),
                epoch,
                until: self.until(asked),
            }
        }))
    }

    async fn lead(
        &self,
        mut term: Term,
        work: &impl Fn(&Term, &mut JoinSet<()>),
        cancelled: &CancellationToken,
    ) -> End {
        tracing::info!(
            term = term.epoch,
            process = self.name,
            "leads the scheduled work"
        );
        let mut parts = JoinSet::new();
        work(&term, &mut parts);
        let mut renew_at = Instant::now() + self.pace.renewal();
        let mut break_off_at = None;
        let end = loop {
            let stopping = break_off_at.is_some();
            tokio::select! {
                biased;
                () = sleep_until(term.until) => break End::Lost,
                () = cancelled.cancelled(), if !stopping => {
                    term.stopped.cancel();
                    break_off_at = Some(Instant::now() + GRACE);
                }
                () = sleep_until(break_off_at.unwrap_or(term.until)), if stopping => break End::Asked,
                () = sleep_until(renew_at) => match self.renew(&mut term).await {
                    Ok(true) => renew_at = Instant::now() + self.pace.renewal(),
                    Ok(false) => break End::Lost,
                    Err(error) => {
                        tracing::warn!(%error, "the lease of the scheduled work could not be prolonged; it is tried again");
                        renew_at = Instant::now() + self.pace.renewal() / 4;
                    }
                },
                ended = parts.join_next() => match ended {
                    Some(ended) if !stopping => {
                        if let Err(error) = ended {
                            tracing::error!(%error, "a part of the scheduled work ended badly");
                        }
                        break End::Broken;
                    }
                    Some(_) => {}
                    None => break End::Asked,
                },
            }
        };
        term.stopped.cancel();
        parts.shutdown().await;
        match end {
            End::Lost => tracing::warn!(
                code = %Code::LeadershipLost,
                term = term.epoch,
                "no longer leads the scheduled work: the lease could not be prolonged in time"
            ),
            End::Asked | End::Broken => self.give_back(&term).await,
        }
        end
    }

    /// Prolongs the term. Waits no longer than the lease lasts.
    async fn renew(&self, term: &mut Term) -> Result<bool, DbError> {
        let asked = Instant::now();
        let (epoch, lease) = (term.epoch, self.pace.lease);
        let renewed = self.apart(move |conn| {
            Box::pin(async move { leader_lease::renew(conn, epoch, lease).await })
        });
        let renewed = timeout_at(term.until, renewed).await??;
        if renewed {
            term.until = self.until(asked);
        }
        Ok(renewed)
    }

    async fn give_back(&self, term: &Term) {
        let epoch = term.epoch;
        let given_back = self
            .apart(move |conn| Box::pin(async move { leader_lease::give_back(conn, epoch).await }));
        match timeout_at(Instant::now() + self.pace.lease, given_back).await {
            Ok(Ok(_)) => tracing::info!(term = epoch, "handed the scheduled work back"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the scheduled work could not be handed back; its lease runs out");
            }
            Err(_) => {
                tracing::warn!("the scheduled work could not be handed back; its lease runs out");
            }
        }
    }

    /// When the work of a term must have stopped that was asked for at `asked`.
    fn until(&self, asked: Instant) -> Instant {
        match self.alone {
            true => asked + FOR_EVER,
            false => asked + self.pace.lease - self.pace.margin(),
        }
    }

    /// Acts on the lease beside everything else that this process writes: behind a long sweep of its own a leader would lose it.
    async fn apart<T, F>(&self, act: F) -> Result<T, DbError>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, DbError>> + Send + 'static,
        T: Send + 'static,
    {
        match self.db.engine() {
            Engine::Postgres => act(&mut self.db.read().await?).await,
            Engine::Sqlite => self.db.write("lease of the scheduled work", act).await,
        }
    }
}

/// Lets a term write as long as no other one has begun.
struct Fence {
    epoch: i64,
}

impl WriteGuard for Fence {
    fn check<'c>(&'c self, conn: &'c mut Conn) -> BoxFuture<'c, Result<(), DbError>> {
        Box::pin(async move {
            match leader_lease::hold(conn, self.epoch).await? {
                true => Ok(()),
                false => Err(DbError::Fenced {
                    reason: "another process leads the scheduled work by now",
                }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_has_stopped_before_anybody_else_may_begin_and_has_several_chances_before() {
        for seconds in [1, 10, 60] {
            let pace = Pace::of(Duration::from_secs(seconds));
            let stops = pace.lease - pace.margin();
            assert!(stops < pace.lease);
            assert!(pace.renewal() * 3 <= stops, "{pace:?}");
        }
    }
}
