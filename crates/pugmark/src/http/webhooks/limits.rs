//! How many deliveries are taken: from everybody together and from one address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// After so many deliveries, addresses that have been quiet are forgotten.
const TIDY_AFTER: u32 = 10_000;

/// Counts deliveries.
pub(super) struct Limits {
    all: DefaultDirectRateLimiter,
    by_peer: DefaultKeyedRateLimiter<IpAddr>,
    taken: AtomicU32,
    clock: DefaultClock,
}

impl Limits {
    /// So many a minute, and so many a minute from one address.
    pub(super) fn new(per_minute: u32, per_peer: u32) -> Self {
        let quota = |limit| Quota::per_minute(NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN));
        Limits {
            all: RateLimiter::direct(quota(per_minute)),
            by_peer: RateLimiter::keyed(quota(per_peer)),
            taken: AtomicU32::new(0),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one delivery.
    ///
    /// # Errors
    /// The seconds after which another one is taken.
    pub(super) fn take(&self, peer: Option<IpAddr>) -> Result<(), u32> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            self.by_peer.retain_recent();
        }
        let wait = |until: governor::NotUntil<_>| {
            let wait = until.wait_time_from(self.clock.now());
            u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1)
        };
        // First the address: one that sends too much must not use up what is there for all.
        if let Some(peer) = peer {
            self.by_peer.check_key(&peer).map_err(wait)?;
        }
        self.all.check().map_err(wait)
    }
}
