//! Amounts of Kenyan shillings, exact to the cent: never a floating-point number.

use std::fmt;
use std::str::FromStr;

/// Shillings as whole cents; shown and read as `1200.00`. MicroBima's columns are `numeric(10,2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Amount(i64);

/// The text is no such amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an amount in shillings such as 200 or 200.50, at most 99999999.99")]
pub struct NoAmount;

impl Amount {
    /// In cents.
    pub fn cents(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(formatter, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl FromStr for Amount {
    type Err = NoAmount;

    /// Up to eight digits, and up to two behind a point. No sign, no exponent, no separators.
    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(NoAmount),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=8).contains(&whole.len())
            || fraction.len() > 2
            || !digits(whole)
            || !digits(fraction)
        {
            return Err(NoAmount);
        }
        let cents: i64 = format!("{whole}{fraction:0<2}")
            .parse()
            .map_err(|_| NoAmount)?;
        Ok(Amount(cents))
    }
}
