//! The clock a sandbox reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Where a sandbox takes the time from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The computer's clock.
    #[default]
    System,
    /// The computer's clock gone wrong: so far ahead, or behind when negative.
    Skewed(SignedDuration),
    /// A clock that moves only when a test moves it.
    Manual(ManualClock),
}

impl Clock {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::now(),
            Clock::Skewed(by) => {
                let now = Timestamp::now();
                now.checked_add(*by).unwrap_or(now)
            }
            Clock::Manual(clock) => clock.now(),
        }
    }
}

/// A clock under a test's control; clones share the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    microseconds: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that stands at `start` (kept to the microsecond).
    pub fn new(start: Timestamp) -> Self {
        Self {
            microseconds: Arc::new(AtomicI64::new(start.as_microsecond())),
        }
    }

    /// The time it stands at.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.microseconds.load(Ordering::SeqCst))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let step = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.microseconds.fetch_add(step, Ordering::SeqCst);
    }

    /// Sets the clock to `to`, forward or back.
    pub fn set(&self, to: Timestamp) {
        self.microseconds
            .store(to.as_microsecond(), Ordering::SeqCst);
    }
}
