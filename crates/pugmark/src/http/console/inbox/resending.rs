//! Doing once more what a delivery calls for, by the function of the API's route.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use crate::http::AppState;
use crate::http::api::webhook_deliveries::send_again;
use crate::http::console::answered::{actor, refused};
use crate::http::console::frame::{Frame, go, not_found, not_taken};
use crate::http::console::person::Person;

/// Why somebody acts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Why {
    reason: String,
}

/// `POST /inbox/{id}/resend`
pub(in crate::http::console) async fn resend(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Response {
    let Ok(id) = id.parse::<i64>() else {
        return not_found(&frame, &format!("No delivery has the number {id}."));
    };
    let actor = actor(&person, &frame, &why.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say what has changed since it came.",
        );
    }
    match send_again(&state, id, actor).await {
        Ok(delivery) => {
            let said = match delivery.status.as_str() {
                "ACCEPTED" => "Done once more: the record is read again.",
                "IGNORED" => "Looked at once more: it still calls for nothing.",
                _ => "Looked at once more: it still cannot be read.",
            };
            go(&format!("/inbox/{id}"), said)
        }
        Err(error) => refused(&frame, &error),
    }
}
