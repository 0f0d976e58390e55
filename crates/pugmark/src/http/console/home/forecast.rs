//! When the backlog is empty, and how long the calls last, at the present rate. Pure.

use vtiger::Quota;

use crate::http::api::status::{age, grouped};

/// So few are gone before anybody could do anything about them.
const LITTLE: i64 = 20;

/// What happened within some minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// How many minutes.
    pub(super) minutes: i64,
    /// Operations that were queued.
    pub(super) queued: i64,
    /// Operations that were carried out.
    pub(super) done: i64,
    /// Calls that were made.
    pub(super) calls: i64,
}

impl Pace {
    fn per_minute(self, number: i64) -> String {
        let minutes = self.minutes.max(1);
        match number {
            0 => "none".to_owned(),
            number if number < minutes => "less than one".to_owned(),
            number => grouped((number + minutes / 2) / minutes),
        }
    }

    /// When what waits is gone.
    pub(super) fn backlog(self, waiting: i64) -> String {
        let rates = format!(
            "{} carried out and {} new a minute",
            self.per_minute(self.done),
            self.per_minute(self.queued)
        );
        let gained = self.done - self.queued;
        match waiting {
            0 => "Nothing waits.".to_owned(),
            _ if gained > 0 => {
                let seconds = waiting.saturating_mul(self.minutes.max(1) * 60) / gained;
                let when = match u64::try_from(seconds).unwrap_or(0) {
                    0..60 => "less than a minute".to_owned(),
                    seconds => format!("about {}", age(seconds)),
                };
                format!("Empty in {when} at the present rate: {rates}.")
            }
            few if few <= LITTLE => "Little waits.".to_owned(),
            _ if self.done == 0 => format!(
                "Nothing was carried out in the last {}.",
                age(self.minutes.unsigned_abs() * 60)
            ),
            _ => format!("It does not get less at the present rate: {rates}."),
        }
    }

    /// How long the calls last. `day`: calls of the last 24 hours.
    pub(super) fn calls(self, quota: &Quota, day: i64) -> String {
        let rate = self.per_minute(self.calls);
        let Some((left, limit)) = quota.day_remaining.zip(quota.day_limit) else {
            return format!(
                "No limit is known. At present {rate} a minute, {} in the last 24 hours.",
                grouped(day)
            );
        };
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let lasts = match left.saturating_mul(self.minutes.max(1) * 60) / self.calls.max(1) {
            _ if self.calls == 0 => "none is made at present".to_owned(),
            seconds if seconds >= 86_400 => format!("at {rate} a minute they last the day"),
            seconds => format!(
                "at {rate} a minute they last {}",
                age(u64::try_from(seconds).unwrap_or(0))
            ),
        };
        format!(
            "{} of {} are left today; {lasts}.",
            grouped(left),
            grouped(limit)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(queued: i64, done: i64, calls: i64) -> Pace {
        Pace {
            minutes: 15,
            queued,
            done,
            calls,
        }
    }

    #[test]
    fn a_backlog_is_empty_when_more_is_carried_out_than_comes_in() {
        assert_eq!(pace(0, 0, 0).backlog(0), "Nothing waits.");
        assert_eq!(
            pace(15, 615, 0).backlog(1_200),
            "Empty in about 30 minutes at the present rate: 41 carried out and 1 new a minute."
        );
        assert!(
            pace(0, 1_500, 0)
                .backlog(30)
                .contains("in less than a minute")
        );
        assert_eq!(pace(2, 2, 0).backlog(1), "Little waits.");
        assert_eq!(
            pace(0, 0, 0).backlog(500),
            "Nothing was carried out in the last 15 minutes."
        );
        assert!(
            pace(900, 300, 0)
                .backlog(500)
                .starts_with("It does not get less")
        );
    }

    #[test]
    fn calls_last_as_long_as_the_day_allows() {
        let quota = Quota {
            day_limit: Some(10_000),
            day_remaining: Some(900),
            ..Quota::default()
        };
        assert_eq!(
            pace(0, 0, 150).calls(&quota, 0),
            "900 of 10,000 are left today; at 10 a minute they last 90 minutes."
        );
        assert!(
            pace(0, 0, 0)
                .calls(&quota, 0)
                .ends_with("none is made at present.")
        );
        assert!(
            pace(0, 0, 1)
                .calls(&quota, 0)
                .ends_with("less than one a minute they last the day.")
        );
        assert_eq!(
            pace(0, 0, 30).calls(&Quota::default(), 4_310),
            "No limit is known. At present 2 a minute, 4,310 in the last 24 hours."
        );
    }
}
