//! Values as people write them: a problem is told where they are none.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::ConfigProblem;

pub(super) fn duration(setting: &str, text: &str, problems: &mut Vec<ConfigProblem>) -> Duration {
    let parsed = text
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok());
    parsed.unwrap_or_else(|| {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{text}` is not a duration"),
            "Write a number with its unit: 250ms, 2s, 5m, 24h",
        ));
        Duration::ZERO
    })
}

pub(super) fn time_zone(
    setting: &str,
    name: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Option<TimeZone> {
    let zone = TimeZone::get(name.trim()).ok();
    if zone.is_none() {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{name}` is no time zone"),
            "Write it like Africa/Nairobi or UTC",
        ));
    }
    zone
}

pub(super) fn at_least(
    setting: &str,
    text: &str,
    least: Duration,
    problems: &mut Vec<ConfigProblem>,
) -> Duration {
    let found = problems.len();
    let value = duration(setting, text, problems);
    if problems.len() == found && value < least {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{text}` is too short"),
            format!("Use {least:?} or more"),
        ));
    }
    value
}
