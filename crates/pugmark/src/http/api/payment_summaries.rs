//! `/api/internal/vtiger/payment-summaries`: summing up a week of payments by hand, and which weeks were summed up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::flows::insurance::plan::kind;
use crate::flows::insurance::summary_run::{Preview, Progress, Request, Summaries};
use crate::flows::insurance::week::Week;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page, Pagination};
use crate::http::parameters::Parameters;
use crate::store::customers;
use crate::store::payment_summaries::{self, Run, Unfinished};

const LARGEST_PAGE: u32 = 200;
/// How long a request itself plans pages; the scheduler goes on from there.
const PATIENCE: Duration = Duration::from_secs(10);

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read))
}

/// A run: one time that a week was summed up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunBody {
    /// Number of the run.
    id: i64,
    /// The week, as the date of its Monday.
    week: String,
    /// Its Sunday.
    until: String,
    /// The only customer; `null` is all of them.
    customer_id: Option<String>,
    /// Whether the clock made it.
    scheduled: bool,
    /// Whether those were planned again whose summary was planned before.
    again: bool,
    /// Who asked for it.
    requested_by: String,
    /// The correlation id of its operations.
    correlation_id: String,
    /// Whether all of it is planned; the scheduler goes on until it is.
    all_planned: bool,
    /// Summaries planned.
    planned: i64,
    /// Customers left out because their summary of this week was planned before.
    known: i64,
    /// Summaries delivered, or given up by a person.
    done: i64,
    /// Summaries still to be delivered.
    waiting: i64,
    /// Dead letters.
    failed: i64,
    /// When it was asked for, RFC 3339 in UTC.
    created_at: String,
    /// When the last page was planned.
    planned_at: Option<String>,
}

impl RunBody {
    fn of(run: Run, unfinished: &BTreeMap<String, Unfinished>) -> Self {
        let text = |at: Ts| at.timestamp().to_string();
        let open = unfinished
            .get(&run.correlation_id)
            .copied()
            .unwrap_or_default();
        let week: Option<Week> = run.week.parse().ok();
        RunBody {
            until: week.map_or_else(String::new, |week| week.sunday().to_string()),
            done: (run.planned - open.waiting - open.failed).max(0),
            waiting: open.waiting,
            failed: open.failed,
            all_planned: run.planned_at.is_some(),
            id: run.id,
            week: run.week,
            customer_id: run.customer_id,
            scheduled: run.scheduled,
            again: run.again,
            requested_by: run.requested_by,
            correlation_id: run.correlation_id,
            planned: run.planned,
            known: run.known,
            created_at: text(run.created_at),
            planned_at: run.planned_at.map(text),
        }
    }
}

/// Whom a run would concern.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewBody {
    /// The week, as the date of its Monday.
    week: String,
    /// Its Sunday.
    until: String,
    /// Summaries that would be planned.
    planned: i64,
    /// Customers who would be left out because their summary of this week was planned before.
    known: i64,
    /// Payments of the week.
    payments: i64,
    /// What they come to in cents.
    cents: i64,
}

impl PreviewBody {
    fn of(week: Week, preview: Preview) -> Self {
        PreviewBody {
            week: week.to_string(),
            until: week.sunday().to_string(),
            planned: preview.planned,
            known: preview.known,
            payments: preview.payments,
            cents: preview.cents,
        }
    }
}

/// What is to be summed up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRunBody {
    /// Any day of the week, `YYYY-MM-DD`.
    week: String,
    /// Only this customer.
    customer_id: Option<String>,
    /// Also those whose summary of this week was planned before: what has changed since is revised.
    #[serde(default)]
    again: bool,
    /// Say whom it would concern, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What a list of runs takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists the weeks that were summed up, newest run first.
#[utoipa::path(get, path = "/api/internal/vtiger/payment-summaries", tag = "payment summaries", params(ListParameters),
    responses((status = 200, body = Envelope<Page<RunBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let page_size = parameters.limit.unwrap_or(50).clamp(1, LARGEST_PAGE);
    let before = parameters
        .cursor
        .map(|cursor| cursor.parse::<i64>())
        .transpose()
        .map_err(|_| {
            let what = "is not a cursor of this list; take it from the page before";
            refused("cursor", what)
        })?;
    let mut conn = state.db.read().await?;
    let mut runs = payment_summaries::list(&mut conn, before, page_size + 1).await?;
    let has_next_page = runs.len() > page_size as usize;
    runs.truncate(page_size as usize);
    let next_cursor = runs
        .last()
        .filter(|_| has_next_page)
        .map(|run| run.id.to_string());
    let unfinished = payment_summaries::unfinished(&mut conn, kind::PAYMENT_SUMMARY).await?;
    let items = runs
        .into_iter()
        .map(|run| RunBody::of(run, &unfinished))
        .collect();
    let page = Page {
        items,
        pagination: Pagination {
            page_size,
            has_next_page,
            next_cursor,
        },
    };
    let message = "Payment summaries";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, page))
}

/// One run, with how far it is.
#[utoipa::path(get, path = "/api/internal/vtiger/payment-summaries/{id}", tag = "payment summaries",
    params(("id" = i64, Path, description = "Number of the run")),
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let number = id
        .parse()
        .map_err(|_| ApiError::not_found("payment summary", &id))?;
    let run = body_of(&state, number).await?;
    let message = "Payment summary";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, run))
}

/// Sums up a week of payments: plans a summary for every customer concerned. A week that was summed up before is not summed up
/// twice: only customers without a summary of it are planned, unless `again` is set.
#[utoipa::path(post, path = "/api/internal/vtiger/payment-summaries", tag = "payment summaries", request_body = NewRunBody,
    responses((status = 202, body = Envelope<RunBody>), (status = 200, body = Envelope<PreviewBody>),
              (status = 400, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewRunBody>,
) -> Result<Response, ApiError> {
    let week = week_of(&body.week, &state.summaries)?;
    let request = Request {
        week,
        customer: customer_of(&state, body.customer_id.as_deref()).await?,
        again: body.again,
        requested_by: caller.name.to_string(),
        correlation_id: correlation_id.to_string(),
    };
    if body.dry_run {
        let preview = state.summaries.preview(&request).await?;
        let message = format!(
            "Nothing was done. The week {}: {}",
            week.words(),
            counted(preview.planned, "would be planned", preview.known)
        );
        let body = PreviewBody::of(week, preview);
        return Ok(Envelope::of(
            StatusCode::OK,
            &correlation_id,
            &message,
            body,
        ));
    }
    let run = state.summaries.begin(&request).await?;
    plan_for_a_while(&state.summaries, run).await?;
    let run = body_of(&state, run).await?;
    let so_far = if run.all_planned { "" } else { ", so far" };
    let message = format!(
        "The week {}: {}{so_far}",
        week.words(),
        counted(run.planned, "planned", run.known)
    );
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        &message,
        run,
    ))
}

/// "12 summaries planned, 3 customers were summed up before".
fn counted(planned: i64, verb: &str, known: i64) -> String {
    let noun = |count: i64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let planned = noun(planned, "summary", "summaries");
    match known {
        0 => format!("{planned} {verb}"),
        known => format!(
            "{planned} {verb}, {} summed up before",
            noun(known, "customer was", "customers were")
        ),
    }
}

fn refused(field: &str, what: impl Into<String>) -> ApiError {
    ApiError::validation([(field.to_owned(), what.into())].into())
}

/// Any day of a week that has begun.
fn week_of(text: &str, summaries: &Summaries) -> Result<Week, ApiError> {
    let week: Week = text
        .parse()
        .map_err(|_| refused("week", "must be a day of the week, written like 2026-11-16"))?;
    let today = Timestamp::now()
        .to_zoned(summaries.insurance().zone.clone())
        .date();
    if week.monday() > today {
        let what = format!("has not begun: today is {today}");
        return Err(refused("week", what));
    }
    Ok(week)
}

async fn customer_of(state: &AppState, id: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(id) = id else {
        return Ok(None);
    };
    let id = uuid::Uuid::parse_str(id)
        .map_err(|_| refused("customerId", "must be a UUID"))?
        .to_string();
    let mut conn = state.db.read().await?;
    match customers::get(&mut conn, &id).await? {
        None => Err(refused("customerId", "there is no such customer")),
        Some(customer) if customer.is_test_user => Err(refused(
            "customerId",
            "is a test customer; they never reach the CRM",
        )),
        Some(_) => Ok(Some(id)),
    }
}

/// Plans pages as long as a caller may be kept waiting.
async fn plan_for_a_while(summaries: &Summaries, run: i64) -> Result<(), QueueError> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if summaries.plan_page(run).await? != Progress::More {
            break;
        }
    }
    Ok(())
}

async fn body_of(state: &AppState, id: i64) -> Result<RunBody, ApiError> {
    let mut conn = state.db.read().await?;
    let run = payment_summaries::get(&mut conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("payment summary", &id.to_string()))?;
    let unfinished = payment_summaries::unfinished(&mut conn, kind::PAYMENT_SUMMARY).await?;
    Ok(RunBody::of(run, &unfinished))
}
