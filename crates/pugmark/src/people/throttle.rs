//! How long somebody waits after attempts to sign in that failed. Pure: the store counts, this decides.

use std::time::Duration;

/// Attempts that may fail in a row before anybody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many cost nothing.
    pub free: u32,
    /// The first wait; each further failure doubles it.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Of one account, whether there is such an account or not.
pub const ACCOUNT: Patience = Patience {
    free: 5,
    first: Duration::from_secs(30),
    longest: Duration::from_secs(15 * 60),
};

/// From one network address, which may be a proxy with everybody behind it.
pub const PEER: Patience = Patience {
    free: 50,
    first: Duration::from_secs(10),
    longest: Duration::from_secs(5 * 60),
};

/// After so long without a failure, the count begins anew.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

impl Patience {
    /// The wait after this many failures in a row.
    pub fn wait(&self, failures: u32) -> Duration {
        let Some(beyond) = failures.checked_sub(self.free).filter(|more| *more > 0) else {
            return Duration::ZERO;
        };
        let doubled = 2_u32.saturating_pow(beyond - 1);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_mistakes_cost_nothing_and_each_further_one_twice_as_much_up_to_a_limit() {
        let waits: Vec<u64> = (0..=12).map(|n| ACCOUNT.wait(n).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(ACCOUNT.wait(u32::MAX), ACCOUNT.longest);
    }
}
