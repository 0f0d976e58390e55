//! Onboarding jobs: leads on their way into Maxio, those that stand still first, and what people do about them.

mod acting;
mod detail;
mod editing;
mod line;
mod list;

pub(super) use acting::{cancel, cancel_page, retry, start};
pub(super) use detail::{fragment as detail_fragment, page as detail};
pub(super) use editing::{edit, edit_page};
pub(super) use list::{fragment, page};

use axum::response::Response;
use uuid::Uuid;

use super::frame::{Frame, not_found};

/// The id in the address.
fn id_of(frame: &Frame, text: &str) -> Result<Uuid, Box<Response>> {
    text.parse().map_err(|_| Box::new(unknown(frame, text)))
}

fn unknown(frame: &Frame, id: &str) -> Response {
    not_found(frame, &format!("No onboarding job has the id {id}."))
}
