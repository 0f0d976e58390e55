use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::OperationId;

/// Carries the hint that there is something to claim. A lost, repeated or late hint changes nothing but the delay, because the
/// row is the truth and workers look from time to time anyway.
pub trait Waker: Send + Sync {
    /// Called after the commit that stored the operation or made it due; `None`: something else changed, so it is worth
    /// looking (a kind was resumed, a breaker closed). Must not block.
    fn wake(&self, id: Option<OperationId>);

    /// Waits for a hint. A hint given while nobody waited ends the next wait at once.
    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Wakes the workers of this process.
#[derive(Debug, Clone, Default)]
pub struct NotifyWaker(Arc<Notify>);

impl Waker for NotifyWaker {
    fn wake(&self, _id: Option<OperationId>) {
        self.0.notify_one();
    }

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.0.notified())
    }
}

/// Wakes nobody: workers find everything by looking.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWaker;

impl Waker for NoWaker {
    fn wake(&self, _id: Option<OperationId>) {}

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}
