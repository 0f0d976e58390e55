//! The list of conversions: those that wait for somebody first.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::{badge, label};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::masking;
use crate::http::console::moment::{Moment, encoded};
use crate::http::console::person::Person;
use crate::store::lead_conversions::{self, Conversion, ConversionFilter, State};

/// Conversions of a page.
const PAGE: u32 = 50;
/// Filters that are one click away, with the states that each shows.
const PRESETS: [(&str, &str, &[State]); 5] = [
    (
        "Wait for somebody",
        "",
        &[State::Incomplete, State::Undecided],
    ),
    ("On their way", "open", &[State::Open, State::Reserved]),
    ("Nothing to make", "refused", &[State::Refused]),
    ("Done", "done", &[State::Done]),
    ("All", "all", &State::ALL),
];

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// The word of a preset.
    show: String,
    /// The conversion of this contact.
    record: String,
    /// Older than the one with this number.
    before: String,
}

struct Line {
    record: String,
    class: &'static str,
    word: &'static str,
    /// Names of what is missing or wrong.
    missing: Vec<String>,
    code: Option<String>,
    message: Option<String>,
    noticed_by: String,
    changed: Moment,
}

struct Results {
    lines: Vec<Line>,
    next: Option<String>,
    waiting: bool,
}

#[derive(Template)]
#[template(path = "console/conversions/list.html")]
struct Page {
    frame: Frame,
    show: String,
    presets: [(&'static str, &'static str, &'static [State]); 5],
    refresh: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/conversions/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /conversions`
pub(in crate::http::console) async fn page(
    Shared(state): Shared<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    // A contact has one conversion.
    if let Ok(id) = asked.record.trim().parse::<vtiger::RecordId>() {
        return Redirect::to(&format!("/conversions/{id}")).into_response();
    }
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Page {
            frame,
            refresh: format!(
                "/console/conversions?show={}&before={}",
                encoded(&asked.show),
                encoded(&asked.before)
            ),
            show: asked.show,
            presets: PRESETS,
            results,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/conversions`
pub(in crate::http::console) async fn fragment(
    Shared(state): Shared<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Live { results }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, DbError> {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let preset = PRESETS.iter().find(|(_, word, _)| *word == asked.show);
    let (_, word, states) = preset.unwrap_or(&PRESETS[0]);
    let before = asked.before.parse().ok();
    let mut conn = state.db.read().await?;
    // Each state has its place in the index; what they give is brought into one order here.
    let mut found: Vec<Conversion> = Vec::new();
    for one in *states {
        let filter = ConversionFilter {
            state: Some(*one),
            before,
            limit: PAGE + 1,
        };
        found.extend(lead_conversions::list(&mut conn, &filter).await?);
    }
    found.sort_by_key(|conversion| std::cmp::Reverse(conversion.id));
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| format!("/conversions?show={word}&before={}", last.id));
    let lines = found.into_iter();
    Ok(Results {
        lines: lines
            .map(|conversion| line(conversion, personal, now))
            .collect(),
        next,
        waiting: word.is_empty(),
    })
}

fn line(conversion: Conversion, personal: bool, now: Ts) -> Line {
    let (class, word) = badge(conversion.standing());
    let missing: BTreeMap<String, String> =
        serde_json::from_str(&conversion.missing).unwrap_or_default();
    let message = conversion.message.as_deref();
    Line {
        class,
        word,
        missing: missing.keys().map(|name| label(name).to_owned()).collect(),
        message: message.map(|message| masking::told(message, personal)),
        changed: Moment::of(conversion.updated_at, now),
        record: conversion.record_id,
        code: conversion.error_code,
        noticed_by: conversion.noticed_by,
    }
}
