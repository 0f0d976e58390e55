//! `/api/internal/vtiger/field-mappings`: which value of MicroBima goes to which field of the CRM.

mod apply;
mod asking;
mod bodies;
mod dry_run;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vtiger::Module;

use crate::crm::CONTACTS;
use crate::flows::insurance::mapping_check::{self, Wrong};
use crate::flows::insurance::plan::CUSTOMER;
use crate::flows::insurance::sources::SOURCES;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::http::parameters::{Parameters, PathNumber};
use crate::store::audit;
use crate::store::field_mapping::{self, Mapping};
use asking::Asked;
use bodies::{ChangedMapping, MappingBody, MappingList, NewMapping, SourceBody};

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
    let new = body.into_mapping()?;
    let act = Act::new("mapping.create", caller, &correlation_id, parameters.reason);
    let asked = asked_for(&state, &correlation_id, &new, parameters.unchecked).await?;
    let stored =
        change_in_store(&state, asked.clone(), act, move |_| Ok(Some(new.clone()))).await?;
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
    let before = found(&field_mapping::list(&mut state.db.read().await?).await?, id)?;
    let draft = body.laid_over(before)?;
    let act = Act::new("mapping.update", caller, &correlation_id, parameters.reason);
    let asked = asked_for(&state, &correlation_id, &draft, parameters.unchecked).await?;
    let stored = change_in_store(&state, asked.clone(), act, move |mappings| {
        // Laid over the mapping as it is now: somebody else may have changed another part of it.
        body.laid_over(found(mappings, id)?).map(Some)
    })
    .await?;
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
    let before = found(&field_mapping::list(&mut state.db.read().await?).await?, id)?;
    let act = Act {
        removes: Some(id),
        ..Act::new("mapping.delete", caller, &correlation_id, parameters.reason)
    };
    let asked = Asked::anew(&state, &correlation_id).await;
    asked.or_unchecked(parameters.unchecked)?;
    change_in_store(&state, asked.clone(), act, |_| Ok(None)).await?;
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

/// What the CRM says now, after what can be judged without it was found right.
async fn asked_for(
    state: &AppState,
    correlation_id: &CorrelationId,
    mapping: &Mapping,
    unchecked: bool,
) -> Result<Asked, ApiError> {
    mapping_check::check_alone(mapping).map_err(refused)?;
    let asked = Asked::anew(state, correlation_id).await;
    asked.or_unchecked(unchecked)?;
    Ok(asked)
}

fn found(mappings: &[Mapping], id: i64) -> Result<Mapping, ApiError> {
    mappings
        .iter()
        .find(|mapping| mapping.id == id)
        .cloned()
        .ok_or_else(|| ApiError::not_found("mapping", &id.to_string()))
}

/// Checks and stores one change, with its entry in the audit log. `after` gives the mapping as it shall be, or `None` when the
/// one that the act names is to be removed. Gives the mapping as it is stored, or as it was.
async fn change_in_store(
    state: &AppState,
    asked: Asked,
    act: Act,
    after: impl Fn(&[Mapping]) -> Result<Option<Mapping>, ApiError> + Send + Sync + 'static,
) -> Result<Mapping, ApiError> {
    let crm = state.crm.clone();
    state
        .db
        .write("change mapping", move |conn| {
            Box::pin(async move {
                field_mapping::hold(conn).await?;
                let mappings = field_mapping::list(conn).await?;
                let after = after(&mappings)?;
                let id = act.removes.or(after.as_ref().map(|after| after.id));
                let before = mappings.iter().find(|mapping| Some(mapping.id) == id);
                if let (Some(module), Some(before)) = (asked.module(), before) {
                    let linked = field_mapping::linked(conn, CUSTOMER).await?;
                    let filled = |field: &str| {
                        crm.as_ref()
                            .is_some_and(|crm| crm.contact_defaults.contains_key(field))
                    };
                    mapping_check::check_change(module, before, after.as_ref(), filled, linked)
                        .map_err(refused)?;
                }
                let stored = match (after, before) {
                    (Some(after), _) => {
                        let after = checked(after, asked.module(), &mappings).map_err(refused)?;
                        store(conn, after).await?
                    }
                    (None, Some(before)) => {
                        field_mapping::delete(conn, before.id).await?;
                        before.clone()
                    }
                    (None, None) => return Err(ApiError::not_found("mapping", &act.id())),
                };
                act.note(conn, stored.id).await?;
                Ok::<_, ApiError>(stored)
            })
        })
        .await
}

/// A mapping that may be stored, with the field that was found for it.
fn checked(
    mut mapping: Mapping,
    module: Option<&Module>,
    mappings: &[Mapping],
) -> Result<Mapping, Wrong> {
    mapping_check::check_others(module, &mapping, mappings)?;
    let field = match module {
        // A mapping that is switched off may name what is not there (any more).
        Some(module) if mapping.is_active => Some(mapping_check::check_field(module, &mapping)?),
        _ => None,
    };
    mapping.checked_at = field.map(|_| Ts::now());
    mapping.field.checked_field = field.map(|field| field.name.clone());
    Ok(mapping)
}

async fn store(conn: &mut Conn, mut mapping: Mapping) -> Result<Mapping, DbError> {
    if mapping.id == 0 {
        mapping.id = field_mapping::insert(conn, &mapping).await?;
    } else {
        field_mapping::update(conn, &mapping).await?;
    }
    Ok(mapping)
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

/// What a person does to the mapping, with what the audit log keeps of it.
struct Act {
    action: &'static str,
    caller: Caller,
    correlation_id: String,
    reason: Option<String>,
    /// Number of the mapping to be removed.
    removes: Option<i64>,
}

impl Act {
    fn new(
        action: &'static str,
        caller: Caller,
        correlation_id: &CorrelationId,
        reason: Option<String>,
    ) -> Self {
        Act {
            action,
            caller,
            correlation_id: correlation_id.to_string(),
            reason,
            removes: None,
        }
    }

    fn id(&self) -> String {
        self.removes.unwrap_or_default().to_string()
    }

    async fn note(&self, conn: &mut Conn, id: i64) -> Result<(), DbError> {
        let entry = audit::Entry {
            actor: &self.caller.name,
            action: self.action,
            subject: &format!("{CONTACTS} mapping {id}"),
            reason: self.reason.as_deref(),
            correlation_id: Some(&self.correlation_id),
        };
        audit::record(conn, Ts::now(), &entry).await
    }
}
