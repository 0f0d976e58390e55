//! Field mapping: which value goes to which field of the CRM, tried on real contacts before it counts, with its history.

mod form;
mod history;
mod list;
mod run;
mod trying;

pub(super) use form::{edit, new};
pub(super) use history::{page as history, restore, version};
pub(super) use list::{page, remove, remove_page};
pub(super) use run::{begin as begin_run, fragment as run_fragment, stop as stop_run};
pub(super) use trying::{attempt, save};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, not_found, not_taken, store_down};
use super::person::Person;
use crate::desk::Actor;
use crate::http::api::field_mappings::dry_run::TriedBody;
use crate::http::envelope::ApiError;

const HERE: &str = "/mapping";
/// Longest reason, in characters.
const LONGEST: usize = 1_000;

fn actor(person: &Person, frame: &Frame, reason: &str) -> Actor {
    Actor {
        name: person.actor().into(),
        reason: reason.trim().chars().take(LONGEST).collect(),
        correlation_id: frame.correlation_id.clone(),
    }
}

/// What the API says is wrong, in sentences.
fn wrong(error: &ApiError) -> String {
    match error.details.is_empty() {
        true => error.message.clone(),
        false => {
            let details = error.details.iter();
            let said: Vec<String> = details
                .map(|(field, what)| format!("{} {what}", label_of(field)))
                .collect();
            said.join("; ")
        }
    }
}

fn label_of(field: &str) -> &str {
    match field {
        "microbimaField" => "The value",
        "vtigerFieldName" => "The field",
        "vtigerModule" => "The module",
        "fieldType" => "The kind",
        "direction" => "The direction",
        "onConflict" => "Who wins",
        "customers" => "The customers",
        other => other,
    }
}

fn told(frame: &Frame, error: &ApiError) -> Response {
    match error.status {
        StatusCode::NOT_FOUND => not_found(frame, &error.message),
        StatusCode::SERVICE_UNAVAILABLE if error.code == "STORE_UNAVAILABLE" => {
            store_down(frame, &error.message)
        }
        StatusCode::INTERNAL_SERVER_ERROR => store_down(frame, &error.message),
        status => {
            let page = not_taken(frame, &wrong(error));
            (status, page).into_response()
        }
    }
}

/// What a mapping would do to real contacts, as pages show it.
struct Diff {
    contacts: Vec<TriedBody>,
    would_change: usize,
    warnings: usize,
}

impl Diff {
    /// Of what was tried.
    fn of(tried: crate::http::api::field_mappings::dry_run::DryRunBody) -> Self {
        Diff {
            would_change: tried.would_change,
            warnings: tried.warnings,
            contacts: tried.items,
        }
    }
}
