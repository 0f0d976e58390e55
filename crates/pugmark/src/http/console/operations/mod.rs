//! Operations: the queue as people look at it and act on it.

mod acting;
mod attempts;
mod bulk;
mod detail;
mod editing;
mod line;
mod list;
mod runs;
mod why;

pub(super) use acting::{discard, discard_page, retry};
pub(super) use attempts::{Attempt, readable};
pub(super) use bulk::{begin, plan};
pub(super) use detail::{fragment as detail_fragment, page as detail};
pub(super) use editing::{edit, edit_page};
pub(super) use line::{Badge, told};
pub(super) use list::{fragment, page};
pub(super) use runs::{fragment as run_fragment, page as run, stop};

use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::QueueError;

use super::frame::{Frame, not_found, not_taken, store_down, trouble};
use super::texts;

/// What the queue said when something could not be done to an operation, as a page.
fn refused(frame: &Frame, error: &QueueError) -> Response {
    match error {
        QueueError::NotFound(id) => not_found(frame, &format!("No operation has the id {id}.")),
        QueueError::Running(_) | QueueError::Finished(_) => {
            let detail =
                format!("{error}. Look at it again: it has gone on since the page was loaded.");
            trouble(
                frame,
                StatusCode::CONFLICT,
                &texts::NOT_TAKEN,
                &detail,
                None,
            )
        }
        QueueError::SecretNeeded(_) | QueueError::Invalid(_) => {
            not_taken(frame, &format!("{error}."))
        }
        error => store_down(frame, error),
    }
}

/// A reason as it was typed, without blanks around it; at most so long that the audit log stays readable.
fn reason(text: &str) -> String {
    text.trim()
        .chars()
        .take(1_000)
        .filter(|letter| *letter != '\0')
        .collect()
}
