//! Bringing the contacts that are there up to date after a change of the mapping.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{HERE, actor, told};
use crate::http::AppState;
use crate::http::api::field_mappings::apply::{RunBody, begin_by, latest, stop_by};
use crate::http::console::frame::{Frame, go, show};
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;

/// How far the latest run is.
pub(super) struct Shown {
    pub(super) run: Option<RunBody>,
    pub(super) percent: i64,
}

#[derive(Template)]
#[template(path = "console/mapping/run.html")]
struct Live {
    run: Shown,
}

pub(super) async fn shown(state: &AppState) -> Result<Shown, ApiError> {
    let run = latest(state).await?;
    let percent = run.as_ref().map_or(0, |run| {
        let ended = run.done + run.dead;
        (ended * 100)
            .checked_div(run.contacts)
            .unwrap_or(100)
            .min(100)
    });
    Ok(Shown { run, percent })
}

/// `GET /console/mapping/run`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
) -> Response {
    match shown(&state).await {
        Ok(run) => show(&Live { run }),
        Err(error) => told(&frame, &error),
    }
}

/// `POST /mapping/run`
pub(in crate::http::console) async fn begin(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
) -> Response {
    match begin_by(&state, actor(&person, &frame, "")).await {
        Ok(_) => go(HERE, "The contacts are being brought up to date."),
        Err(error) => told(&frame, &error),
    }
}

/// `POST /mapping/run/stop`
pub(in crate::http::console) async fn stop(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
) -> Response {
    match stop_by(&state, actor(&person, &frame, "")).await {
        Ok(_) => go(
            HERE,
            "Nothing more is queued; what is queued is carried out.",
        ),
        Err(error) => told(&frame, &error),
    }
}
