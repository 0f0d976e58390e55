//! Claims operations, has them carried out, and records what came of it.

mod attempt;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::QueueError;
use crate::db::Conn;
use crate::queue::{AttemptReport, ClaimRequest, Claimed, Queue, Release};
pub use attempt::ATTEMPT;
use attempt::Attempt;

/// Carries out one kind of operation.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Makes one attempt. Before each call to another system it checks that the call's timeout fits into
    /// [`Claimed::time_left`]. If it panics, the outcome is taken for unknown.
    async fn run(&self, operation: &Claimed) -> Handled;
}

/// What an attempt came to.
pub enum Handled {
    /// The operation is done.
    Done {
        /// Kept with the operation.
        outcome: Value,
        /// Kept with the attempt.
        report: AttemptReport,
        /// Stored in the same transaction.
        effects: Option<Effects>,
    },
    /// It is not.
    Release {
        /// Why.
        why: Release,
        /// Kept with the attempt.
        report: AttemptReport,
        /// Stored in the same transaction.
        effects: Option<Effects>,
    },
}

type Apply = dyn for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<(), QueueError>> + Send + Sync;

/// Changes that belong to the end of an attempt and are committed with it, or not at all. May be called more than once, when a
/// commit failed and is repeated, but takes effect once.
#[derive(Clone)]
pub struct Effects(Arc<Apply>);

impl Effects {
    /// Effects made by `apply`, which runs inside the transaction.
    pub fn new<F>(apply: F) -> Self
    where
        F: for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<(), QueueError>>
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(apply))
    }

    /// Makes the changes now, for an attempt that commits a part of its work before its end.
    ///
    /// # Errors
    /// Those of `apply`.
    pub async fn apply(&self, conn: &mut Conn) -> Result<(), QueueError> {
        (self.0)(conn).await
    }
}

/// Says which kinds must not be claimed now, for instance because a breaker is open: their operations wait without burning
/// retries. When it changes its mind, [`Waker::wake`](crate::Waker::wake) spares the worker the wait for its next look.
pub trait Gate: Send + Sync {
    /// The kinds to leave alone.
    fn held_back(&self) -> Vec<String>;
}

/// Holds nothing back.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn held_back(&self) -> Vec<String> {
        Vec::new()
    }
}

/// How a [`Worker`] works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Names the worker in leases and attempts; unique among those that are running.
    pub owner: String,
    /// Operations carried out at the same time.
    pub concurrency: usize,
    /// The most operations claimed at once.
    pub batch: u32,
    /// Length of a lease; renewed after each third of it.
    pub lease: Duration,
    /// The worker looks for work at least this often, woken or not.
    pub poll: Duration,
    /// It looks for leases that ran out this often.
    pub sweep: Duration,
    /// How long running handlers may go on after the worker was told to stop.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            owner: format!("{}-{}", std::process::id(), uuid::Uuid::now_v7().simple()),
            concurrency: 8,
            batch: 32,
            lease: Duration::from_secs(120),
            poll: Duration::from_secs(5),
            sweep: Duration::from_secs(10),
            grace: Duration::from_secs(30),
        }
    }
}

/// Carries out the operations of the kinds it has handlers for.
pub struct Worker {
    queue: Queue,
    handlers: HashMap<String, Arc<dyn Handler>>,
    gate: Arc<dyn Gate>,
    options: WorkerOptions,
}

/// A worker that runs.
struct Running {
    worker: Worker,
    kinds: Vec<String>,
    stop: CancellationToken,
    grace_over: CancellationToken,
    attempts: JoinSet<()>,
    next_sweep: Instant,
    /// There may be something to claim.
    hungry: bool,
    /// When the next operation is due, as far as was known after the last claim; `None`: not asked yet.
    alarm: Option<Instant>,
}

impl Worker {
    /// A worker that claims only kinds that `handlers` has.
    pub fn new(
        queue: Queue,
        handlers: HashMap<String, Arc<dyn Handler>>,
        gate: Arc<dyn Gate>,
        options: WorkerOptions,
    ) -> Self {
        Self {
            queue,
            handlers,
            gate,
            options,
        }
    }

    /// Works until `stop` is cancelled; then claims nothing more, lets running handlers finish within the grace period and hands
    /// back what has not begun. A handler that outlasts the grace period is dropped, its outcome unknown.
    pub async fn run(self, stop: CancellationToken) {
        let kinds = self.handlers.keys().cloned().collect();
        let mut running = Running {
            worker: self,
            kinds,
            stop,
            grace_over: CancellationToken::new(),
            attempts: JoinSet::new(),
            next_sweep: Instant::now(),
            hungry: true,
            alarm: None,
        };
        while !running.stop.is_cancelled() {
            running.turn().await;
        }
        running.finish().await;
    }
}

/// When work is due that could not be claimed, it is being looked at by someone else: no reason to spin.
const SHORTEST_NAP: Duration = Duration::from_millis(50);

impl Running {
    async fn turn(&mut self) {
        if self.next_sweep <= Instant::now() {
            self.sweep().await;
        }
        let free = self
            .worker
            .options
            .concurrency
            .saturating_sub(self.attempts.len());
        if self.hungry && free > 0 {
            self.claim(free).await;
        }
        if !(self.hungry && self.attempts.len() < self.worker.options.concurrency) {
            let until = self.quiet_until().await;
            self.wait(until).await;
        }
    }

    async fn sweep(&mut self) {
        if let Err(error) = self.worker.queue.reclaim_expired().await {
            tracing::warn!(%error, "the sweep for lost leases failed");
        }
        self.next_sweep = Instant::now() + self.worker.options.sweep;
    }

    async fn claim(&mut self, free: usize) {
        let limit = u32::try_from(free)
            .unwrap_or(u32::MAX)
            .min(self.worker.options.batch.max(1));
        let request = ClaimRequest {
            owner: self.worker.options.owner.clone(),
            limit,
            lease: self.worker.options.lease,
            held_back: self.worker.gate.held_back(),
            only: Some(self.kinds.clone()),
        };
        self.alarm = None;
        let waker = self.worker.queue.waker().clone();
        let mark = waker.looking();
        match self.worker.queue.claim(request).await {
            Ok(claimed) => {
                waker.looked(mark);
                // A full batch means that there may be more.
                self.hungry = claimed.len() >= limit as usize;
                claimed
                    .into_iter()
                    .for_each(|operation| self.begin(operation));
            }
            Err(error) => {
                tracing::warn!(%error, "nothing could be claimed");
                self.hungry = false;
            }
        }
    }

    fn begin(&mut self, operation: Claimed) {
        let Some(handler) = self.worker.handlers.get(&operation.kind) else {
            // The claim asked for the kinds of the handlers alone.
            tracing::error!(
                kind = operation.kind,
                "claimed a kind that has no handler; its lease will run out"
            );
            return;
        };
        let span = attempt::span(&operation);
        let attempt = Attempt {
            queue: self.worker.queue.clone(),
            handler: handler.clone(),
            operation,
            lease: self.worker.options.lease,
            stop: self.stop.clone(),
            grace_over: self.grace_over.clone(),
        };
        self.attempts.spawn(attempt.run().instrument(span));
    }

    /// Until when there is nothing to do unless something happens.
    async fn quiet_until(&mut self) -> Instant {
        if self.attempts.len() >= self.worker.options.concurrency {
            return self.next_sweep;
        }
        let alarm = match self.alarm {
            Some(alarm) => alarm,
            None => self.set_alarm().await,
        };
        alarm.min(self.next_sweep)
    }

    async fn set_alarm(&mut self) -> Instant {
        let poll = self.worker.options.poll;
        let wait = match self.until_due().await {
            Ok(due) => due.map_or(poll, |wait| wait.max(SHORTEST_NAP).min(poll)),
            Err(error) => {
                tracing::debug!(%error, "cannot ask when the next operation is due");
                poll
            }
        };
        let alarm = Instant::now() + wait;
        self.alarm = Some(alarm);
        alarm
    }

    async fn until_due(&self) -> Result<Option<Duration>, QueueError> {
        let queue = &self.worker.queue;
        let mut conn = queue.db().read().await?;
        let due = queue
            .next_due(&mut conn, &self.worker.gate.held_back(), Some(&self.kinds))
            .await?;
        let Some(due) = due else { return Ok(None) };
        Ok(Some(due.since(queue.now(&mut conn).await?)))
    }

    async fn wait(&mut self, until: Instant) {
        let waker = self.worker.queue.waker().clone();
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = waker.woken() => self.hungry = true,
            () = tokio::time::sleep_until(until) => self.hungry = true,
            Some(ended) = self.attempts.join_next(), if !self.attempts.is_empty() => report_abnormal(ended),
        }
        while let Some(ended) = self.attempts.try_join_next() {
            report_abnormal(ended);
        }
    }

    async fn finish(mut self) {
        let deadline = Instant::now() + self.worker.options.grace;
        while !self.attempts.is_empty() {
            match tokio::time::timeout_at(deadline, self.attempts.join_next()).await {
                Ok(Some(ended)) => report_abnormal(ended),
                Ok(None) => return,
                Err(_) => break,
            }
        }
        self.grace_over.cancel();
        while let Some(ended) = self.attempts.join_next().await {
            report_abnormal(ended);
        }
    }
}

fn report_abnormal(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an attempt ended abnormally; its lease will run out");
    }
}
