//! Numbers, as exact decimal text.

use crate::adapt::{Fitted, WarningKind};
use crate::limits::FieldLimits;

/// A decimal number without exponent, leading zeros or thousands separators.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    /// Without leading zeros; `0` for nothing.
    integer: String,
    fraction: String,
}

impl Decimal {
    /// Reads `-1234.56`, `+5`, `.5`. Separators and exponents are refused: vTiger reads `2,500.75` as 2.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if integer.is_empty() && fraction.is_empty()
            || !all_digits(integer)
            || !all_digits(fraction)
        {
            return None;
        }
        Some(
            Self {
                negative,
                integer: without_leading_zeros(integer),
                fraction: fraction.to_owned(),
            }
            .normal(),
        )
    }

    /// Rounds half away from zero, as the database does, and pads to exactly `scale` decimals.
    fn rounded(&self, scale: usize) -> Self {
        let mut digits: Vec<u8> = self
            .integer
            .bytes()
            .chain(self.fraction.bytes())
            .map(|byte| byte - b'0')
            .collect();
        let keep = self.integer.len() + scale;
        let round_up = digits.get(keep).is_some_and(|digit| *digit >= 5);
        digits.resize(keep, 0);
        if round_up {
            increment(&mut digits);
        }
        let text: String = digits
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        let (integer, fraction) = text.split_at(text.len() - scale);
        Self {
            negative: self.negative,
            integer: without_leading_zeros(integer),
            fraction: fraction.to_owned(),
        }
        .normal()
    }

    /// There is no negative zero.
    fn normal(mut self) -> Self {
        let zero = self
            .integer
            .bytes()
            .chain(self.fraction.bytes())
            .all(|digit| digit == b'0');
        self.negative = self.negative && !zero;
        self
    }

    fn has_more_decimals_than(&self, scale: usize) -> bool {
        self.fraction.trim_end_matches('0').len() > scale
    }

    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        match self.fraction.as_str() {
            "" => format!("{sign}{}", self.integer),
            fraction => format!("{sign}{}.{fraction}", self.integer),
        }
    }

    fn shortest(&self) -> String {
        Self {
            fraction: self.fraction.trim_end_matches('0').to_owned(),
            ..self.clone()
        }
        .text()
    }
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}

fn without_leading_zeros(digits: &str) -> String {
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

/// Fits a decimal into its column.
pub(super) fn fit_decimal(limits: FieldLimits, given: &str) -> Result<Fitted, WarningKind> {
    let bad = || WarningKind::BadNumber {
        value: super::value::shown(given),
    };
    let number = Decimal::parse(given).ok_or_else(bad)?;
    let scale = limits.scale.and_then(|scale| usize::try_from(scale).ok());
    let stored = scale.map_or_else(|| number.clone(), |scale| number.rounded(scale));
    let too_large =
        |most: u32| u32::try_from(stored.integer.len()).is_ok_and(|digits| digits > most);
    if limits.integer_digits.is_some_and(too_large) {
        return Err(bad());
    }
    let mut fitted = Fitted::exactly(number.shortest());
    if scale.is_some_and(|scale| number.has_more_decimals_than(scale)) {
        fitted.warnings.push(WarningKind::Rounded {
            from: number.shortest(),
            to: stored.text(),
        });
    }
    fitted.stored = stored.text();
    Ok(fitted)
}

/// Fits a whole number into a 32-bit column.
pub(super) fn fit_integer(given: &str) -> Result<Fitted, WarningKind> {
    let bad = || WarningKind::BadNumber {
        value: super::value::shown(given),
    };
    let number = Decimal::parse(given).ok_or_else(bad)?;
    let whole = number.rounded(0).text();
    // Anything larger is silently clamped by the database.
    whole.parse::<i32>().map_err(|_| bad())?;
    let mut fitted = Fitted::exactly(whole.clone());
    if number.has_more_decimals_than(0) {
        fitted.warnings.push(WarningKind::Rounded {
            from: number.shortest(),
            to: whole,
        });
    }
    Ok(fitted)
}

/// What a cleared number shows: vTiger has no empty ones.
pub(super) fn cleared(limits: FieldLimits) -> Fitted {
    let scale = limits
        .scale
        .and_then(|scale| usize::try_from(scale).ok())
        .unwrap_or(0);
    let zero = Decimal {
        negative: false,
        integer: "0".to_owned(),
        fraction: String::new(),
    };
    Fitted::cleared(zero.rounded(scale).text())
}

/// Whether two stored forms are the same number at the coarser of their scales; empty counts as zero.
pub(crate) fn same_number(one: &str, other: &str) -> bool {
    let read = |text: &str| {
        if text.trim().is_empty() {
            Decimal::parse("0")
        } else {
            Decimal::parse(text)
        }
    };
    match (read(one), read(other)) {
        (Some(one), Some(other)) => {
            let scale = one.fraction.len().min(other.fraction.len());
            one.rounded(scale) == other.rounded(scale)
        }
        _ => false,
    }
}
