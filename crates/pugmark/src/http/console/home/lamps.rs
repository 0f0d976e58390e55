//! A lamp for each outside system: a colour, and a word for those who see none.

use std::time::Duration;

use pugmark_queue::db::{Engine, Ts};

use crate::http::AppState;
use crate::http::api::status::{StatusBody, age};
use crate::http::console::texts;
use crate::telemetry::alerts::judge::{MAXIO, VTIGER};

/// An outside system, as it is shown.
pub(super) struct Lamp {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) note: String,
}

/// What the lamps show besides the status.
pub(super) struct Seen<'a> {
    /// Systems that some process finds in trouble, and since when.
    pub(super) troubles: &'a [(String, Ts)],
    /// How long the store took for everything that this page asks.
    pub(super) store_took: Duration,
    pub(super) now: Ts,
}

/// Every lamp, in the order of the way of a change.
pub(super) fn lamps(state: &AppState, status: &StatusBody, seen: &Seen<'_>) -> Vec<Lamp> {
    vec![
        system("vTiger", &status.crm, address(state), seen.trouble(VTIGER)),
        system("Maxio", &status.maxio, maxio(state), seen.trouble(MAXIO)),
        supabase(state),
        database(state, seen.store_took),
        linked(
            "RabbitMQ",
            status
                .broker
                .as_ref()
                .map(|it| (it.state, it.words.as_str())),
        ),
        linked(
            "Redis",
            status
                .redis
                .as_ref()
                .map(|it| (it.state, it.words.as_str())),
        ),
    ]
}

impl Seen<'_> {
    fn trouble(&self, system: &str) -> Option<String> {
        let since = self.troubles.iter().find(|(name, _)| name == system)?.1;
        Some(age(self.now.since(since).as_secs()))
    }
}

fn address(state: &AppState) -> String {
    state
        .crm
        .as_ref()
        .map(|crm| crm.url.clone())
        .unwrap_or_default()
}

fn maxio(state: &AppState) -> String {
    state
        .maxio
        .as_ref()
        .map(|maxio| maxio.url.to_string())
        .unwrap_or_default()
}

fn system(name: &'static str, word: &str, place: String, trouble: Option<String>) -> Lamp {
    let (class, word, note) = match (word, trouble) {
        ("not configured", _) => ("", texts::NOT_CONFIGURED, String::new()),
        ("disabled", _) => ("wait", texts::SWITCHED_OFF, place),
        (_, Some(since)) => ("bad", texts::LEFT_ALONE, format!("{place}, for {since}")),
        ("paused", None) => ("wait", texts::PAUSED, place),
        _ => ("good", texts::ANSWERS, place),
    };
    Lamp {
        name,
        class,
        word,
        note,
    }
}

/// It is asked only when somebody signs in or an account changes; nothing is known of it in between.
fn supabase(state: &AppState) -> Lamp {
    let (class, word, note) = match state.staff.logins {
        Some(_) => ("", texts::CONFIGURED, texts::ASKED_WHEN_NEEDED.to_owned()),
        None => ("", texts::NOT_CONFIGURED, String::new()),
    };
    Lamp {
        name: "Supabase",
        class,
        word,
        note,
    }
}

fn database(state: &AppState, took: Duration) -> Lamp {
    let engine = match state.db.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    Lamp {
        name: "Database",
        class: "good",
        word: texts::ANSWERS,
        note: format!("{engine}, this page in {} ms", took.as_millis().max(1)),
    }
}

fn linked(name: &'static str, state: Option<(&str, &str)>) -> Lamp {
    let (class, word, note) = match state {
        None => ("", texts::NOT_CONFIGURED, String::new()),
        Some(("up", words)) => ("good", texts::CONNECTED, words.to_owned()),
        Some(("connecting", _)) => ("wait", texts::CONNECTING, String::new()),
        Some(("blocked", words)) => ("wait", texts::PAUSED, words.to_owned()),
        Some((_, words)) => ("bad", texts::AWAY, words.to_owned()),
    };
    Lamp {
        name,
        class,
        word,
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lamp_is_red_only_where_something_is_wrong() {
        let of = |word: &str, trouble: Option<&str>| {
            system("vTiger", word, "crm".into(), trouble.map(str::to_owned)).class
        };
        assert_eq!(of("not configured", None), "");
        assert_eq!(of("disabled", None), "wait");
        assert_eq!(of("ok", None), "good");
        assert_eq!(of("paused", None), "wait", "it asked for a pause");
        assert_eq!(
            of("ok", Some("3 minutes")),
            "bad",
            "another process found it so"
        );
        assert_eq!(linked("Redis", None).class, "");
        assert_eq!(linked("Redis", Some(("down", "away since"))).class, "bad");
    }
}
