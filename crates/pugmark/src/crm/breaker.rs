//! The circuit breaker of an outside system. It steers *claiming*: while it is open, operations wait in the queue and no
//! attempt is burnt. After a pause one round of claims is let through; its outcome decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which the CRM is left alone.
const PATIENCE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A server may ask for an hour; a person would rather see it tried again.
const LONGEST_WISH: Duration = Duration::from_secs(300);

/// Whether the CRM is to be left alone for a while.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Pauses since the last success; each is twice as long as the one before.
    pauses: u32,
    open_until: Option<Instant>,
}

/// What people are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Calls are made.
    Closed,
    /// No calls are made for this time.
    Open {
        /// How long still.
        remaining: Duration,
    },
}

impl Breaker {
    /// A call was answered.
    pub fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// Nobody was there, or the answer was unclear. Several in a row open the breaker.
    pub fn failed(&self) {
        let mut state = self.lock();
        state.failures += 1;
        if state.failures >= PATIENCE {
            state.pause();
        }
    }

    /// Over a call limit: obeyed at once. Without a wish of the server's own the usual pause is taken.
    pub fn throttled(&self, retry_after: Option<Duration>) {
        let mut state = self.lock();
        match retry_after {
            Some(wish) => state.open_for(wish.min(LONGEST_WISH)),
            None => state.pause(),
        }
    }

    /// The CRM answers, but refuses us as a whole: a wrong key, a missing right. Trying every operation would only burn
    /// attempts.
    pub fn refused(&self) {
        self.lock().open_for(LONGEST_PAUSE);
    }

    /// Where the breaker stands now.
    pub fn position(&self) -> Position {
        let state = self.lock();
        match state
            .open_until
            .map(|until| until.saturating_duration_since(Instant::now()))
        {
            Some(remaining) if !remaining.is_zero() => Position::Open { remaining },
            _ => Position::Closed,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self) {
        let factor = 2u32.saturating_pow(self.pauses.min(16));
        self.pauses += 1;
        // One more failure after the pause is enough to open it again.
        self.failures = PATIENCE - 1;
        self.open_for(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE));
    }

    fn open_for(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        self.open_until = Some(self.open_until.map_or(until, |open| open.max(until)));
    }
}
