//! The weekly summary by the clock.
//!
//! A week is due on the chosen day and time after its Sunday. Every week since the first look of this installation gets one
//! run, also when nothing was running on its day; which weeks are missing follows from the runs that are stored, so that it
//! does not matter which process looks, or when.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use pugmark_queue::QueueError;
use pugmark_queue::db::DbError;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::desk::chosen::{self, Schedule};
use crate::flows::insurance::summary_run::{Progress, Summaries};
use crate::flows::insurance::week::Week;
use crate::problem::Code;
use crate::store::payment_summaries;

/// How often it is looked whether a week is due or a run has pages to plan. A run asked for by hand is planned at once by the
/// process that was asked; this is for what that one left.
const LOOK: Duration = Duration::from_secs(15);

/// Looks until cancelled.
pub async fn run(summaries: Summaries, cancelled: CancellationToken) {
    loop {
        if let Err(error) = look(&summaries, Timestamp::now()).await {
            tracing::error!(%error, "the weekly summary could not be planned; it is tried again");
        }
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Makes the runs that are due at `now`, and plans every run to its end unless another process is at it.
///
/// # Errors
/// Whatever the database says; the next look goes on where this one ended.
pub async fn look(summaries: &Summaries, now: Timestamp) -> Result<(), QueueError> {
    let schedule = {
        let mut reader = summaries.db().read().await?;
        chosen::schedule(&mut reader, summaries.insurance()).await?
    };
    if schedule.summary.enabled {
        for week in due_weeks(summaries, &schedule, now).await? {
            if summaries.begin_scheduled(week).await?.is_some() {
                tracing::info!(%week, "payments of the week {} are summed up", week.words());
            }
        }
    }
    let mut reader = summaries.db().read().await?;
    let open = payment_summaries::open(&mut reader).await?;
    drop(reader);
    for run in open {
        while summaries.plan_page(run).await? == Progress::More {}
    }
    Ok(())
}

/// The weeks that are due and have no run of the clock, oldest first.
async fn due_weeks(
    summaries: &Summaries,
    schedule: &Schedule,
    now: Timestamp,
) -> Result<Vec<Week>, DbError> {
    let insurance = summaries.insurance();
    let current = Week::of(now.to_zoned(insurance.zone.clone()).date());
    let (first, last) = summaries
        .db()
        .write("first week", move |conn| {
            Box::pin(async move {
                let first =
                    payment_summaries::first_week(conn, &current.to_string(), now.into()).await?;
                let last = payment_summaries::last_scheduled(conn).await?;
                Ok::<_, DbError>((first, last))
            })
        })
        .await?;
    let read = |text: String| text.parse::<Week>().ok();
    let begin = match last.and_then(read) {
        Some(last) => last.next(),
        None => read(first).unwrap_or(current),
    };
    let missing = weeks_between(begin, newest_due(schedule, &insurance.zone, now));
    Ok(newest(missing, usize::from(schedule.summary.catch_up)))
}

fn weeks_between(first: Week, last: Week) -> Vec<Week> {
    std::iter::successors(Some(first), |week| Some(week.next()))
        .take_while(|week| *week <= last)
        .collect()
}

/// Leaves out the oldest of too many, and says so.
fn newest(mut weeks: Vec<Week>, most: usize) -> Vec<Week> {
    let rest = weeks.split_off(weeks.len().saturating_sub(most.max(1)));
    if let (Some(first), Some(last)) = (weeks.first(), weeks.last()) {
        tracing::warn!(
            code = %Code::WeeksLeftOut,
            weeks = weeks.len(),
            %first,
            %last,
            "more weeks were missed than are made up for; `pugmark summary --week` makes one by hand"
        );
    }
    rest
}

/// When a week is summed up: on the chosen day after its Sunday. Where the clocks skip that time it is as much later, where
/// it comes twice it is the first.
pub fn due(week: Week, summary: &config::Summary, zone: &TimeZone) -> Timestamp {
    let day = first_on_or_after(week.next(), summary.day);
    day.to_datetime(summary.time)
        .to_zoned(zone.clone())
        .map_or(Timestamp::MAX, |due| due.timestamp())
}

/// The newest week to be summed up at `now`: one that is due, and over in the zone in which weeks are counted, which need not
/// be the zone in which somebody chose the time.
fn newest_due(schedule: &Schedule, weeks: &TimeZone, now: Timestamp) -> Week {
    let over = Week::of(now.to_zoned(weeks.clone()).date()).previous();
    latest_due(&schedule.summary, &schedule.zone, now).min(over)
}

/// The next week that will be summed up by the clock, and when.
pub fn next_run(schedule: &Schedule, weeks: &TimeZone, now: Timestamp) -> (Week, Timestamp) {
    let week = newest_due(schedule, weeks, now).next();
    let over = week.next().monday().to_zoned(weeks.clone());
    let over = over.map_or(Timestamp::MAX, |over| over.timestamp());
    (week, due(week, &schedule.summary, &schedule.zone).max(over))
}

fn first_on_or_after(week: Week, day: Weekday) -> jiff::civil::Date {
    use jiff::ToSpan;
    week.monday()
        .saturating_add(day.to_monday_zero_offset().days())
}

/// The newest week that is due at `now`.
pub fn latest_due(summary: &config::Summary, zone: &TimeZone, now: Timestamp) -> Week {
    let mut week = Week::of(now.to_zoned(zone.clone()).date());
    // At most twice: the week before the last one was due in the last one.
    while due(week, summary, zone) > now {
        week = week.previous();
    }
    week
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_chosen_in_a_zone_far_ahead_sums_no_week_up_before_it_is_over() {
        let insurance = config::Insurance::default();
        let nairobi = TimeZone::get("Africa/Nairobi").unwrap();
        let schedule = |zone: &str, hour: i8| Schedule {
            summary: config::Summary {
                day: Weekday::Monday,
                time: jiff::civil::time(hour, 0, 0, 0),
                ..insurance.summary.clone()
            },
            zone: TimeZone::get(zone).unwrap(),
            by: None,
        };
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        // Monday 00:00 in Auckland is Sunday in Nairobi, where the week ends at 21:00 UTC.
        let ahead = schedule("Pacific/Auckland", 0);
        let sunday = at("2026-11-22T12:00:00Z");
        let week: Week = "2026-11-16".parse().unwrap();
        assert_eq!(newest_due(&ahead, &nairobi, sunday), week.previous());
        let (next, when) = next_run(&ahead, &nairobi, sunday);
        assert_eq!((next, when), (week, at("2026-11-22T21:00:00Z")));
        assert_eq!(newest_due(&ahead, &nairobi, when), week);
        // In its own zone the time is kept exactly.
        let own = schedule("Africa/Nairobi", 8);
        let (next, when) = next_run(&own, &nairobi, sunday);
        assert_eq!((next, when), (week, at("2026-11-23T05:00:00Z")));
    }
}
