//! MicroBima's envelope: how every answer of the API is wrapped, the good and the bad ones.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::correlation::CorrelationId;

/// A successful answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// The HTTP status.
    pub status: u16,
    /// The request's correlation id, the caller's own or one made here.
    pub correlation_id: String,
    /// What was done, for people.
    pub message: String,
    /// What was asked for.
    pub data: T,
}

/// A page of a longer list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// How to go on.
    pub pagination: Pagination,
}

/// How to go on in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Most entries of a page.
    pub page_size: u32,
    /// Whether more entries follow.
    pub has_next_page: bool,
    /// Pass this as `cursor` for the next page.
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Envelope<T> {
    /// Wraps an answer.
    pub fn of(
        status: StatusCode,
        correlation_id: &CorrelationId,
        message: &str,
        data: T,
    ) -> Response {
        let body = Envelope {
            status: status.as_u16(),
            correlation_id: correlation_id.to_string(),
            message: message.to_owned(),
            data,
        };
        (status, Json(body)).into_response()
    }
}

/// A refused request, as the API answers it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// The error.
    pub error: ErrorBody,
}

/// What was wrong.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Stable word for programs, for example `VALIDATION_ERROR`.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, for people.
    pub message: String,
    /// What was wrong with which field.
    pub details: BTreeMap<String, String>,
    /// The request's correlation id.
    pub correlation_id: String,
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// The path that was asked.
    pub path: String,
}

/// A refused request, as the endpoints of the onboarding guide answer it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlainError {
    /// What was wrong, for people.
    pub error: String,
}

/// An error on its way to the caller. The correlation id, path and time are added by the outermost layer, which knows
/// them for every route.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable word for programs.
    pub code: &'static str,
    /// What was wrong, for people.
    pub message: String,
    /// What was wrong with which field.
    pub details: BTreeMap<String, String>,
    /// Seconds after which the caller may try again.
    pub retry_after: Option<u32>,
}

impl ApiError {
    /// An error with this status, code and message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError {
            status,
            code,
            message: message.into(),
            details: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// Adds what is wrong with a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, what: impl Into<String>) -> Self {
        self.details.insert(name.into(), what.into());
        self
    }

    /// There is no such thing.
    pub fn not_found(what: &str, id: &str) -> Self {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("There is no {what} with the id {id}"),
        )
    }

    /// What is asked for does not fit how things stand.
    pub fn conflict(what: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "CONFLICT", what)
    }

    /// Fields that do not hold what they must.
    pub fn validation(details: BTreeMap<String, String>) -> Self {
        let names: Vec<&str> = details.keys().map(String::as_str).collect();
        let message = format!("Please correct: {}", names.join(", "));
        ApiError {
            details,
            ..ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "VALIDATION_ERROR",
                message,
            )
        }
    }

    /// The answer of an endpoint that has no envelope. What failed on this side is said in the guide's words.
    pub(super) fn into_plain_body(self) -> Response {
        let error = match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => "Failed to process request".to_owned(),
            _ => self.message,
        };
        with_retry_after(
            self.retry_after,
            (self.status, Json(PlainError { error })).into_response(),
        )
    }

    pub(super) fn into_body(self, correlation_id: &str, path: &str) -> Response {
        let status = self.status;
        let body = ErrorEnvelope {
            error: ErrorBody {
                code: self.code.to_owned(),
                status: status.as_u16(),
                message: self.message,
                details: self.details,
                correlation_id: correlation_id.to_owned(),
                timestamp: jiff::Timestamp::now().to_string(),
                path: path.to_owned(),
            },
        };
        with_retry_after(self.retry_after, (status, Json(body)).into_response())
    }
}

fn with_retry_after(seconds: Option<u32>, mut response: Response) -> Response {
    if let Some(seconds) = seconds {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

impl IntoResponse for ApiError {
    /// Leaves the error itself in the response's extensions; [`super::correlation::layer`] writes the body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
