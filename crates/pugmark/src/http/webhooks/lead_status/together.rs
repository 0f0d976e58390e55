//! Taking many deliveries in at once. What arrives while a commit is under way goes into the next one as one member, with one
//! statement for each table, instead of one member and nine statements for each delivery.
//!
//! Together go deliveries that give a lead its first job. Everything else is taken in by itself, in the way that this one must not
//! differ from: leads that have a job already, leads and keys that come twice in a batch, ids of senders that came before, and all
//! of a batch that failed as a whole, so that one bad delivery harms no other.
//!
//! A large batch is only set aside, as one row for each lead, and its senders are answered; what it leads to is stored as soon as
//! nothing new comes for a moment, and at the latest after two seconds (see [`arrivals`]).

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Conn, DbError};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::arrived::{Arrived, Means, take_in_singly};
use super::effect::Effect;
use crate::flows::onboarding::arrivals::{self, Arrival};
use crate::store::lead_arrivals;

/// Most deliveries of a batch.
const MOST: usize = 256;
/// Most bytes of their bodies: a batch is one text on its way to the database.
const MOST_BYTES: usize = 4 << 20;

/// How long it is waited when that fails.
const AGAIN: Duration = Duration::from_secs(1);

/// When leads are set aside, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From so many deliveries on, a batch is set aside.
    pub many: usize,
    /// When nothing came for so long, what was set aside is stored.
    pub quiet: Duration,
    /// What was set aside is stored after so long at the latest, whatever comes.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            many: 16,
            quiet: Duration::from_millis(20),
            patience: Duration::from_secs(2),
        }
    }
}

/// A delivery, and what it leads to if its lead has no job.
type Wanted = (Arc<Arrived>, Arc<Arrival>);

/// A delivery that somebody waits for.
struct Delivery {
    wanted: Wanted,
    answer: oneshot::Sender<Result<Effect, QueueError>>,
}

/// Deliveries that wait for the store.
pub struct Together {
    pace: Pace,
    waiting: Mutex<Waiting>,
    /// Whether leads that were set aside are being stored, or are about to be.
    storing: watch::Sender<bool>,
}

#[derive(Default)]
struct Waiting {
    deliveries: VecDeque<Delivery>,
    /// A member of the group commit is on its way that will take them.
    called: bool,
    /// When the last one came.
    last: Option<Instant>,
}

impl Default for Together {
    fn default() -> Self {
        Together::at(Pace::default())
    }
}

impl Together {
    /// Nobody waits yet.
    pub fn at(pace: Pace) -> Self {
        Together {
            pace,
            waiting: Mutex::default(),
            storing: watch::Sender::new(false),
        }
    }

    /// Takes a delivery in and tells what it led to, after the commit. A caller who goes away does not take it back.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn take_in(
        self: &Arc<Self>,
        means: &Means,
        arrived: Arrived,
    ) -> Result<Effect, QueueError> {
        let arrived = Arc::new(arrived);
        let Some(first) = arrived.first(means)? else {
            return take_in_singly(means, arrived).await;
        };
        let (answer, told) = oneshot::channel();
        let is_called = {
            let mut waiting = locked(&self.waiting);
            waiting.deliveries.push_back(Delivery {
                wanted: (arrived, Arc::new(first)),
                answer,
            });
            waiting.last = Some(Instant::now());
            std::mem::replace(&mut waiting.called, true)
        };
        if !is_called {
            self.call(means);
        }
        told.await.unwrap_or(Err(DbError::Closed.into()))
    }

    /// Hands a member to the group commit, which takes whatever waits when its turn comes.
    fn call(self: &Arc<Self>, means: &Means) {
        let taken: Arc<Mutex<Option<Vec<Delivery>>>> = Arc::default();
        let (this, shared, batch) = (self.clone(), means.clone(), taken.clone());
        let written = means.db.write("receive leads", move |conn| {
            Box::pin(async move {
                let deliveries = this.take(&shared);
                let wanted: Vec<Wanted> = deliveries.iter().map(|one| one.wanted.clone()).collect();
                *locked(&batch) = Some(deliveries);
                let stay = wanted.len() >= this.pace.many;
                receive(conn, &shared, &wanted, stay).await
            })
        });
        let (this, means) = (self.clone(), means.clone());
        // A task of its own, because whoever called may go away, and the others want their answers.
        tokio::spawn(async move {
            let written = written.await;
            let taken = locked(&taken).take();
            match (taken, written) {
                (Some(batch), written) => {
                    if batch.len() >= this.pace.many && written.is_ok() {
                        this.store_later(&means);
                    }
                    settle(&means, batch, written).await;
                }
                (None, Err(error)) => this.refuse(&error),
                // Nothing is written that was not taken before.
                (None, Ok(_)) => {}
            }
        });
    }

    /// Sees to it that what was set aside is stored.
    fn store_later(self: &Arc<Self>, means: &Means) {
        if self.storing.send_replace(true) {
            return;
        }
        let (this, means) = (self.clone(), means.clone());
        tokio::spawn(async move {
            let mut latest = Instant::now() + this.pace.patience;
            loop {
                this.calm(latest).await;
                match arrivals::store_some(&means.queue).await {
                    Ok(some) if some > 0 => {}
                    Ok(_) => {
                        this.storing.send_replace(false);
                        // What was set aside since then found this still at it.
                        if nothing_waits(&means).await || this.storing.send_replace(true) {
                            return;
                        }
                        latest = Instant::now() + this.pace.patience;
                        // Somebody else is at it, or it cannot be stored.
                        tokio::time::sleep(AGAIN).await;
                    }
                    Err(QueueError::Db(DbError::Closed)) => return,
                    Err(error) => {
                        tracing::warn!(%error, "what leads lead to could not be stored yet; it is tried again");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        });
    }

    /// Ends when nothing came for a moment, but not later than this.
    async fn calm(&self, latest: Instant) {
        loop {
            let last = locked(&self.waiting).last;
            let calm = last.map_or(Duration::ZERO, |last| {
                self.pace.quiet.saturating_sub(last.elapsed())
            });
            if calm.is_zero() || Instant::now() >= latest {
                return;
            }
            tokio::time::sleep(calm).await;
        }
    }

    /// Waits until everything is stored that the deliveries lead to which were answered so far.
    pub async fn stored(&self) {
        // The sender lives as long as this does.
        let _ = self.storing.subscribe().wait_for(|storing| !storing).await;
    }

    /// The next batch. For what it leaves another member is called.
    fn take(self: &Arc<Self>, means: &Means) -> Vec<Delivery> {
        let mut waiting = locked(&self.waiting);
        let mut bytes = 0;
        let fitting = waiting.deliveries.iter().take(MOST).take_while(|one| {
            bytes += one.wanted.0.new.body.len();
            bytes <= MOST_BYTES
        });
        let many = fitting.count().max(1).min(waiting.deliveries.len());
        let batch = waiting.deliveries.drain(..many).collect();
        waiting.called = !waiting.deliveries.is_empty();
        let is_called = waiting.called;
        drop(waiting);
        if is_called {
            self.call(means);
        }
        batch
    }

    /// The transaction could not even begin: that is what everybody is told who waits.
    fn refuse(&self, error: &QueueError) {
        let waiting = {
            let mut waiting = locked(&self.waiting);
            waiting.called = false;
            std::mem::take(&mut waiting.deliveries)
        };
        for delivery in waiting {
            delivery.tell(Err(error.clone()));
        }
    }
}

impl Delivery {
    fn tell(self, result: Result<Effect, QueueError>) {
        // A caller who went away no longer wants the answer.
        let _ = self.answer.send(result);
    }
}

/// Sets aside those of a batch that give their leads a first job, and unless they are to stay there stores what they lead to. `None`
/// for the others, for which nothing is done.
async fn receive(
    conn: &mut Conn,
    means: &Means,
    batch: &[Wanted],
    stay: bool,
) -> Result<Vec<Option<Effect>>, QueueError> {
    let firsts: Vec<&Arrival> = firsts_of(batch).collect();
    let aside = arrivals::set_aside(conn, &firsts).await?;
    let firsts: Vec<&Arrival> = firsts
        .into_iter()
        .filter(|first| aside.contains(&first.job.job_id))
        .collect();
    if !stay && !firsts.is_empty() {
        arrivals::store_these(conn, &means.queue, &firsts).await?;
    }
    Ok(batch
        .iter()
        .map(|(arrived, first)| match &arrived.said {
            Ok(said) if aside.contains(&first.job.job_id) => {
                Some(Effect::of(said, &first.requested()))
            }
            _ => None,
        })
        .collect())
}

/// Those that are the first of their leads and keys in the batch.
fn firsts_of(batch: &[Wanted]) -> impl Iterator<Item = &Arrival> {
    let (mut leads, mut keys) = (HashSet::new(), HashSet::new());
    batch
        .iter()
        .map(|(_, first)| first.as_ref())
        .filter(move |first| {
            let is_new_lead = leads.insert(first.job.vtiger_lead_id.as_str());
            keys.insert(first.delivery.dedup_key.as_str()) && is_new_lead
        })
}

async fn nothing_waits(means: &Means) -> bool {
    let waiting = async { lead_arrivals::longest(&mut means.db.read().await?, 1).await };
    // A store that does not answer is told of by everybody else; whoever leads looks again.
    waiting.await.is_ok_and(|waiting| waiting.is_empty())
}

/// Tells everybody what came of the batch, and takes in by itself what could not go together: of each lead in the order in which it
/// came.
async fn settle(
    means: &Means,
    batch: Vec<Delivery>,
    written: Result<Vec<Option<Effect>>, QueueError>,
) {
    let effects = match written {
        Ok(effects) => effects,
        // Doing it again would do it twice, or is no use.
        Err(error @ QueueError::Db(DbError::OutcomeUnknown | DbError::Closed)) => {
            for delivery in batch {
                delivery.tell(Err(error.clone()));
            }
            return;
        }
        Err(error) => {
            tracing::warn!(%error, deliveries = batch.len(), "deliveries of leads could not be stored together; each is stored by itself");
            vec![None; batch.len()]
        }
    };
    let mut apart: Vec<Delivery> = Vec::new();
    for (delivery, effect) in batch.into_iter().zip(effects) {
        match effect {
            Some(effect) => delivery.tell(Ok(effect)),
            None => apart.push(delivery),
        }
    }
    // Processes that were sent the same leads wait for each other's rows. In one order, nobody waits in a circle.
    apart.sort_by(|one, other| lead(one).cmp(lead(other)));
    let apart = apart.into_iter().map(async |delivery| {
        let taken = take_in_singly(means, delivery.wanted.0.clone()).await;
        delivery.tell(taken);
    });
    join_all(apart).await;
}

fn lead(delivery: &Delivery) -> &str {
    &delivery.wanted.1.job.vtiger_lead_id
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
