//! What every page has around its content, and how pages are answered.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::cookies;
use super::nav::{self, Group};
use super::person::Person;
use super::texts::{self, Words};
use crate::http::correlation::CorrelationId;
use crate::problem::Code;

/// The theme that a person chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// Whatever the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// The one with this word; the system's for every other word.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::System,
        }
    }

    /// Its word, unless it follows the system.
    pub(super) fn chosen(self) -> Option<&'static str> {
        match self {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        }
    }
}

/// Everything around the content of a page. Handlers take it as an argument; templates call it `frame`.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Who is signed in.
    pub person: Option<Person>,
    /// The token that each form carries: `{{ frame.form_field()|safe }}` writes it.
    pub form_token: String,
    /// The navigation as this person sees it.
    pub groups: Vec<Group>,
    /// The chosen theme.
    pub theme: Theme,
    /// What was done by the request before, to be said once.
    pub note: Option<String>,
    /// Path and query of this page, for forms that lead back to it.
    pub here: String,
    /// The request, for the log and for support.
    pub correlation_id: String,
}

/// What the guard found out, on its way to the handler.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) person: Option<Person>,
    pub(super) form_token: String,
}

impl Frame {
    /// The frame of a request.
    pub(super) fn of(parts: &Parts, visit: &Visit) -> Self {
        let path = parts.uri.path();
        let here = parts
            .uri
            .path_and_query()
            .map_or(path, |both| both.as_str());
        let correlation_id = parts.extensions.get::<CorrelationId>();
        Frame {
            groups: visit
                .person
                .as_ref()
                .map(|person| nav::groups(person, path))
                .unwrap_or_default(),
            person: visit.person.clone(),
            form_token: visit.form_token.clone(),
            theme: cookies::theme(&parts.headers),
            note: cookies::note(&parts.headers),
            here: here.to_owned(),
            correlation_id: correlation_id.map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The hidden field that every form which changes something carries. Its value has no character that HTML minds.
    pub fn form_field(&self) -> String {
        format!(
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            super::guard::FIELD,
            self.form_token
        )
    }

    /// The chosen theme's word, for `data-theme`.
    pub fn theme_word(&self) -> &'static str {
        self.theme.chosen().unwrap_or("system")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let visit = parts.extensions.get::<Visit>().cloned();
        let visit = visit.ok_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())?;
        Ok(Frame::of(parts, &visit))
    }
}

/// A page or part of one, as an answer.
pub fn show(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The answer to a form that did its work: to that page, where `said` is said once. A second loading of it repeats nothing.
pub fn go(path: &str, said: &str) -> Response {
    let mut response = Redirect::to(path).into_response();
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookies::set_note(said));
    response
}

#[derive(Template)]
#[template(path = "console/trouble.html")]
struct Trouble<'a> {
    frame: &'a Frame,
    words: &'a Words,
    detail: &'a str,
    code: Option<Code>,
}

/// A page that says what went wrong and what to do, with its code.
pub fn trouble(
    frame: &Frame,
    status: StatusCode,
    words: &Words,
    detail: &str,
    code: Option<Code>,
) -> Response {
    let page = show(&Trouble {
        frame,
        words,
        detail,
        code,
    });
    (status, page).into_response()
}

/// The page for a store that does not answer. The log gets the reason, the person what it means.
pub fn store_down(frame: &Frame, error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "the console cannot read the store");
    let code = Some(Code::StoreUnavailable);
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut page = trouble(frame, status, &texts::STORE_DOWN, "", code);
    let headers = page.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    page
}

/// There is no such thing (any more).
pub fn not_found(frame: &Frame, detail: &str) -> Response {
    let status = StatusCode::NOT_FOUND;
    trouble(frame, status, &texts::NOT_FOUND, detail, None)
}

/// The form cannot be taken as it is: what is wrong with it.
pub fn not_taken(frame: &Frame, detail: &str) -> Response {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    trouble(frame, status, &texts::NOT_TAKEN, detail, None)
}
