//! Schedules and settings: what is done by the clock and when next, and what people choose here instead of in a file.

mod assignees;
mod clock;
mod summary;
mod view;

pub(super) use assignees::choose as choose_tasks;
pub(super) use summary::choose as choose_summary;
pub(super) use view::page;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, go, store_down};
use super::person::Person;
use crate::desk::Actor;
use crate::desk::chosen::Refusal;
use crate::http::AppState;

const HERE: &str = "/settings";
/// Longest reason, in characters.
const LONGEST: usize = 1_000;

fn actor(person: &Person, frame: &Frame, reason: &str) -> Actor {
    Actor {
        name: person.actor().into(),
        reason: reason.trim().chars().take(LONGEST).collect(),
        correlation_id: frame.correlation_id.clone(),
    }
}

/// Back to the page, which says what counts from now on; or the page with what is wrong.
async fn told(
    state: &AppState,
    frame: Frame,
    person: &Person,
    done: Result<String, Refusal>,
) -> Response {
    match done {
        Ok(said) => go(HERE, &said),
        Err(Refusal::Store(error)) => store_down(&frame, &error),
        Err(Refusal::Wrong(wrong)) => {
            let page = view::shown(state, frame, person, Some(wrong)).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}
