//! Instants as pages show them.

use pugmark_queue::db::Ts;

use crate::http::api::status::age;

/// An instant, as a person says it and as a program does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// `3 minutes ago`, or `in 3 minutes`.
    pub(super) words: String,
    /// RFC 3339, in UTC.
    pub(super) exact: String,
}

impl Moment {
    /// An instant as seen from `now`.
    pub(super) fn of(at: Ts, now: Ts) -> Self {
        let words = if at > now {
            format!("in {}", age(at.since(now).as_secs()))
        } else {
            format!("{} ago", age(now.since(at).as_secs()))
        };
        let exact = at.timestamp();
        Moment {
            words,
            exact: format!("{exact:.0}"),
        }
    }
}

/// `more than 10,000`, or the number itself.
pub(super) fn counted(number: i64, most: i64) -> String {
    let grouped = crate::http::api::status::grouped;
    if number > most {
        format!("more than {}", grouped(most))
    } else {
        grouped(number)
    }
}

/// Text as part of an address.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_as_people_do() {
        let now = Ts::from_micros(1_700_000_000_123_456);
        let moment = Moment::of(Ts::from_micros(1_699_999_820_123_456), now);
        assert_eq!(moment.words, "3 minutes ago");
        assert_eq!(moment.exact, "2023-11-14T22:10:20Z");
        let later = Moment::of(Ts::from_micros(1_700_000_001_623_456), now);
        assert_eq!(later.words, "in 1 second");
        assert_eq!(counted(10_001, 10_000), "more than 10,000");
        assert_eq!(counted(9_999, 10_000), "9,999");
        assert_eq!(encoded("a b&c"), "a+b%26c");
    }
}
