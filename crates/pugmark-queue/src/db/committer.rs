//! Commits in groups: whatever waits when the last commit ends goes into the next one.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::{Conn, Counters, DbError, DbOptions, Pools};

/// Work that waits for its group.
pub(super) trait Member: Send {
    fn label(&self) -> &'static str;
    fn run<'c>(self: Box<Self>, conn: &'c mut Conn) -> BoxFuture<'c, Box<dyn Outcome>>;
    fn refuse(self: Box<Self>, error: DbError);
}

/// What a member came to; told to its caller once the fate of the group is known.
pub(super) trait Outcome: Send {
    fn succeeded(&self) -> bool;
    fn deliver(self: Box<Self>, commit: Result<(), DbError>);
}

type Answer<T, E> = oneshot::Sender<Result<T, E>>;

struct Task<F, T, E> {
    label: &'static str,
    timeout: Duration,
    work: F,
    answer: Answer<T, E>,
}

struct Done<T, E> {
    result: Result<T, E>,
    answer: Answer<T, E>,
}

pub(super) fn member<T, E, F>(
    label: &'static str,
    timeout: Duration,
    work: F,
) -> (Box<dyn Member>, oneshot::Receiver<Result<T, E>>)
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    E: From<DbError> + Send + 'static,
    T: Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    (
        Box::new(Task {
            label,
            timeout,
            work,
            answer,
        }),
        receiver,
    )
}

impl<T, E, F> Member for Task<F, T, E>
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    E: From<DbError> + Send + 'static,
    T: Send + 'static,
{
    fn label(&self) -> &'static str {
        self.label
    }

    fn run<'c>(self: Box<Self>, conn: &'c mut Conn) -> BoxFuture<'c, Box<dyn Outcome>> {
        let Self {
            label,
            timeout,
            work,
            answer,
        } = *self;
        async move {
            // The closure itself may panic too, before it has made its future.
            let work = AssertUnwindSafe(async move { work(conn).await }).catch_unwind();
            let result = match tokio::time::timeout(timeout, work).await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => {
                    tracing::error!(
                        label,
                        panic = panic_text(panic.as_ref()),
                        "a member of a group commit panicked"
                    );
                    Err(E::from(DbError::Panicked { label }))
                }
                Err(elapsed) => Err(E::from(elapsed.into())),
            };
            Box::new(Done { result, answer }) as Box<dyn Outcome>
        }
        .boxed()
    }

    fn refuse(self: Box<Self>, error: DbError) {
        // A caller who went away no longer wants the answer.
        let _ = self.answer.send(Err(E::from(error)));
    }
}

impl<T, E> Outcome for Done<T, E>
where
    E: From<DbError> + Send + 'static,
    T: Send + 'static,
{
    fn succeeded(&self) -> bool {
        self.result.is_ok()
    }

    fn deliver(self: Box<Self>, commit: Result<(), DbError>) {
        let result = match (self.result, commit) {
            (Ok(value), Ok(())) => Ok(value),
            (Err(own), _) => Err(own),
            (Ok(_), Err(error)) => Err(E::from(error)),
        };
        let _ = self.answer.send(result);
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}

/// Where the committers take their members from.
#[derive(Clone)]
pub(super) struct Source {
    receiver: Arc<Mutex<mpsc::UnboundedReceiver<Box<dyn Member>>>>,
    group_size: usize,
}

impl Source {
    pub(super) fn new(
        receiver: mpsc::UnboundedReceiver<Box<dyn Member>>,
        group_size: usize,
    ) -> Self {
        Self {
            receiver: Arc::new(Mutex::new(receiver)),
            group_size: group_size.max(1),
        }
    }

    /// Waits for a member and takes all that wait with it; `None` when the handle was closed and nothing waits.
    async fn next_group(&self) -> Option<VecDeque<Box<dyn Member>>> {
        let mut receiver = self.receiver.lock().await;
        let mut group = VecDeque::from([receiver.recv().await?]);
        while group.len() < self.group_size {
            match receiver.try_recv() {
                Ok(member) => group.push_back(member),
                Err(_) => break,
            }
        }
        Some(group)
    }
}

pub(super) struct Committer {
    pools: Pools,
    options: DbOptions,
    source: Source,
    counters: Arc<Counters>,
    /// Begins a transaction.
    begin: String,
    conn: Option<Conn>,
}

/// The members of a group that ran well, and what is to be done once they are committed.
#[derive(Default)]
struct Ready {
    outcomes: Vec<Box<dyn Outcome>>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

impl Ready {
    fn deliver(self, commit: &Result<(), DbError>) {
        for outcome in self.outcomes {
            outcome.deliver(commit.clone());
        }
        if commit.is_ok() || matches!(commit, Err(DbError::OutcomeUnknown)) {
            self.after_commit.into_iter().for_each(|action| action());
        }
    }
}

impl Committer {
    pub(super) fn new(
        pools: Pools,
        options: DbOptions,
        source: Source,
        counters: Arc<Counters>,
    ) -> Self {
        let begin = match &pools {
            Pools::Sqlite { .. } => "BEGIN IMMEDIATE".to_owned(),
            Pools::Postgres { pooled: false, .. } => "BEGIN".to_owned(),
            Pools::Postgres { pooled: true, .. } => options.begin_pooled(),
        };
        Self {
            pools,
            options,
            source,
            counters,
            begin,
            conn: None,
        }
    }

    pub(super) async fn run(mut self) {
        while let Some(mut members) = self.source.next_group().await {
            while !members.is_empty() {
                self.commit_group(&mut members).await;
            }
        }
    }

    /// Runs and commits one group. Members that a broken transaction left unstarted stay in `members` for the next one.
    async fn commit_group(&mut self, members: &mut VecDeque<Box<dyn Member>>) {
        let mut conn = match self.begin().await {
            Ok(conn) => conn,
            Err(error) => {
                tracing::warn!(%error, members = members.len(), "a group commit could not begin");
                members
                    .drain(..)
                    .for_each(|member| member.refuse(error.clone()));
                return;
            }
        };
        let mut ready = Ready::default();
        while let Some(member) = members.pop_front() {
            let label = member.label();
            let last = members.is_empty();
            if let Err(error) = run_member(&mut conn, member, last, &mut ready).await {
                tracing::warn!(%error, label, "the transaction of a group is broken and was given up");
                conn.discard();
                ready.deliver(&Err(DbError::RolledBack));
                return;
            }
        }
        let committed = end_transaction(&mut conn, ready.outcomes.len()).await;
        match &committed {
            Ok(()) => {
                if !ready.outcomes.is_empty() {
                    self.counters.committed(ready.outcomes.len());
                }
                self.conn = Some(conn);
            }
            Err(error) => {
                tracing::warn!(%error, members = ready.outcomes.len(), "a group commit failed");
                conn.discard();
            }
        }
        ready.deliver(&committed);
    }

    /// A transaction on the kept connection; if that has died meanwhile, on a new one.
    async fn begin(&mut self) -> Result<Conn, DbError> {
        if let Some(mut kept) = self.conn.take() {
            match begin_on(&mut kept, &self.begin).await {
                Ok(()) => return Ok(kept),
                Err(error) => {
                    tracing::info!(%error, "the committer opens a new connection");
                    kept.discard();
                }
            }
        }
        let mut fresh = self.connect().await?;
        match begin_on(&mut fresh, &self.begin).await {
            Ok(()) => Ok(fresh),
            Err(error) => {
                fresh.discard();
                Err(error)
            }
        }
    }

    async fn connect(&mut self) -> Result<Conn, DbError> {
        let wait = self.options.acquire_timeout;
        match &self.pools {
            Pools::Sqlite { writer, .. } => Ok(Conn::sqlite(
                tokio::time::timeout(wait, writer.acquire()).await??,
            )),
            Pools::Postgres { committers, .. } => Ok(Conn::postgres(
                tokio::time::timeout(wait, committers.acquire()).await??,
            )),
        }
    }
}

/// Begins the transaction and opens the first member's savepoint, in one round trip.
async fn begin_on(conn: &mut Conn, begin: &str) -> Result<(), DbError> {
    conn.script_of(format!("{begin}; SAVEPOINT member")).await
}

async fn end_transaction(conn: &mut Conn, members: usize) -> Result<(), DbError> {
    if members == 0 {
        return conn.script("ROLLBACK").await;
    }
    conn.script("COMMIT")
        .await
        .map_err(DbError::while_committing)
}

/// Runs one member inside the open savepoint and, unless it is the last, leaves one open for the next: a round trip of its
/// own for each RELEASE and SAVEPOINT would cost as much as the member's own statements. `Err` means that the transaction
/// itself is beyond repair.
async fn run_member(
    conn: &mut Conn,
    member: Box<dyn Member>,
    last: bool,
    ready: &mut Ready,
) -> Result<(), DbError> {
    let outcome = member.run(conn).await;
    let after_commit = conn.take_after_commit();
    if !outcome.succeeded() {
        let undone = undo(conn).await;
        outcome.deliver(Ok(()));
        return undone;
    }
    let keep = if last {
        "RELEASE SAVEPOINT member"
    } else {
        "RELEASE SAVEPOINT member; SAVEPOINT member"
    };
    // A member that swallowed an SQL error is found out here: PostgreSQL does not release a savepoint of a failed transaction.
    if let Err(error) = conn.script(keep).await {
        let undone = undo(conn).await;
        outcome.deliver(Err(error));
        return undone;
    }
    ready.outcomes.push(outcome);
    ready.after_commit.extend(after_commit);
    Ok(())
}

/// Takes back what the member did. Its savepoint stays open, empty, for the next one.
async fn undo(conn: &mut Conn) -> Result<(), DbError> {
    conn.script("ROLLBACK TO SAVEPOINT member").await
}
