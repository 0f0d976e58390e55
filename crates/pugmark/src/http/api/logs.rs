//! `/api/internal/vtiger/logs`: kept log lines, found by correlation id.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::Ts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page, Pagination};
use crate::http::parameters::Parameters;
use crate::store::application_logs::{self, Line, LineFilter};

const LARGEST_PAGE: u32 = 500;
/// Levels from the gravest on.
const LEVELS: [&str; 3] = ["error", "warn", "info"];

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What a list of lines takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogParameters {
    /// Of this request. Lines of an operation into which the request was merged are among them.
    correlation_id: Option<String>,
    /// `error`, `warn` or `info`: of this level and graver ones.
    level: Option<String>,
    /// From this instant on, RFC 3339.
    since: Option<String>,
    /// Before this instant, RFC 3339.
    until: Option<String>,
    /// Entries of a page, 1 to 500; 100 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<i64>,
}

/// A kept line.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineBody {
    /// Its number; later lines have higher ones.
    log_id: String,
    /// When, RFC 3339.
    timestamp: String,
    /// `error`, `warn` or `info`.
    level: String,
    /// The part of the program that wrote it.
    target: String,
    /// What it says.
    message: String,
    /// Its fields and those of the work around it: `job_id`, `api_call`, `operation`, ...
    #[schema(value_type = Object)]
    context: serde_json::Value,
    /// The request it belongs to.
    correlation_id: Option<String>,
}

impl From<Line> for LineBody {
    fn from(line: Line) -> Self {
        LineBody {
            log_id: line.log_id.to_string(),
            timestamp: line.timestamp.timestamp().to_string(),
            level: line.level,
            target: line.target,
            message: line.message,
            context: serde_json::from_str(&line.context).unwrap_or_default(),
            correlation_id: line.correlation_id,
        }
    }
}

/// Lists kept log lines, newest first.
#[utoipa::path(get, path = "/api/internal/vtiger/logs", tag = "logs", params(LogParameters),
    responses((status = 200, body = Envelope<Page<LineBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<LogParameters>,
) -> Result<Response, ApiError> {
    let page_size = parameters.limit.unwrap_or(100).clamp(1, LARGEST_PAGE);
    let filter = LineFilter {
        correlation_ids: match parameters.correlation_id.as_deref().map(str::trim) {
            Some(id) => Some(alike(&state, id).await?),
            None => None,
        },
        levels: parameters.level.as_deref().map(level).transpose()?,
        since: instant("since", parameters.since.as_deref())?,
        until: instant("until", parameters.until.as_deref())?,
        text: None,
        before: parameters.cursor,
        from: None,
        limit: page_size + 1,
    };
    let mut lines = application_logs::list(&mut state.db.read().await?, &filter).await?;
    let more = lines.len() > page_size as usize;
    lines.truncate(page_size as usize);
    let next_cursor = lines
        .last()
        .filter(|_| more)
        .map(|last| last.log_id.to_string());
    let page = Page {
        items: lines.into_iter().map(LineBody::from).collect(),
        pagination: Pagination {
            page_size,
            has_next_page: more,
            next_cursor,
        },
    };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Log lines",
        page,
    ))
}

/// The request's own id, and the ids under which the operations work that answer it: one that was merged into another works
/// under that one's.
async fn alike(state: &AppState, id: &str) -> Result<Vec<String>, ApiError> {
    let operations = state.queue.find_by_correlation(id).await?;
    let ids: BTreeSet<String> = operations
        .into_iter()
        .map(|operation| operation.correlation_id)
        .chain([id.to_owned()])
        .collect();
    Ok(ids.into_iter().collect())
}

fn level(word: &str) -> Result<Vec<&'static str>, ApiError> {
    LEVELS
        .iter()
        .position(|level| level.eq_ignore_ascii_case(word.trim()))
        .map(|last| LEVELS[..=last].to_vec())
        .ok_or_else(|| refused("level", "must be one of error, warn, info"))
}

fn instant(name: &str, text: Option<&str>) -> Result<Option<Ts>, ApiError> {
    text.map(|text| text.trim().parse::<Ts>())
        .transpose()
        .map_err(|_| refused(name, "must be an instant like 2026-03-01T10:00:00Z"))
}

fn refused(field: &str, what: &str) -> ApiError {
    ApiError::validation([(field.to_owned(), what.to_owned())].into())
}
