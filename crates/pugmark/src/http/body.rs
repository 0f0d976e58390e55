//! Request bodies: JSON whose every mistake is answered with the place where it is.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::envelope::ApiError;

/// A JSON body of the shape `T`.
pub struct JsonBody<T>(pub T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = read(request, state).await?;
        parse(&bytes).map(JsonBody)
    }
}

impl<S, T> OptionalFromRequest<S> for JsonBody<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    /// No body at all is `None`; a body that is there must be right.
    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let bytes = read(request, state).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            Ok(None)
        } else {
            parse(&bytes).map(|value| Some(JsonBody(value)))
        }
    }
}

/// More than this is not read even to be polite.
const PATIENT_WITH: u64 = 32 << 20;
const PATIENT_FOR: Duration = Duration::from_secs(2);

/// Refuses a body whose announced length is over the limit. What comes of it is read and thrown away for a moment: a
/// connection that is closed while the caller still sends is reset, and the answer would be lost with it.
pub async fn refuse_too_large(
    State(limit): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = announced.filter(|length| *length > limit as u64) else {
        return next.run(request).await;
    };
    if length <= PATIENT_WITH {
        let mut body = request.into_body().into_data_stream();
        let drained = async { while let Some(Ok(_)) = body.next().await {} };
        // Whoever sends too slowly for that is not waited for.
        drop(tokio::time::timeout(PATIENT_FOR, drained).await);
    }
    too_large().into_response()
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        "The body is larger than this server accepts; server.max_body sets the limit",
    )
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                too_large()
            } else {
                ApiError::new(rejection.status(), "BODY_UNREADABLE", rejection.body_text())
            }
        })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "INVALID_UTF8",
            format!(
                "The body is not valid UTF-8: byte {} cannot be read",
                error.valid_up_to()
            ),
        ));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| explain(&error))?;
    deserializer.end().map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "INVALID_JSON",
            format!("The body has more than one value: {error}"),
        )
    })?;
    Ok(value)
}

fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let inner = error.inner();
    if !inner.is_data() {
        let message = format!("The body is not valid JSON: {inner}");
        return ApiError::new(StatusCode::BAD_REQUEST, "INVALID_JSON", message);
    }
    wrong_shape(&error.path().to_string(), &inner.to_string())
}

/// A 400 that names the field.
pub(super) fn wrong_shape(path: &str, what: &str) -> ApiError {
    let refused =
        |message: String| ApiError::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message);
    // For a field that is unknown, missing or there twice the path is the object around it; the name stands in the message.
    let named = ["unknown field", "missing field", "duplicate field"]
        .iter()
        .any(|start| what.starts_with(start));
    let field = match what.split('`').nth(1) {
        Some(name) if named => name,
        _ => path,
    };
    if field.is_empty() || field == "." {
        return refused(format!("The body is not as expected: {what}"));
    }
    refused(format!("The field `{field}` is not as expected")).field(field, what)
}
