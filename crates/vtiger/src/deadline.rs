//! Until when calls must have ended.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

/// A moment (monotonic clock) by which calls must have ended: a fixed one, or one that moves, such as the end of a lease
/// that is renewed while its holder works.
#[derive(Clone)]
pub struct Deadline(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Deadline {
    /// One that is looked up whenever a call is about to begin.
    pub fn moving(looked_up: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Deadline(Arc::new(looked_up))
    }

    /// Where it stands now.
    pub(crate) fn now(&self) -> Instant {
        (self.0)()
    }

    /// Whichever is earlier at the time of asking.
    pub(crate) fn or_earlier(self, other: Self) -> Self {
        Deadline::moving(move || self.now().min(other.now()))
    }
}

impl From<Instant> for Deadline {
    fn from(fixed: Instant) -> Self {
        Deadline::moving(move || fixed)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Deadline")
            .field(&self.now())
            .finish()
    }
}
