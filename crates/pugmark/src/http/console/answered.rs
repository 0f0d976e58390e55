//! What the API would answer, as pages. The desks act by the functions of the API's routes, and these say what is wrong in its words.

use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{Frame, not_found, not_taken, trouble};
use super::person::Person;
use super::texts;
use crate::desk::Actor;
use crate::http::envelope::ApiError;

/// Who acts through this page, and why.
pub(super) fn actor(person: &Person, frame: &Frame, reason: &str) -> Actor {
    let clean = reason.trim().chars().filter(|letter| *letter != '\0');
    Actor {
        name: person.actor().into(),
        reason: clean.take(500).collect(),
        correlation_id: frame.correlation_id.clone(),
    }
}

/// Why something was not done.
pub(super) fn refused(frame: &Frame, error: &ApiError) -> Response {
    let said = sentence(error);
    // What a setting forbids is no trouble of the server's.
    if ["FORMS_CLOSED", "NOT_CONFIGURED"].contains(&error.code) {
        return trouble(frame, StatusCode::CONFLICT, &texts::NOT_DONE, &said, None);
    }
    match error.status {
        StatusCode::NOT_FOUND => not_found(frame, &said),
        StatusCode::UNPROCESSABLE_ENTITY => not_taken(frame, &said),
        StatusCode::CONFLICT => trouble(frame, error.status, &texts::NOT_TAKEN, &said, None),
        status => trouble(frame, status, &texts::NOT_DONE, &said, None),
    }
}

/// What the API says, as one sentence: of fields, what is wrong with each.
pub(super) fn sentence(error: &ApiError) -> String {
    let fields = error.details.iter();
    let fields: Vec<String> = fields
        .map(|(name, what)| format!("{} {what}", labelled(name)))
        .collect();
    match error.status {
        StatusCode::UNPROCESSABLE_ENTITY if !fields.is_empty() => format!("{}.", fields.join("; ")),
        _ => format!("{}.", error.message.trim_end_matches('.')),
    }
}

/// A field as the console's forms name it.
fn labelled(name: &str) -> &str {
    match name {
        "leadId" | "clientId" => "The id of the lead",
        "customerId" => "The id of the customer",
        "validFor" => "How long the link works",
        "reason" => "A reason",
        "value" => "The value",
        "choice" => "The choice",
        "makeRule" => "A rule",
        other => other,
    }
}
