//! Who may see and change a client's form: whoever has a link of theirs that still works.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::{Desk, texts, view};
use crate::flows::onboarding::form::link::{BadLink, Link};
use crate::http::AppState;
use crate::problem::Code;
use crate::store::onboarding_drafts;

/// Somebody with a link that works.
pub(super) struct Visitor {
    /// The lead or contact the link is for.
    pub(super) client: String,
    /// What stands in the address.
    pub(super) token: String,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let desk = &state.forms;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        if let Some(peer) = peer {
            let taken = desk.limits.take_peer(peer.0.ip());
            taken.map_err(|seconds| too_many(desk, seconds))?;
        }
        let Ok(Path(token)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(refused(desk, BadLink::Forged));
        };
        let Ok((_, keys)) = desk.keys() else {
            return Err(closed(desk));
        };
        let link = Link::read(keys, &token, Timestamp::now()).map_err(|why| refused(desk, why))?;
        let taken = desk.limits.take_client(&link.client);
        taken.map_err(|seconds| too_many(desk, seconds))?;
        if parts.method != Method::GET && parts.method != Method::HEAD {
            let ours = is_from_here(&parts.headers, desk.public_url.as_deref());
            ours.then_some(()).ok_or_else(|| from_elsewhere(desk))?;
        }
        let generation = async {
            let mut conn = state.db.read().await?;
            onboarding_drafts::generation(&mut conn, &link.client).await
        };
        match generation.await {
            Ok(generation) if generation == link.generation => Ok(Visitor {
                client: link.client,
                token,
            }),
            Ok(_) => Err(refused(desk, BadLink::Expired)),
            Err(error) => {
                tracing::error!(%error, "the onboarding page cannot read the store");
                Err(unavailable(desk))
            }
        }
    }
}

/// Browsers say where a request comes from; other programs need a token of their own anyway.
fn is_from_here(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let here = text("host").is_some() && authority == text("host");
    let public = public_url.is_some_and(|url| {
        url::Url::parse(url).is_ok_and(|url| url.origin().ascii_serialization() == origin)
    });
    here || public
}

fn refused(desk: &Desk, why: BadLink) -> Response {
    tracing::info!(code = %Code::LinkInvalid, %why, "a link to the onboarding form was refused");
    match why {
        BadLink::Forged => view::problem(desk, StatusCode::FORBIDDEN, &texts::FORGED),
        BadLink::Expired => view::problem(desk, StatusCode::GONE, &texts::EXPIRED),
    }
}

fn closed(desk: &Desk) -> Response {
    tracing::warn!(code = %Code::FormsClosed, "the onboarding page is closed: PUGMARK_SEAL_KEY is not set");
    view::problem(desk, StatusCode::SERVICE_UNAVAILABLE, &texts::CLOSED)
}

pub(super) fn unavailable(desk: &Desk) -> Response {
    let page = view::problem(desk, StatusCode::SERVICE_UNAVAILABLE, &texts::UNAVAILABLE);
    ([(header::RETRY_AFTER, "5")], page).into_response()
}

fn from_elsewhere(desk: &Desk) -> Response {
    view::problem(desk, StatusCode::FORBIDDEN, &texts::ELSEWHERE)
}

fn too_many(desk: &Desk, seconds: u32) -> Response {
    let page = view::problem(desk, StatusCode::TOO_MANY_REQUESTS, &texts::TOO_MANY);
    ([(header::RETRY_AFTER, seconds.to_string())], page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        is_from_here(&headers, Some("https://sync.example.org"))
    }

    #[test]
    fn a_page_elsewhere_cannot_send_the_form() {
        assert!(!from(&[("sec-fetch-site", "cross-site")]));
        assert!(!from(&[("sec-fetch-site", "same-site")]));
        assert!(!from(&[
            ("origin", "https://evil.example"),
            ("host", "sync.example.org")
        ]));
        assert!(!from(&[("origin", "null"), ("host", "sync.example.org")]));
        assert!(from(&[("sec-fetch-site", "same-origin")]));
        assert!(from(&[
            ("origin", "http://127.0.0.1:3000"),
            ("host", "127.0.0.1:3000")
        ]));
        assert!(from(&[
            ("origin", "https://sync.example.org"),
            ("host", "10.0.0.7:3000")
        ]));
        assert!(from(&[]), "a program that is no browser");
    }
}
