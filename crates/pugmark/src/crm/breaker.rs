//! The circuit breaker of an outside system. It steers *claiming*: while it is open, operations wait in the queue and no
//! attempt is burnt. After a pause one round of claims is let through; its outcome decides.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
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
    /// Is told when there is something that other processes should know.
    tell: OnceLock<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Pauses since the last success; each is twice as long as the one before.
    pauses: u32,
    open_until: Option<Instant>,
    /// Since when nothing was answered as it should be. A pause alone says less: between two of them the breaker is closed, and one
    /// that the other side asked for is no trouble.
    troubled_since: Option<Instant>,
    /// The end of a pause that the other side asked for.
    asked_until: Option<Instant>,
    /// Counts what other processes should know.
    changes: u64,
    /// How many of these they have been told.
    told: u64,
}

/// What processes tell each other of their breakers. Times are what is left of them: clocks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Word {
    /// What is known of a pause that nobody asked for.
    pub pause: Pause,
    /// How long the other side still asked to be left alone.
    pub asked: Option<Duration>,
}

/// A pause that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pause {
    /// There is nothing new.
    #[default]
    Nothing,
    /// A call was answered: it is over.
    Ended,
    /// Failures opened the breaker.
    Open {
        /// How long still.
        remaining: Duration,
        /// Pauses since the last success.
        pauses: u32,
    },
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
        let ended = state.open_until.is_some();
        *state = State {
            asked_until: state.asked_until,
            changes: state.changes,
            told: state.told,
            ..State::default()
        };
        if ended {
            self.changed(&mut state);
        }
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
            state.troubled();
            self.changed(&mut state);
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
        self.changed(&mut state);
    }

    /// The CRM answers, but refuses us as a whole: a wrong key, a missing right. Trying every operation would only burn
    /// attempts.
    pub fn refused(&self) {
        let mut state = self.lock();
        state.open_for(LONGEST_PAUSE);
        state.troubled();
        self.changed(&mut state);
    }

    /// For how long nothing has been answered as it should be: from the failure that opened the breaker until the next success.
    pub fn troubled_for(&self) -> Option<Duration> {
        self.lock().troubled_since.map(|since| since.elapsed())
    }

    /// Where the breaker stands now.
    pub fn position(&self) -> Position {
        match self.lock().remaining() {
            Some(remaining) => Position::Open { remaining },
            None => Position::Closed,
        }
    }

    /// Whom to tell when there is something that other processes should know. Only the first one is told.
    pub fn tell(&self, whom: Arc<Notify>) {
        drop(self.tell.set(whom));
    }

    /// What other processes have not been told, with its number for [`Breaker::was_told`].
    pub fn untold(&self) -> Option<(Word, u64)> {
        let state = self.lock();
        (state.told < state.changes).then(|| (state.word(), state.changes))
    }

    /// Others were told everything up to this number.
    pub fn was_told(&self, number: u64) {
        let mut state = self.lock();
        state.told = state.told.max(number);
    }

    /// Takes over what others know. While they have not been told everything from here, that is the newer word.
    pub fn heard(&self, word: Word) {
        let mut state = self.lock();
        if state.told < state.changes {
            return;
        }
        let now = Instant::now();
        if let Some(asked) = word.asked {
            let until = now + asked.min(LONGEST_WISH);
            state.asked_until = Some(state.asked_until.map_or(until, |known| known.max(until)));
        }
        match word.pause {
            Pause::Nothing => {}
            Pause::Ended => {
                state.open_until = None;
                state.troubled_since = None;
            }
            Pause::Open { remaining, pauses } => {
                state.troubled();
                state.open_for(remaining.min(LONGEST_WISH));
                state.pauses = state.pauses.max(pauses);
                // As after a pause of one's own: one more failure is enough.
                state.failures = state.failures.max(PATIENCE - 1);
            }
        }
    }

    fn changed(&self, state: &mut State) {
        state.changes += 1;
        match self.tell.get() {
            Some(whom) => whom.notify_one(),
            // Nobody shares it.
            None => state.told = state.changes,
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

    fn word(&self) -> Word {
        let left = |until: Option<Instant>| {
            let left = until?.saturating_duration_since(Instant::now());
            (!left.is_zero()).then_some(left)
        };
        Word {
            pause: match (self.open_until, left(self.open_until)) {
                (None, _) => Pause::Ended,
                (Some(_), None) => Pause::Nothing,
                (Some(_), Some(remaining)) => Pause::Open {
                    remaining,
                    pauses: self.pauses,
                },
            },
            asked: left(self.asked_until),
        }
    }

    fn troubled(&mut self) {
        self.troubled_since.get_or_insert_with(Instant::now);
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
    fn it_is_in_trouble_from_the_failure_that_opened_it_to_the_next_answer_and_not_when_it_was_asked_to_wait()
     {
        let breaker = Breaker::default();
        breaker.throttled(Some(Duration::from_secs(30)));
        assert_eq!(breaker.troubled_for(), None);
        let breaker = Breaker::default();
        (1..PATIENCE).for_each(|_| breaker.failed());
        assert_eq!(breaker.troubled_for(), None);
        breaker.failed();
        assert!(breaker.troubled_for().is_some());
        breaker.succeeded();
        assert_eq!(breaker.troubled_for(), None);
        breaker.refused();
        assert!(breaker.troubled_for().is_some());
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

    fn remaining(breaker: &Breaker) -> Duration {
        match breaker.position() {
            Position::Open { remaining } => remaining,
            Position::Closed => Duration::ZERO,
        }
    }

    #[test]
    fn a_wish_that_another_process_heard_is_obeyed_and_survives_an_answer() {
        let breaker = Breaker::default();
        breaker.tell(Arc::default());
        breaker.heard(Word {
            asked: Some(Duration::from_secs(30)),
            ..Word::default()
        });
        breaker.succeeded();
        assert!(remaining(&breaker) > FIRST_PAUSE);
        assert_eq!(breaker.untold(), None, "it is no news to the others");
    }

    #[test]
    fn what_is_known_here_and_not_yet_told_is_the_newer_word() {
        let breaker = Breaker::default();
        breaker.tell(Arc::default());
        breaker.refused();
        let (_, number) = breaker.untold().expect("the others do not know");
        let ended = Word {
            pause: Pause::Ended,
            asked: None,
        };
        breaker.heard(ended);
        assert!(remaining(&breaker) > FIRST_PAUSE);
        breaker.was_told(number);
        breaker.heard(ended);
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn only_what_changes_something_is_told() {
        let breaker = Breaker::default();
        breaker.tell(Arc::default());
        (1..PATIENCE).for_each(|_| breaker.failed());
        breaker.succeeded();
        assert_eq!(breaker.untold(), None);
        (0..PATIENCE).for_each(|_| breaker.failed());
        let (word, number) = breaker.untold().expect("it is open");
        assert!(
            matches!(word.pause, Pause::Open { pauses: 1, .. }),
            "{word:?}"
        );
        breaker.was_told(number);
        breaker.succeeded();
        let (word, _) = breaker.untold().expect("it is closed again");
        assert_eq!(word.pause, Pause::Ended);
    }
}
