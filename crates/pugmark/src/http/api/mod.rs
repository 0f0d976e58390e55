//! The REST API, one file per resource.

pub mod customers;
pub mod operations;
pub mod status;

mod cursor;

use axum::http::StatusCode;
use pugmark_queue::QueueError;
use pugmark_queue::db::DbError;

use super::envelope::ApiError;

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        if holds_unstorable_text(&error) {
            return ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "VALIDATION_ERROR",
                "A text holds the character NUL, which the store cannot keep",
            );
        }
        // The cause may show table contents: it goes to the log with the correlation id, not to the caller.
        tracing::error!(error = %error, "the store refused a request");
        match error {
            DbError::DiskFull => ApiError::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "STORE_FULL",
                "The store's disk is full; nothing was changed. Free space and try again",
            ),
            DbError::ReadOnly => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "STORE_READ_ONLY",
                "The store cannot be written to; nothing was changed. Check its permissions and mount",
            ),
            DbError::OutcomeUnknown => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "OUTCOME_UNKNOWN",
                "The store went away while it was storing: look whether the change was made before repeating it",
            ),
            error
                if error.is_retryable()
                    || matches!(error, DbError::Closed | DbError::CannotOpen { .. }) =>
            {
                let mut answer = ApiError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "STORE_UNAVAILABLE",
                    "The store does not answer right now; try again",
                );
                answer.retry_after = Some(2);
                answer
            }
            _ => ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_SERVER_ERROR",
                "The store refused the request",
            ),
        }
    }
}

/// PostgreSQL keeps every character but NUL.
fn holds_unstorable_text(error: &DbError) -> bool {
    const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
    matches!(error, DbError::Sql(error)
        if error.as_database_error().and_then(|error| error.code()).as_deref() == Some(CHARACTER_NOT_IN_REPERTOIRE))
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Db(error) => error.into(),
            QueueError::NotFound(id) => ApiError::not_found("operation", &id.to_string()),
            error => {
                let message = error.to_string();
                ApiError::new(StatusCode::CONFLICT, "CONFLICT", message)
            }
        }
    }
}
