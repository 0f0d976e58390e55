//! The page of an error code: what docs/errors.md says of it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;

use crate::http::console::explained::{self, Explained};
use crate::http::console::frame::{Frame, not_found, show};

#[derive(Template)]
#[template(path = "console/problems/code.html")]
struct Page {
    frame: Frame,
    explained: &'static Explained,
}

/// `GET /problems/codes/{code}`
pub(in crate::http::console) async fn page(frame: Frame, Path(code): Path<String>) -> Response {
    match explained::of(&code) {
        Some(explained) => show(&Page { frame, explained }),
        None => not_found(&frame, "There is no such code. They look like PUG-2006."),
    }
}
