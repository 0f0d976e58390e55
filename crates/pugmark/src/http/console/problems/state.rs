//! How a problem stands, from what failed and what people said. Pure.

use pugmark_queue::db::Ts;

use crate::store::problems::Mark;

/// How a problem stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http::console) enum State {
    /// Somebody said that it was mended, and it failed again afterwards.
    CameBack,
    /// Nobody has said anything.
    Open,
    /// Somebody is at it.
    Acknowledged,
    /// Nobody wants to hear of it for a while.
    Snoozed,
    /// Somebody said that it is mended, and nothing has failed since.
    Resolved,
}

impl State {
    pub(in crate::http::console) fn of(mark: Option<&Mark>, last: Ts, now: Ts) -> Self {
        let Some(mark) = mark else {
            return State::Open;
        };
        match mark.state.as_str() {
            "acknowledged" => State::Acknowledged,
            "snoozed" if mark.until.is_some_and(|until| until > now) => State::Snoozed,
            "resolved" if last > mark.marked_at => State::CameBack,
            "resolved" => State::Resolved,
            _ => State::Open,
        }
    }

    /// It is on the first list: somebody has to do something, or is doing it.
    pub(in crate::http::console) fn is_shown_first(self) -> bool {
        matches!(self, State::CameBack | State::Open | State::Acknowledged)
    }

    /// Colour and word.
    pub(in crate::http::console) fn badge(self) -> (&'static str, &'static str) {
        match self {
            State::CameBack => ("bad", "Came back"),
            State::Open => ("bad", "Open"),
            State::Acknowledged => ("brand", "Acknowledged"),
            State::Snoozed => ("", "Snoozed"),
            State::Resolved => ("good", "Resolved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_said_holds_until_it_is_over_or_it_fails_again() {
        let at = |seconds: i64| Ts::from_micros(seconds * 1_000_000);
        let mark = |state: &str, until: Option<i64>| Mark {
            kind: "note.create".into(),
            error_code: "PUG-2006".into(),
            state: state.into(),
            until: until.map(at),
            marked_by: "ann".into(),
            reason: "x".into(),
            marked_at: at(100),
        };
        let cases = [
            (None, 50, 200, State::Open),
            (
                Some(mark("acknowledged", None)),
                150,
                200,
                State::Acknowledged,
            ),
            (Some(mark("snoozed", Some(300))), 150, 200, State::Snoozed),
            (Some(mark("snoozed", Some(300))), 150, 300, State::Open),
            (Some(mark("resolved", None)), 99, 200, State::Resolved),
            (Some(mark("resolved", None)), 100, 200, State::Resolved),
            (Some(mark("resolved", None)), 101, 200, State::CameBack),
        ];
        for (mark, last, now, state) in cases {
            assert_eq!(
                State::of(mark.as_ref(), at(last), at(now)),
                state,
                "{mark:?}"
            );
        }
    }
}
