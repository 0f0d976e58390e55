//! Weeks, days of payments, and when a week is due.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday, date, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use pugmark::config::{self, StoredTimes, Summary};
use pugmark::flows::insurance::week::{PaymentDays, Week};
use pugmark::flows::insurance::wording;
use pugmark::schedule::summary::{due, latest_due};
use pugmark::store::payments::Paid;
use pugmark_queue::db::Ts;

fn week(text: &str) -> Week {
    text.parse().expect("a day")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn on(day: Weekday, at: Time) -> Summary {
    Summary {
        day,
        time: at,
        ..config::Insurance::default().summary
    }
}

#[test]
fn a_week_goes_from_monday_to_sunday_and_any_of_its_days_names_it() {
    for day in ["2026-11-16", "2026-11-18", " 2026-11-22 "] {
        let week = week(day);
        assert_eq!(week.to_string(), "2026-11-16", "{day:?}");
        assert_eq!(week.sunday(), date(2026, 11, 22));
    }
    assert_eq!(week("2026-11-23"), week("2026-11-16").next());
    assert_eq!(week("2027-01-03").monday(), date(2026, 12, 28));
    assert_eq!(week("2026-11-16").words(), "16 Nov 2026 to 22 Nov 2026");
    for nonsense in ["", "2026-13-01", "last week", "2026-W47"] {
        assert!(nonsense.parse::<Week>().is_err(), "{nonsense:?}");
    }
}

#[test]
fn the_day_of_a_payment_is_as_stored_unless_the_operator_says_that_times_are_utc() {
    let mut insurance = config::Insurance::default();
    let evening: Ts = "2026-11-22T22:30:00Z".parse().expect("a time");
    let as_stored = PaymentDays::of(&insurance);
    assert_eq!(as_stored.day(evening), date(2026, 11, 22));
    insurance.payments.stored_times = StoredTimes::Utc;
    let in_nairobi = PaymentDays::of(&insurance);
    assert_eq!(in_nairobi.day(evening), date(2026, 11, 23));

    let this = week("2026-11-16");
    let within = |days: &PaymentDays| {
        let window = days.window(this);
        window.from <= evening && evening < window.until
    };
    assert!(within(&as_stored) && !within(&in_nairobi));
}

#[test]
fn a_week_is_due_on_the_chosen_day_after_its_sunday() {
    let nairobi = zone("Africa/Nairobi");
    let monday = on(Weekday::Monday, time(8, 0, 0, 0));
    assert_eq!(
        due(week("2026-11-16"), &monday, &nairobi),
        at("2026-11-23T05:00:00Z")
    );
    let sunday = on(Weekday::Sunday, time(23, 59, 0, 0));
    assert_eq!(
        due(week("2026-11-16"), &sunday, &nairobi),
        at("2026-11-29T20:59:00Z")
    );
    let newest = |now: &str, summary: &Summary| latest_due(summary, &nairobi, at(now));
    assert_eq!(
        newest("2026-11-23T05:00:00Z", &monday),
        week("2026-11-16"),
        "due from that moment on"
    );
    assert_eq!(
        newest("2026-11-23T04:59:59Z", &monday),
        week("2026-11-09"),
        "and not before"
    );
    assert_eq!(newest("2026-11-28T12:00:00Z", &sunday), week("2026-11-09"));
}

#[test]
fn a_time_that_the_clocks_skip_or_repeat_is_met_once() {
    let new_york = zone("America/New_York");
    let half_past = on(Weekday::Sunday, time(2, 30, 0, 0));
    // On 14 March 2027 the clocks go from 2:00 to 3:00.
    assert_eq!(
        due(week("2027-03-01"), &half_past, &new_york),
        at("2027-03-14T07:30:00Z")
    );
    let half_past_one = on(Weekday::Sunday, time(1, 30, 0, 0));
    // On 1 November 2026 the hour from 1:00 to 2:00 comes twice.
    assert_eq!(
        due(week("2026-10-19"), &half_past_one, &new_york),
        at("2026-11-01T05:30:00Z")
    );
    assert_eq!(
        latest_due(&half_past_one, &new_york, at("2026-11-01T06:30:00Z")),
        week("2026-10-19")
    );
}

#[test]
fn the_average_is_rounded_to_the_cent() {
    let paid = |count, cents| {
        Paid {
            count,
            cents,
            ..Paid::default()
        }
        .average()
    };
    assert_eq!(paid(0, 0), 0);
    assert_eq!(paid(3, 10_000), 3_333);
    assert_eq!(paid(3, 20_000), 6_667);
    assert_eq!(paid(2, 5), 3, "a half goes up");
    assert_eq!(paid(1, 5_001), 5_001);
}

#[test]
fn a_summary_can_be_read() {
    let days = PaymentDays::of(&config::Insurance::default());
    let stored = |text: &str| Some(text.parse::<Ts>().expect("a time"));
    let paid = Paid {
        count: 3,
        cents: 125_050,
        first: stored("2026-11-16T00:10:00Z"),
        last: stored("2026-11-20T23:50:00Z"),
    };
    assert_eq!(
        wording::week_summary(week("2026-11-16"), &paid, &days),
        "Payments of the week 16 Nov 2026 to 22 Nov 2026\nTotal: KES 1,250.50\nNumber: 3\nAverage: KES 416.83\n\
         Paid from 16 Nov 2026 to 20 Nov 2026"
    );
    let one = Paid {
        count: 1,
        last: paid.first,
        ..paid
    };
    assert!(
        wording::week_summary(week("2026-11-16"), &one, &days).ends_with("\nPaid on 16 Nov 2026")
    );
    assert_eq!(
        wording::week_summary(week("2026-11-16"), &Paid::default(), &days),
        "Payments of the week 16 Nov 2026 to 22 Nov 2026\nNone"
    );
}

const ZONES: [&str; 6] = [
    "Africa/Nairobi",
    "Africa/Cairo",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "UTC",
];

fn any_day() -> impl Strategy<Value = Date> {
    (0i32..40_000).prop_map(|days| {
        use jiff::ToSpan;
        date(1990, 1, 1).saturating_add(days.days())
    })
}

proptest! {
    #[test]
    fn every_stored_time_lies_in_the_window_of_the_week_of_its_day(
        micros in 600_000_000_000_000i64..4_000_000_000_000_000, name in proptest::sample::select(ZONES.to_vec()), utc in any::<bool>(),
    ) {
        let mut insurance = config::Insurance { zone: zone(name), ..config::Insurance::default() };
        insurance.payments.stored_times = if utc { StoredTimes::Utc } else { StoredTimes::Local };
        let days = PaymentDays::of(&insurance);
        let stored = Ts::from_micros(micros);
        let week = Week::of(days.day(stored));
        let window = days.window(week);
        prop_assert!(window.from <= stored && stored < window.until);
        prop_assert_eq!(window.until, days.window(week.next()).from);
    }

    #[test]
    fn the_newest_due_week_is_due_and_the_next_is_not(
        seconds in 600_000_000i64..4_000_000_000, name in proptest::sample::select(ZONES.to_vec()), day in 0i8..7,
        hour in 0i8..24, minute in 0i8..60,
    ) {
        let weekday = Weekday::from_monday_zero_offset(day).expect("a weekday");
        let (summary, zone) = (on(weekday, time(hour, minute, 0, 0)), zone(name));
        let now = Timestamp::from_second(seconds).expect("a time");
        let newest = latest_due(&summary, &zone, now);
        prop_assert!(due(newest, &summary, &zone) <= now);
        prop_assert!(due(newest.next(), &summary, &zone) > now);
    }

    #[test]
    fn a_week_is_never_due_before_it_is_over(day in any_day(), name in proptest::sample::select(ZONES.to_vec()), offset in 0i8..7) {
        let zone = zone(name);
        let week = Week::of(day);
        let weekday = Weekday::from_monday_zero_offset(offset).expect("a weekday");
        let due = due(week, &on(weekday, time(0, 0, 0, 0)), &zone).to_zoned(zone).date();
        prop_assert!(due > week.sunday() && due <= week.next().sunday());
    }
}
