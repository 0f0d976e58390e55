//! Who may call the internal API.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::AppState;
use super::envelope::ApiError;

/// Who a request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Name for the audit log.
    pub name: Arc<str>,
}

/// Lets only callers with the configured bearer token pass.
pub async fn require_token(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(expected) = &state.token else {
        return ApiError::new(
            StatusCode::UNAUTHORIZED,
            "API_CLOSED",
            "The internal API is closed: set APP_SECRET_TOKEN and start again",
        )
        .into_response();
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    if !given.is_some_and(|given| matches(given, expected)) {
        let mut response = ApiError::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "Send the token in the header `Authorization: Bearer <token>`",
        )
        .into_response();
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    request.extensions_mut().insert(Caller {
        name: Arc::from("token:APP_SECRET_TOKEN"),
    });
    next.run(request).await
}

/// Compares digests, so that the time taken says nothing about how much of the token was right.
fn matches(given: &str, expected: &SecretString) -> bool {
    Sha256::digest(given.as_bytes()) == Sha256::digest(expected.expose_secret().as_bytes())
}
