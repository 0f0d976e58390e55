use std::collections::HashMap;
use std::time::Duration;

use rand::{Rng, RngExt};

/// How failures of one kind of operation are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindPolicy {
    /// Attempts after the first that may fail in ways that count; then the operation is a dead letter.
    pub max_retries: u32,
    /// Upper bound of the wait after the first failure; doubles with each further one.
    pub base_backoff: Duration,
    /// The bound grows no further than this.
    pub max_backoff: Duration,
    /// How long failures that do not count (unavailable, throttled, session lost, unknown) may go on in a row.
    pub max_age: Duration,
    /// How long an attempt whose outcome is unknown is left to settle before the next: the call's timeout plus the longest
    /// time the other side may still be working on it.
    pub settle: Duration,
    /// How long a sealed payload is kept.
    pub max_secret_age: Duration,
}

impl Default for KindPolicy {
    fn default() -> Self {
        Self {
            max_retries: 8,
            base_backoff: Duration::from_secs(5),
            max_backoff: Duration::from_secs(15 * 60),
            max_age: Duration::from_secs(3 * 24 * 3600),
            settle: Duration::from_secs(90),
            max_secret_age: Duration::from_secs(24 * 3600),
        }
    }
}

impl KindPolicy {
    /// The longest wait after `failures` failures before this one.
    pub fn backoff_bound(&self, failures: u32) -> Duration {
        let factor = 2u32.checked_pow(failures).unwrap_or(u32::MAX);
        self.base_backoff
            .saturating_mul(factor)
            .min(self.max_backoff)
    }

    /// A wait between nothing and [`backoff_bound`](Self::backoff_bound) ("full jitter"), so that operations that failed together
    /// do not come back together.
    pub(crate) fn backoff(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        self.backoff_bound(failures).mul_f64(rng.random::<f64>())
    }
}

/// The policy of every kind.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    default: KindPolicy,
    kinds: HashMap<String, KindPolicy>,
}

impl Policies {
    /// One policy for all kinds that have none of their own.
    pub fn new(default: KindPolicy) -> Self {
        Self {
            default,
            kinds: HashMap::new(),
        }
    }

    /// Gives `kind` a policy of its own.
    #[must_use]
    pub fn with(mut self, kind: &str, policy: KindPolicy) -> Self {
        self.kinds.insert(kind.to_owned(), policy);
        self
    }

    /// The policy of `kind`.
    pub fn of(&self, kind: &str) -> &KindPolicy {
        self.kinds.get(kind).unwrap_or(&self.default)
    }
}
