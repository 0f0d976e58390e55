//! Manage agents: MicroBima's staff with their users in vTiger. What is done here is done by the functions of the REST routes.

mod acting;
mod detail;
mod list;
mod making;
mod shown;

pub(super) use acting::{change_role, edit, reset_password, retry, set_status, sync};
pub(super) use detail::{fragment as detail_fragment, page as detail};
pub(super) use list::{fragment, page};
pub(super) use making::{form, make};

use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{Frame, not_found, store_down, trouble};
use super::person::Person;
use super::texts;
use crate::http::auth::Caller;
use crate::http::envelope::ApiError;

/// A person of the console as the API sees whoever calls it.
fn caller(person: &Person) -> Caller {
    Caller {
        name: person.actor().into(),
        author: format!("console:{}", person.email).into(),
        service: false,
    }
}

/// What the API said against it, as a page.
fn refused(frame: &Frame, error: &ApiError) -> Response {
    match error.status {
        StatusCode::NOT_FOUND => not_found(frame, &error.message),
        StatusCode::INTERNAL_SERVER_ERROR => store_down(frame, &error.message),
        status => trouble(frame, status, &texts::NOT_TAKEN, &said(error), None),
    }
}

/// In a sentence for each field.
fn said(error: &ApiError) -> String {
    if error.details.is_empty() {
        return format!("{}.", error.message.trim_end_matches('.'));
    }
    let each = error
        .details
        .iter()
        .map(|(field, what)| format!("{}: {what}", shown::field(field)));
    format!("{}.", each.collect::<Vec<_>>().join("; "))
}

/// A reason as it was typed; none when nothing was.
fn reason(text: &str) -> Option<String> {
    let kept = text.trim().chars().filter(|letter| *letter != '\0');
    Some(kept.take(1_000).collect()).filter(|text: &String| !text.is_empty())
}
