//! Ids of records. The vendor reserves the right to change their type, so a number and a text are taken alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// A text that cannot be an id: ids have 1 to 64 characters out of ASCII letters, digits, `-` and `_`.
///
/// The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of Maxio consists of 1 to 64 ASCII letters, digits, `-` and `_`")]
pub struct NotAnId;

/// The longest text that is taken for an id.
const LONGEST: usize = 64;

/// Anything else could mean another address when it becomes part of one.
fn checked(text: &str) -> Result<Box<str>, NotAnId> {
    let fits = (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { Ok(text.into()) } else { Err(NotAnId) }
}

fn read(json: &Json) -> Result<Box<str>, NotAnId> {
    match json {
        Json::Number(number) => number
            .as_u64()
            .map(|id| id.to_string().into())
            .ok_or(NotAnId),
        Json::String(text) => checked(text),
        _ => Err(NotAnId),
    }
}

/// A number where it is one, since the service counts.
fn written(text: &str) -> Json {
    match text.parse::<u64>() {
        Ok(number) if number.to_string() == text => Json::from(number),
        _ => Json::from(text),
    }
}

macro_rules! ids {
    ($($(#[$what:meta])* $name:ident)*) => { $(
        $(#[$what])*
        ///
        /// Read from a JSON number or text; equal if they show alike. Written as a number where it is one.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id.to_string().into())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                checked(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                written(&self.0).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let json = Json::deserialize(deserializer)?;
                read(&json).map(Self).map_err(serde::de::Error::custom)
            }
        }
    )* };
}

ids! {
    /// The id of a customer.
    CustomerId
    /// The id of a payment profile: a bank account or a card.
    PaymentProfileId
    /// The id of a subscription.
    SubscriptionId
    /// The id of a product.
    ProductId
    /// The id of a price point of a product.
    PricePointId
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_and_the_same_number_as_text_are_one_id() {
        let number: CustomerId = serde_json::from_value(json!(88_833_369)).unwrap();
        let text: CustomerId = serde_json::from_value(json!("88833369")).unwrap();
        assert_eq!(number, text);
        assert_eq!(number, CustomerId::from(88_833_369));
        assert_eq!(serde_json::to_value(&text).unwrap(), json!(88_833_369));
    }

    #[test]
    fn a_text_that_is_no_number_stays_a_text() {
        for text in ["cus_01ABC", "007", "99999999999999999999999"] {
            let id: CustomerId = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(serde_json::to_value(&id).unwrap(), json!(text));
        }
    }

    #[test]
    fn what_could_mean_another_address_is_no_id() {
        let long = "9".repeat(LONGEST + 1);
        for json in [
            json!(""),
            json!(".."),
            json!("1/2"),
            json!("1?x=y"),
            json!("1 2"),
            json!(long),
            json!(-1),
            json!(1.5),
            json!(null),
            json!({}),
        ] {
            assert!(
                serde_json::from_value::<SubscriptionId>(json.clone()).is_err(),
                "{json}"
            );
        }
    }
}
