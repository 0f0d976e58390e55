//! Leads whose status changed: the endpoint of the onboarding guide, with its own plain answers. The sender gets its answer after a
//! commit: of delivery, key, job and operation, or under load of one row from which these are stored a moment later.

mod arrived;
mod effect;
mod masking;
pub mod reading;
mod together;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::prove;
use super::reading::Letter;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, PlainError};

pub use arrived::{Arrived, Means, take_in_singly};
pub use effect::{Effect, plan};
pub(in crate::http) use masking::{body as without_bank_data, form as form_without_bank_data};
pub use together::{Pace, Together};

/// Where they are taken.
pub const LEAD_STATUS: &str = "/webhook/vtiger/lead-status-change";
/// What their deliveries are called.
pub const ENDPOINT: &str = "lead-status-change";

/// The routes.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(lead_status_change))
        .routes(routes!(lead_status_change_with_secret))
}

/// The answer to a delivery that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenBody {
    /// `received`: the lead has a job. `ignored`: it concerns no lead that is ready.
    status: &'static str,
    /// The lead's job.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    /// Why the delivery of a lead that is ready came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Takes a lead whose status changed. `event` and the status may be left out: the job reads the lead again. However often it is
/// sent, a lead has one job at a time, and one that is set up is not set up again.
#[utoipa::path(post, path = "/webhook/vtiger/lead-status-change", tag = "webhooks", security(()),
    request_body(content = Object, description = "JSON or a form"),
    responses((status = 200, body = TakenBody), (status = 401, body = PlainError), (status = 413, body = PlainError),
              (status = 422, body = PlainError), (status = 429, body = PlainError), (status = 500, body = PlainError),
              (status = 503, body = PlainError)))]
async fn lead_status_change(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    sent: Request,
) -> Result<Response, ApiError> {
    receive(&state, None, &correlation_id, sent).await
}

/// The same for senders that can show a secret only in the address.
#[utoipa::path(post, path = "/webhook/vtiger/lead-status-change/{secret}", tag = "webhooks", security(()),
    params(("secret" = String, Path, description = "VTIGER_WEBHOOK_PATH_SECRET")),
    request_body(content = Object, description = "JSON or a form"),
    responses((status = 200, body = TakenBody), (status = 401, body = PlainError), (status = 413, body = PlainError),
              (status = 422, body = PlainError), (status = 429, body = PlainError), (status = 500, body = PlainError),
              (status = 503, body = PlainError)))]
async fn lead_status_change_with_secret(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Path(secret): Path<String>,
    sent: Request,
) -> Result<Response, ApiError> {
    receive(&state, Some(&secret), &correlation_id, sent).await
}

async fn receive(
    state: &AppState,
    path: Option<&str>,
    correlation_id: &CorrelationId,
    sent: Request,
) -> Result<Response, ApiError> {
    let (parts, body, proven) =
        prove(state, ENDPOINT, path, true, sent)
            .await
            .map_err(|mut refused| {
                if refused.status == StatusCode::UNAUTHORIZED {
                    refused.message = "Invalid signature".to_owned();
                }
                refused
            })?;
    let means = Means::of(state);
    let letter = Letter {
        body: &body,
        content_type: content_type(&parts),
        parameters: parts.uri.query(),
        conversion: false,
        max_depth: state.webhooks.max_depth(),
    };
    let arrived = Arrived::of(&means, &letter, &proven, &correlation_id.to_string());
    let effect = state.webhooks.leads.take_in(&means, arrived).await?;
    answer(effect)
}

/// As far as it is kept.
fn content_type(parts: &Parts) -> Option<&str> {
    let kind = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let end = kind
        .char_indices()
        .nth(200)
        .map_or(kind.len(), |(at, _)| at);
    kind.get(..end)
}

fn answer(effect: Effect) -> Result<Response, ApiError> {
    let (status, job_id, reason) = match (effect.became.status, effect.job) {
        ("UNUSABLE", _) => {
            let why = effect.became.reason.unwrap_or_default();
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "UNUSABLE_DELIVERY",
                format!("The delivery cannot be used: {why}"),
            ));
        }
        ("ACCEPTED", Some(job)) => ("received", Some(job.to_string()), None),
        (_, Some(_)) => ("ignored", None, Some(effect::CANCELLED)),
        (_, None) => ("ignored", None, None),
    };
    let body = TakenBody {
        status,
        job_id,
        reason,
    };
    Ok(Json(body).into_response())
}
