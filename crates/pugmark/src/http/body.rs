//! Request bodies: JSON whose every mistake is answered with the place where it is.

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::StatusCode;
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

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "BODY_TOO_LARGE",
                    "The body is larger than this server accepts; server.max_body sets the limit",
                )
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
