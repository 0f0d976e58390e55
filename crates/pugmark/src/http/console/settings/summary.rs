//! `POST /settings/summary`: when the weekly summary is made.

use axum::Form;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::clock::words;
use super::{actor, told};
use crate::desk::chosen::{self, Refusal, SummaryChoice};
use crate::http::AppState;
use crate::http::console::frame::Frame;
use crate::http::console::person::Person;
use crate::schedule::summary::next_run;

/// What the form says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Chosen {
    act: String,
    enabled: String,
    day: String,
    time: String,
    zone: String,
    reason: String,
}

/// `POST /settings/summary`
pub(in crate::http::console) async fn choose(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(chosen): Form<Chosen>,
) -> Response {
    let actor = actor(&person, &frame, &chosen.reason);
    let choice = (chosen.act != "back").then(|| SummaryChoice {
        enabled: chosen.enabled == "yes",
        day: chosen.day,
        time: chosen.time.trim().to_owned(),
        zone: chosen.zone.trim().to_owned(),
    });
    let done = match chosen::choose_summary(&state.db, choice, actor).await {
        Ok(()) => said(&state).await,
        Err(refused) => Err(refused),
    };
    told(&state, frame, &person, done).await
}

async fn said(state: &AppState) -> Result<String, Refusal> {
    let insurance = &state.system.settings.insurance;
    let mut conn = state.db.read().await?;
    let schedule = chosen::schedule(&mut conn, insurance).await?;
    if !schedule.summary.enabled {
        return Ok("The weekly summary is switched off, within 15 seconds.".to_owned());
    }
    let (week, next) = next_run(&schedule, &insurance.zone, Timestamp::now());
    let next = next.to_zoned(schedule.zone.clone());
    Ok(format!(
        "The weekly summary is made {}, within 15 seconds. Next: {} of {}.",
        words(&schedule),
        next.strftime("%a %-d %b %Y, %H:%M %Z, the week"),
        week.words()
    ))
}
