//! How often the page is asked: by one client, and from one address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Of one client: a draft every second, and more.
const CLIENT: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// From one address, which may be a proxy with everybody behind it.
const PEER: NonZeroU32 = NonZeroU32::new(1200).unwrap();
/// After so many requests, those who have been quiet are forgotten.
const TIDY_AFTER: u32 = 10_000;

/// Counts requests.
pub(super) struct Limits {
    by_client: DefaultKeyedRateLimiter<String>,
    by_peer: DefaultKeyedRateLimiter<IpAddr>,
    taken: AtomicU32,
    clock: DefaultClock,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            by_client: RateLimiter::keyed(Quota::per_minute(CLIENT)),
            by_peer: RateLimiter::keyed(Quota::per_minute(PEER)),
            taken: AtomicU32::new(0),
            clock: DefaultClock::default(),
        }
    }
}

impl Limits {
    /// Counts a request from an address, before anything else is done for it.
    ///
    /// # Errors
    /// The seconds after which another one is answered.
    pub(super) fn take_peer(&self, peer: IpAddr) -> Result<(), u32> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            self.by_peer.retain_recent();
            self.by_client.retain_recent();
        }
        self.by_peer
            .check_key(&peer)
            .map_err(|until| self.wait(&until))
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    /// Likewise.
    pub(super) fn take_client(&self, client: &str) -> Result<(), u32> {
        self.by_client
            .check_key(&client.to_owned())
            .map_err(|until| self.wait(&until))
    }

    fn wait(&self, until: &governor::NotUntil<<DefaultClock as Clock>::Instant>) -> u32 {
        let wait = until.wait_time_from(self.clock.now());
        u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_too_many_times_is_told_to_wait_and_others_are_not() {
        let limits = Limits::default();
        let refused = (0..=CLIENT.get()).find_map(|_| limits.take_client("10x1").err());
        assert!(refused.is_some_and(|seconds| seconds >= 1));
        assert!(limits.take_client("10x2").is_ok());
    }
}
