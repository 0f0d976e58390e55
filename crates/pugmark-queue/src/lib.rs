//! A durable operation queue on SQLite or PostgreSQL.
//!
//! An [operation](NewOperation) is a row that is written in the transaction of the change that caused it, and is then carried out,
//! one at a time per [lane](NewOperation::lane) and in order, by whichever [`Worker`] claims it. The row is the truth; wake-ups
//! are hints, inside this process or, through a [`broker`] or [`Notifications`], between processes. The queue knows nothing of what its operations do.
//!
//! Time: leases, backoff and due times are judged by the clock of the database (on SQLite that is this host's, on PostgreSQL the
//! server's), so that a worker host with a wrong wall clock breaks no lease. A [`Clock`](db::Clock) in [`QueueOptions`] replaces
//! it in tests.

pub mod broker;
pub mod db;
mod error;
mod notifications;
mod operation;
mod policy;
mod queue;
mod seal;
#[cfg(feature = "testing")]
pub mod testing;
mod waker;
mod worker;

pub use error::QueueError;
pub use notifications::Notifications;
pub use operation::{
    AttemptRecord, Enqueued, NewOperation, NotBefore, Operation, OperationId, OperationRecord,
    Priority, Status,
};
pub use policy::{KindPolicy, Policies};
pub use queue::{
    AttemptReport, BulkFilter, ClaimRequest, Claimed, Count, Cursor, DeadGroup, Due, Filter, Found,
    Lease, Page, Pause, Progress, Queue, QueueOptions, Reclaimed, Release, Released, Search, Size,
    Sought, Standing, Swept, Transition, UnderWay, codes,
};
pub use seal::{SealError, Sealer};
pub use waker::{Hint, NoWaker, NotifyWaker, TeamWaker, Waker};
pub use worker::{ATTEMPT, Effects, Gate, Handled, Handler, OpenGate, Worker, WorkerOptions};
