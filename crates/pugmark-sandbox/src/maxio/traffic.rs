//! How many calls are in progress, who waits for his turn, and gates at which tests hold calls.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::journal::Moment;

/// The calls of a site at a moment, and what was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxioTraffic {
    /// Calls that arrived and are not answered yet, those among them that wait for their turn.
    pub in_progress: usize,
    /// The most calls that were ever in progress at once.
    pub most_in_progress: usize,
    /// Calls that wait for their turn, because as many as the limit are being worked on.
    pub queued: usize,
    /// How many calls ever had to wait for their turn.
    pub ever_queued: u64,
}

/// The site's limit of calls that are worked on at once, and the tests' gates.
#[derive(Debug)]
pub(super) struct Traffic {
    seen: watch::Sender<MaxioTraffic>,
    turns: Arc<Semaphore>,
    gates: Arc<Mutex<Vec<Arc<Barrier>>>>,
}

/// A call in progress; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    traffic: Arc<Traffic>,
    turn: OnceLock<OwnedSemaphorePermit>,
}

impl Traffic {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            seen: watch::Sender::new(MaxioTraffic::default()),
            turns: Arc::new(Semaphore::new(limit)),
            gates: Arc::default(),
        }
    }

    pub(super) fn seen(&self) -> MaxioTraffic {
        *self.seen.borrow()
    }

    /// A call arrived.
    pub(super) fn arrive(self: &Arc<Self>) -> Slot {
        self.seen.send_modify(|seen| {
            seen.in_progress += 1;
            seen.most_in_progress = seen.most_in_progress.max(seen.in_progress);
        });
        Slot {
            traffic: Arc::clone(self),
            turn: OnceLock::new(),
        }
    }

    /// Waits until the condition holds; says whether it came to hold in time.
    pub(super) async fn wait_until(
        &self,
        condition: impl FnMut(&MaxioTraffic) -> bool,
        timeout: Duration,
    ) -> bool {
        let mut seen = self.seen.subscribe();
        let wait = seen.wait_for(condition);
        tokio::time::timeout(timeout, wait).await.is_ok()
    }

    /// Sets up a gate for calls of this operation, or of all when it is empty.
    pub(super) fn gate(&self, operation: &str, moment: Moment) -> MaxioGate {
        let barrier = Arc::new(Barrier {
            operation: operation.to_owned(),
            moment,
            passes: Semaphore::new(0),
            held: watch::Sender::new(0),
        });
        lock(&self.gates).push(Arc::clone(&barrier));
        MaxioGate {
            barrier,
            gates: Arc::clone(&self.gates),
        }
    }

    /// Holds the call at every gate that is meant for it.
    pub(super) async fn pass_gates(&self, operation: &str, moment: Moment) {
        let meant = |barrier: &&Arc<Barrier>| {
            barrier.moment == moment
                && (barrier.operation.is_empty() || barrier.operation == operation)
        };
        let barriers: Vec<_> = lock(&self.gates).iter().filter(meant).cloned().collect();
        for barrier in barriers {
            barrier.pass().await;
        }
    }
}

impl Slot {
    /// Waits for the call's turn; says whether it had to wait.
    pub(super) async fn take_turn(&self) -> bool {
        let turns = &self.traffic.turns;
        let (turn, waited) = match Arc::clone(turns).try_acquire_owned() {
            Ok(turn) => (Some(turn), false),
            Err(_) => {
                self.traffic.seen.send_modify(|seen| {
                    seen.queued += 1;
                    seen.ever_queued += 1;
                });
                let turn = Arc::clone(turns).acquire_owned().await;
                self.traffic.seen.send_modify(|seen| seen.queued -= 1);
                // Nobody ever closes it.
                (turn.ok(), true)
            }
        };
        if let Some(turn) = turn {
            let _ = self.turn.set(turn);
        }
        waited
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The turn first: who sees the count go down finds the place free.
        drop(self.turn.take());
        self.traffic.seen.send_modify(|seen| seen.in_progress -= 1);
    }
}

#[derive(Debug)]
struct Barrier {
    operation: String,
    moment: Moment,
    passes: Semaphore,
    held: watch::Sender<usize>,
}

impl Barrier {
    async fn pass(&self) {
        self.held.send_modify(|held| *held += 1);
        // Closed means open to all.
        if let Ok(pass) = self.passes.acquire().await {
            pass.forget();
        }
        self.held.send_modify(|held| *held -= 1);
    }
}

/// Holds calls until they are let pass. A call that is held is in progress and keeps its turn. Dropping the gate opens it.
#[derive(Debug)]
pub struct MaxioGate {
    barrier: Arc<Barrier>,
    gates: Arc<Mutex<Vec<Arc<Barrier>>>>,
}

impl MaxioGate {
    /// How many calls are held.
    pub fn held(&self) -> usize {
        *self.barrier.held.borrow()
    }

    /// Waits until so many calls or more are held; says whether that came about in time.
    pub async fn wait_until_held(&self, calls: usize, timeout: Duration) -> bool {
        let mut held = self.barrier.held.subscribe();
        let wait = held.wait_for(|held| *held >= calls);
        tokio::time::timeout(timeout, wait).await.is_ok()
    }

    /// Lets so many calls pass, those held or those that come next.
    pub fn release(&self, calls: usize) {
        self.barrier.passes.add_permits(calls);
    }

    /// Takes the gate away: everybody passes.
    pub fn open(self) {}
}

impl Drop for MaxioGate {
    fn drop(&mut self) {
        lock(&self.gates).retain(|barrier| !Arc::ptr_eq(barrier, &self.barrier));
        self.barrier.passes.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
