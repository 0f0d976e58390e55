//! Deciding a conflict, by the function of the API's route.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use crate::http::AppState;
use crate::http::api::conflicts::{Ruling, decide_conflict};
use crate::http::console::answered::{actor, refused};
use crate::http::console::frame::{Frame, go, not_found, not_taken};
use crate::http::console::person::Person;
use crate::store::conflicts::Choice;

/// What is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    /// `microbima`, `vtiger` or `value`.
    choice: String,
    /// With `value` alone; what stands in it otherwise counts for nothing.
    value: String,
    make_rule: String,
    reason: String,
}

/// `POST /conflicts/{id}/decide`
pub(in crate::http::console) async fn decide(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    if uuid::Uuid::parse_str(&id).is_err() {
        return not_found(&frame, &format!("No conflict has the id {id}."));
    }
    let Some(choice) = Choice::parse(&typed.choice) else {
        return not_taken(
            &frame,
            "Choose whose value it is to be, or type another one.",
        );
    };
    let actor = actor(&person, &frame, &typed.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: the other side's value is given up.",
        );
    }
    let ruling = Ruling {
        choice,
        value: Some(typed.value).filter(|_| choice == Choice::Value),
        make_rule: typed.make_rule == "yes",
    };
    match decide_conflict(&state, &id, ruling, actor).await {
        Ok(conflict) => go(
            &format!("/conflicts/{}", conflict.id),
            "It is decided, and carried out now. Should one of the two values have changed meanwhile, it is asked about again.",
        ),
        Err(error) => refused(&frame, &error),
    }
}
