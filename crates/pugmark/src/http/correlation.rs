//! The correlation id: taken from the caller, made when absent, returned in every answer and written to every log line.

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::envelope::ApiError;
use super::webhooks;

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// Longest id taken from a caller; a longer one is replaced.
const LONGEST: usize = 128;

/// The correlation id of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The caller's id when it is one: visible ASCII of a sensible length. Anything else could break a log line.
    fn of(request: &Request) -> Self {
        let given = request
            .headers()
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .map(str::trim);
        match given {
            Some(id)
                if !id.is_empty()
                    && id.len() <= LONGEST
                    && id.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                CorrelationId(id.to_owned())
            }
            _ => CorrelationId(uuid::Uuid::now_v7().to_string()),
        }
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // Always there: the layer below is the outermost one.
        Ok(parts
            .extensions
            .get::<CorrelationId>()
            .cloned()
            .unwrap_or_else(|| CorrelationId(String::from("unknown"))))
    }
}

/// The outermost layer: finds or makes the id, opens the log span, writes the body of errors.
pub async fn layer(mut request: Request, next: Next) -> Response {
    let id = CorrelationId::of(&request);
    let path = shown(request.uri().path());
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    let began = Instant::now();
    // Of the highest level: a filter that leaves out the span would take the id from the errors that it lets through.
    let span = tracing::error_span!("request", %method, %path, correlation_id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| note(&path, response.status(), began.elapsed()));
    let api = path.starts_with("/api/") || path.starts_with("/webhook");
    let error = match response.extensions_mut().remove::<ApiError>() {
        None if api && !response.status().is_success() && !is_json(&response) => {
            Some(in_words(response.status(), &method))
        }
        error => error,
    };
    if let Some(error) = error {
        let body = match path.starts_with(webhooks::lead_status::LEAD_STATUS) {
            true => error.into_plain_body(),
            false => error.into_body(&id.0, &path),
        };
        response = with_headers_of(response, body);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The path as logs and answers may show it: the end of a webhook's address can be its secret, and a link to the onboarding form
/// is one.
pub(super) fn shown(path: &str) -> String {
    let form = super::onboarding::PAGE;
    if let Some(rest) = path
        .strip_prefix(form)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        let below = rest.split_once('/').map_or("", |(_, below)| below);
        let slash = if below.is_empty() { "" } else { "/" };
        return format!("{form}/***{slash}{below}");
    }
    let link = super::console::first::LINK;
    if path.strip_prefix(link).is_some_and(|rest| rest.len() > 1) {
        return format!("{link}/***");
    }
    [webhooks::GENERAL, webhooks::lead_status::LEAD_STATUS]
        .into_iter()
        .find(|endpoint| {
            let rest = path.strip_prefix(endpoint);
            rest.is_some_and(|rest| rest.len() > 1)
        })
        .map_or_else(|| path.to_owned(), |endpoint| format!("{endpoint}/***"))
}

/// One line for each request. Pages, health checks and lists are asked for all the time: theirs is for finding defects.
fn note(path: &str, status: StatusCode, took: Duration) {
    let (status, ms) = (status.as_u16(), took.as_millis());
    if path.starts_with("/api/") || status >= 500 {
        tracing::info!(status, ms, "request answered");
    } else {
        tracing::debug!(status, ms, "request answered");
    }
}

fn is_json(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The envelope's words for an answer that a layer of the framework gave without any.
fn in_words(status: StatusCode, method: &Method) -> ApiError {
    let (code, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (
            "METHOD_NOT_ALLOWED",
            format!("{method} is not possible here; the header Allow says what is"),
        ),
        StatusCode::GATEWAY_TIMEOUT => (
            "TIMEOUT",
            "The request took too long and was given up; look whether it was done before repeating it"
                .to_owned(),
        ),
        status if status.is_server_error() => (
            "INTERNAL_SERVER_ERROR",
            "The request failed; the log has its correlation id".to_owned(),
        ),
        status => (
            "BAD_REQUEST",
            status
                .canonical_reason()
                .unwrap_or("The request cannot be answered")
                .to_owned(),
        ),
    };
    ApiError::new(status, code, message)
}

/// Keeps what inner layers said beside the body: `Allow`, `WWW-Authenticate`, security headers.
fn with_headers_of(original: Response, mut replacement: Response) -> Response {
    for (name, value) in original.headers() {
        if name != header::CONTENT_LENGTH
            && name != header::CONTENT_TYPE
            && !replacement.headers().contains_key(name)
        {
            replacement
                .headers_mut()
                .insert(name.clone(), value.clone());
        }
    }
    replacement
}
