//! A value on its way: as SQLite holds it, and as the text that PostgreSQL reads it from.
//!
//! That text is also the canonical form in which both sides are summed up, except for JSON, of which only the meaning counts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteValueRef;
use sqlx::{Decode, Sqlite, TypeInfo, ValueRef};

use super::catalogue::Kind;

/// A value as SQLite holds it: any kind in any column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Raw {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Microseconds from 1970 to 2000, from where PostgreSQL counts and rounds.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// Up to here every whole number has a floating-point number of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Raw {
    pub(super) fn read(value: SqliteValueRef<'_>) -> Result<Self, sqlx::error::BoxDynError> {
        if value.is_null() {
            return Ok(Raw::Null);
        }
        let class = value.type_info().name().to_owned();
        Ok(match class.as_str() {
            "INTEGER" => Raw::Integer(<i64 as Decode<Sqlite>>::decode(value)?),
            "REAL" => Raw::Real(<f64 as Decode<Sqlite>>::decode(value)?),
            "TEXT" => {
                let bytes = <Vec<u8> as Decode<Sqlite>>::decode(value)?;
                match String::from_utf8(bytes) {
                    Ok(text) => Raw::Text(text),
                    Err(error) => Raw::Bytes(error.into_bytes()),
                }
            }
            _ => Raw::Bytes(<Vec<u8> as Decode<Sqlite>>::decode(value)?),
        })
    }

    /// Short, for messages about a row: never more than a key needs.
    pub(super) fn shown(&self) -> String {
        match self {
            Raw::Null => "NULL".to_owned(),
            Raw::Integer(number) => number.to_string(),
            Raw::Real(number) => number.to_string(),
            Raw::Text(text) => text.chars().take(60).collect(),
            Raw::Bytes(bytes) => match <[u8; 16]>::try_from(bytes.as_slice()) {
                Ok(id) => uuid::Uuid::from_bytes(id).to_string(),
                Err(_) => format!("{} bytes", bytes.len()),
            },
        }
    }
}

/// The text from which PostgreSQL reads the value; `None` for NULL. The error says what is wrong without showing the value,
/// which may be anybody's.
pub(super) fn convert(kind: &Kind, raw: &Raw) -> Result<Option<String>, String> {
    let text = match (kind, raw) {
        (_, Raw::Null) => return Ok(None),
        (Kind::Text { most }, raw) => return text(*most, raw).map(Some),
        (Kind::Whole { bytes }, raw) => whole(*bytes, raw)?.to_string(),
        (Kind::Amount { digits }, raw) => amount(*digits, raw)?,
        (Kind::Flag, Raw::Integer(flag @ 0..=1)) => flag.to_string(),
        (Kind::Uuid, Raw::Bytes(bytes)) => <[u8; 16]>::try_from(bytes.as_slice())
            .map(|bytes| uuid::Uuid::from_bytes(bytes).to_string())
            .map_err(|_| "is no UUID: it has not 16 bytes".to_owned())?,
        (Kind::Uuid, Raw::Text(text)) => same_uuid(text)?,
        (Kind::Bytes, Raw::Bytes(bytes)) => hex::encode(bytes),
        (Kind::Bytes, Raw::Text(text)) => hex::encode(text),
        (Kind::Instant { digits, .. }, raw) => {
            rounded(*digits, whole(8, raw).map_err(|_| no_time())?).to_string()
        }
        (Kind::Date, Raw::Text(text)) => date(text)?,
        (Kind::Json { binary }, Raw::Text(text)) => json(*binary, text)?,
        (Kind::Word { words, .. }, Raw::Text(text)) if words.contains(text) => text.clone(),
        (Kind::Word { words, .. }, _) => return Err(format!("is none of {}", words.join(", "))),
        (Kind::Flag, _) => return Err("is neither 0 nor 1".to_owned()),
        (Kind::Uuid, _) => return Err("is no UUID".to_owned()),
        (Kind::Bytes, _) => return Err("is a number where bytes belong".to_owned()),
        (Kind::Date, _) => return Err("is no date of the form 2026-01-31".to_owned()),
        (Kind::Json { .. }, _) => return Err("is no JSON".to_owned()),
    };
    Ok(Some(text))
}

fn no_time() -> String {
    "is no instant: neither microseconds since 1970 nor a time that SQLite can read".to_owned()
}

fn text(most: Option<usize>, raw: &Raw) -> Result<String, String> {
    let text = match raw {
        Raw::Text(text) => text.clone(),
        // Columns without affinity keep what another program gave them.
        Raw::Integer(number) => number.to_string(),
        Raw::Real(number) => number.to_string(),
        Raw::Null | Raw::Bytes(_) => return Err("is no text in UTF-8".to_owned()),
    };
    if text.contains('\0') {
        return Err("holds the character U+0000, which PostgreSQL cannot keep".to_owned());
    }
    match most {
        Some(most) if text.chars().count() > most => {
            Err(format!("is longer than {most} characters"))
        }
        _ => Ok(text),
    }
}

fn whole(bytes: u8, raw: &Raw) -> Result<i64, String> {
    let number = match raw {
        Raw::Integer(number) => *number,
        Raw::Real(number) if number.fract() == 0.0 && number.abs() < EXACT => *number as i64,
        _ => return Err("is no whole number".to_owned()),
    };
    let fits = match bytes {
        2 => i16::try_from(number).is_ok(),
        4 => i32::try_from(number).is_ok(),
        _ => true,
    };
    if fits {
        Ok(number)
    } else {
        Err(format!("does not fit into a number of {bytes} bytes"))
    }
}

/// Rounded as the program rounds when it reads cents: half away from zero.
fn amount(digits: u32, raw: &Raw) -> Result<String, String> {
    let unit = 10_i128.pow(digits);
    let units: i128 = match raw {
        Raw::Integer(number) => i128::from(*number) * unit,
        Raw::Real(number) if number.is_finite() && number.abs() < 1e15 => {
            (number * unit as f64).round() as i128
        }
        _ => return Err("is no decimal number".to_owned()),
    };
    let sign = if units < 0 { "-" } else { "" };
    let (before, after) = (
        units.unsigned_abs() / unit.unsigned_abs(),
        units.unsigned_abs() % unit.unsigned_abs(),
    );
    Ok(match digits {
        0 => format!("{sign}{before}"),
        _ => format!("{sign}{before}.{after:0width$}", width = digits as usize),
    })
}

/// Other tables refer to the row by exactly this text, and PostgreSQL writes a UUID in one way only.
fn same_uuid(text: &str) -> Result<String, String> {
    let read = uuid::Uuid::parse_str(text).map_err(|_| "is no UUID".to_owned())?;
    let written = read.to_string();
    if written == text {
        Ok(written)
    } else {
        Err(
            "is a UUID in another form than lower case with hyphens, as PostgreSQL would show it"
                .to_owned(),
        )
    }
}

fn date(text: &str) -> Result<String, String> {
    let read: jiff::civil::Date = text
        .parse()
        .map_err(|_| "is no date of the form 2026-01-31".to_owned())?;
    if read.year() < 1 {
        return Err("is a date before the year 1".to_owned());
    }
    Ok(read.to_string())
}

fn json(binary: bool, text: &str) -> Result<String, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|_| "is no JSON".to_owned())?;
    if text.contains('\0') || (binary && holds_nul(&value)) {
        return Err("holds the character U+0000, which PostgreSQL cannot keep".to_owned());
    }
    Ok(text.to_owned())
}

fn holds_nul(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(pairs) => pairs
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// Microseconds since 1970, rounded as PostgreSQL rounds to so many digits after the second.
pub(super) fn rounded(digits: u32, micros: i64) -> i64 {
    let step = 10_i64.pow(6_u32.saturating_sub(digits));
    let since = micros.saturating_sub(POSTGRES_EPOCH);
    let half = if since < 0 { -(step / 2) } else { step / 2 };
    (since.saturating_add(half) / step) * step + POSTGRES_EPOCH
}

/// What is summed up of a value's text.
pub(super) fn canonical<'a>(kind: &Kind, text: &'a str) -> Cow<'a, str> {
    match kind {
        Kind::Json { .. } => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => {
                let mut out = String::with_capacity(text.len());
                write_canonical(&value, &mut out);
                Cow::Owned(out)
            }
            Err(_) => Cow::Borrowed(text),
        },
        _ => Cow::Borrowed(text),
    }
}

/// Without blanks, names in order, numbers in one form.
fn write_canonical(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Object(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().collect();
            pairs.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in pairs {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            Some(real) if number.is_f64() && real.fract() == 0.0 && real.abs() < EXACT => {
                out.push_str(&(real as i64).to_string());
            }
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

impl Kind {
    /// The expression by which PostgreSQL makes the value of the text in `text`.
    pub(super) fn read_from(&self, text: &str) -> String {
        match self {
            Kind::Text { .. } => text.to_owned(),
            Kind::Whole { .. } => format!("CAST({text} AS BIGINT)"),
            Kind::Amount { .. } => format!("CAST({text} AS NUMERIC)"),
            Kind::Flag => format!("CAST({text} AS BOOLEAN)"),
            Kind::Uuid => format!("CAST({text} AS UUID)"),
            Kind::Bytes => format!("decode({text}, 'hex')"),
            Kind::Instant { zoned, .. } => {
                let epoch = if *zoned { "TIMESTAMPTZ" } else { "TIMESTAMP" };
                format!("({epoch} 'epoch' + CAST({text} AS BIGINT) * INTERVAL '1 microsecond')")
            }
            Kind::Date => format!("CAST({text} AS DATE)"),
            Kind::Json { binary: true } => format!("CAST({text} AS JSONB)"),
            Kind::Json { binary: false } => format!("CAST({text} AS JSON)"),
            Kind::Word { type_name, .. } => format!("CAST({text} AS {type_name})"),
        }
    }

    /// The expression by which PostgreSQL shows such a column as that text.
    pub(super) fn shown_as(&self, column: &str) -> String {
        match self {
            Kind::Flag => format!("CAST(CAST({column} AS INTEGER) AS TEXT)"),
            Kind::Bytes => format!("encode({column}, 'hex')"),
            Kind::Instant { .. } => {
                format!("CAST(CAST(EXTRACT(EPOCH FROM {column}) * 1000000 AS BIGINT) AS TEXT)")
            }
            Kind::Date => format!("to_char({column}, 'YYYY-MM-DD')"),
            _ => format!("CAST({column} AS TEXT)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(kind: Kind, raw: Raw) -> Result<Option<String>, String> {
        convert(&kind, &raw)
    }

    #[test]
    fn an_amount_keeps_its_cents_whatever_sqlite_made_of_it() {
        let kind = Kind::Amount { digits: 2 };
        let shown = |raw| convert(&kind, &raw).unwrap().unwrap();
        assert_eq!(shown(Raw::Integer(1_500)), "1500.00");
        assert_eq!(shown(Raw::Real(0.1 + 0.2)), "0.30");
        assert_eq!(shown(Raw::Real(-0.05)), "-0.05");
        assert_eq!(shown(Raw::Real(1234.565)), "1234.57");
        assert!(converted(kind.clone(), Raw::Text("a lot".to_owned())).is_err());
    }

    #[test]
    fn an_instant_is_rounded_as_postgresql_rounds_it() {
        assert_eq!(rounded(3, 1_700_000_000_123_499), 1_700_000_000_123_000);
        assert_eq!(rounded(3, 1_700_000_000_123_500), 1_700_000_000_124_000);
        assert_eq!(
            rounded(3, 1_500),
            1_000,
            "before 2000, half goes the other way"
        );
        assert_eq!(rounded(6, 1_500), 1_500);
    }

    #[test]
    fn what_postgresql_cannot_keep_is_said_without_showing_it() {
        let secret = "hunter2\0";
        for (kind, raw) in [
            (Kind::Text { most: None }, Raw::Text(secret.to_owned())),
            (
                Kind::Text { most: Some(3) },
                Raw::Text("hunter2".to_owned()),
            ),
            (Kind::Text { most: None }, Raw::Bytes(vec![0xff])),
            (Kind::Uuid, Raw::Text("hunter2".to_owned())),
            (
                Kind::Uuid,
                Raw::Text("0190A5C0-0000-7000-8000-000000000001".to_owned()),
            ),
            (Kind::Date, Raw::Text("hunter2".to_owned())),
            (
                Kind::Json { binary: true },
                Raw::Text(r#"{"a":"hunter2\u0000"}"#.to_owned()),
            ),
            (
                Kind::Json { binary: false },
                Raw::Text("hunter2".to_owned()),
            ),
            (Kind::Flag, Raw::Integer(2)),
            (Kind::Whole { bytes: 4 }, Raw::Integer(1 << 40)),
            (Kind::Whole { bytes: 8 }, Raw::Real(0.5)),
        ] {
            let error = convert(&kind, &raw).expect_err(&format!("{kind:?}"));
            assert!(!error.contains("hunter2"), "{error}");
        }
        let kept = Kind::Json { binary: false };
        assert!(convert(&kept, &Raw::Text(r#"{"a":"\u0000"}"#.to_owned())).is_ok());
    }

    #[test]
    fn json_is_summed_up_by_its_meaning() {
        let kind = Kind::Json { binary: true };
        let one = canonical(&kind, r#"{"b": 1.0, "a": [1e2, "x"], "a": [100, "x"]}"#);
        let other = canonical(&kind, r#"{"a":[100,"x"],"b":1}"#);
        assert_eq!(one, other);
        assert_ne!(one, canonical(&kind, r#"{"a":[100,"x"],"b":"1"}"#));
        let plain = Kind::Text { most: None };
        assert_ne!(canonical(&plain, "1.0"), canonical(&plain, "1"));
    }
}
