//! Weeks from Monday to Sunday, and the one rule that says on which day a payment counts.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pugmark_queue::db::Ts;

use super::wording;
use crate::config::{self, StoredTimes};

/// A week, Monday to Sunday. Written and read as the date of its Monday (`2026-11-16`); any day of the week is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week {
    monday: Date,
}

impl Week {
    /// The week in which a day lies.
    pub fn of(day: Date) -> Self {
        let since_monday = day.weekday().to_monday_zero_offset();
        Week {
            monday: day.saturating_sub(since_monday.days()),
        }
    }

    /// Its first day.
    pub fn monday(self) -> Date {
        self.monday
    }

    /// Its last day.
    pub fn sunday(self) -> Date {
        self.monday.saturating_add(6.days())
    }

    /// The week after.
    #[must_use]
    pub fn next(self) -> Self {
        Week {
            monday: self.monday.saturating_add(7.days()),
        }
    }

    /// The week before.
    #[must_use]
    pub fn previous(self) -> Self {
        Week {
            monday: self.monday.saturating_sub(7.days()),
        }
    }

    /// "16 Nov 2026 to 22 Nov 2026", for people.
    pub fn words(self) -> String {
        format!(
            "{} to {}",
            wording::date(self.monday()),
            wording::date(self.sunday())
        )
    }
}

impl fmt::Display for Week {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.monday.fmt(formatter)
    }
}

impl FromStr for Week {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.trim().parse().map(Week::of)
    }
}

/// The stored times that belong to a stretch of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first of them.
    pub from: Ts,
    /// The first that no longer belongs to it.
    pub until: Ts,
}

/// On which day a payment counts, by the time its row holds (`actualPaymentDate`, or `expectedPaymentDate` where that is
/// NULL). Everything that speaks of the day of a payment asks here.
///
/// The columns have no time zone; they are read as if they were UTC, and so the digits of that instant are the stored ones.
#[derive(Debug, Clone)]
pub struct PaymentDays {
    /// The zone whose digits count; the stored ones in UTC.
    zone: TimeZone,
}

impl PaymentDays {
    /// The rule that the operator has chosen.
    pub fn of(insurance: &config::Insurance) -> Self {
        PaymentDays {
            zone: match insurance.payments.stored_times {
                StoredTimes::Local => TimeZone::UTC,
                StoredTimes::Utc => insurance.zone.clone(),
            },
        }
    }

    /// The day of a payment.
    pub fn day(&self, stored: Ts) -> Date {
        stored.timestamp().to_zoned(self.zone.clone()).date()
    }

    /// The stored times of payments of a week.
    pub fn window(&self, week: Week) -> Window {
        Window {
            from: self.begin(week.monday()),
            until: self.begin(week.next().monday()),
        }
    }

    /// The first stored time of a day.
    fn begin(&self, day: Date) -> Ts {
        let first = day.to_zoned(self.zone.clone());
        // Only days at the very edge of the calendar have none.
        first.map_or(Ts::from_micros(i64::MAX), |first| first.timestamp().into())
    }
}
