//! Amounts in bodies: decimal text, or a number taken digit for digit as it stands in the body, so that none passes through a
//! floating-point number.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::microbima::amount::Amount;

/// An amount as it was sent, not yet judged.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct AmountText(String);

impl AmountText {
    /// The text of a stored amount, for rules that look at a row as it would be after a change.
    pub(super) fn of(amount: Amount) -> Self {
        AmountText(amount.to_string())
    }

    pub(super) fn parsed(&self) -> Option<Amount> {
        self.0.parse().ok()
    }
}

impl<'de> Deserialize<'de> for AmountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        match text.bytes().next() {
            Some(b'"') => serde_json::from_str(text)
                .map(|text: String| AmountText(text.trim().to_owned()))
                .map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(AmountText(text.to_owned())),
            _ => Err(D::Error::custom(
                "expected an amount as text or number, such as \"200.50\" or 200.5",
            )),
        }
    }
}

/// Money that is to be paid or was: more than nothing.
pub(super) fn is_amount(value: &AmountText, (): &()) -> garde::Result {
    if value.0.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    match value.0.parse::<Amount>() {
        Ok(amount) if amount.cents() > 0 => Ok(()),
        Ok(_) => Err(garde::Error::new("must be more than nothing")),
        Err(error) => Err(garde::Error::new(error)),
    }
}
