//! `/api/internal/vtiger/field-mappings`: which value of MicroBima goes to which field of the CRM.

pub(crate) mod apply;
pub(crate) mod asking;
pub(crate) mod bodies;
mod changing;
pub(crate) mod dry_run;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::desk::Actor;
use crate::flows::insurance::mapping_check::Wrong;
use crate::flows::insurance::sources::SOURCES;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::parameters::{Parameters, PathNumber};
use crate::store::field_mapping::{self, Mapping};
use asking::Asked;
use bodies::{ChangedMapping, MappingBody, MappingList, NewMapping, SourceBody};
pub(crate) use changing::{Way, add, change_one, differs, remove_one, restore};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, remove))
        .routes(routes!(sources))
        .routes(routes!(dry_run::dry_run))
        .routes(routes!(apply::begin, apply::show, apply::stop))
}

/// What a change of the mapping takes besides its body.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeParameters {
    /// `true` stores the change although vTiger cannot be asked; the answer says that it is not checked.
    #[serde(default)]
    unchecked: bool,
    /// Why; kept in the audit log.
    reason: Option<String>,
}

/// Every mapping, with the field it means in this CRM and whether it works.
#[utoipa::path(get, path = "/api/internal/vtiger/field-mappings", tag = "field mappings",
    responses((status = 200, body = Envelope<MappingList>)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let mappings = field_mapping::list(&mut state.db.read().await?).await?;
    let asked = Asked::kept(&state, &correlation_id).await;
    let items = mappings
        .iter()
        .map(|mapping| MappingBody::of(mapping, &mappings, &asked))
        .collect();
    let list = MappingList { items };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Field mappings",
        list,
    ))
}

/// The sources that a mapping can carry.
#[utoipa::path(get, path = "/api/internal/vtiger/field-mappings/sources", tag = "field mappings",
    responses((status = 200, body = Envelope<Vec<SourceBody>>)))]
async fn sources(correlation_id: CorrelationId) -> Response {
    let list: Vec<SourceBody> = SOURCES.iter().map(SourceBody::from).collect();
    Envelope::of(StatusCode::OK, &correlation_id, "Sources", list)
}

/// Adds a mapping, when it can work.
#[utoipa::path(post, path = "/api/internal/vtiger/field-mappings", tag = "field mappings", request_body = NewMapping,
    params(ChangeParameters),
    responses((status = 201, body = Envelope<MappingBody>), (status = 422, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Parameters(parameters): Parameters<ChangeParameters>,
    JsonBody(body): JsonBody<NewMapping>,
) -> Result<Response, ApiError> {
    let way = way(caller, &correlation_id, parameters);
    let (stored, asked) = add(&state, &correlation_id, body, way).await?;
    answer(
        &state,
        StatusCode::CREATED,
        &correlation_id,
        "Mapping added",
        stored,
        &asked,
    )
    .await
}

/// Changes what is named in the body.
#[utoipa::path(patch, path = "/api/internal/vtiger/field-mappings/{id}", tag = "field mappings",
    request_body = ChangedMapping, params(("id" = i64, Path, description = "Number of the mapping"), ChangeParameters),
    responses((status = 200, body = Envelope<MappingBody>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope), (status = 503, body = ErrorEnvelope)))]
async fn change(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathNumber(id): PathNumber,
    Parameters(parameters): Parameters<ChangeParameters>,
    JsonBody(body): JsonBody<ChangedMapping>,
) -> Result<Response, ApiError> {
    let way = way(caller, &correlation_id, parameters);
    let (stored, asked) = change_one(&state, &correlation_id, id, body, way).await?;
    answer(
        &state,
        StatusCode::OK,
        &correlation_id,
        "Mapping changed",
        stored,
        &asked,
    )
    .await
}

/// Removes a mapping: its field keeps what it holds and is not written any more.
#[utoipa::path(delete, path = "/api/internal/vtiger/field-mappings/{id}", tag = "field mappings",
    params(("id" = i64, Path, description = "Number of the mapping"), ChangeParameters),
    responses((status = 200, body = Envelope<MappingBody>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope), (status = 503, body = ErrorEnvelope)))]
async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathNumber(id): PathNumber,
    Parameters(parameters): Parameters<ChangeParameters>,
) -> Result<Response, ApiError> {
    let way = way(caller, &correlation_id, parameters);
    let (before, asked) = remove_one(&state, &correlation_id, id, way).await?;
    answer(
        &state,
        StatusCode::OK,
        &correlation_id,
        "Mapping removed",
        before,
        &asked,
    )
    .await
}

fn way(caller: Caller, correlation_id: &CorrelationId, parameters: ChangeParameters) -> Way {
    Way {
        unchecked: parameters.unchecked,
        actor: Actor {
            name: caller.name,
            reason: parameters.reason.unwrap_or_default(),
            correlation_id: correlation_id.to_string(),
        },
    }
}

async fn answer(
    state: &AppState,
    status: StatusCode,
    correlation_id: &CorrelationId,
    message: &str,
    mapping: Mapping,
    asked: &Asked,
) -> Result<Response, ApiError> {
    let mappings = field_mapping::list(&mut state.db.read().await?).await?;
    let body = MappingBody::of(&mapping, &mappings, asked);
    Ok(Envelope::of(status, correlation_id, message, body))
}

/// A mapping that cannot work, as the API answers it.
fn refused(wrong: Wrong) -> ApiError {
    let what = format!("{} [{}]", wrong.what, wrong.code);
    ApiError::validation([(wrong.column.to_owned(), what)].into())
}
