//! The call budget of work that nobody waits for: comparing both sides, reading a base for the first time.

use std::time::Duration;

use jiff::Timestamp;
use vtiger::Quota;

use super::breaker::Position;
use super::{Crm, LONGEST_MINUTE};

/// How long such work pauses when few calls are left in the day: calls come back bit by bit, in a day that rolls.
const DAY_PAUSE: Duration = Duration::from_secs(600);

impl Crm {
    /// How long work that nobody waits for must leave the CRM alone; `None`: it may go on now.
    ///
    /// It keeps half of a minute's calls and a quarter of a day's for everybody else. An open-source vTiger tells no limits; there
    /// only the breaker speaks.
    pub fn spared_for(&self) -> Option<Duration> {
        match self.breaker.position() {
            Position::Open { remaining } => Some(remaining),
            Position::Closed => pause(&self.client.quota(), Timestamp::now()),
        }
    }
}

fn pause(quota: &Quota, now: Timestamp) -> Option<Duration> {
    let short = |remaining: Option<u64>, limit: Option<u64>, share: u64| matches!((remaining, limit), (Some(remaining), Some(limit)) if remaining <= limit / share);
    if short(quota.day_remaining, quota.day_limit, 4) {
        return Some(DAY_PAUSE);
    }
    if !short(quota.minute_remaining, quota.minute_limit, 2) {
        return None;
    }
    // Once the minute is over, what was left in it says nothing any more.
    let wait = Duration::try_from(quota.minute_reset?.duration_since(now)).ok()?;
    (!wait.is_zero()).then(|| wait.min(LONGEST_MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).expect("a time")
    }

    fn minute(remaining: u64) -> Quota {
        Quota {
            minute_limit: Some(60),
            minute_remaining: Some(remaining),
            minute_reset: Some(now() + Duration::from_secs(20)),
            ..Quota::default()
        }
    }

    #[test]
    fn half_of_a_minute_is_left_to_others_until_it_is_over() {
        assert_eq!(pause(&minute(31), now()), None);
        assert_eq!(pause(&minute(30), now()), Some(Duration::from_secs(20)));
        let over = now() + Duration::from_secs(21);
        assert_eq!(pause(&minute(0), over), None);
    }

    #[test]
    fn a_quarter_of_a_day_is_left_to_others() {
        let day = |remaining| Quota {
            day_limit: Some(10_000),
            day_remaining: Some(remaining),
            ..Quota::default()
        };
        assert_eq!(pause(&day(2_501), now()), None);
        assert_eq!(pause(&day(2_500), now()), Some(DAY_PAUSE));
    }

    #[test]
    fn a_server_without_limits_sets_none() {
        assert_eq!(pause(&Quota::default(), now()), None);
    }
}
