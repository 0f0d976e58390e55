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
    /// The end of a pause that the other side asked for.
    asked_until: Option<Instant>,
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
    /// A call was answered. A pause that was asked for stays: among several workers the call began before it.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        *state = State {
            asked_until: state.asked_until,
            ..State::default()
        };
    }

    /// Nobody was there, or the answer was unclear. Several in a row open the breaker. While it is open this changes nothing:
    /// the call began before, and a round of many calls is one round.
    pub fn failed(&self) {
        let mut state = self.lock();
        if state.remaining().is_some() {
            return;
        }
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
        state.asked_until = state.asked_until.max(state.open_until);
    }

    /// The CRM answers, but refuses us as a whole: a wrong key, a missing right. Trying every operation would only burn
    /// attempts.
    pub fn refused(&self) {
        self.lock().open_for(LONGEST_PAUSE);
    }

    /// Where the breaker stands now.
    pub fn position(&self) -> Position {
        match self.lock().remaining() {
            Some(remaining) => Position::Open { remaining },
            None => Position::Closed,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long it is open still.
    fn remaining(&self) -> Option<Duration> {
        let until = self.open_until.max(self.asked_until)?;
        let remaining = until.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_of_many_failures_is_one_pause() {
        let breaker = Breaker::default();
        (0..20).for_each(|_| breaker.failed());
        let Position::Open { remaining } = breaker.position() else {
            panic!("it is closed after 20 failures");
        };
        assert!(remaining <= FIRST_PAUSE, "{remaining:?}");
    }
    #[test]
    fn an_answer_to_an_earlier_call_does_not_shorten_a_pause_that_was_asked_for() {
        let breaker = Breaker::default();
        breaker.throttled(Some(Duration::from_secs(30)));
        breaker.succeeded();
        let Position::Open { remaining } = breaker.position() else {
            panic!("the wish is forgotten");
        };
        assert!(remaining > FIRST_PAUSE, "{remaining:?}");
    }

    #[test]
    fn an_answer_ends_a_pause_that_nobody_asked_for() {
        let breaker = Breaker::default();
        (0..20).for_each(|_| breaker.failed());
        breaker.succeeded();
        assert_eq!(breaker.position(), Position::Closed);
    }
}
