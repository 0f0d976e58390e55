//! Customers: found as people look for them, with how each stands towards vTiger, and everything that happened to it.

mod compare;
mod detail;
mod journey;
mod list;
mod merging;
mod person_data;
mod sync;

pub(super) use compare::page as compare;
pub(super) use detail::{fragment as detail_fragment, page as detail};
pub(super) use journey::page as journey;
pub(super) use list::{fragment, page};
pub(super) use sync::sync;

use axum::response::Response;

use super::frame::{Frame, not_found};

/// Text from an address, without what a database refuses, at most so long as a search makes sense.
fn typed(text: &str) -> String {
    let kept = text.chars().filter(|letter| *letter != '\0');
    kept.take(100).collect::<String>().trim().to_owned()
}

fn no_such(frame: &Frame) -> Response {
    not_found(frame, "There is no customer with this id.")
}
