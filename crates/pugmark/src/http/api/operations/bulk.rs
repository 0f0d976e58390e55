//! Many operations at once: what died and why, trying all of that again, giving it up.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures::{StreamExt, stream};
use pugmark_queue::{BulkFilter, DeadGroup, OperationId, QueueError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actor;
use crate::desk::{self, Act};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};

/// Operations of one request, when it does not say.
const SOME: u32 = 100;
const MOST: u32 = 500;
/// So many are dealt with at the same time: they share commits.
const TOGETHER: usize = 16;

/// Which operations are meant, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct BulkRequest {
    /// These operations, dead letters or not.
    ids: Option<Vec<String>>,
    /// Dead letters of this kind: `note.create`, ...
    kind: Option<String>,
    /// Dead letters on this kind of record: `CUSTOMER`, ...
    entity_type: Option<String>,
    /// Dead letters on this record.
    entity_id: Option<String>,
    /// Dead letters with this code: `PUG-2006`, ...
    error_code: Option<String>,
    /// `true`: every dead letter.
    all: bool,
    /// At most so many, oldest first: 1 to 500, 100 when left out.
    limit: Option<u32>,
    /// `next` of the answer before: goes on behind it.
    after: Option<String>,
    /// Kept in the audit log of each operation. A discard needs one.
    reason: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkBody {
    /// How many operations it was done to.
    done: usize,
    /// Ids of the operations that do the work now; one may do that of several.
    operations: Vec<String>,
    /// Operations it could not be done to.
    skipped: Vec<SkippedBody>,
    /// Whether more are meant than this answer dealt with.
    has_more: bool,
    /// Pass this as `after` to go on.
    next: Option<String>,
}

/// An operation that was left as it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SkippedBody {
    /// Its id.
    id: String,
    /// Why.
    why: String,
}

/// Dead letters that are alike.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadGroupBody {
    /// Their kind.
    kind: String,
    /// The code with which they died, explained in docs/errors.md.
    error_code: Option<String>,
    /// How many.
    operations: i64,
    /// When the first of them died.
    first: String,
    /// When the last of them died.
    last: String,
    /// The message of one of them.
    example: Option<String>,
}

impl From<DeadGroup> for DeadGroupBody {
    fn from(group: DeadGroup) -> Self {
        DeadGroupBody {
            kind: group.kind,
            error_code: group.error_code,
            operations: group.operations,
            first: group.first.timestamp().to_string(),
            last: group.last.timestamp().to_string(),
            example: group.example,
        }
    }
}

/// The dead letters, grouped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLettersBody {
    /// How many there are.
    total: i64,
    /// By kind and code, the most frequent first. `GET /api/internal/vtiger/queue?dead=true` lists them one by one.
    groups: Vec<DeadGroupBody>,
}

/// What failed for good and waits for a person, by kind and code.
#[utoipa::path(get, path = "/api/internal/vtiger/queue/dead-letters", tag = "queue",
    responses((status = 200, body = Envelope<DeadLettersBody>)))]
pub(super) async fn dead_letters(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let groups = state.queue.dead_groups().await?;
    let body = DeadLettersBody {
        total: groups.iter().map(|group| group.operations).sum(),
        groups: groups.into_iter().map(DeadGroupBody::from).collect(),
    };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Dead letters",
        body,
    ))
}

/// Tries many operations again at once: dead letters by what they have in common, or any by their ids.
#[utoipa::path(post, path = "/api/internal/vtiger/queue/retry", tag = "queue", request_body = BulkRequest,
    responses((status = 202, body = Envelope<BulkBody>), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn retry_many(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<BulkRequest>,
) -> Result<Response, ApiError> {
    let meant = Meant::of(&state, &request).await?;
    let reason = request.reason.unwrap_or_default();
    let body = meant
        .each(&state, |id| {
            let actor = actor(&caller, &reason, &correlation_id);
            desk::act(&state.db, &state.queue, Act::Retry, id, actor)
        })
        .await?;
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        "Tried again",
        body,
    ))
}

/// Gives many operations up: they are not attempted again.
#[utoipa::path(post, path = "/api/internal/vtiger/queue/discard", tag = "queue", request_body = BulkRequest,
    responses((status = 200, body = Envelope<BulkBody>), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn discard_many(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<BulkRequest>,
) -> Result<Response, ApiError> {
    let reason = request.reason.clone();
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else {
        return Err(refused(
            "reason",
            "is needed: say why these changes shall not reach the CRM",
        ));
    };
    let meant = Meant::of(&state, &request).await?;
    let body = meant
        .each(&state, |id| {
            let actor = actor(&caller, &reason, &correlation_id);
            desk::act(&state.db, &state.queue, Act::Discard, id, actor)
        })
        .await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Given up",
        body,
    ))
}

/// The operations of one request.
struct Meant {
    ids: Vec<OperationId>,
    has_more: bool,
}

impl Meant {
    async fn of(state: &AppState, request: &BulkRequest) -> Result<Self, ApiError> {
        let limit = request.limit.unwrap_or(SOME).clamp(1, MOST);
        let criteria = [
            &request.kind,
            &request.entity_type,
            &request.entity_id,
            &request.error_code,
        ];
        let any = criteria.iter().any(|criterion| criterion.is_some());
        if let Some(ids) = &request.ids {
            if any || request.all {
                return Err(refused("ids", "stand alone: leave the other criteria out"));
            }
            if ids.is_empty() || ids.len() > MOST as usize {
                return Err(refused("ids", &format!("must be 1 to {MOST} ids")));
            }
            let ids: Result<Vec<OperationId>, ApiError> =
                ids.iter().map(|id| operation_id("ids", id)).collect();
            return Ok(Meant {
                ids: ids?,
                has_more: false,
            });
        }
        if !any && !request.all {
            let what = "must be true when no ids, kind, entityType, entityId or errorCode say which operations are meant";
            return Err(refused("all", what));
        }
        let after = request.after.as_deref();
        let filter = BulkFilter {
            kind: request.kind.clone(),
            entity_type: request.entity_type.clone(),
            entity_id: request.entity_id.clone(),
            error_code: request.error_code.clone(),
            after: after.map(|id| operation_id("after", id)).transpose()?,
            limit: limit + 1,
        };
        let mut ids = state.queue.dead_letters(&filter).await?;
        let has_more = ids.len() > limit as usize;
        ids.truncate(limit as usize);
        Ok(Meant { ids, has_more })
    }

    /// Does it to each, in a transaction of its own: one that cannot be dealt with holds up no other.
    async fn each<F>(
        self,
        state: &AppState,
        act: impl Fn(OperationId) -> F,
    ) -> Result<BulkBody, ApiError>
    where
        F: Future<Output = Result<OperationId, QueueError>>,
    {
        let next = self.ids.last().filter(|_| self.has_more).copied();
        let ended: Vec<(OperationId, Result<OperationId, QueueError>)> = stream::iter(self.ids)
            .map(|id| {
                let acting = act(id);
                async move { (id, acting.await) }
            })
            .buffered(TOGETHER)
            .collect()
            .await;
        let mut body = BulkBody {
            done: 0,
            operations: Vec::new(),
            skipped: Vec::new(),
            has_more: self.has_more,
            next: next.map(|id| id.to_string()),
        };
        for (id, result) in ended {
            match result {
                Ok(worker) => {
                    body.done += 1;
                    let worker = worker.to_string();
                    if !body.operations.contains(&worker) {
                        body.operations.push(worker);
                    }
                }
                // The store is away: what was done so far is done, and the caller has to look.
                Err(QueueError::Db(error)) if body.done == 0 => return Err(error.into()),
                Err(error) => body.skipped.push(SkippedBody {
                    id: id.to_string(),
                    why: error.to_string(),
                }),
            }
        }
        if body.done > 0 {
            state.queue.waker().wake(None);
        }
        Ok(body)
    }
}

fn operation_id(field: &str, text: &str) -> Result<OperationId, ApiError> {
    text.trim()
        .parse()
        .map_err(|_| refused(field, &format!("`{text}` is no id of an operation")))
}

fn refused(field: &str, what: &str) -> ApiError {
    ApiError::validation([(field.to_owned(), what.to_owned())].into())
}
