//! Alerts: what is the matter, what was, and whether people are told of it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::explained;
use super::frame::{Frame, go, show, store_down};
use super::moment::Moment;
use super::person::Person;
use super::texts;
use crate::desk::{self, Actor};
use crate::http::AppState;
use crate::http::api::status::age;
use crate::store::alerts::{self, Alert, Message};
use crate::telemetry::alerts::channel::{Channel, names};
use crate::telemetry::alerts::{post, test_words};

/// Alerts of a page.
const PAGE: u32 = 50;
/// Messages looked at for what a way did last.
const MESSAGES: u32 = 100;

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Over, with a number below this one.
    before: String,
}

/// An alert, as it is shown.
struct Shown {
    words: String,
    code: String,
    /// The code has a page.
    explained: bool,
    raised: Moment,
    /// Of one that is over: when, and how long it lasted.
    over: Option<(Moment, String)>,
    after: String,
    /// Where whoever wants to do something looks.
    link: &'static str,
}

/// A way by which people are told.
struct Way {
    name: &'static str,
    place: String,
    class: &'static str,
    word: &'static str,
    said: String,
    error: Option<String>,
}

struct Listed {
    open: Vec<Shown>,
    over: Vec<Shown>,
    ways: Vec<Way>,
    next: Option<i64>,
    first: bool,
    alone: bool,
    window: String,
    rate: String,
}

#[derive(Template)]
#[template(path = "console/alerts.html")]
struct Page {
    frame: Frame,
    listed: Listed,
    may_care: bool,
}

#[derive(Template)]
#[template(path = "console/alerts.html", block = "live")]
struct Live {
    frame: Frame,
    listed: Listed,
    may_care: bool,
}

/// `GET /alerts`
pub(super) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &asked).await {
        Ok(listed) => show(&Page {
            frame,
            listed,
            may_care: person.may_care(),
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/alerts`
pub(super) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
) -> Response {
    match gather(&state, &Asked::default()).await {
        Ok(listed) => show(&Live {
            frame,
            listed,
            may_care: person.may_care(),
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `POST /alerts/test`
pub(super) async fn test(State(state): State<AppState>, frame: Frame, person: Person) -> Response {
    let channels = names(&state.alerts);
    let (title, body) = test_words(&person.name);
    let actor = Actor {
        name: person.actor().into(),
        reason: String::new(),
        correlation_id: frame.correlation_id.clone(),
    };
    let written = state.db.write("test alerts", move |conn| {
        Box::pin(async move {
            post(conn, &channels, None, "test", (&title, &body)).await?;
            desk::note(conn, "alert.test", &channels.join(", "), &actor).await
        })
    });
    match written.await {
        Ok(()) => go("/alerts", texts::ALERT_TEST),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState, asked: &Asked) -> Result<Listed, DbError> {
    let now = Ts::now();
    let before = asked.before.parse().ok();
    let mut conn = state.db.read().await?;
    let open = match before {
        None => alerts::open(&mut conn).await?,
        Some(_) => Vec::new(),
    };
    let mut over = alerts::over(&mut conn, before.unwrap_or(i64::MAX), PAGE + 1).await?;
    let messages = alerts::latest(&mut conn, MESSAGES).await?;
    let more = over.len() > PAGE as usize;
    over.truncate(PAGE as usize);
    let ways = Channel::all(&state.alerts);
    Ok(Listed {
        next: over.last().filter(|_| more).map(|last| last.id),
        open: open.into_iter().map(|alert| shown(alert, now)).collect(),
        over: over.into_iter().map(|alert| shown(alert, now)).collect(),
        alone: ways.len() == 1,
        ways: ways.iter().map(|way| of_way(way, &messages, now)).collect(),
        first: before.is_none(),
        window: age(state.alerts.window.as_secs()),
        rate: format!("{:.0} %", state.alerts.rate * 100.0),
    })
}

fn shown(alert: Alert, now: Ts) -> Shown {
    Shown {
        link: match alert.subject.split(' ').next() {
            Some("system") => "/",
            _ => "/problems",
        },
        explained: explained::of(&alert.error_code).is_some(),
        raised: Moment::of(alert.raised_at, now),
        over: alert.recovered_at.map(|at| {
            let lasted = age(at.since(alert.raised_at).as_secs());
            (Moment::of(at, now), lasted)
        }),
        after: alert.recovered_words.unwrap_or_default(),
        words: alert.words,
        code: alert.error_code,
    }
}

/// How a way stands, by its latest message.
fn of_way(way: &Channel, messages: &[Message], now: Ts) -> Way {
    let last = messages
        .iter()
        .find(|message| message.channel == way.name());
    let (class, word) = match last {
        None => ("", texts::WAY_UNUSED),
        Some(message) if message.sent_at.is_some() => ("good", texts::WAY_SENT),
        Some(message) if message.given_up_at.is_some() => ("bad", texts::WAY_GIVEN_UP),
        Some(message) if message.error.is_some() => ("bad", texts::WAY_FAILS),
        Some(_) => ("wait", texts::WAY_WAITS),
    };
    let said = last.map(|message| {
        let at = message.sent_at.unwrap_or(message.created_at);
        format!("{}, {}", message.title, Moment::of(at, now).words)
    });
    // The oldest that waits says what is in the way.
    let error = messages
        .iter()
        .rfind(|message| message.channel == way.name() && message.sent_at.is_none())
        .and_then(|message| message.error.clone());
    Way {
        name: match way {
            Channel::Log => "Log",
            Channel::Webhook(_) => "Webhook",
            Channel::Mail(_) => "E-mail",
        },
        place: way.place(),
        class,
        word,
        said: said.unwrap_or_default(),
        error,
    }
}
