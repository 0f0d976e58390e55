//! The REST API, one file per resource.

pub mod backfill;
pub mod beneficiaries;
pub mod brand_ambassadors;
pub mod broker;
pub mod conflicts;
pub mod console_users;
pub mod customers;
pub mod dependants;
pub mod field_mappings;
pub mod grants;
pub mod lead_conversions;
pub mod leader;
pub mod logs;
pub mod missing_requirements;
pub mod onboarding_forms;
pub mod onboarding_jobs;
pub mod onboarding_links;
pub mod operations;
pub mod payment_summaries;
pub mod payments;
pub mod policies;
pub mod reconcile;
pub mod shared;
pub mod status;
pub mod sync_status;
pub mod tokens;
pub mod users;
pub mod webhook_deliveries;

mod amounts;
mod cursor;
mod edit;
pub(crate) mod fields;
mod paging;

use axum::http::StatusCode;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Conn, DbError};

use super::auth::Caller;
use super::correlation::CorrelationId;
use super::envelope::ApiError;
use crate::desk::Actor;
use crate::store;
use crate::store::customers::Customer;

/// The customer whose id stands in the path.
async fn customer_or_404(conn: &mut Conn, id: &str) -> Result<Customer, ApiError> {
    store::customers::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("customer", id))
}

/// The login that a caller acts as, for columns that hold the id of one; a token is nobody's.
fn acting_login(caller: &Caller) -> Option<String> {
    let id = uuid::Uuid::parse_str(&caller.author).ok()?;
    Some(id.to_string())
}

/// Who acts through the API, and why.
fn actor(caller: &Caller, reason: Option<String>, correlation_id: &CorrelationId) -> Actor {
    Actor {
        name: caller.name.clone(),
        reason: reason.unwrap_or_default(),
        correlation_id: correlation_id.to_string(),
    }
}

/// What the audit log keeps of values that are not for it: their names, and the reason where one is given.
fn named<'a>(names: impl Iterator<Item = &'a String>, reason: &str) -> String {
    let names = names.map(String::as_str).collect::<Vec<_>>().join(", ");
    match (names.as_str(), reason.trim()) {
        (_, "") => names,
        ("", reason) => reason.to_owned(),
        (_, reason) => format!("{names}: {reason}"),
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        if holds_unstorable_text(&error) {
            return ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "VALIDATION_ERROR",
                "A text holds the character NUL, which the store cannot keep",
            );
        }
        if is_forbidden(&error) {
            tracing::warn!(error = %error, "the store does not allow a request");
            return ApiError::new(
                StatusCode::FORBIDDEN,
                "STORE_FORBIDS",
                "The database does not allow Pugmark's role to write this table; grant it the right, or write through MicroBima",
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
    has_code(error, CHARACTER_NOT_IN_REPERTOIRE)
}

/// In MicroBima's own database Pugmark's role need not be allowed to write its tables.
fn is_forbidden(error: &DbError) -> bool {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    has_code(error, INSUFFICIENT_PRIVILEGE)
}

fn has_code(error: &DbError, code: &str) -> bool {
    matches!(error, DbError::Sql(error)
        if error.as_database_error().and_then(|error| error.code()).as_deref() == Some(code))
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
