//! `/api/internal/vtiger/backfill`: the first sync of a base that is there on both sides.

mod bodies;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vtiger::CallError;

use crate::config::Mode;
use crate::flows::insurance::backfill::{Backfiller, UNDER_WAY};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page, Pagination};
use crate::http::parameters::Parameters;
use crate::store::audit;
use crate::store::backfill::{self, Key, NewRun, Run};
use bodies::{ListParameters, MatchBody, NewRunBody, ReleaseBody, RunBody};

const LARGEST_PAGE: u32 = 500;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(begin, show, stop))
        .routes(routes!(confirm))
        .routes(routes!(release))
        .routes(routes!(matches))
}

/// Begins a first sync: reads all contacts and matches customers with them. While it is under way, no contact is created for any customer.
#[utoipa::path(post, path = "/api/internal/vtiger/backfill", tag = "backfill", request_body = NewRunBody,
    responses((status = 202, body = Envelope<RunBody>), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn begin(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewRunBody>,
) -> Result<Response, ApiError> {
    if state.crm.is_none() {
        return Err(ApiError::conflict("No CRM is configured"));
    }
    if !body.dry_run && state.mode == Mode::Shadow {
        return Err(ApiError::conflict(
            "In shadow mode nothing is written; make a dry run",
        ));
    }
    if body.bulk {
        can_bulk(&state, &correlation_id).await?;
    }
    let new = NewRun {
        dry_run: body.dry_run,
        confirmed: body.confirmed,
        bulk: body.bulk,
        match_by: keys(body.match_by.as_deref())?,
        requested_by: caller.name.to_string(),
        correlation_id: correlation_id.to_string(),
    };
    let run = state
        .db
        .write("begin backfill", move |conn| {
            Box::pin(async move {
                let latest = backfill::latest(conn).await?;
                if latest.is_some_and(|run| run.ended_at.is_none()) {
                    return Err(ApiError::conflict(
                        "A first sync is under way already; GET shows how far it is, DELETE stops it",
                    ));
                }
                let now = Ts::now();
                let action = match new.dry_run {
                    true => "backfill.dry-run",
                    false => "backfill",
                };
                note(conn, &caller, action, "customers and contacts", &new.correlation_id).await?;
                backfill::begin(conn, &new, now).await?;
                backfill::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await?;
    answer(&state, StatusCode::ACCEPTED, &correlation_id, run).await
}

/// Bulk mode is the extension's.
async fn can_bulk(state: &AppState, correlation_id: &CorrelationId) -> Result<(), ApiError> {
    let sends = state.crm.as_ref().is_some_and(|crm| crm.enabled);
    let Some(crm) = state.vtiger.as_ref().filter(|_| sends) else {
        return Err(ApiError::conflict(
            "VTIGER_ENABLED=false: nothing is sent, so nothing can be made in bulk mode",
        ));
    };
    let client = crm.client.with_correlation_id(&correlation_id.to_string());
    match client.extension().await {
        Ok(Some(extension)) if extension.can_upsert() => Ok(()),
        Ok(_) | Err(CallError::Refused(_)) => Err(ApiError::conflict(
            "Bulk mode needs Pugmark's vTiger extension and a CRM user who is an administrator; `pugmark vtiger-module build` writes it",
        )),
        Err(error) => {
            tracing::warn!(%error, "vTiger could not be asked for the extension");
            let said = "vTiger does not answer; try again";
            Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "CRM_UNAVAILABLE",
                said,
            ))
        }
    }
}

fn keys(asked: Option<&[String]>) -> Result<String, ApiError> {
    let refused = |what: String| ApiError::validation([("matchBy".to_owned(), what)].into());
    let Some(asked) = asked else {
        return Ok(Key::ALL.map(Key::as_str).join(","));
    };
    let mut keys: Vec<&str> = Vec::new();
    for word in asked {
        let key = Key::parse(word).ok_or_else(|| {
            refused(format!(
                "`{word}` is no key; use reference, id or email. A phone number is never one: families share them"
            ))
        })?;
        if !keys.contains(&key.as_str()) {
            keys.push(key.as_str());
        }
    }
    if keys.is_empty() {
        return Err(refused("names no key".to_owned()));
    }
    Ok(keys.join(","))
}

/// How far the latest first sync is, and what it has found.
#[utoipa::path(get, path = "/api/internal/vtiger/backfill", tag = "backfill",
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
async fn show(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let run = backfill::latest(&mut state.db.read().await?).await?;
    answer(&state, StatusCode::OK, &correlation_id, run).await
}

/// A person has seen what was matched: it may be linked and created.
#[utoipa::path(post, path = "/api/internal/vtiger/backfill/confirm", tag = "backfill",
    responses((status = 202, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope)))]
async fn confirm(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let request = correlation_id.to_string();
    let run = state
        .db
        .write("confirm backfill", move |conn| {
            Box::pin(async move {
                let run = backfill::latest(conn).await?.ok_or_else(never)?;
                if !backfill::confirm(conn, run.id).await? {
                    return Err(ApiError::conflict(
                        "The first sync does not wait for a confirmation: it is not matched yet, or was confirmed or ended",
                    ));
                }
                note(conn, &caller, "backfill.confirm", "customers and contacts", &request).await?;
                backfill::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await?;
    answer(&state, StatusCode::ACCEPTED, &correlation_id, run).await
}

/// Ends it. What is linked stays linked, and what is queued is carried out.
#[utoipa::path(delete, path = "/api/internal/vtiger/backfill", tag = "backfill",
    responses((status = 200, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope)))]
async fn stop(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let (request, queue) = (correlation_id.to_string(), state.queue.clone());
    let run = state
        .db
        .write("stop backfill", move |conn| {
            Box::pin(async move {
                if let Some(run) = backfill::latest(conn).await?
                    && backfill::stop(conn, run.id, &caller.name, Ts::now()).await?
                {
                    // One that is linking says itself when it has ended.
                    if run.phase != "linking" {
                        queue.unblock(conn, UNDER_WAY).await?;
                    }
                    note(
                        conn,
                        &caller,
                        "backfill.stop",
                        "customers and contacts",
                        &request,
                    )
                    .await?;
                }
                backfill::latest(conn).await.map_err(ApiError::from)
            })
        })
        .await?;
    answer(&state, StatusCode::OK, &correlation_id, run).await
}

/// Decides that a customer whose contact is not certain gets one of its own.
#[utoipa::path(post, path = "/api/internal/vtiger/backfill/release", tag = "backfill", request_body = ReleaseBody,
    responses((status = 202, body = Envelope<RunBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn release(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<ReleaseBody>,
) -> Result<Response, ApiError> {
    let (request, queue) = (correlation_id.to_string(), state.queue.clone());
    let run = state
        .db
        .write("release customer", move |conn| {
            Box::pin(async move {
                let run = backfill::latest(conn).await?.ok_or_else(never)?;
                if run.ended_at.is_none() || run.dry_run {
                    return Err(ApiError::conflict(
                        "Customers are released after a first sync, not after a dry run and not while one is under way",
                    ));
                }
                let customer = body.customer_id.to_lowercase();
                if !Backfiller::release(&queue, conn, &run, &customer).await? {
                    let what = "is not held by the first sync".to_owned();
                    return Err(ApiError::validation([("customerId".to_owned(), what)].into()));
                }
                note(conn, &caller, "backfill.release", &customer, &request).await?;
                Ok(Some(run))
            })
        })
        .await?;
    answer(&state, StatusCode::ACCEPTED, &correlation_id, run).await
}

/// What the latest first sync has found, customer by customer.
#[utoipa::path(get, path = "/api/internal/vtiger/backfill/matches", tag = "backfill", params(ListParameters),
    responses((status = 200, body = Envelope<Page<MatchBody>>), (status = 404, body = ErrorEnvelope)))]
async fn matches(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let page_size = parameters.limit.unwrap_or(50).clamp(1, LARGEST_PAGE);
    let after = parameters.cursor.unwrap_or_default();
    let outcome = parameters.outcome.as_deref();
    let mut conn = state.db.read().await?;
    let run = backfill::latest(&mut conn).await?.ok_or_else(never)?;
    let mut found = backfill::matches(&mut conn, run.id, outcome, &after, page_size + 1).await?;
    let has_next_page = found.len() > page_size as usize;
    found.truncate(page_size as usize);
    let page = Page {
        pagination: Pagination {
            page_size,
            has_next_page,
            next_cursor: found
                .last()
                .filter(|_| has_next_page)
                .map(|last| last.customer_id.clone()),
        },
        items: found.into_iter().map(MatchBody::from).collect(),
    };
    let message = "What was found for customers without a contact";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, page))
}

async fn note(
    conn: &mut Conn,
    caller: &Caller,
    action: &str,
    subject: &str,
    correlation_id: &str,
) -> Result<(), DbError> {
    let entry = audit::Entry {
        actor: &caller.name,
        action,
        subject,
        reason: None,
        correlation_id: Some(correlation_id),
    };
    audit::record(conn, Ts::now(), &entry).await
}

fn never() -> ApiError {
    let said = "There was never a first sync";
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", said)
}

async fn answer(
    state: &AppState,
    status: StatusCode,
    correlation_id: &CorrelationId,
    run: Option<Run>,
) -> Result<Response, ApiError> {
    let run = run.ok_or_else(never)?;
    let counts = backfill::counts(&mut state.db.read().await?, run.id).await?;
    let progress = state.queue.progress(&run.correlation_id).await?;
    let body = RunBody::of(run, counts, progress, state.crm.as_deref());
    Ok(Envelope::of(status, correlation_id, "First sync", body))
}
