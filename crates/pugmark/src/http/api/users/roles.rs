//! `/api/internal/vtiger/users/{userId}/roles/customer_care`: the one role of MicroBima that is given and taken here.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Serialize;
use supabase_auth::RefusalReason;
use utoipa::ToSchema;
use uuid::Uuid;

use super::acting::logins;
use super::logins_error;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::parameters::PathId;
use crate::store::audit;

const CUSTOMER_CARE: &str = "customer_care";

/// The roles of a login afterwards.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolesBody {
    /// Id of the login.
    user_id: String,
    /// All of `user_metadata.roles`.
    roles: Vec<String>,
    /// Whether anything had to be written.
    changed: bool,
}

/// Gives the role `customer_care` in `user_metadata`, and touches nothing else there.
///
/// It is MicroBima's role. What somebody may do in Pugmark is a grant.
#[utoipa::path(put, path = "/api/internal/vtiger/users/{userId}/roles/customer_care", tag = "users",
    params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<RolesBody>), (status = 404, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
pub(super) async fn grant(
    state: State<AppState>,
    correlation_id: CorrelationId,
    caller: Extension<Caller>,
    id: PathId,
) -> Result<Response, ApiError> {
    granted(state.0, correlation_id, caller.0, id.0, true).await
}

/// Takes the role `customer_care` away.
#[utoipa::path(delete, path = "/api/internal/vtiger/users/{userId}/roles/customer_care", tag = "users",
    params(("userId" = String, Path, description = "Id of the login")),
    responses((status = 200, body = Envelope<RolesBody>), (status = 404, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
pub(super) async fn withdraw(
    state: State<AppState>,
    correlation_id: CorrelationId,
    caller: Extension<Caller>,
    id: PathId,
) -> Result<Response, ApiError> {
    granted(state.0, correlation_id, caller.0, id.0, false).await
}

async fn granted(
    state: AppState,
    correlation_id: CorrelationId,
    caller: Caller,
    user: Uuid,
    granted: bool,
) -> Result<Response, ApiError> {
    let (body, message) = change(&state, &correlation_id, caller, user, (granted, None)).await?;
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, body))
}

/// What both routes do, for the console as well, which gives a reason besides.
///
/// # Errors
/// As the routes answer them.
pub(crate) async fn change(
    state: &AppState,
    correlation_id: &CorrelationId,
    caller: Caller,
    user: Uuid,
    (granted, reason): (bool, Option<String>),
) -> Result<(RolesBody, &'static str), ApiError> {
    let logins = logins(state)?;
    let action = if granted {
        "user.role.grant"
    } else {
        "user.role.withdraw"
    };
    // Before the change: an entry without an effect tells more than an effect without an entry.
    let correlation = correlation_id.to_string();
    let subject = format!("{user} {CUSTOMER_CARE}");
    state
        .db
        .write("audit", move |conn| {
            Box::pin(async move {
                let entry = audit::Entry {
                    actor: &caller.name,
                    action,
                    subject: &subject,
                    reason: reason.as_deref(),
                    correlation_id: Some(&correlation),
                };
                audit::record(conn, Ts::now(), &entry).await?;
                Ok::<_, DbError>(())
            })
        })
        .await?;
    let change = logins
        .client
        .set_role(user, CUSTOMER_CARE, granted)
        .await
        .map_err(|error| match error.reason() {
            Some(RefusalReason::NotFound) => ApiError::not_found("user", &user.to_string()),
            _ => logins_error(&error),
        })?;
    let body = RolesBody {
        user_id: user.to_string(),
        roles: change.user.roles().into_iter().map(str::to_owned).collect(),
        changed: change.changed,
    };
    let message = match (change.changed, granted) {
        (false, _) => "It was so already",
        (true, true) => "Given",
        (true, false) => "Taken away",
    };
    Ok((body, message))
}
