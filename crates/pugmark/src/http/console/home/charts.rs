//! The last 24 hours, as pictures made here and as tables. Pure.

use std::time::Duration;

use pugmark_queue::db::Ts;

use crate::flows::insurance::plan::kind::{CONTACT_APPLY, LEAD_CONVERT};
use crate::flows::onboarding::kind::SUBSCRIPTION;
use crate::http::api::status::grouped;
use crate::store::flow_figures::Figures;

const HOUR: Duration = Duration::from_secs(3_600);
const HOURS: usize = 24;
/// Height of the highest bar, in the picture's own units.
const HIGH: i64 = 100;
/// Width of an hour.
const WIDE: usize = 20;

/// What comes from the outside; everything else goes there.
const IN: [&str; 3] = [CONTACT_APPLY, LEAD_CONVERT, SUBSCRIPTION];

/// A chart with its numbers.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) id: &'static str,
    /// The whole of it in a sentence, for those who do not see the picture.
    pub(super) words: String,
    pub(super) hours: Vec<Hour>,
    /// What the highest bar stands for.
    pub(super) most: String,
    pub(super) empty: bool,
}

/// One hour of a chart.
pub(super) struct Hour {
    /// `14:00`, in UTC.
    pub(super) label: String,
    pub(super) done: i64,
    pub(super) failed: i64,
    pub(super) x: usize,
    pub(super) done_y: i64,
    pub(super) done_height: i64,
    pub(super) failed_y: i64,
    pub(super) failed_height: i64,
    /// It is written below its bar.
    pub(super) named: bool,
}

/// What went out, and what came in.
pub(super) fn charts(hours: &[(Ts, Figures)], now: Ts) -> [Chart; 2] {
    let out = |kind: &str| !IN.contains(&kind);
    let coming_in = |kind: &str| IN.contains(&kind);
    [
        chart(
            "Out: to vTiger, Maxio and Supabase",
            "out",
            hours,
            &out,
            now,
        ),
        chart("In: from vTiger and Maxio", "in", hours, &coming_in, now),
    ]
}

/// From when on hours are needed.
pub(super) fn since(now: Ts) -> Ts {
    let span = HOUR * u32::try_from(HOURS - 1).unwrap_or(0);
    crate::telemetry::figures::rolling::floor(now, HOUR).before(span)
}

fn chart(
    title: &'static str,
    id: &'static str,
    hours: &[(Ts, Figures)],
    belongs: &dyn Fn(&str) -> bool,
    now: Ts,
) -> Chart {
    let sums: Vec<(Ts, i64, i64)> = (0..HOURS)
        .map(|number| {
            let hour = since(now).after(HOUR * u32::try_from(number).unwrap_or(0));
            let of_hour = hours
                .iter()
                .filter(|(at, figures)| *at == hour && belongs(&figures.kind));
            of_hour.fold((hour, 0, 0), |(hour, done, failed), (_, figures)| {
                (hour, done + figures.done, failed + figures.failed)
            })
        })
        .collect();
    let most = sums
        .iter()
        .map(|(_, done, failed)| done + failed)
        .max()
        .unwrap_or(0);
    let done: i64 = sums.iter().map(|(_, done, _)| done).sum();
    let failed: i64 = sums.iter().map(|(_, _, failed)| failed).sum();
    Chart {
        title,
        id,
        words: format!(
            "{} carried out and {} failed attempts in the last 24 hours; at most {} in an hour.",
            grouped(done),
            grouped(failed),
            grouped(most)
        ),
        most: grouped(most),
        empty: most == 0,
        hours: sums
            .into_iter()
            .enumerate()
            .map(|(number, sum)| bar(number, sum, most))
            .collect(),
    }
}

fn bar(number: usize, (hour, done, failed): (Ts, i64, i64), most: i64) -> Hour {
    // Whatever there is can be seen.
    let height = |number: i64| match (number, most) {
        (0, _) | (_, 0) => 0,
        (number, most) => (number.saturating_mul(HIGH) / most).max(2),
    };
    let failed_height = height(failed);
    let done_height = height(done).min(HIGH - failed_height);
    let at = hour.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    Hour {
        label: format!("{:02}:00", at.hour()),
        done,
        failed,
        x: number * WIDE + 2,
        done_y: HIGH - done_height,
        done_height,
        failed_y: HIGH - done_height - failed_height,
        failed_height,
        named: number.is_multiple_of(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: &str) -> Ts {
        hour.parse().expect("a time")
    }

    fn figures(kind: &str, done: i64, failed: i64) -> Figures {
        Figures {
            kind: kind.into(),
            done,
            failed,
            ..Figures::default()
        }
    }

    #[test]
    fn each_hour_of_the_last_day_has_a_bar_as_high_as_its_share_of_the_most() {
        let hours = [
            (at("2026-03-01T09:00:00Z"), figures("note.create", 150, 50)),
            (
                at("2026-03-01T09:00:00Z"),
                figures("customer.create", 200, 0),
            ),
            (
                at("2026-03-01T10:00:00Z"),
                figures("customer.create", 100, 0),
            ),
            (at("2026-03-01T10:00:00Z"), figures("contact.apply", 7, 1)),
            // Longer ago than a day.
            (
                at("2026-02-28T10:00:00Z"),
                figures("customer.create", 9_999, 0),
            ),
        ];
        let [out, coming_in] = charts(&hours, at("2026-03-01T10:20:00Z"));
        assert_eq!(out.hours.len(), HOURS);
        let last = &out.hours[23];
        assert_eq!(
            (last.label.as_str(), last.done, last.done_height),
            ("10:00", 100, 25)
        );
        let before = &out.hours[22];
        assert_eq!((before.done, before.failed), (350, 50));
        assert_eq!(
            (before.done_height, before.failed_height, before.failed_y),
            (87, 12, 1)
        );
        assert_eq!(out.hours[0].label, "11:00");
        assert_eq!(
            out.words,
            "450 carried out and 50 failed attempts in the last 24 hours; at most 400 in an hour."
        );
        assert_eq!(
            (coming_in.hours[23].done, coming_in.hours[23].failed),
            (7, 1)
        );
        assert!(!coming_in.empty);
        let [nothing, _] = charts(&[], at("2026-03-01T10:20:00Z"));
        assert!(nothing.empty && nothing.hours.iter().all(|hour| hour.done_height == 0));
    }
}
