//! `/api/internal/vtiger/queue`: what waits, what failed and why, and trying again.

mod bulk;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::Ts;
use pugmark_queue::{AttemptRecord, Filter, OperationId, OperationRecord, Status};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::desk::{self, Act, Actor};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page, Pagination};
use crate::http::parameters::{Parameters, PathId, search};

const LARGEST_PAGE: u32 = 200;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(discard))
        .routes(routes!(bulk::retry_many))
        .routes(routes!(bulk::discard_many))
        .routes(routes!(bulk::dead_letters))
}

/// An operation as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationBody {
    /// UUIDv7.
    id: String,
    /// `customer.create`, ...
    kind: String,
    /// `CUSTOMER`, ...
    entity_type: String,
    /// Id of the record.
    entity_id: String,
    /// `CREATE`, `UPDATE` or `DELETE`.
    operation: String,
    /// Operations of one lane run one at a time, in order.
    lane: String,
    /// `PENDING`, `PROCESSING`, `COMPLETED` or `FAILED`.
    status: String,
    /// It failed for good and waits for a person.
    dead: bool,
    /// `urgent`, `high`, `normal` or `low`.
    #[schema(value_type = String)]
    priority: pugmark_queue::Priority,
    /// Failures that counted.
    retry_count: i32,
    /// How many may count before it is a dead letter.
    max_retries: i32,
    /// Attempts made, those of operations it took over included.
    attempts: i32,
    /// When it is tried next; `null` when it is not.
    next_attempt_at: Option<String>,
    /// Since when a write may have happened that nobody has confirmed.
    unknown_at: Option<String>,
    /// What it waits for.
    blocked_by: Option<String>,
    /// Code of the last error, explained in docs/errors.md.
    error_code: Option<String>,
    /// The last error.
    error_message: Option<String>,
    /// The request that caused it.
    correlation_id: String,
    /// The operation that does its work now.
    superseded_by: Option<String>,
    /// The newer operation on the same record that took over after this one had failed for good.
    taken_over_by: Option<String>,
    /// What came of it.
    #[schema(value_type = Option<Object>)]
    outcome: Option<serde_json::Value>,
    /// What the handler was given.
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    /// Who asked for it.
    requested_by: Option<String>,
    /// When it was first queued.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
    /// When it was finished.
    processed_at: Option<String>,
}

impl From<OperationRecord> for OperationBody {
    fn from(record: OperationRecord) -> Self {
        let text = |at: Ts| at.timestamp().to_string();
        OperationBody {
            dead: record.is_dead(),
            next_attempt_at: record.is_waiting().then(|| text(record.next_attempt_at)),
            id: record.id.to_string(),
            kind: record.kind,
            entity_type: record.entity_type,
            entity_id: record.entity_id,
            operation: record.operation.to_string(),
            lane: record.lane,
            status: record.status.to_string(),
            priority: record.priority,
            retry_count: record.retry_count,
            max_retries: record.max_retries,
            attempts: record.attempts + record.inherited_attempts,
            unknown_at: record.unknown_at.map(text),
            blocked_by: record.blocked_by,
            error_code: record.error_code,
            error_message: record.error_message,
            correlation_id: record.correlation_id,
            superseded_by: record.superseded_by.map(|id| id.to_string()),
            taken_over_by: record.heir.map(|id| id.to_string()),
            outcome: record.outcome.map(|outcome| outcome.0),
            payload: record.payload,
            requested_by: record.requested_by,
            created_at: text(record.first_queued_at),
            updated_at: text(record.updated_at),
            processed_at: record.processed_at.map(text),
        }
    }
}

/// One attempt at an operation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptBody {
    /// When it began.
    started_at: String,
    /// When it ended; `null` while it runs.
    finished_at: Option<String>,
    /// The request that the operation answered when the attempt began.
    correlation_id: Option<String>,
    /// How long it took.
    duration_milliseconds: Option<f64>,
    /// `COMPLETED`, `RELEASED` or `EXPIRED` (its worker fell silent).
    ended: Option<String>,
    /// Calls to the CRM.
    crm_calls: Option<i32>,
    /// `done`, or the code of what was in the way.
    classification: Option<String>,
    /// What was asked, call by call, redacted.
    #[schema(value_type = Option<Object>)]
    request: Option<serde_json::Value>,
    /// What was answered, call by call, redacted.
    #[schema(value_type = Option<Object>)]
    answer: Option<serde_json::Value>,
}

impl From<AttemptRecord> for AttemptBody {
    fn from(record: AttemptRecord) -> Self {
        AttemptBody {
            started_at: record.started_at.timestamp().to_string(),
            finished_at: record.finished_at.map(|at| at.timestamp().to_string()),
            correlation_id: record.correlation_id,
            #[allow(
                clippy::cast_precision_loss,
                reason = "a duration of 2^52 microseconds is over a century"
            )]
            duration_milliseconds: record.duration_us.map(|micros| micros as f64 / 1_000.0),
            ended: record.ended,
            crm_calls: record.crm_calls,
            classification: record.classification,
            request: record.request.map(|request| request.0),
            answer: record.answer.map(|answer| answer.0),
        }
    }
}

/// An operation with its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationDetail {
    /// The operation.
    #[serde(flatten)]
    operation: OperationBody,
    /// The operation that does its work now, when another took over.
    current: Option<OperationBody>,
    /// Its attempts, oldest first.
    attempt_list: Vec<AttemptBody>,
}

/// What a list of operations takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// `PENDING`, `PROCESSING`, `COMPLETED` or `FAILED`.
    status: Option<String>,
    /// Only dead letters (`true`), or none of them (`false`).
    dead: Option<bool>,
    /// `customer.create`, ...
    kind: Option<String>,
    /// `CUSTOMER`, ...
    entity_type: Option<String>,
    /// Id of the record.
    entity_id: Option<String>,
    /// Part of the record's id, the lane, a correlation id or the error.
    search: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists operations, newest first.
#[utoipa::path(get, path = "/api/internal/vtiger/queue", tag = "queue", params(ListParameters),
    responses((status = 200, body = Envelope<Page<OperationBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let refused = |field: &str, what: &str| {
        ApiError::validation([(field.to_owned(), what.to_owned())].into())
    };
    let page_size = parameters.limit.unwrap_or(50).clamp(1, LARGEST_PAGE);
    let filter = Filter {
        status: parameters
            .status
            .map(|word| word.to_uppercase().parse::<Status>())
            .transpose()
            .map_err(|_| {
                refused(
                    "status",
                    "must be one of PENDING, PROCESSING, COMPLETED, FAILED",
                )
            })?,
        dead: parameters.dead,
        kind: parameters.kind,
        entity_type: parameters.entity_type,
        entity_id: parameters.entity_id,
        text: search(parameters.search)?,
        cursor: parameters
            .cursor
            .map(|cursor| cursor.parse())
            .transpose()
            .map_err(|_| {
                refused(
                    "cursor",
                    "is not a cursor of this list; take it from the page before",
                )
            })?,
        limit: page_size,
    };
    let found = state.queue.list(&filter).await?;
    let next_cursor = found.next.map(|cursor| cursor.to_string());
    let items = found
        .operations
        .into_iter()
        .map(OperationBody::from)
        .collect();
    let page = Page {
        items,
        pagination: Pagination {
            page_size,
            has_next_page: next_cursor.is_some(),
            next_cursor,
        },
    };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Operations",
        page,
    ))
}

/// One operation with its attempts. An id that was merged into another still answers, and says into which.
#[utoipa::path(get, path = "/api/internal/vtiger/queue/{id}", tag = "queue",
    params(("id" = String, Path, description = "Id of the operation")),
    responses((status = 200, body = Envelope<OperationDetail>), (status = 404, body = ErrorEnvelope)))]
async fn show(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let id = OperationId(id);
    let detail = detail(&state, id).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Operation",
        detail,
    ))
}

async fn detail(state: &AppState, id: OperationId) -> Result<OperationDetail, ApiError> {
    let found = state
        .queue
        .get(id)
        .await?
        .ok_or_else(|| ApiError::not_found("operation", &id.to_string()))?;
    let attempts = state.queue.attempts(id).await?;
    Ok(OperationDetail {
        operation: found.asked.into(),
        current: found.superseded_by.map(OperationBody::from),
        attempt_list: attempts.into_iter().map(AttemptBody::from).collect(),
    })
}

/// Why a person acts on an operation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReasonBody {
    /// Kept in the audit log.
    reason: Option<String>,
}

/// Tries an operation again at once: a dead letter, or one that waits for its next attempt.
#[utoipa::path(post, path = "/api/internal/vtiger/queue/{id}/retry", tag = "queue", request_body = ReasonBody,
    params(("id" = String, Path, description = "Id of the operation")),
    responses((status = 202, body = Envelope<OperationDetail>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope)))]
async fn retry(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<ReasonBody>>,
) -> Result<Response, ApiError> {
    let id = OperationId(id);
    let reason = body
        .and_then(|JsonBody(body)| body.reason)
        .unwrap_or_default();
    let actor = actor(&caller, &reason, &correlation_id);
    let now = desk::act(&state.db, &state.queue, Act::Retry, id, actor).await?;
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        "Tried again",
        detail(&state, now).await?,
    ))
}

/// Gives an operation up: it is not attempted again.
#[utoipa::path(post, path = "/api/internal/vtiger/queue/{id}/discard", tag = "queue", request_body = ReasonBody,
    params(("id" = String, Path, description = "Id of the operation")),
    responses((status = 200, body = Envelope<OperationDetail>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn discard(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<ReasonBody>>,
) -> Result<Response, ApiError> {
    let id = OperationId(id);
    let reason = body
        .and_then(|JsonBody(body)| body.reason)
        .filter(|reason| !reason.trim().is_empty());
    let Some(reason) = reason else {
        let what = "is needed: say why this change shall not reach the CRM".to_owned();
        return Err(ApiError::validation([("reason".to_owned(), what)].into()));
    };
    let actor = actor(&caller, &reason, &correlation_id);
    desk::act(&state.db, &state.queue, Act::Discard, id, actor).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Given up",
        detail(&state, id).await?,
    ))
}

/// Who acts through this request.
fn actor(caller: &Caller, reason: &str, correlation_id: &CorrelationId) -> Actor {
    Actor {
        name: caller.name.clone(),
        reason: reason.to_owned(),
        correlation_id: correlation_id.to_string(),
    }
}
