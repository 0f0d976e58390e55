//! What people do to onboarding jobs. Each act is committed with its entry in the audit log.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, Ts};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vtiger::RecordId;

use super::bodies::JobDetail;
use super::{detail, job_or_404, store_first};
use crate::desk::{self, Actor};
use crate::flows::onboarding::fields;
use crate::flows::onboarding::known::Known;
use crate::flows::onboarding::request::{self, NewRequest, Outcome, Requested};
use crate::http::AppState;
use crate::http::api::{actor, named};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::parameters::PathId;
use crate::problem::Code;
use crate::store::sync_jobs::{self, Job, Status};

/// Longest reason, and longest value that can be corrected.
const LONGEST: usize = 500;

/// Why a person acts on a job.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct JobReasonBody {
    /// Kept in the audit log.
    reason: Option<String>,
}

/// The lead that is to be set up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartBody {
    /// Id of the lead (or contact) in vTiger, like `2x345`.
    lead_id: String,
    /// Kept in the audit log.
    reason: Option<String>,
}

/// Values of the lead by the names of `[onboarding.lead]`, for example `{"iban": "...", "email": "..."}`. They count before what
/// vTiger shows; `null` takes one back.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
pub(super) struct CorrectionsBody(BTreeMap<String, Option<String>>);

/// Starts a job for a lead by hand. A failed or cancelled job of the lead is tried again instead.
#[utoipa::path(post, path = "/api/internal/onboarding/jobs", tag = "onboarding", request_body = StartBody,
    responses((status = 202, body = Envelope<JobDetail>), (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(super) async fn start(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, ApiError> {
    let actor = actor(&caller, body.reason, &correlation_id);
    let job = start_job(&state, &body.lead_id, actor).await?;
    accepted(&state, &correlation_id, "The lead is being set up", job).await
}

/// Gives a lead a job, or has its failed or cancelled one tried again. Gives the job.
///
/// # Errors
/// 409 when it is under way or done, 422 when that is no id of vTiger's.
pub(in crate::http) async fn start_job(
    state: &AppState,
    lead: &str,
    actor: Actor,
) -> Result<Uuid, ApiError> {
    let lead: RecordId = lead.trim().parse().map_err(|_| {
        let what = "must be the id of a record in vTiger's web service, like 2x345".to_owned();
        ApiError::validation([("leadId".to_owned(), what)].into())
    })?;
    let act = Act::new("onboarding.start", actor)?;
    let shared = state.clone();
    let started = state.db.write("start job", move |conn| {
        Box::pin(async move {
            let new = act.request(lead.as_str());
            let sealer = shared.staff.sealer.as_deref();
            let current = sync_jobs::current_of(conn, lead.as_str()).await?;
            fail_if_stranded(conn, current.map(|job| job.job_id)).await?;
            let Requested {
                job_id, outcome, ..
            } = request::request(conn, &shared.queue, sealer, &new).await?;
            match outcome {
                Outcome::Started | Outcome::TriedAgain => act.note(conn, job_id).await?,
                Outcome::Active => {
                    return Err(ApiError::conflict(format!(
                        "The lead's job {job_id} is under way; it goes on by itself"
                    )));
                }
                Outcome::Done | Outcome::Cancelled => {
                    return Err(ApiError::conflict(format!(
                        "The lead is set up already, by the job {job_id}; nothing is repeated"
                    )));
                }
            }
            Ok(job_id)
        })
    });
    started.await
}

/// Has a failed or cancelled job tried again. What is finished stays finished; it goes on where it stopped.
#[utoipa::path(post, path = "/api/internal/onboarding/jobs/{jobId}/retry", tag = "onboarding", request_body = JobReasonBody,
    params(("jobId" = String, Path, description = "Id of the job")),
    responses((status = 202, body = Envelope<JobDetail>), (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(super) async fn retry(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<JobReasonBody>>,
) -> Result<Response, ApiError> {
    let reason = body.and_then(|JsonBody(body)| body.reason);
    retry_job(&state, id, actor(&caller, reason, &correlation_id)).await?;
    accepted(&state, &correlation_id, "Tried again", id).await
}

/// Has a failed or cancelled job tried again.
///
/// # Errors
/// 404 without such a job, 409 when it is under way, done, or not the lead's latest.
pub(in crate::http) async fn retry_job(
    state: &AppState,
    id: Uuid,
    actor: Actor,
) -> Result<(), ApiError> {
    let act = Act::new("onboarding.retry", actor)?;
    try_again(state, id, act, BTreeMap::new()).await
}

/// Corrects values of the lead for this job, and has it tried again. They are kept sealed until the job is done; vTiger keeps its
/// own.
#[utoipa::path(post, path = "/api/internal/onboarding/jobs/{jobId}/edit-and-retry", tag = "onboarding",
    request_body(content = Object, description = "Values by the names of [onboarding.lead]: iban, email, ... null takes one back"),
    params(("jobId" = String, Path, description = "Id of the job")),
    responses((status = 202, body = Envelope<JobDetail>), (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope), (status = 503, body = ErrorEnvelope)))]
pub(super) async fn edit_and_retry(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(CorrectionsBody(corrections)): JsonBody<CorrectionsBody>,
) -> Result<Response, ApiError> {
    let actor = actor(&caller, None, &correlation_id);
    correct_job(&state, id, corrections, actor).await?;
    accepted(&state, &correlation_id, "Corrected, and tried again", id).await
}

/// Keeps corrections of a failed or cancelled job, sealed, and has it tried again. The audit log gets the names of the fields and
/// the reason: the values may be bank data.
///
/// # Errors
/// As [`retry_job`]; 422 for names and values that cannot be one, 503 without a key to seal with.
pub(in crate::http) async fn correct_job(
    state: &AppState,
    id: Uuid,
    corrections: BTreeMap<String, Option<String>>,
    actor: Actor,
) -> Result<(), ApiError> {
    check(state, &corrections)?;
    if state.staff.sealer.is_none() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "NOT_CONFIGURED",
            "PUGMARK_SEAL_KEY is not set: the key that seals what is corrected (`openssl rand -hex 32` makes one). Set it and start again, or correct the lead in vTiger and retry",
        )
        .field("PUGMARK_SEAL_KEY", "is not set"));
    }
    let mut act = Act::new("onboarding.edit-and-retry", actor)?;
    act.actor.reason = named(corrections.keys(), &act.actor.reason);
    try_again(state, id, act, corrections).await
}

/// Cancels a job: no further step is begun. What is done in Maxio stays.
#[utoipa::path(post, path = "/api/internal/onboarding/jobs/{jobId}/cancel", tag = "onboarding", request_body = JobReasonBody,
    params(("jobId" = String, Path, description = "Id of the job")),
    responses((status = 200, body = Envelope<JobDetail>), (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    body: Option<JsonBody<JobReasonBody>>,
) -> Result<Response, ApiError> {
    let reason = body.and_then(|JsonBody(body)| body.reason);
    cancel_job(&state, id, actor(&caller, reason, &correlation_id)).await?;
    let body = detail(&state, id).await?;
    let message = "Cancelled; no further step is begun";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, body))
}

/// Cancels a job: no further step is begun.
///
/// # Errors
/// 404 without such a job, 409 when it is done or cancelled already, 422 without a reason.
pub(in crate::http) async fn cancel_job(
    state: &AppState,
    id: Uuid,
    actor: Actor,
) -> Result<(), ApiError> {
    let act = Act::new("onboarding.cancel", actor)?;
    let why = act.actor.reason.clone();
    if why.is_empty() {
        let what = "is needed: say why this lead shall not be set up".to_owned();
        return Err(ApiError::validation([("reason".to_owned(), what)].into()));
    }
    store_first(state, id).await?;
    let queue = state.queue.clone();
    let cancelled = state.db.write("cancel job", move |conn| {
        Box::pin(async move {
            let job = job_or_404(conn, id).await?;
            if !sync_jobs::cancel(conn, id, &why, Ts::now()).await? {
                return Err(ApiError::conflict(match job.standing() {
                    Status::CrmUpdated => "The job is done; there is nothing left to cancel",
                    _ => "The job was cancelled already",
                }));
            }
            request::end_operation(conn, &queue, &job, &act.actor.name, &why).await?;
            act.note(conn, id).await
        })
    });
    cancelled.await
}

async fn accepted(
    state: &AppState,
    correlation_id: &CorrelationId,
    message: &str,
    job: Uuid,
) -> Result<Response, ApiError> {
    let body = detail(state, job).await?;
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        correlation_id,
        message,
        body,
    ))
}

async fn try_again(
    state: &AppState,
    id: Uuid,
    act: Act,
    corrections: BTreeMap<String, Option<String>>,
) -> Result<(), ApiError> {
    store_first(state, id).await?;
    let shared = state.clone();
    let tried = state.db.write("retry job", move |conn| {
        Box::pin(async move {
            fail_if_stranded(conn, Some(id)).await?;
            let job = job_or_404(conn, id).await?;
            may_be_tried_again(conn, &job).await?;
            let sealer = shared.staff.sealer.as_deref();
            let known = corrected(request::known_of(sealer, &job), corrections);
            let new = act.request(&job.vtiger_lead_id);
            let again = request::try_again(conn, &shared.queue, sealer, &job, &known, &new).await?;
            if again.is_none() {
                return Err(ApiError::conflict(
                    "Somebody else has just acted on this job; look at it again",
                ));
            }
            act.note(conn, id).await
        })
    });
    tried.await
}

async fn may_be_tried_again(conn: &mut Conn, job: &Job) -> Result<(), ApiError> {
    match job.standing() {
        Status::Failed => {}
        Status::CrmUpdated => {
            return Err(ApiError::conflict(
                "The job is done: customer and subscription exist and the lead is told. Nothing is repeated",
            ));
        }
        Status::Pending | Status::Processing | Status::MaxioCreated => {
            return Err(ApiError::conflict(
                "The job is under way and goes on by itself; only a failed one can be tried again",
            ));
        }
    }
    let current = sync_jobs::current_of(conn, &job.vtiger_lead_id).await?;
    match current.filter(|current| current.job_id != job.job_id) {
        Some(newer) => Err(ApiError::conflict(format!(
            "The lead has a newer job, {}; act on that one",
            newer.job_id
        ))),
        None => Ok(()),
    }
}

/// A job whose operation has ended without it waits for nobody: it has failed.
async fn fail_if_stranded(conn: &mut Conn, job: Option<Uuid>) -> Result<(), ApiError> {
    if job.is_some() {
        let why = (Code::JobGivenUp.as_str(), Code::JobGivenUp.meaning());
        sync_jobs::fail_stranded(conn, job, why, Ts::now()).await?;
    }
    Ok(())
}

fn corrected(mut known: Known, corrections: BTreeMap<String, Option<String>>) -> Known {
    for (name, value) in corrections {
        match value {
            Some(value) => drop(known.edited.insert(name, value.trim().to_owned())),
            None => drop(known.edited.remove(&name)),
        }
    }
    known
}

/// Names that are known, and values that can be one: whether they are right is found out by the job.
fn check(state: &AppState, corrections: &BTreeMap<String, Option<String>>) -> Result<(), ApiError> {
    let names = fields::asked(&state.onboarding.lead).map(|(name, _)| name);
    let mut wrong = BTreeMap::new();
    for (name, value) in corrections {
        let value = value.as_deref().map(str::trim);
        if !names.contains(&name.as_str()) {
            let what = format!("is no field of a lead; known are {}", names.join(", "));
            wrong.insert(name.clone(), what);
        } else if value.is_some_and(|value| {
            value.is_empty()
                || value.chars().count() > LONGEST
                || value.chars().any(char::is_control)
        }) {
            let what = format!(
                "must have 1 to {LONGEST} characters in one line; null takes a correction back"
            );
            wrong.insert(name.clone(), what);
        }
    }
    if corrections.is_empty() {
        let what = format!("name at least one of {}", names.join(", "));
        wrong.insert("body".to_owned(), what);
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(ApiError::validation(wrong)),
    }
}

/// What a person does, with what the audit log keeps of it.
struct Act {
    action: &'static str,
    actor: Actor,
}

impl Act {
    fn new(action: &'static str, mut actor: Actor) -> Result<Self, ApiError> {
        actor.reason = actor.reason.trim().to_owned();
        if actor.reason.chars().count() > LONGEST || actor.reason.contains('\0') {
            let what = format!("must have at most {LONGEST} characters, and no NUL among them");
            return Err(ApiError::validation([("reason".to_owned(), what)].into()));
        }
        Ok(Act { action, actor })
    }

    fn request(&self, lead: &str) -> NewRequest {
        NewRequest {
            lead: lead.to_owned(),
            known: Known::default(),
            by: self.actor.name.to_string(),
            by_person: true,
            correlation_id: self.actor.correlation_id.clone(),
        }
    }

    async fn note(&self, conn: &mut Conn, job: Uuid) -> Result<(), ApiError> {
        desk::note(conn, self.action, &job.to_string(), &self.actor).await?;
        Ok(())
    }
}
