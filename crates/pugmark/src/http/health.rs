//! Health: `/health/live` (the process runs), `/health/ready` and `/health` (it can do its work).

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::AppState;
use crate::crm::breaker::Position;
use crate::store::change_log;

/// The health routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(ready))
        .route("/health/ready", get(ready))
        .route("/health/live", get(live))
}

async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Ready means that requests can be stored. A CRM that is away does not make it less ready: nothing is lost, it waits.
async fn ready(State(state): State<AppState>) -> Response {
    let store = match state.db.read().await {
        Ok(mut conn) => change_log::any_waiting(&mut conn).await.map(drop),
        Err(error) => Err(error),
    };
    let crm = match (&state.crm, &state.breaker) {
        (None, _) => "not configured",
        (Some(crm), _) if !crm.enabled => "disabled",
        (Some(_), Some(breaker)) if breaker.position() != Position::Closed => "paused",
        (Some(_), _) => "ok",
    };
    match store {
        Ok(()) => Json(json!({ "status": "ok", "store": "ok", "crm": crm })).into_response(),
        Err(error) => {
            tracing::warn!(error = %error, "not ready");
            let body = json!({ "status": "unavailable", "store": "does not answer", "crm": crm });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
