//! The Unified Onboarding Hub: the page on which new clients answer what the company needs to know, behind a signed link; and what
//! it shares with the API through which a portal of one's own sends forms.

mod drafts;
mod guard;
mod limits;
mod page;
mod sending;
pub mod taking;
mod texts;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, put};
use jiff::Timestamp;
use pugmark_queue::Sealer;

use super::AppState;
use super::envelope::ApiError;
use crate::flows::onboarding::form::link::Link;
use crate::flows::onboarding::form::{Forms, Keys};
use crate::problem::Code;
use limits::Limits;

/// Where the page is; a token follows.
pub const PAGE: &str = "/onboarding";
const STYLE: &str = include_str!("../../../assets/onboarding.css");
const SCRIPT: &str = include_str!("../../../assets/onboarding.js");

/// Takes forms and makes links.
pub struct Desk {
    /// What is asked, and the keys.
    pub forms: Arc<Forms>,
    public_url: Option<String>,
    limits: Limits,
}

impl Desk {
    /// A desk for these forms; links begin with `public_url`.
    pub fn new(forms: Arc<Forms>, public_url: Option<String>) -> Self {
        Desk {
            forms,
            public_url,
            limits: Limits::default(),
        }
    }

    /// What seals and signs.
    ///
    /// # Errors
    /// 503 when there is no key: then nothing is taken in, because it could only be kept in clear.
    pub fn keys(&self) -> Result<(&Arc<Sealer>, &Keys), ApiError> {
        match (&self.forms.sealer, &self.forms.keys) {
            (Some(sealer), Some(keys)) => Ok((sealer, keys)),
            _ => Err(ApiError::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                "FORMS_CLOSED",
                format!(
                    "{}: onboarding forms hold bank data, and PUGMARK_SEAL_KEY, under which they are sealed, is not set. \
                     Make one with `openssl rand -hex 32`, set it and start again; nothing was stored",
                    Code::FormsClosed
                ),
            )),
        }
    }

    /// A new link for a client, as path and, where it is known under which address people reach this server, as URL.
    ///
    /// # Errors
    /// As [`Desk::keys`].
    pub fn link(
        &self,
        client: &str,
        generation: u32,
        valid_for: Duration,
    ) -> Result<MadeLink, ApiError> {
        let (_, keys) = self.keys()?;
        let expires = Timestamp::now()
            .checked_add(valid_for)
            .unwrap_or(Timestamp::MAX);
        let link = Link {
            client: client.to_owned(),
            expires,
            generation,
        };
        let path = format!("{PAGE}/{}", link.token(keys, rand::random()));
        Ok(MadeLink {
            url: self.public_url.as_ref().map(|base| format!("{base}{path}")),
            path,
            expires,
        })
    }
}

/// A link that was made.
pub struct MadeLink {
    /// The whole address; `None` as long as `server.public_url` is not set.
    pub url: Option<String>,
    /// Its path on this server.
    pub path: String,
    /// Until when it works.
    pub expires: Timestamp,
}

/// The page and its assets.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/onboarding/{token}", get(page::show).post(sending::send))
        .route("/onboarding/{token}/draft", put(drafts::save))
        .route(
            "/assets/onboarding.css",
            get(|| asset("text/css; charset=utf-8", STYLE)),
        )
        .route(
            "/assets/onboarding.js",
            get(|| asset("text/javascript; charset=utf-8", SCRIPT)),
        )
}

async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
}
