//! How long a poll waits for the next one. Pure.

use std::time::Duration;

use vtiger::Quota;

use crate::crm::breaker::Position;

/// However little may be asked, it is asked this often.
const SELDOM: Duration = Duration::from_secs(15 * 60);

/// The pause after a poll: the interval, stretched while polls fail and while the CRM has few calls left for the day, and at
/// least as long as the CRM is to be left alone.
pub fn pause(interval: Duration, failures: u32, quota: &Quota, breaker: Position) -> Duration {
    let stretched = interval
        .saturating_mul(2u32.saturating_pow(failures.min(4)))
        .saturating_mul(scarcity(quota))
        .min(SELDOM.max(interval));
    match breaker {
        Position::Closed => stretched,
        Position::Open { remaining } => remaining.max(interval),
    }
}

/// How many times as long the interval is while the day's calls run out: people and money come first.
fn scarcity(quota: &Quota) -> u32 {
    let (Some(limit), Some(left)) = (quota.day_limit, quota.day_remaining) else {
        return 1;
    };
    match left.saturating_mul(100) / limit.max(1) {
        50.. => 1,
        25..50 => 2,
        10..25 => 5,
        _ => 15,
    }
}
