//! From a hint in this process to a message, and from a message to a hint.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Notify, watch};

use crate::waker::{Hint, NotifyWaker, Waker};

/// So many hints wait to be published; of what is beyond them the last of each kind is kept, which is enough to have somebody
/// look.
const BACKLOG: usize = 4096;

/// Wakes this process's workers, and keeps what is to be published.
pub(super) struct Wakes {
    /// The first stands for every kind that no other one carries out.
    members: RwLock<Vec<Arc<Member>>>,
    kinds: HashSet<String>,
    outbox: Mutex<Outbox>,
    filled: Notify,
}

/// A worker of this process: it looks for some of the kinds, so only its looks count for wake-ups of those.
struct Member {
    kinds: HashSet<String>,
    local: NotifyWaker,
    /// Wake-ups that came from the broker.
    came: AtomicU64,
    /// How many of them had come when the last look that is committed began.
    looked: watch::Sender<u64>,
}

impl Member {
    fn of(kinds: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            local: NotifyWaker::default(),
            came: AtomicU64::new(0),
            looked: watch::Sender::new(0),
        })
    }
}

#[derive(Default)]
struct Outbox {
    hints: std::collections::VecDeque<Hint>,
    /// The last hint of each kind that found no place.
    last: BTreeMap<String, Hint>,
}

impl Wakes {
    pub(super) fn new(kinds: &[String]) -> Self {
        Self {
            members: RwLock::new(vec![Member::of(&[])]),
            kinds: kinds.iter().cloned().collect(),
            outbox: Mutex::default(),
            filled: Notify::new(),
        }
    }

    /// The waker of a worker that carries out these kinds, or, with none named, all that nobody else does.
    pub(super) fn waker(self: &Arc<Self>, kinds: &[&str]) -> Arc<dyn Waker> {
        let member = if kinds.is_empty() {
            self.carrying_out("")
        } else {
            let member = Member::of(kinds);
            let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
            members.push(member.clone());
            member
        };
        Arc::new(MemberWaker {
            wakes: self.clone(),
            member,
        })
    }

    fn carrying_out(&self, kind: &str) -> Arc<Member> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        let of_kind = members.iter().find(|member| member.kinds.contains(kind));
        of_kind.unwrap_or(&members[0]).clone()
    }

    /// A wake-up of this kind came. Gives the mark that a look must have reached before it may be acknowledged.
    pub(super) fn came(&self, kind: &str) -> u64 {
        let member = self.carrying_out(kind);
        // Counted before anybody is woken: a look that follows has a mark that includes it.
        let mark = member.came.fetch_add(1, Ordering::SeqCst) + 1;
        member.local.wake(None);
        mark
    }

    /// Something may have been missed: it is worth looking, for everybody.
    pub(super) fn look(&self) {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().for_each(|member| member.local.wake(None));
    }

    /// Tells up to which mark has been looked for this kind.
    pub(super) fn looks(&self, kind: &str) -> watch::Receiver<u64> {
        self.carrying_out(kind).looked.subscribe()
    }

    /// The next hint to be published.
    pub(super) async fn next(&self) -> Hint {
        loop {
            if let Some(hint) = self.pop() {
                return hint;
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<Hint> {
        let mut outbox = self.outbox();
        let hint = outbox.hints.pop_front();
        hint.or_else(|| outbox.last.pop_first().map(|(_, hint)| hint))
    }

    /// Nobody can be told now: one hint of each kind is kept for later.
    pub(super) fn fold(&self, unsent: impl IntoIterator<Item = Hint>) {
        let mut outbox = self.outbox();
        let waiting = std::mem::take(&mut outbox.hints);
        for hint in unsent.into_iter().chain(waiting) {
            outbox.last.insert(hint.kind.clone(), hint);
        }
    }

    fn publish(&self, hint: Hint) {
        if !self.kinds.contains(&hint.kind) {
            return;
        }
        {
            let mut outbox = self.outbox();
            if outbox.hints.len() < BACKLOG {
                outbox.hints.push_back(hint);
            } else {
                outbox.last.insert(hint.kind.clone(), hint);
            }
        }
        self.filled.notify_one();
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of one worker. What it is told reaches every worker of this process and the broker, and so all others.
struct MemberWaker {
    wakes: Arc<Wakes>,
    member: Arc<Member>,
}

impl Waker for MemberWaker {
    fn wake(&self, hint: Option<Hint>) {
        self.wakes.look();
        if let Some(hint) = hint {
            self.wakes.publish(hint);
        }
    }

    fn woken<'a>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.member.local.woken()
    }

    fn looking(&self) -> u64 {
        self.member.came.load(Ordering::SeqCst)
    }

    fn looked(&self, mark: u64) {
        self.member.looked.send_if_modified(|seen| {
            let further = mark > *seen;
            *seen = mark.max(*seen);
            further
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn wakes() -> Arc<Wakes> {
        Arc::new(Wakes::new(&["a".to_owned(), "b".to_owned()]))
    }

    fn count(wakes: &Wakes) -> usize {
        std::iter::from_fn(|| wakes.pop()).count()
    }

    #[test]
    fn more_hints_than_fit_cost_memory_for_one_of_each_kind() {
        let wakes = wakes();
        let waker = wakes.waker(&[]);
        for kind in ["a", "b"] {
            (0..2 * BACKLOG).for_each(|_| waker.wake(Some(Hint::some(kind))));
        }
        assert_eq!(count(&wakes), BACKLOG + 2);
    }

    #[test]
    fn what_could_not_be_said_is_said_once_for_each_kind() {
        let wakes = wakes();
        let waker = wakes.waker(&[]);
        (0..10).for_each(|_| waker.wake(Some(Hint::some("a"))));
        wakes.fold([Hint::some("b"), Hint::some("a")]);
        assert_eq!(count(&wakes), 2);
    }

    #[test]
    fn kinds_without_a_queue_are_not_published() {
        let wakes = wakes();
        wakes.waker(&[]).wake(Some(Hint::some("c")));
        assert_eq!(count(&wakes), 0);
    }

    #[test]
    fn a_look_that_began_before_a_wake_up_came_does_not_cover_it() {
        let wakes = wakes();
        let waker = wakes.waker(&[]);
        let first = wakes.came("a");
        let mark = waker.looking();
        let second = wakes.came("a");
        waker.looked(mark);
        let seen = *wakes.looks("a").borrow();
        assert!(first <= seen && second > seen);
    }

    #[test]
    fn only_the_worker_that_carries_out_the_kind_can_have_looked_for_it() {
        let wakes = wakes();
        let (everything_else, of_b) = (wakes.waker(&[]), wakes.waker(&["b"]));
        let mark = wakes.came("b");
        assert!(of_b.woken().now_or_never().is_some());
        assert!(everything_else.woken().now_or_never().is_none());
        everything_else.looked(everything_else.looking());
        assert!(*wakes.looks("b").borrow() < mark);
        of_b.looked(of_b.looking());
        assert_eq!(*wakes.looks("b").borrow(), mark);
    }

    #[test]
    fn a_hint_given_here_reaches_every_worker_of_this_process() {
        let wakes = wakes();
        let (one, other) = (wakes.waker(&[]), wakes.waker(&["b"]));
        one.wake(None);
        assert!(one.woken().now_or_never().is_some());
        assert!(other.woken().now_or_never().is_some());
    }
}
