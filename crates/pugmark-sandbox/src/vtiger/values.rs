//! From what a client sends to what the database keeps.

use serde_json::Value;

use super::catalogue::Kind;
use super::failure::Failure;
use super::store::Cell;

/// A value on its way into a column: text as PHP would see it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// `null`.
    Null,
    /// Text, or something PHP turns into text.
    Text(String),
    /// A list or an object with other than one value: the number of its values.
    Many(Vec<String>),
}

impl Input {
    /// Reads a JSON value. Lists and objects are flattened: one value is taken as that value.
    pub(super) fn read(value: &Value) -> Self {
        match value {
            Value::Null => Input::Null,
            Value::Bool(true) => Input::Text("1".into()),
            Value::Bool(false) => Input::Text("0".into()),
            Value::String(text) => Input::Text(text.clone()),
            Value::Number(number) => Input::Text(number.to_string()),
            Value::Array(items) => Self::flatten(items.iter()),
            Value::Object(map) => Self::flatten(map.values()),
        }
    }

    fn flatten<'a>(items: impl Iterator<Item = &'a Value>) -> Self {
        let texts: Vec<String> = items
            .map(|item| match Self::read(item) {
                Input::Text(text) => text,
                Input::Null | Input::Many(_) => String::new(),
            })
            .collect();
        match <[String; 1]>::try_from(texts) {
            Ok([one]) => Input::Text(one),
            Err(many) => Input::Many(many),
        }
    }

    /// Text, for uses where null is as good as empty.
    pub(super) fn text(&self) -> &str {
        match self {
            Input::Text(text) => text,
            Input::Null | Input::Many(_) => "",
        }
    }
}

/// Converts a value for a column of this kind. References and owners are the caller's business.
///
/// # Errors
/// As vTiger fails: a fatal for text in a decimal field, an unknown error for a date that cannot be read.
pub(super) fn store(kind: &Kind, input: &Input, date_format: &str) -> Result<Cell, Failure> {
    let text = match (kind, input) {
        (Kind::MultiPicklist, Input::Many(items)) => return Ok(Some(items.join(" |##| "))),
        (_, Input::Many(items)) => return Err(mismatch(items.len())),
        (_, other) => other.text(),
    };
    match kind {
        Kind::Text(width) => Ok(Some(cut(&three_byte(&disarm(text)), *width))),
        Kind::MultiPicklist => Ok(Some(three_byte(&disarm(text)))),
        Kind::Integer => Ok(Some(integer(text))),
        Kind::Decimal {
            digits,
            scale,
            lenient,
        } => decimal(text, *digits, *scale, *lenient).map(Some),
        Kind::Boolean => Ok(Some(if matches!(text, "1" | "on") {
            "1".into()
        } else {
            "0".into()
        })),
        Kind::Date => date(text, date_format),
        Kind::Time => Ok(time(text)),
        Kind::DateTime => Ok((!text.is_empty()).then(|| text.to_owned())),
        Kind::Reference(_) | Kind::Owner | Kind::Id => Ok(Some(text.to_owned())),
    }
}

/// More values than columns: the database layer prints a line and gives up.
fn mismatch(values: usize) -> Failure {
    // Eleven columns, one of which got `values` values.
    Failure::Noise(format!(
        "Input array has {} params, does not match query: 'insert into vtiger_crmentity \
         (crmid,smcreatorid,smownerid,smgroupid,setype,description,modifiedby,createdtime,modifiedtime,source,label) \
         values(?,?,?,?,?,?,?,?,?,?,?)'<br>\n",
        10 + values
    ))
}

/// A value with `script` and later on the same line `/script` loses its angle brackets and double quotes.
pub(super) fn disarm(text: &str) -> String {
    let armed = text.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.find("script")
            .is_some_and(|at| line[at + "script".len()..].contains("/script"))
    });
    if armed {
        text.replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    } else {
        text.to_owned()
    }
}

/// The connection speaks three-byte UTF-8: each longer character becomes four question marks.
pub(super) fn three_byte(text: &str) -> String {
    if text.chars().all(|character| character.len_utf8() < 4) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.len_utf8() == 4 {
            out.push_str("????");
        } else {
            out.push(character);
        }
    }
    out
}

fn cut(text: &str, width: Option<usize>) -> String {
    match width.and_then(|width| text.char_indices().nth(width)) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// The number at the start of a text, as the database and PHP's `(float)` read it; 0 where there is none.
pub(super) fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    end += digits(end);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    text[..end].parse().unwrap_or(0.0)
}

/// Whether PHP takes the whole text for a number (spaces around it allowed).
fn is_numeric(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'));
    plain && text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

fn integer(text: &str) -> String {
    let number = leading_number(text);
    // Half goes away from zero, and what is too big sticks at the end of the range.
    format!(
        "{}",
        (number.round() as i64).clamp(i64::from(i32::MIN), i64::from(i32::MAX))
    )
}

fn decimal(text: &str, digits: u8, scale: u8, lenient: bool) -> Result<String, Failure> {
    if !lenient && !text.is_empty() && !is_numeric(text) {
        return Err(Failure::Fatal);
    }
    let scale = usize::from(scale);
    let number = leading_number(text);
    let limit = 10_f64.powi(i32::from(digits));
    if number.abs() >= limit {
        let nines = "9".repeat(usize::from(digits));
        let fraction = if scale == 0 {
            String::new()
        } else {
            format!(".{}", "9".repeat(scale))
        };
        let sign = if number < 0.0 { "-" } else { "" };
        return Ok(format!("{sign}{nines}{fraction}"));
    }
    Ok(rounded(text, number, scale))
}

/// Rounds half away from zero on the decimal digits as written (`12.345` is `12.35`), which a binary fraction would not.
fn rounded(text: &str, number: f64, scale: usize) -> String {
    let written = text.trim().trim_start_matches(['+', '-']);
    let plain = !written.is_empty()
        && written
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (Some((_, fraction)), true) = (written.split_once('.'), plain) else {
        return format!("{number:.scale$}");
    };
    let nudged = match fraction.as_bytes().get(scale) {
        Some(b'5'..=b'9') => number + number.signum() * 10_f64.powi(-(scale as i32) - 3),
        _ => number,
    };
    format!("{nudged:.scale$}")
}

/// Understands `YYYY-M-D` and the user's own order with dashes, either followed by a space and anything. Other dates that
/// PHP can read are dropped, a date that does not exist becomes zeros, what is no date at all is an error.
fn date(text: &str, date_format: &str) -> Result<Cell, Failure> {
    let day = text.trim().split(' ').next().unwrap_or_default();
    if day.is_empty() {
        return Ok(None);
    }
    let numbers: Option<Vec<u32>> = day.split('-').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[first, second, third]) => {
            let year_first = day.find('-') == Some(4);
            let (year, month, day) = match (year_first, date_format) {
                (true, _) => (first, second, third),
                (false, "mm-dd-yyyy") => (third, first, second),
                (false, _) => (third, second, first),
            };
            Ok(Some(existing(year, month, day)))
        }
        _ if day.starts_with(|character: char| character.is_ascii_digit()) => Ok(None),
        _ => Err(Failure::unknown_error()),
    }
}

fn existing(year: u32, month: u32, day: u32) -> String {
    let known = i16::try_from(year)
        .ok()
        .zip(i8::try_from(month).ok())
        .zip(i8::try_from(day).ok())
        .and_then(|((year, month), day)| jiff::civil::Date::new(year, month, day).ok());
    known.map_or_else(
        || "0000-00-00".to_owned(),
        |date| date.strftime("%Y-%m-%d").to_string(),
    )
}

/// The database's reading of a time: what follows the digits (`PM`) is dropped, impossible times become zero.
fn time(text: &str) -> Cell {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != ':')
        .unwrap_or(text.len());
    let parts: Vec<u32> = text[..end]
        .split(':')
        .map(|part| part.parse().unwrap_or(0))
        .collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (*hours, *minutes, 0),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => (0, 0, 0),
    };
    let possible = hours <= 838 && minutes < 60 && seconds < 60;
    Some(if possible {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    } else {
        "00:00:00".to_owned()
    })
}
