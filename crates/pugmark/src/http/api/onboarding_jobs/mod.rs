//! `/api/internal/onboarding/jobs`: leads on their way into Maxio, and what people do about those that stand still.

mod acting;
mod bodies;

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::Conn;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::paging::{page, page_size};
use crate::crm::record_link;
use crate::flows::onboarding::arrivals;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId};
use crate::store::lead_arrivals;
use crate::store::sync_jobs::{self, Job, JobFilter, Status};
use bodies::{JobBody, JobDetail};

pub(in crate::http) use acting::{cancel_job, correct_job, retry_job, start_job};
pub(in crate::http) use bodies::{Around, maxio_page, what_to_do};

/// How long vTiger is waited for to say which module a lead is of: only its address depends on it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, acting::start))
        .routes(routes!(read))
        .routes(routes!(acting::retry))
        .routes(routes!(acting::edit_and_retry))
        .routes(routes!(acting::cancel))
}

/// What a list of jobs takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobParameters {
    /// Only jobs with this status: `pending`, `processing`, `maxio_created`, `crm_updated` or `failed`.
    status: Option<String>,
    /// Only jobs of this lead, for example `2x345`.
    lead: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists onboarding jobs, newest first.
#[utoipa::path(get, path = "/api/internal/onboarding/jobs", tag = "onboarding", params(JobParameters),
    responses((status = 200, body = Envelope<Page<JobBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<JobParameters>,
) -> Result<Response, ApiError> {
    let size = page_size(parameters.limit);
    let filter = JobFilter {
        status: parameters.status.as_deref().map(status).transpose()?,
        lead: parameters.lead.map(|lead| lead.trim().to_owned()),
        before: parameters.cursor.as_deref().map(cursor).transpose()?,
        limit: size + 1,
    };
    let found = sync_jobs::list(&mut state.db.read().await?, &filter).await?;
    let page = page(found, size, |last| last.job_id.to_string(), JobBody::from);
    let message = "Onboarding jobs";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, page))
}

/// One job, with its steps, what is wrong and what to do.
#[utoipa::path(get, path = "/api/internal/onboarding/jobs/{jobId}", tag = "onboarding",
    params(("jobId" = String, Path, description = "Id of the job")),
    responses((status = 200, body = Envelope<JobDetail>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let detail = detail(&state, id).await?;
    let message = "Onboarding job";
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        message,
        detail,
    ))
}

async fn detail(state: &AppState, id: Uuid) -> Result<JobDetail, ApiError> {
    let found = look_up(state, id).await?;
    let (job, mut around) =
        found.ok_or_else(|| ApiError::not_found("onboarding job", &id.to_string()))?;
    around.lead_url = lead_url(state, &job.vtiger_lead_id, PATIENCE).await;
    Ok(JobDetail::of(job, around, state.maxio.as_deref()))
}

/// A job with what is to be known of it besides; without the address of the lead, for which vTiger may have to be asked.
///
/// # Errors
/// Whatever the store says.
pub(in crate::http) async fn look_up(
    state: &AppState,
    id: Uuid,
) -> Result<Option<(Job, Around)>, ApiError> {
    store_first(state, id).await?;
    let mut conn = state.db.read().await?;
    let Some(job) = sync_jobs::get(&mut conn, id).await? else {
        return Ok(None);
    };
    let taken = sync_jobs::taken(&mut conn, id).await?;
    let operation = match job.operation_id {
        Some(operation) => state.queue.get_in(&mut conn, operation).await?,
        None => None,
    };
    let around = Around {
        taken,
        operation: operation.map(|found| found.current().clone()),
        lead_url: None,
    };
    Ok(Some((job, around)))
}

/// A job that its sender was told of, but that is still to be stored, is stored now.
async fn store_first(state: &AppState, id: Uuid) -> Result<(), ApiError> {
    let waits = lead_arrivals::of_job(&mut state.db.read().await?, id).await?;
    match waits {
        Some(lead) => Ok(arrivals::store_one(&state.queue, &lead).await?),
        None => Ok(()),
    }
}

async fn job_or_404(conn: &mut Conn, id: Uuid) -> Result<Job, ApiError> {
    sync_jobs::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("onboarding job", &id.to_string()))
}

/// Where people see the lead in vTiger; nothing while vTiger does not say within `patience` what module it is of.
pub(in crate::http) async fn lead_url(
    state: &AppState,
    lead: &str,
    patience: Duration,
) -> Option<String> {
    let (settings, crm) = (state.crm.as_deref()?, state.vtiger.as_deref()?);
    let id: vtiger::RecordId = lead.parse().ok()?;
    let modules = tokio::time::timeout(patience, state.leads.modules(&crm.client));
    let modules = modules.await.ok()?.ok()?;
    let module = modules
        .iter()
        .find(|module| module.id_prefix == id.prefix())?;
    record_link(settings, &module.name, lead)
}

fn status(word: &str) -> Result<Status, ApiError> {
    Status::parse(word).ok_or_else(|| {
        let what = format!(
            "must be one of {}",
            Status::ALL.map(Status::as_str).join(", ")
        );
        ApiError::validation([("status".to_owned(), what)].into())
    })
}

fn cursor(text: &str) -> Result<Uuid, ApiError> {
    text.parse().map_err(|_| {
        let what = "is not a cursor of this list; take it from the page before".to_owned();
        ApiError::validation([("cursor".to_owned(), what)].into())
    })
}
