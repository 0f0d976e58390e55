//! `.../field-mappings/apply`: brings the linked contacts up to date after a change of the mapping.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::Progress;
use pugmark_queue::db::Ts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::desk::{self, Actor};
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::store::field_mapping;
use crate::store::mapping_runs::{self, Run};

/// What is acted on, for the audit log.
const SUBJECT: &str = "linked contacts";

/// How far the contacts have been brought up to date.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunBody {
    /// `running`, `finished` or `stopped`.
    pub(crate) state: &'static str,
    /// Linked contacts when it began.
    pub(crate) contacts: i64,
    /// Customers queued so far.
    pub(crate) queued: i64,
    /// Operations that wait or are being carried out.
    pub(crate) waiting: i64,
    /// Operations that are done.
    pub(crate) done: i64,
    /// Operations that failed for good.
    pub(crate) dead: i64,
    /// Who asked for it.
    pub(crate) requested_by: String,
    /// The request; every operation of the run is found by it.
    pub(crate) correlation_id: String,
    /// When it was asked for.
    pub(crate) created_at: String,
    /// Who stopped it before its end.
    pub(crate) stopped_by: Option<String>,
}

impl RunBody {
    fn of(run: Run, progress: Progress) -> Self {
        let state = match (&run.stopped_by, run.queued_at) {
            (Some(_), _) => "stopped",
            (None, Some(_)) if progress.unfinished == 0 => "finished",
            _ => "running",
        };
        RunBody {
            state,
            contacts: run.contacts,
            queued: run.queued,
            waiting: progress.unfinished,
            done: progress.done,
            dead: progress.dead,
            requested_by: run.requested_by,
            correlation_id: run.correlation_id,
            created_at: run.created_at.timestamp().to_string(),
            stopped_by: run.stopped_by,
        }
    }
}

/// Queues every linked contact to be brought up to date, bit by bit and behind everything else. A contact that holds
/// everything already costs no call.
#[utoipa::path(post, path = "/api/internal/vtiger/field-mappings/apply", tag = "field mappings",
    responses((status = 202, body = Envelope<RunBody>), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn begin(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let actor = Actor {
        name: caller.name,
        reason: String::new(),
        correlation_id: correlation_id.to_string(),
    };
    let run = begin_by(&state, actor).await?;
    answer(&state, StatusCode::ACCEPTED, &correlation_id, run).await
}

/// Begins a run, as somebody asks for it.
///
/// # Errors
/// 409 when one is under way.
pub(crate) async fn begin_by(state: &AppState, actor: Actor) -> Result<Option<Run>, ApiError> {
    state
        .db
        .write("begin mapping run", move |conn| {
            Box::pin(async move {
                field_mapping::hold(conn).await?;
                let latest = mapping_runs::latest(conn).await?;
                if latest.is_some_and(|run| run.queued_at.is_none()) {
                    return Err(ApiError::new(
                        StatusCode::CONFLICT,
                        "CONFLICT",
                        "The contacts are being brought up to date already; GET shows how far it is, DELETE stops it",
                    ));
                }
                let contacts = field_mapping::linked(conn, CUSTOMER).await?;
                let now = Ts::now();
                let request = &actor.correlation_id;
                mapping_runs::begin(conn, &actor.name, request, contacts, now).await?;
                desk::note(conn, "mapping.apply", SUBJECT, &actor).await?;
                mapping_runs::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await
}

/// How far it is.
#[utoipa::path(get, path = "/api/internal/vtiger/field-mappings/apply", tag = "field mappings",
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let run = mapping_runs::latest(&mut state.db.read().await?).await?;
    answer(&state, StatusCode::OK, &correlation_id, run).await
}

/// Queues nothing more. What is queued already is carried out.
#[utoipa::path(delete, path = "/api/internal/vtiger/field-mappings/apply", tag = "field mappings",
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn stop(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let actor = Actor {
        name: caller.name,
        reason: String::new(),
        correlation_id: correlation_id.to_string(),
    };
    let run = stop_by(&state, actor).await?;
    answer(&state, StatusCode::OK, &correlation_id, run).await
}

/// Stops the run under way, if there is one, as somebody asks for it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn stop_by(state: &AppState, actor: Actor) -> Result<Option<Run>, ApiError> {
    state
        .db
        .write("stop mapping run", move |conn| {
            Box::pin(async move {
                if let Some(run) = mapping_runs::latest(conn).await?
                    && mapping_runs::stop(conn, run.id, &actor.name, Ts::now()).await?
                {
                    desk::note(conn, "mapping.apply.stop", SUBJECT, &actor).await?;
                }
                mapping_runs::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await
}

/// How far the latest run is; `None` before the first one.
///
/// # Errors
/// Those of the store.
pub(crate) async fn latest(state: &AppState) -> Result<Option<RunBody>, ApiError> {
    let Some(run) = mapping_runs::latest(&mut state.db.read().await?).await? else {
        return Ok(None);
    };
    let progress = state.queue.progress(&run.correlation_id).await?;
    Ok(Some(RunBody::of(run, progress)))
}

async fn answer(
    state: &AppState,
    status: StatusCode,
    correlation_id: &CorrelationId,
    run: Option<Run>,
) -> Result<Response, ApiError> {
    let run = run.ok_or_else(|| {
        let said = "The contacts were never brought up to date after a change of the mapping";
        ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", said)
    })?;
    let progress = state.queue.progress(&run.correlation_id).await?;
    let body = RunBody::of(run, progress);
    let message = "Bringing contacts up to date";
    Ok(Envelope::of(status, correlation_id, message, body))
}
