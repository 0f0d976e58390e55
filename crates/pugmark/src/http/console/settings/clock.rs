//! What is done by the clock: how often, when last, when next.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use pugmark_queue::db::{Conn, DbError, Ts};

use crate::config::Settings;
use crate::crm::CONTACTS;
use crate::desk::chosen::Schedule;
use crate::http::console::moment::Moment;
use crate::schedule::retry_sweep;
use crate::schedule::summary::next_run;
use crate::store::crm_cursors;

/// Something that is done by the clock.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) when: String,
    pub(super) last: Option<Moment>,
    pub(super) next: Option<Moment>,
    /// Where it is set.
    pub(super) setting: &'static str,
}

/// All of it.
pub(super) async fn lines(
    conn: &mut Conn,
    settings: &Settings,
    schedule: &Schedule,
    now: Ts,
) -> Result<Vec<Line>, DbError> {
    let swept = retry_sweep::last(conn).await?;
    let swept = swept.and_then(|run| run.at.parse::<Timestamp>().ok());
    let cursor = crm_cursors::get(conn, CONTACTS).await?;
    let polled = cursor.and_then(|cursor| cursor.polled_at);
    let moment = |at: Timestamp| Moment::of(at.into(), now);
    let mut lines = vec![summary(settings, schedule, now), nightly(settings, now)];
    let poll = settings.crm.as_ref().map(|crm| &crm.poll);
    lines.push(Line {
        what: "Ask vTiger what changed",
        when: match poll.filter(|poll| poll.enabled) {
            Some(poll) => format!("every {:?}", poll.interval),
            None => "never".to_owned(),
        },
        last: polled.map(|at| Moment::of(at, now)),
        next: None,
        setting: "vtiger.poll",
    });
    lines.push(Line {
        what: "Look for leads to set up",
        when: match settings
            .onboarding
            .poll
            .filter(|_| settings.maxio.is_some())
        {
            Some(every) => format!("every {every:?}"),
            None => "never".to_owned(),
        },
        last: None,
        next: None,
        setting: "onboarding.poll",
    });
    lines.push(Line {
        what: "Look for operations that nobody was woken for",
        when: "every 5 minutes".to_owned(),
        last: swept.map(moment),
        next: None,
        setting: "",
    });
    lines.push(Line {
        what: "Look for changes that no trigger saw",
        when: "every 15 minutes, and after an error of capture".to_owned(),
        last: None,
        next: None,
        setting: "",
    });
    Ok(lines)
}

fn summary(settings: &Settings, schedule: &Schedule, now: Ts) -> Line {
    let enabled = schedule.summary.enabled;
    let (_, next) = next_run(schedule, &settings.insurance.zone, now.timestamp());
    Line {
        what: "Weekly summary of payments",
        when: match enabled {
            true => words(schedule),
            false => "never: switched off".to_owned(),
        },
        last: None,
        next: enabled.then(|| Moment::of(next.into(), now)),
        setting: match schedule.by {
            Some(_) => "chosen here",
            None => "summary.day, summary.time, insurance.zone",
        },
    }
}

/// `every Friday at 16:00 Africa/Nairobi`
pub(super) fn words(schedule: &Schedule) -> String {
    let day = crate::desk::chosen::DAYS
        .iter()
        .find(|(_, _, day)| *day == schedule.summary.day)
        .map_or("", |(_, label, _)| label);
    format!(
        "every {day} at {} {}",
        schedule.summary.time.strftime("%H:%M"),
        zone_name(&schedule.zone)
    )
}

pub(super) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

fn nightly(settings: &Settings, now: Ts) -> Line {
    let rules = &settings.insurance.reconcile;
    let works = rules.nightly && settings.crm.as_ref().is_some_and(|crm| crm.enabled);
    let zone = &settings.insurance.zone;
    Line {
        what: "Compare both sides as a whole",
        when: match works {
            true => format!(
                "every night at {} {}",
                rules.time.strftime("%H:%M"),
                zone_name(zone)
            ),
            false => "never".to_owned(),
        },
        last: None,
        next: works
            .then(|| next_at(rules.time, zone, now.timestamp()))
            .flatten()
            .map(|next| Moment::of(next.into(), now)),
        setting: "reconcile.nightly, reconcile.time",
    }
}

/// The next time that clocks of the zone show this time.
fn next_at(time: jiff::civil::Time, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let days = [today, today.saturating_add(1.days())];
    let mut times = days
        .into_iter()
        .filter_map(|day| day.to_datetime(time).to_zoned(zone.clone()).ok());
    times
        .find(|at| at.timestamp() > now)
        .map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_night_is_today_or_tomorrow_in_the_zone_of_the_insurer() {
        let zone = TimeZone::get("Africa/Nairobi").unwrap();
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let two = jiff::civil::time(2, 0, 0, 0);
        let next = |now: &str| next_at(two, &zone, at(now)).unwrap().to_string();
        assert_eq!(next("2026-11-22T22:00:00Z"), "2026-11-22T23:00:00Z");
        assert_eq!(next("2026-11-22T23:00:00Z"), "2026-11-23T23:00:00Z");
    }
}
