//! Dates, times and moments.

use jiff::civil;

use crate::adapt::{Fitted, WarningKind};

/// Fits a day: `YYYY-MM-DD`, `YYYY-M-D`, `DD-MM-YYYY`, each also with a time behind it.
pub(super) fn fit_date(given: &str) -> Result<Fitted, WarningKind> {
    let date = date_part(given).and_then(|(date, _)| date);
    date.map(|date| Fitted::exactly(date.to_string()))
        .ok_or_else(|| bad_date(given))
}

/// Fits a time of day: `HH:MM`, `HH:MM:SS`, also with `AM` or `PM`, each also with a day in front of it.
pub(super) fn fit_time(given: &str) -> Result<Fitted, WarningKind> {
    // `duration_hours` is described as a time but holds a count.
    if !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Fitted::exactly(given));
    }
    let clock = match date_part(given) {
        Some((Some(_), clock)) => clock,
        _ => given,
    };
    read_time(clock)
        .map(|time| Fitted::exactly(time.strftime("%H:%M:%S").to_string()))
        .ok_or_else(|| WarningKind::BadTime {
            value: super::value::shown(given),
        })
}

/// Fits a moment in the server's time zone: a day, optionally `T` or a space and a time. A moment with an offset is
/// refused, since the server's zone is not known here.
pub(super) fn fit_datetime(given: &str) -> Result<Fitted, WarningKind> {
    let bad = || bad_date(given);
    let (date, rest) = date_part(given).ok_or_else(bad)?;
    let time = if rest.is_empty() {
        Some(civil::Time::midnight())
    } else {
        read_time(rest)
    };
    let moment = date.ok_or_else(bad)?.to_datetime(time.ok_or_else(bad)?);
    Ok(Fitted::exactly(
        moment.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    ))
}

fn bad_date(given: &str) -> WarningKind {
    WarningKind::BadDate {
        value: super::value::shown(given),
    }
}

/// The day a text begins with, and what stands behind it.
fn date_part(given: &str) -> Option<(Option<civil::Date>, &str)> {
    let given = given.trim();
    let (day, rest) = given.split_once(['T', ' ']).unwrap_or((given, ""));
    let begins_like_a_time =
        rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_digit());
    begins_like_a_time.then(|| (read_date(day), rest))
}

fn read_date(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let (first, month, last) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, day) = if first.len() == 4 {
        (first, last)
    } else {
        (last, first)
    };
    if parts.next().is_some() || year.len() != 4 || day.len() > 2 || month.len() > 2 {
        return None;
    }
    let all_digits = [year, month, day]
        .iter()
        .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let year: i16 = year.parse().ok()?;
    // The database knows no earlier years.
    if !all_digits || year < 1000 {
        return None;
    }
    civil::Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()
}

fn read_time(text: &str) -> Option<civil::Time> {
    let text = text.trim().to_ascii_uppercase();
    let (clock, half) = match text
        .strip_suffix("AM")
        .map(|clock| (clock, 0))
        .or(text.strip_suffix("PM").map(|c| (c, 12)))
    {
        Some((clock, half)) => (clock.trim_end().to_owned(), Some(half)),
        None => (text, None),
    };
    // Fractions of a second are not kept.
    let clock = clock.split('.').next().unwrap_or_default();
    let parts: Vec<i8> = clock.split(':').map(digits).collect::<Option<_>>()?;
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
    };
    civil::Time::new(hour, minute, second, 0).ok()
}

fn digits(text: &str) -> Option<i8> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
