//! `/api/internal/vtiger/reconcile`: comparing both sides as a whole.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::Progress;
use pugmark_queue::db::{Conn, Ts};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Mode;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page, Pagination};
use crate::http::parameters::Parameters;
use crate::store::audit;
use crate::store::reconcile::{self, Finding, NewRun, Run};

const LARGEST_PAGE: u32 = 500;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(begin, show, stop))
        .routes(routes!(findings))
}

/// What is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRunBody {
    /// Whether what is out of step is repaired, by the rules of docs/reconcile.md.
    #[serde(default)]
    fix: bool,
    /// With `fix`: whether contacts that are gone from vTiger are created again.
    #[serde(default)]
    recreate: bool,
}

/// How far a comparison is, and what it has found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunBody {
    /// Number of the run.
    id: i64,
    /// `running`, `repairing` (all is compared, repairs are under way), `finished`, `stopped` or `failed`.
    state: &'static str,
    /// What is read at the moment: `contacts`, `customers`, or `ended`.
    phase: String,
    /// Whether what is out of step is repaired.
    fix: bool,
    /// Whether contacts that are gone are created again.
    recreate: bool,
    /// Contacts in vTiger when it began.
    contacts_total: i64,
    /// Contacts looked at.
    contacts: i64,
    /// Of these, contacts without a reference: none of ours.
    strangers: i64,
    /// Customers when it began.
    customers_total: i64,
    /// Customers looked at.
    customers: i64,
    /// Of these, customers whose contact holds what it should.
    equal: i64,
    /// Customers left out because a change of theirs was under way.
    under_way: i64,
    /// What is out of step, by kind: `missing`, `gone`, `extra`, `unlinked`, `different`, `duplicate`, `unreadable`.
    found: BTreeMap<String, FoundBody>,
    /// How many are out of step and were not repaired.
    left: i64,
    /// Repairs that wait or are being carried out.
    repairs_waiting: i64,
    /// Repairs that are done.
    repairs_done: i64,
    /// Repairs that failed for good.
    repairs_failed: i64,
    /// Calls to vTiger so far, without those of repairs.
    calls: i64,
    /// What keeps it from going on, or why it ended before its end.
    trouble: Option<String>,
    /// Who asked for it.
    requested_by: String,
    /// The request; every repair is found by it.
    correlation_id: String,
    /// When it was asked for, RFC 3339 in UTC.
    created_at: String,
    /// When everything was compared.
    ended_at: Option<String>,
    /// Who stopped it before its end.
    stopped_by: Option<String>,
}

/// How many of a kind.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundBody {
    /// Found out of step.
    found: i64,
    /// Of these, repaired, or on the way to it.
    repaired: i64,
}

impl RunBody {
    fn of(run: Run, counts: BTreeMap<String, (i64, i64)>, progress: Progress) -> Self {
        let state = match (&run.stopped_by, run.ended_at, &run.trouble) {
            (Some(_), _, _) => "stopped",
            (None, None, _) => "running",
            (None, Some(_), Some(_)) => "failed",
            (None, Some(_), None) if run.fix && progress.unfinished > 0 => "repairing",
            (None, Some(_), None) => "finished",
        };
        let left = counts.values().map(|(found, repaired)| found - repaired);
        let text = |at: Ts| at.timestamp().to_string();
        RunBody {
            state,
            left: left.sum::<i64>() + progress.dead,
            found: counts
                .into_iter()
                .map(|(kind, (found, repaired))| (kind, FoundBody { found, repaired }))
                .collect(),
            id: run.id,
            phase: run.phase,
            fix: run.fix,
            recreate: run.recreate,
            contacts_total: run.contacts_total,
            contacts: run.contacts,
            strangers: run.strangers,
            customers_total: run.customers_total,
            customers: run.customers,
            equal: run.equal,
            under_way: run.under_way,
            repairs_waiting: progress.unfinished,
            repairs_done: progress.done,
            repairs_failed: progress.dead,
            calls: run.calls,
            trouble: run.trouble,
            requested_by: run.requested_by,
            correlation_id: run.correlation_id,
            created_at: text(run.created_at),
            ended_at: run.ended_at.map(text),
            stopped_by: run.stopped_by,
        }
    }
}

/// Something that is out of step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingBody {
    /// What is wrong.
    kind: String,
    /// The customer; `null` where the reference is no customer's id.
    customer_id: Option<String>,
    /// The contact; `null` where there is none.
    vtiger_contact_id: Option<String>,
    /// What there is to know of it: the fields that differ with both values, the contact that is kept, the reference carried.
    #[schema(value_type = Object)]
    detail: Value,
    /// Whether an operation was queued that puts it right.
    repaired: bool,
}

impl From<Finding> for FindingBody {
    fn from(finding: Finding) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        FindingBody {
            kind: finding.kind,
            customer_id: some(finding.entity_id),
            vtiger_contact_id: some(finding.vtiger_id),
            detail: finding.detail,
            repaired: finding.repaired,
        }
    }
}

/// What the list of findings takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only findings of this kind.
    kind: Option<String>,
    /// Entries of a page, 1 to 500; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Begins to compare both sides. One comparison is under way at a time.
#[utoipa::path(post, path = "/api/internal/vtiger/reconcile", tag = "reconcile", request_body = NewRunBody,
    responses((status = 202, body = Envelope<RunBody>), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn begin(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewRunBody>,
) -> Result<Response, ApiError> {
    if body.recreate && !body.fix {
        let what = "goes with fix: without it nothing is created".to_owned();
        return Err(ApiError::validation([("recreate".to_owned(), what)].into()));
    }
    if !state.crm.as_ref().is_some_and(|crm| crm.enabled) {
        return Err(ApiError::conflict(
            "No CRM is configured, or VTIGER_ENABLED=false: there is nothing to compare with",
        ));
    }
    if body.fix && state.mode == Mode::Shadow {
        return Err(ApiError::conflict(
            "In shadow mode nothing is written, so nothing can be repaired; compare without fix",
        ));
    }
    let new = NewRun {
        night: None,
        fix: body.fix,
        recreate: body.recreate,
        requested_by: caller.name.to_string(),
        correlation_id: correlation_id.to_string(),
    };
    let run = state
        .db
        .write("begin comparison", move |conn| {
            Box::pin(async move {
                let latest = reconcile::latest(conn).await?;
                if latest.is_some_and(|run| run.ended_at.is_none()) {
                    return Err(ApiError::conflict(
                        "Both sides are being compared already; GET shows how far it is, DELETE stops it",
                    ));
                }
                let now = Ts::now();
                let action = match new.fix {
                    true => "reconcile.fix",
                    false => "reconcile",
                };
                note(conn, &caller, action, &new.correlation_id, now).await?;
                reconcile::begin(conn, &new, now).await?;
                reconcile::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await?;
    answer(&state, StatusCode::ACCEPTED, &correlation_id, run).await
}

/// How far the latest comparison is, and what it has found.
#[utoipa::path(get, path = "/api/internal/vtiger/reconcile", tag = "reconcile",
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
async fn show(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let run = reconcile::latest(&mut state.db.read().await?).await?;
    answer(&state, StatusCode::OK, &correlation_id, run).await
}

/// Compares nothing more. Repairs that are queued already are carried out.
#[utoipa::path(delete, path = "/api/internal/vtiger/reconcile", tag = "reconcile",
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
async fn stop(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let request = correlation_id.to_string();
    let run = state
        .db
        .write("stop comparison", move |conn| {
            Box::pin(async move {
                let now = Ts::now();
                if let Some(run) = reconcile::latest(conn).await?
                    && reconcile::stop(conn, run.id, &caller.name, now).await?
                {
                    note(conn, &caller, "reconcile.stop", &request, now).await?;
                }
                reconcile::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await?;
    answer(&state, StatusCode::OK, &correlation_id, run).await
}

/// What the latest comparison has found, in the order in which it was found.
#[utoipa::path(get, path = "/api/internal/vtiger/reconcile/findings", tag = "reconcile", params(ListParameters),
    responses((status = 200, body = Envelope<Page<FindingBody>>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn findings(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let page_size = parameters.limit.unwrap_or(50).clamp(1, LARGEST_PAGE);
    let after = match parameters.cursor.as_deref().map(str::parse::<i64>) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => {
            let what = "is not a cursor of this list; take it from the page before".to_owned();
            return Err(ApiError::validation([("cursor".to_owned(), what)].into()));
        }
    };
    let mut conn = state.db.read().await?;
    let run = reconcile::latest(&mut conn).await?.ok_or_else(never)?;
    let kind = parameters.kind.as_deref();
    let mut found = reconcile::findings(&mut conn, run.id, kind, after, page_size + 1).await?;
    let has_next_page = found.len() > page_size as usize;
    found.truncate(page_size as usize);
    let page = Page {
        pagination: Pagination {
            page_size,
            has_next_page,
            next_cursor: found
                .last()
                .filter(|_| has_next_page)
                .map(|last| last.id.to_string()),
        },
        items: found.into_iter().map(FindingBody::from).collect(),
    };
    let message = "What is out of step";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, page))
}

async fn note(
    conn: &mut Conn,
    caller: &Caller,
    action: &str,
    correlation_id: &str,
    now: Ts,
) -> Result<(), pugmark_queue::db::DbError> {
    let entry = audit::Entry {
        actor: &caller.name,
        action,
        subject: "customers and contacts",
        reason: None,
        correlation_id: Some(correlation_id),
    };
    audit::record(conn, now, &entry).await
}

fn never() -> ApiError {
    let said = "Both sides were never compared";
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", said)
}

async fn answer(
    state: &AppState,
    status: StatusCode,
    correlation_id: &CorrelationId,
    run: Option<Run>,
) -> Result<Response, ApiError> {
    let run = run.ok_or_else(never)?;
    let counts = reconcile::counts(&mut state.db.read().await?, run.id).await?;
    let progress = state.queue.progress(&run.correlation_id).await?;
    let body = RunBody::of(run, counts, progress);
    let message = "Comparing both sides";
    Ok(Envelope::of(status, correlation_id, message, body))
}
