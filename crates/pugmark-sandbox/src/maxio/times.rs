//! Moments as the service writes and reads them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use serde_json::Value;

/// In which way moments are written.
#[derive(Clone, Debug)]
pub(super) enum Times {
    /// Answers: ISO 8601 with the offset of the site's time zone, whole seconds.
    Site(TimeZone),
    /// Webhooks: `2012-09-09 12:02:31 -0400`, US Eastern whatever the site's zone.
    Webhook(TimeZone),
}

impl Times {
    pub(super) fn webhook() -> Self {
        Self::Webhook(TimeZone::get("America/New_York").unwrap_or(TimeZone::UTC))
    }

    /// The moment as text.
    pub(super) fn of(&self, at: Timestamp) -> Value {
        let text = match self {
            Self::Site(zone) => at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z"),
            Self::Webhook(zone) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z"),
        };
        Value::String(text.to_string())
    }

    /// The moment as text, or null.
    pub(super) fn maybe(&self, at: Option<Timestamp>) -> Value {
        at.map_or(Value::Null, |at| self.of(at))
    }
}

/// Reads a moment leniently: with an offset, without one (then in the site's zone), or a date alone, which means noon.
pub(super) fn read(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = Zoned::strptime("%Y-%m-%d %H:%M:%S %z", text) {
        return Some(at.timestamp());
    }
    let local = if text.len() <= 10 {
        text.parse::<Date>().ok()?.at(12, 0, 0, 0)
    } else {
        text.replacen(' ', "T", 1).parse::<DateTime>().ok()?
    };
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}

/// The first moment of a day in the site's zone, so many days later.
pub(super) fn day_start(text: &str, days_later: i64, zone: &TimeZone) -> Option<Timestamp> {
    let date = text.trim().parse::<Date>().ok()?;
    let date = date
        .checked_add(Span::new().try_days(days_later).ok()?)
        .ok()?;
    Some(date.to_zoned(zone.clone()).ok()?.timestamp())
}

/// The end of a period that begins at `from`.
pub(super) fn later(from: Timestamp, interval: i64, by_days: bool, zone: &TimeZone) -> Timestamp {
    let span = if by_days {
        Span::new().try_days(interval)
    } else {
        Span::new().try_months(interval)
    };
    let end = span.and_then(|span| from.to_zoned(zone.clone()).checked_add(span));
    end.map_or(from, |end| end.timestamp())
}

/// To the whole second, as the service keeps moments.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_york() -> TimeZone {
        TimeZone::get("America/New_York").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn answers_carry_the_offset_of_the_site() {
        let shown = Times::Site(new_york()).of(at("2025-05-08T15:39:18.9Z"));
        assert_eq!(shown, "2025-05-08T11:39:18-04:00");
    }

    #[test]
    fn webhooks_are_in_eastern_time_with_blanks() {
        let shown = Times::webhook().of(at("2012-09-09T16:02:31Z"));
        assert_eq!(shown, "2012-09-09 12:02:31 -0400");
    }

    #[test]
    fn a_date_alone_means_noon_and_a_time_without_offset_is_the_sites() {
        let zone = new_york();
        assert_eq!(read("2026-02-01", &zone), Some(at("2026-02-01T17:00:00Z")));
        assert_eq!(
            read("2026-02-01 08:30:00", &zone),
            Some(at("2026-02-01T13:30:00Z"))
        );
        assert_eq!(
            read("2026-02-01T08:30:00+01:00", &zone),
            Some(at("2026-02-01T07:30:00Z"))
        );
        assert_eq!(
            read("2026-02-01 08:30:00 -0500", &zone),
            Some(at("2026-02-01T13:30:00Z"))
        );
        assert_eq!(read("soon", &zone), None);
    }

    #[test]
    fn a_month_later_is_the_same_day_across_the_change_of_clocks() {
        let end = later(at("2026-02-15T17:00:00Z"), 1, false, &new_york());
        assert_eq!(end, at("2026-03-15T16:00:00Z"));
    }
}
