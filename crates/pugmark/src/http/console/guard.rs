//! What stands before every route of the console: who it is, whether they may, and whether they meant it.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use subtle::ConstantTimeEq;

use super::frame::{self, Frame, Visit, trouble};
use super::screens::{Kind, Screen};
use super::{cookies, session, texts};
use crate::http::AppState;
use crate::problem::Code;

/// Name of the hidden field with the session's token for forms.
pub const FIELD: &str = "_form";
/// The largest form in bytes.
const FORM_LIMIT: usize = 1 << 20;

/// A request that may go on, with [`Visit`] in its extensions; or the answer to one that may not.
pub(super) async fn admit(
    state: &AppState,
    screen: &Screen,
    request: Request,
) -> Result<Request, Box<Response>> {
    let (mut parts, body) = request.into_parts();
    // The same for everybody, and asked for with every page.
    let asset = parts.uri.path().starts_with("/assets/");
    let found = match asset {
        true => Ok(nobody()),
        false => session::of_request(state, &parts).await,
    };
    let visit = match found {
        Ok(visit) => visit,
        // The stylesheet and the sign-in page do without.
        Err(_) if screen.kind == Kind::Open => nobody(),
        Err(error) => return Err(Box::new(error.answer(&Frame::of(&parts, &nobody())))),
    };
    allowed(screen, &parts, &visit)?;
    let body = match parts.method.is_safe() {
        true => body,
        false => meant(state, screen, &parts, &visit, body)
            .await
            .map_err(Box::new)?,
    };
    parts.extensions.insert(visit);
    Ok(Request::from_parts(parts, body))
}

/// Lets the handler answer; what was to be said on this page has been said then.
pub(super) async fn leave<H, T>(handler: H, state: AppState, request: Request) -> Response
where
    H: Handler<T, AppState>,
{
    let said = cookies::note(request.headers()).is_some();
    let mut response = handler.call(request, state).await;
    let page = response.headers().get(header::CONTENT_TYPE);
    let page = page.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if said && page {
        let headers = response.headers_mut();
        headers.append(header::SET_COOKIE, cookies::clear_note());
    }
    response
}

fn nobody() -> Visit {
    Visit {
        person: None,
        form_token: String::new(),
    }
}

/// Whether the person's role is enough.
fn allowed(screen: &Screen, parts: &Parts, visit: &Visit) -> Result<(), Box<Response>> {
    let Some(needed) = screen.needs else {
        return Ok(());
    };
    let Some(person) = &visit.person else {
        return Err(Box::new(to_sign_in(screen, parts)));
    };
    if person.may(needed) {
        return Ok(());
    }
    tracing::info!(code = %Code::RoleNotEnough, person = %person.id, role = %person.role, "a page was refused");
    let frame = Frame::of(parts, visit);
    let detail = format!(
        "Your role is {}; this needs {} or more.",
        person.role.label(),
        needed.least().label()
    );
    let code = Some(Code::RoleNotEnough);
    let status = StatusCode::FORBIDDEN;
    let page = trouble(&frame, status, &texts::NOT_ALLOWED, &detail, code);
    Err(Box::new(page))
}

fn to_sign_in(screen: &Screen, parts: &Parts) -> Response {
    match screen.kind {
        Kind::Fragment => (StatusCode::UNAUTHORIZED, "Signed out").into_response(),
        Kind::Action => frame::go("/sign-in", texts::SIGNED_OUT),
        Kind::Page | Kind::Open => {
            let here = parts.uri.path_and_query().map_or("/", |both| both.as_str());
            match here {
                "/" => Redirect::to("/sign-in").into_response(),
                here => {
                    let next: String =
                        url::form_urlencoded::byte_serialize(here.as_bytes()).collect();
                    Redirect::to(&format!("/sign-in?next={next}")).into_response()
                }
            }
        }
    }
}

/// Whether a form was sent from a page of ours, and from one of this session. Gives the body back whole.
async fn meant(
    state: &AppState,
    screen: &Screen,
    parts: &Parts,
    visit: &Visit,
    body: Body,
) -> Result<Body, Response> {
    let refused = |why: &'static str| {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|peer| peer.0.ip().to_string());
        tracing::warn!(code = %Code::ForeignForm, why, peer, "a form was refused");
        let frame = Frame::of(parts, visit);
        let code = Some(Code::ForeignForm);
        trouble(
            &frame,
            StatusCode::FORBIDDEN,
            &texts::FOREIGN_FORM,
            "",
            code,
        )
    };
    if !is_from_here(&parts.headers, state.console.public_url.as_deref()) {
        return Err(refused("it comes from another site"));
    }
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let form = b"application/x-www-form-urlencoded";
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(form)) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
    }
    let Ok(bytes) = to_bytes(body, FORM_LIMIT).await else {
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    // Who is not signed in has no session that could be abused; where the form came from is checked for them, too.
    if screen.kind != Kind::Open {
        let mut fields = url::form_urlencoded::parse(&bytes);
        let given = fields.find(|(name, _)| name == FIELD);
        let given = given.map(|(_, value)| value.into_owned());
        let right = given.is_some_and(|given| same(&given, &visit.form_token));
        if !right {
            return Err(refused("its token is not that of the session"));
        }
    }
    Ok(Body::from(bytes))
}

fn same(given: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}

/// Every browser says where a form comes from; what says nothing is none, and has no business here.
fn is_from_here(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text("origin") else {
        return site.is_some();
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let here = text("host").is_some() && authority == text("host");
    let public = public_url.is_some_and(|url| {
        url::Url::parse(url).is_ok_and(|url| url.origin().ascii_serialization() == origin)
    });
    here || public
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&'static str, &'static str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                axum::http::HeaderName::from_static(name),
                value.parse().unwrap(),
            )
        });
        is_from_here(&pairs.collect(), Some("https://sync.example.org"))
    }

    #[test]
    fn a_form_from_anywhere_else_is_not_ours() {
        let host = ("host", "10.0.0.7:3000");
        assert!(!from(&[("sec-fetch-site", "cross-site"), host]));
        assert!(!from(&[("sec-fetch-site", "same-site"), host]));
        assert!(!from(&[("sec-fetch-site", "none"), host]));
        assert!(!from(&[("origin", "https://evil.example"), host]));
        assert!(!from(&[("origin", "null"), host]));
        assert!(!from(&[host]), "whatever sends this is no browser");
        assert!(!from(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
            host
        ]));
        assert!(from(&[("sec-fetch-site", "same-origin"), host]));
        assert!(from(&[("origin", "http://10.0.0.7:3000"), host]));
        assert!(from(&[("origin", "https://sync.example.org"), host]));
    }
}
