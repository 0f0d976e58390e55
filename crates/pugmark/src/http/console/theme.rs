//! `POST /theme`: light, dark, or as the system says.

use axum::Form;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::cookies;
use super::frame::Theme;
use super::sign_in::local;

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Choice {
    theme: String,
    #[serde(default)]
    next: String,
}

/// Keeps the choice and leads back.
pub(super) async fn choose(Form(choice): Form<Choice>) -> Response {
    let cookie = cookies::set_theme(Theme::of(&choice.theme));
    let back = Redirect::to(local(&choice.next));
    ([(header::SET_COOKIE, cookie)], back).into_response()
}
