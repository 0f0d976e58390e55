//! `/api/internal/customers/{id}/missing-requirements` and `/api/internal/missing-requirements`: fields of people that are
//! blank, and the tasks that ask for them.

mod input;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::edit::check;
use super::fields::one_of;
use super::paging::{PageParameters, page};
use super::{acting_login, cursor, customer_or_404};
use crate::crm::{CALENDAR, record_link};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId};
use crate::microbima::requirements::SYSTEM;
use crate::store::agent_registrations::{self, Registration};
use crate::store::links::SyncStatus;
use crate::store::missing_requirements::{
    self as requirements, MissingRequirement, NewRequirement, RequirementFilter,
};
use crate::store::task_assignments::{self, TaskView};
use crate::store::{self, SliceMode, beneficiaries, change_log, customers, dependants};
use input::{NewRequirementBody, RequirementPatchBody, STATUSES};

const TABLE: &str = "missing_requirements";

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_of_customer, create))
        .routes(routes!(list))
        .routes(routes!(read, patch))
}

/// A missing requirement as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementBody {
    /// UUID.
    id: String,
    /// UUID of the customer.
    customer_id: String,
    /// UUID of the agent registration it belongs to.
    registration_id: String,
    /// Id of the partner.
    partner_id: i32,
    /// `CUSTOMER`, `SPOUSE`, `CHILD` or `BENEFICIARY`.
    #[schema(example = "CHILD")]
    entity_kind: String,
    /// UUID of the dependant or beneficiary, where it is known.
    entity_id: Option<String>,
    /// Name of the blank field.
    #[schema(example = "dateOfBirth")]
    field_path: String,
    /// `PENDING`, `RESOLVED` or `EXPIRED`.
    #[schema(example = "PENDING")]
    status: String,
    /// When it was resolved.
    resolved_at: Option<String>,
    /// By whom: the id of a login, or `system`.
    resolved_by: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    updated_at: String,
    /// The tasks that ask for it, one for each assignee.
    tasks: Vec<TaskBody>,
}

/// A task in vTiger that asks for the field.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskBody {
    /// Id of the task; `null` while there is none yet.
    #[schema(example = "9x4711")]
    vtiger_task_id: Option<String>,
    /// Address of the task in vTiger.
    vtiger_task_url: Option<String>,
    /// Id of the user or group who has it.
    #[schema(example = "19x5")]
    assignee: String,
    /// It was, or may have been, marked as done.
    closed: bool,
    /// What people should know of the choice of the assignee.
    remarks: Vec<String>,
    /// Whether the task is in step.
    vtiger_sync_status: Option<SyncStatus>,
    /// When both sides last agreed, RFC 3339 in UTC.
    vtiger_last_synced_at: Option<String>,
    /// Why it is not in step.
    vtiger_sync_error: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    vtiger_sync_error_code: Option<String>,
}

impl TaskBody {
    fn of(view: TaskView, state: &AppState) -> Self {
        TaskBody {
            vtiger_task_url: view
                .vtiger_id
                .as_deref()
                .and_then(|id| record_link(state.crm.as_deref()?, CALENDAR, id)),
            vtiger_task_id: view.vtiger_id,
            assignee: view.assignee,
            closed: view.closed,
            remarks: view.remarks.0,
            vtiger_sync_status: view.sync_status.as_deref().and_then(SyncStatus::parse),
            vtiger_last_synced_at: view.last_synced_at.map(|at| at.to_string()),
            vtiger_sync_error: view.sync_error,
            vtiger_sync_error_code: view.sync_error_code,
        }
    }
}

impl RequirementBody {
    async fn of(
        row: MissingRequirement,
        state: &AppState,
        conn: &mut Conn,
    ) -> Result<Self, ApiError> {
        let tasks = task_assignments::views_of_requirement(conn, &row.id).await?;
        Ok(RequirementBody {
            tasks: tasks
                .into_iter()
                .map(|view| TaskBody::of(view, state))
                .collect(),
            id: row.id,
            customer_id: row.customer_id,
            registration_id: row.registration_id,
            partner_id: row.partner_id,
            entity_kind: row.entity_kind,
            entity_id: row.entity_id,
            field_path: row.field_path,
            status: row.status,
            resolved_at: row.resolved_at.map(|at| at.to_string()),
            resolved_by: row.resolved_by,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        })
    }
}

/// What a list of missing requirements takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Only those in this state: `PENDING`, `RESOLVED`, `EXPIRED`.
    status: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

impl ListParameters {
    /// The filter and the page.
    ///
    /// # Errors
    /// 422 when the status or the cursor is none.
    fn read(
        self,
        state: &AppState,
        customer: Option<String>,
    ) -> Result<(RequirementFilter, PageParameters), ApiError> {
        let status = self.status.map(|word| word.trim().to_uppercase());
        if let Some(Err(error)) = status.as_deref().map(|status| one_of(&STATUSES, status)) {
            let what = error.message().to_owned();
            return Err(ApiError::validation([("status".to_owned(), what)].into()));
        }
        let paging = PageParameters::new(self.limit, self.cursor);
        let filter = RequirementFilter {
            customer,
            status,
            wanted: paging.wanted(state)?,
        };
        Ok((filter, paging))
    }
}

async fn found(
    state: &AppState,
    conn: &mut Conn,
    correlation_id: &CorrelationId,
    (filter, paging): (RequirementFilter, PageParameters),
) -> Result<Response, ApiError> {
    let found = requirements::list(conn, &filter).await?;
    let Page { items, pagination } = page(
        found,
        paging.size(),
        |last| cursor::encode(&last.place, &last.id),
        |row| row,
    );
    let mut bodies = Vec::with_capacity(items.len());
    for row in items {
        bodies.push(RequirementBody::of(row, state, conn).await?);
    }
    let page = Page {
        items: bodies,
        pagination,
    };
    Ok(Envelope::of(
        StatusCode::OK,
        correlation_id,
        "Missing requirements",
        page,
    ))
}

/// Lists missing requirements of all customers, newest first.
#[utoipa::path(get, path = "/api/internal/missing-requirements", tag = "missing requirements", params(ListParameters),
    responses((status = 200, body = Envelope<Page<RequirementBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let wanted = parameters.read(&state, None)?;
    let mut conn = state.db.read().await?;
    found(&state, &mut conn, &correlation_id, wanted).await
}

/// Lists a customer's missing requirements, newest first.
#[utoipa::path(get, path = "/api/internal/customers/{id}/missing-requirements", tag = "missing requirements",
    params(("id" = String, Path, description = "UUID of the customer"), ListParameters),
    responses((status = 200, body = Envelope<Page<RequirementBody>>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn list_of_customer(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let customer = customer.to_string();
    let wanted = parameters.read(&state, Some(customer.clone()))?;
    let mut conn = state.db.read().await?;
    customer_or_404(&mut conn, &customer).await?;
    found(&state, &mut conn, &correlation_id, wanted).await
}

/// Notes that a field of a person is blank. The task follows by itself. The row belongs to the customer's latest agent
/// registration. Where there is none, one is stored as MicroBima's agent app does: finished now, by the brand ambassador named
/// in `brandAmbassadorId`, else by the one whose login made the customer; MicroBima's own database keeps its registrations to
/// itself, and there a customer whom no agent registered is a conflict. A second open row for the same field is one, too.
#[utoipa::path(post, path = "/api/internal/customers/{id}/missing-requirements", tag = "missing requirements",
    request_body = NewRequirementBody, params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 201, body = Envelope<RequirementBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    JsonBody(body): JsonBody<NewRequirementBody>,
) -> Result<Response, ApiError> {
    let edited = body.edited();
    check(&edited, None)?;
    let customer = customer.to_string();
    let (correlation, answering) = (correlation_id.to_string(), state.clone());
    let now = Ts::now();
    let body = state
        .db
        .write("note missing requirement", move |conn| {
            Box::pin(async move {
                // Held, so that two requests do not note the same field, nor register the same customer.
                customers::get_for_update(conn, &customer)
                    .await?
                    .ok_or_else(|| ApiError::not_found("customer", &customer))?;
                let entity = edited.entity_id.as_deref();
                refuse_strangers(conn, &customer, &edited.entity_kind, entity).await?;
                refuse_second(conn, &customer, &edited).await?;
                let ambassador = edited.brand_ambassador_id.as_deref();
                let registration = registration(conn, &customer, ambassador, now).await?;
                let new = NewRequirement {
                    id: Uuid::new_v4().to_string(),
                    registration_id: registration.id,
                    customer_id: customer.clone(),
                    partner_id: registration.partner_id,
                    entity_kind: edited.entity_kind,
                    entity_id: edited.entity_id,
                    field_path: edited.field_path,
                };
                requirements::insert(conn, std::slice::from_ref(&new), now).await?;
                change_log::correlate(conn, TABLE, &new.id, &correlation).await?;
                customers::note_missing_requirements(conn, &customer, now).await?;
                let row = after_write(conn, &new.id).await?;
                RequirementBody::of(row, &answering, conn).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Missing requirement noted",
        body,
    ))
}

/// One missing requirement.
#[utoipa::path(get, path = "/api/internal/missing-requirements/{id}", tag = "missing requirements",
    params(("id" = String, Path, description = "UUID of the requirement")),
    responses((status = 200, body = Envelope<RequirementBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let mut conn = state.db.read().await?;
    let row = after_write(&mut conn, &id.to_string()).await?;
    let body = RequirementBody::of(row, &state, &mut conn).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Missing requirement",
        body,
    ))
}

/// Resolves or expires an open requirement, or names the person it is about. A closed one stays as it is: should the field be
/// blank again, a new one is noted.
#[utoipa::path(patch, path = "/api/internal/missing-requirements/{id}", tag = "missing requirements",
    request_body(content = RequirementPatchBody, example = json!({ "status": "RESOLVED" })),
    params(("id" = String, Path, description = "UUID of the requirement")),
    responses((status = 200, body = Envelope<RequirementBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<RequirementPatchBody>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let (correlation, answering) = (correlation_id.to_string(), state.clone());
    let now = Ts::now();
    let body = state
        .db
        .write("change missing requirement", move |conn| {
            Box::pin(async move {
                let row = requirements::get_for_update(conn, &id)
                    .await?
                    .ok_or_else(|| ApiError::not_found("missing requirement", &id))?;
                let (edited, over) = body.edited(&row);
                check(&edited, Some(&over))?;
                let is_open = row.is_open();
                let changes = edited.status != row.status || edited.entity_id != row.entity_id;
                if !is_open && changes {
                    let what = "This requirement is closed; note a new one should the field be blank again";
                    return Err(ApiError::conflict(what));
                }
                if edited.entity_id != row.entity_id {
                    let entity = edited.entity_id.as_deref();
                    refuse_strangers(conn, &row.customer_id, &row.entity_kind, entity).await?;
                    requirements::set_entity(conn, &id, entity, now).await?;
                }
                if is_open && edited.status != "PENDING" {
                    let by = edited
                        .resolved_by
                        .or_else(|| acting_login(&caller))
                        .unwrap_or_else(|| SYSTEM.to_owned());
                    let by = (edited.status == "RESOLVED").then_some(by);
                    requirements::close(conn, &id, &edited.status, by.as_deref(), now).await?;
                }
                change_log::correlate(conn, TABLE, &id, &correlation).await?;
                customers::note_missing_requirements(conn, &row.customer_id, now).await?;
                let row = after_write(conn, &id).await?;
                RequirementBody::of(row, &answering, conn).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Missing requirement changed",
        body,
    ))
}

async fn after_write(conn: &mut Conn, id: &str) -> Result<MissingRequirement, ApiError> {
    requirements::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("missing requirement", id))
}

fn refused(field: &str, what: &str) -> ApiError {
    ApiError::validation([(field.to_owned(), what.to_owned())].into())
}

/// The person must be one of the customer's, of the kind that is said. The rows hold text, without a foreign key.
async fn refuse_strangers(
    conn: &mut Conn,
    customer: &str,
    kind: &str,
    entity: Option<&str>,
) -> Result<(), ApiError> {
    let Some(entity) = entity else {
        return Ok(());
    };
    let belongs = match kind {
        "SPOUSE" | "CHILD" => dependants::get(conn, entity)
            .await?
            .is_some_and(|row| row.customer_id == customer && row.person.relationship == kind),
        "BENEFICIARY" => beneficiaries::get(conn, entity)
            .await?
            .is_some_and(|row| row.customer_id == customer),
        _ => entity == customer,
    };
    if belongs {
        return Ok(());
    }
    let what = format!("is no {} of this customer", kind.to_lowercase());
    Err(refused("entityId", &what))
}

async fn refuse_second(
    conn: &mut Conn,
    customer: &str,
    edited: &input::Edited,
) -> Result<(), ApiError> {
    let open = requirements::open_of_customer(conn, customer).await?;
    let same = open.iter().find(|row| {
        row.entity_kind == edited.entity_kind
            && row.field_path == edited.field_path
            && row.entity_id == edited.entity_id
    });
    match same {
        None => Ok(()),
        Some(row) => Err(ApiError::conflict(format!(
            "The same field is asked for already, by {}",
            row.id
        ))),
    }
}

/// The registration that the row belongs to; made when there is none.
async fn registration(
    conn: &mut Conn,
    customer: &str,
    ambassador: Option<&str>,
    now: Ts,
) -> Result<Registration, ApiError> {
    if let Some(registration) = agent_registrations::latest_of(conn, customer).await? {
        return Ok(registration);
    }
    // Agents are paid by registrations: in its own database they are MicroBima's to write.
    if store::slice_mode(conn).await? == SliceMode::Attached {
        let what = "No agent registered this customer; MicroBima writes the registration";
        return Err(ApiError::conflict(what));
    }
    let registrar = match ambassador {
        Some(id) => agent_registrations::registrar(conn, id)
            .await?
            .ok_or_else(|| refused("brandAmbassadorId", "there is no such brand ambassador"))?,
        None => agent_registrations::registrar_of(conn, customer)
            .await?
            .ok_or_else(|| {
                let what = "is required: no brand ambassador registered this customer";
                refused("brandAmbassadorId", what)
            })?,
    };
    let id = Uuid::new_v4().to_string();
    agent_registrations::insert(conn, &id, customer, &registrar, now).await?;
    Ok(Registration {
        id,
        partner_id: registrar.partner_id,
    })
}
