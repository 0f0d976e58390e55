//! How values of answers are read: null and absent alike, amounts also from text, moments in the forms the service uses.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// A text; `None` when it is absent, null or empty.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// Anything with a sensible default, which null stands for.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A whole number, as number or text; `None` when it is absent, null or empty.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let wrong = || serde::de::Error::custom("not a whole number");
    match Json::deserialize(deserializer)? {
        Json::Null => Ok(None),
        Json::String(text) if text.is_empty() => Ok(None),
        Json::String(text) => text.parse().map(Some).map_err(|_wrong| wrong()),
        Json::Number(number) => number.as_i64().map(Some).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// A moment; `None` when it is absent, null, or in a form this client does not know: no moment is worth losing the id
/// of the record that carries it.
pub(crate) fn moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(parse_moment))
}

/// `2025-05-08T11:39:18-04:00` as in answers, or `2012-09-09 12:02:31 -0400` as in webhooks.
pub(crate) fn parse_moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse()
        .or_else(|_other| Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", text))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_both_forms_of_the_service() {
        let expected: Timestamp = "2025-06-08T15:41:02Z".parse().unwrap();
        for text in [
            "2025-06-08T11:41:02-04:00",
            "2025-06-08 11:41:02 -0400",
            "2025-06-08T15:41:02Z",
        ] {
            assert_eq!(parse_moment(text), Some(expected), "{text}");
        }
        for text in ["", "soon", "2025-06-08"] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
