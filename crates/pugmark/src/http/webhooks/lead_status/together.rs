//! Taking many deliveries in at once. What arrives while a commit is under way goes into the next one as one member, with one
//! statement for each table, instead of one member and nine statements for each delivery.
//!
//! Together go deliveries that give a lead its first job. Everything else is taken in by itself, in the way that this one must not
//! differ from: leads that have a job already, leads and keys that come twice in a batch, ids of senders that came before, and all
//! of a batch that failed as a whole, so that one bad delivery harms no other.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Conn, DbError};
use tokio::sync::oneshot;

use super::arrived::{Arrived, Means, take_in_singly};
use super::effect::Effect;
use crate::flows::onboarding::request::{Prepared, start_many};
use crate::store::webhook_deliveries::{self, Coming};

/// Most deliveries of a batch.
const MOST: usize = 256;
/// Most bytes of their bodies: a batch is one text on its way to the database.
const MOST_BYTES: usize = 4 << 20;

/// A delivery, and the job that it calls for if its lead has none.
type Wanted = (Arc<Arrived>, Arc<Prepared>);

/// A delivery that somebody waits for.
struct Delivery {
    wanted: Wanted,
    answer: oneshot::Sender<Result<Effect, QueueError>>,
}

/// Deliveries that wait for the store.
#[derive(Default)]
pub struct Together(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    deliveries: VecDeque<Delivery>,
    /// A member of the group commit is on its way that will take them.
    called: bool,
}

impl Together {
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
        let Some(first) = arrived.first_job(means)? else {
            return take_in_singly(means, arrived).await;
        };
        let (answer, told) = oneshot::channel();
        let is_called = {
            let mut waiting = locked(&self.0);
            waiting.deliveries.push_back(Delivery {
                wanted: (arrived, Arc::new(first)),
                answer,
            });
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
                store(conn, &shared, &wanted).await
            })
        });
        let (this, means) = (self.clone(), means.clone());
        // A task of its own, because whoever called may go away, and the others want their answers.
        tokio::spawn(async move {
            let written = written.await;
            let taken = locked(&taken).take();
            match (taken, written) {
                (Some(batch), written) => settle(&means, batch, written).await,
                (None, Err(error)) => this.refuse(&error),
                // Nothing is written that was not taken before.
                (None, Ok(_)) => {}
            }
        });
    }

    /// The next batch. For what it leaves another member is called.
    fn take(self: &Arc<Self>, means: &Means) -> Vec<Delivery> {
        let mut waiting = locked(&self.0);
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
            let mut waiting = locked(&self.0);
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

/// Stores those of a batch that give their leads a first job. `None` for the others, for which nothing is done.
async fn store(
    conn: &mut Conn,
    means: &Means,
    batch: &[Wanted],
) -> Result<Vec<Option<Effect>>, QueueError> {
    let mut effects: Vec<Option<Effect>> = vec![None; batch.len()];
    let firsts = firsts_of(conn, batch).await?;
    if firsts.is_empty() {
        return Ok(effects);
    }
    let jobs: Vec<&Prepared> = firsts.iter().map(|at| batch[*at].1.as_ref()).collect();
    let requested = start_many(conn, &means.queue, &jobs).await?;
    for (at, requested) in firsts.into_iter().zip(requested) {
        if let (Some(requested), Ok(said)) = (requested, &batch[at].0.said) {
            effects[at] = Some(Effect::of(said, &requested));
        }
    }
    let coming: Vec<Coming<'_>> = batch
        .iter()
        .zip(&effects)
        .filter_map(|((arrived, _), effect)| {
            Some(Coming {
                new: &arrived.new,
                became: &effect.as_ref()?.became,
                replaces: !arrived.has_id,
            })
        })
        .collect();
    if !coming.is_empty() {
        webhook_deliveries::insert_many(conn, &coming).await?;
    }
    Ok(effects)
}

/// The places of those that are the first of their leads and keys in the batch, and whose sender's id did not come before.
async fn firsts_of(conn: &mut Conn, batch: &[Wanted]) -> Result<Vec<usize>, QueueError> {
    let (mut leads, mut keys) = (HashSet::new(), HashSet::new());
    let mut firsts: Vec<usize> = Vec::with_capacity(batch.len());
    for (at, (arrived, first)) in batch.iter().enumerate() {
        let is_new_lead = leads.insert(first.lead());
        if keys.insert(arrived.new.dedup_key.as_str()) && is_new_lead {
            firsts.push(at);
        }
    }
    let with_id = firsts.iter().map(|at| &batch[*at].0);
    let ids: Vec<&str> = with_id
        .filter(|arrived| arrived.has_id)
        .map(|arrived| arrived.new.dedup_key.as_str())
        .collect();
    let taken = webhook_deliveries::taken_keys(conn, &ids).await?;
    firsts.retain(|at| {
        let arrived = &batch[*at].0;
        !arrived.has_id || !taken.contains(&arrived.new.dedup_key)
    });
    Ok(firsts)
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
    apart.sort_by(|one, other| one.wanted.1.lead().cmp(other.wanted.1.lead()));
    let apart = apart.into_iter().map(async |delivery| {
        let taken = take_in_singly(means, delivery.wanted.0.clone()).await;
        delivery.tell(taken);
    });
    join_all(apart).await;
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
