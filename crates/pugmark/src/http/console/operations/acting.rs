//! Trying one operation again, and giving it up.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::OperationId;
use serde::Deserialize;

use super::detail::is_open;
use super::line::record_filter;
use super::{reason, refused};
use crate::desk::{self, Act, Actor};
use crate::http::AppState;
use crate::http::console::frame::{Frame, go, not_found, not_taken, show, store_down};
use crate::http::console::person::Person;

/// Why somebody acts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Why {
    reason: String,
}

/// Who acts through this page, and why.
pub(super) fn actor(person: &Person, frame: &Frame, why: &str) -> Actor {
    Actor {
        name: person.actor().into(),
        reason: reason(why),
        correlation_id: frame.correlation_id.clone(),
    }
}

/// `POST /operations/{id}/retry`
pub(in crate::http::console) async fn retry(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Response {
    let Ok(id) = id.parse::<OperationId>() else {
        return not_found(&frame, "An operation's id is a UUID.");
    };
    let actor = actor(&person, &frame, &why.reason);
    match desk::act(&state.db, &state.queue, Act::Retry, id, actor).await {
        Ok(worker) if worker == id => go(&format!("/operations/{id}"), "It is tried again now."),
        Ok(worker) => go(
            &format!("/operations/{worker}"),
            "A newer operation on the same record waited already; it does the work of both.",
        ),
        Err(error) => refused(&frame, &error),
    }
}

#[derive(Template)]
#[template(path = "console/operations/discard.html")]
struct DiscardPage {
    frame: Frame,
    id: OperationId,
    kind: String,
    record: String,
    filter: String,
    is_state: bool,
}

/// `GET /operations/{id}/discard`
pub(in crate::http::console) async fn discard_page(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse::<OperationId>() else {
        return not_found(&frame, "An operation's id is a UUID.");
    };
    match state.queue.get(id).await {
        Ok(Some(found)) if !is_open(&found.asked) => not_taken(
            &frame,
            "The operation is being carried out, or has ended; there is nothing to discard.",
        ),
        Ok(Some(found)) => show(&DiscardPage {
            frame,
            id,
            record: format!("{} {}", found.asked.entity_type, found.asked.entity_id),
            filter: record_filter(&found.asked.entity_type, &found.asked.entity_id),
            is_state: found.asked.coalesce_key.is_some(),
            kind: found.asked.kind,
        }),
        Ok(None) => not_found(&frame, &format!("No operation has the id {id}.")),
        Err(error) => store_down(&frame, &error),
    }
}

/// `POST /operations/{id}/discard`
pub(in crate::http::console) async fn discard(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Response {
    let Ok(id) = id.parse::<OperationId>() else {
        return not_found(&frame, "An operation's id is a UUID.");
    };
    let actor = actor(&person, &frame, &why.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say why this change shall not reach the other system.",
        );
    }
    match desk::act(&state.db, &state.queue, Act::Discard, id, actor).await {
        Ok(id) => go(
            &format!("/operations/{id}"),
            "It is discarded: nobody carries it out.",
        ),
        Err(error) => refused(&frame, &error),
    }
}
