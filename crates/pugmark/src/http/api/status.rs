//! `/api/internal/status`: is it fine?

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::Ts;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::crm::breaker::Position;
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope};
use crate::store::{change_log, links};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read))
}

/// How things stand.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusBody {
    /// One sentence for people.
    pub summary: String,
    /// Whether nothing needs a person.
    pub fine: bool,
    /// `live` or `shadow`.
    pub mode: String,
    /// `ok`, `paused`, `disabled` or `not configured`.
    pub crm: String,
    /// Captured changes not yet planned.
    pub unplanned: i64,
    /// Operations that wait for an attempt.
    pub waiting: i64,
    /// Operations being delivered.
    pub delivering: i64,
    /// Operations that failed for good and wait for a person.
    pub dead: i64,
    /// Operations finished in the last 24 hours.
    pub completed_last_day: i64,
    /// Since when the oldest waiting change waits, RFC 3339.
    pub oldest_waiting_since: Option<String>,
    /// The same in seconds.
    pub oldest_waiting_seconds: Option<u64>,
    /// Customers by the state of their contact.
    pub customers: BTreeMap<String, i64>,
}

/// One look at everything: is it fine?
#[utoipa::path(get, path = "/api/internal/status", tag = "status",
    responses((status = 200, body = Envelope<StatusBody>)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let status = gather(&state).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Status",
        status,
    ))
}

/// Gathers the status; the console's first page shows the same.
///
/// # Errors
/// When the store does not answer.
pub async fn gather(state: &AppState) -> Result<StatusBody, ApiError> {
    let counts = state.queue.counts().await?;
    let sum = |wanted: &dyn Fn(&pugmark_queue::Count) -> bool| -> i64 {
        counts
            .iter()
            .filter(|count| wanted(count))
            .map(|count| count.operations)
            .sum()
    };
    use pugmark_queue::Status::{Failed, Pending, Processing};
    let waiting = sum(&|count| matches!(count.status, Pending | Failed) && !count.dead);
    let delivering = sum(&|count| count.status == Processing);
    let dead = sum(&|count| count.dead);
    let yesterday = Ts::now().before(DAY);
    let completed = state.queue.completed_since(yesterday).await?;
    let completed_last_day = completed.iter().map(|(_, operations)| operations).sum();
    let queued_since = state.queue.oldest_waiting().await?;
    let mut conn = state.db.read().await?;
    let (unplanned, captured_since) = change_log::backlog(&mut conn).await?;
    let customers = links::counts(&mut conn, CUSTOMER).await?;
    let oldest = match (queued_since, captured_since) {
        (Some(queued), Some(captured)) => Some(queued.min(captured)),
        (one, other) => one.or(other),
    };
    let oldest_waiting_seconds = oldest.map(|since| Ts::now().since(since).as_secs());
    let crm = crm_state(state);
    let fine =
        dead == 0 && crm == "ok" && oldest_waiting_seconds.is_none_or(|seconds| seconds < 300);
    Ok(StatusBody {
        summary: summary(crm, dead, oldest_waiting_seconds),
        fine,
        mode: state.mode.to_string(),
        crm: crm.to_owned(),
        unplanned,
        waiting,
        delivering,
        dead,
        completed_last_day,
        oldest_waiting_since: oldest.map(|since| since.timestamp().to_string()),
        oldest_waiting_seconds,
        customers,
    })
}

fn crm_state(state: &AppState) -> &'static str {
    match (&state.crm, &state.breaker) {
        (None, _) => "not configured",
        (Some(crm), _) if !crm.enabled => "disabled",
        (Some(_), Some(breaker)) if breaker.position() != Position::Closed => "paused",
        (Some(_), _) => "ok",
    }
}

fn summary(crm: &str, dead: i64, oldest: Option<u64>) -> String {
    let waits = match oldest {
        None => "nothing waits".to_owned(),
        Some(seconds) => format!("the oldest waiting change is {} old", age(seconds)),
    };
    match (crm, dead) {
        ("not configured", _) => format!("No CRM is configured; changes are kept, {waits}."),
        ("disabled", _) => {
            format!("Sending is switched off (VTIGER_ENABLED=false); changes are kept, {waits}.")
        }
        ("paused", _) => {
            format!("vTiger does not answer as it should and is left alone for a moment; {waits}.")
        }
        (_, 0) if oldest.is_none_or(|seconds| seconds < 300) => {
            format!("All flows are current; {waits}.")
        }
        (_, 0) => format!("Work is behind; {waits}."),
        (_, 1) => format!("One change could not be delivered and needs a person; {waits}."),
        (_, dead) => format!("{dead} changes could not be delivered and need a person; {waits}."),
    }
}

/// `4 seconds`, `3 minutes`, `2 hours`, `5 days`.
pub fn age(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if number == 1 {
        format!("{number} {unit}")
    } else {
        format!("{number} {unit}s")
    }
}
