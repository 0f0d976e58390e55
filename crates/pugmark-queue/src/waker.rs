use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::{OperationId, OperationRecord, Priority};

/// What there may be to claim now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The kind of operation.
    pub kind: String,
    /// The operation; `None`: some of that kind.
    pub operation: Option<OperationId>,
    /// Its priority.
    pub priority: Priority,
    /// The request it answers, as far as that is known.
    pub correlation_id: Option<String>,
}

impl Hint {
    /// Some operation of `kind` may be claimed.
    pub fn some(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            operation: None,
            priority: Priority::default(),
            correlation_id: None,
        }
    }
}

impl From<&OperationRecord> for Hint {
    fn from(row: &OperationRecord) -> Self {
        Self {
            kind: row.kind.clone(),
            operation: Some(row.id),
            priority: row.priority,
            correlation_id: Some(row.correlation_id.clone()),
        }
    }
}

/// Carries the hint that there is something to claim. A lost, repeated or late hint changes nothing but the delay, because the
/// row is the truth and workers look from time to time anyway.
pub trait Waker: Send + Sync {
    /// Called after the commit that stored the operation or made it due; `None`: something else changed, so it is worth
    /// looking in this process (a breaker closed). Must not block.
    fn wake(&self, hint: Option<Hint>);

    /// Waits for a hint. A hint given while nobody waited ends the next wait at once.
    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// A worker is about to look for something to claim. Gives a mark that stands for the hints given until now.
    fn looking(&self) -> u64 {
        0
    }

    /// The look that began at this mark is committed: whatever the hints before it told of was seen.
    fn looked(&self, _mark: u64) {}
}

/// Wakes the workers of this process.
#[derive(Debug, Clone, Default)]
pub struct NotifyWaker(Arc<Notify>);

impl Waker for NotifyWaker {
    fn wake(&self, _hint: Option<Hint>) {
        self.0.notify_one();
    }

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.0.notified())
    }
}

/// Wakes every worker of a team that shares a queue in this process. Each has a waker of its own, because a hint that one of them
/// takes would be lost to the others.
#[derive(Debug, Clone)]
pub struct TeamWaker {
    mine: Arc<Notify>,
    all: Arc<[Arc<Notify>]>,
}

impl TeamWaker {
    /// Wakers for two workers.
    pub fn pair() -> [Arc<dyn Waker>; 2] {
        let each: [Arc<Notify>; 2] = std::array::from_fn(|_| Arc::default());
        let all: Arc<[Arc<Notify>]> = Arc::from(each.to_vec());
        each.map(|mine| {
            Arc::new(TeamWaker {
                mine,
                all: all.clone(),
            }) as Arc<dyn Waker>
        })
    }
}

impl Waker for TeamWaker {
    fn wake(&self, _hint: Option<Hint>) {
        self.all.iter().for_each(|one| one.notify_one());
    }

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.mine.notified())
    }
}

/// Wakes nobody: workers find everything by looking.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWaker;

impl Waker for NoWaker {
    fn wake(&self, _hint: Option<Hint>) {}

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_hint_reaches_every_worker_of_a_team_whoever_gave_it() {
        let [one, other] = TeamWaker::pair();
        for giver in [&one, &other] {
            giver.wake(None);
            assert!(one.woken().now_or_never().is_some());
            assert!(other.woken().now_or_never().is_some());
            assert!(other.woken().now_or_never().is_none(), "once each");
        }
    }
}
