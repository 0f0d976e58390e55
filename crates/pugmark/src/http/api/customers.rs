//! `/api/internal/customers`: MicroBima's customers and whether their contacts are in step.

mod input;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor;
use super::edit::check;
use super::fields::{GENDERS, ID_TYPES, word_of};
use super::paging::{PageParameters, page};
use crate::crm::record_link;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId, search};
use crate::store::change_log;
use crate::store::customers::{self, CustomerFilter, CustomerView};
use crate::store::links::SyncStatus;
use crate::store::violation::Violation;
use input::{CustomerPatchBody, NewCustomerBody};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch, remove))
}

/// A customer as the API shows it. Words for gender and documents are those of MicroBima's API.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerBody {
    /// UUID.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Middle name.
    pub middle_name: Option<String>,
    /// Last name.
    pub last_name: String,
    /// E-mail.
    pub email: Option<String>,
    /// Phone number as typed.
    pub phone_number: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// `male`, `female`, or what the database holds.
    pub gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate`, `military`, or what the database holds.
    pub id_type: String,
    /// Number of the document.
    pub id_number: String,
    /// Label of MicroBima's `CustomerStatus`.
    pub status: String,
    /// Test customers never reach the CRM.
    pub is_test_user: bool,
    /// RFC 3339 in UTC.
    pub created_at: String,
    /// RFC 3339 in UTC.
    pub updated_at: String,
    /// Id of the contact in vTiger.
    pub vtiger_contact_id: Option<String>,
    /// Address of the contact in vTiger.
    pub vtiger_contact_url: Option<String>,
    /// Whether the contact is in step; `null` when it never has to be (a test customer).
    pub vtiger_sync_status: Option<SyncStatus>,
    /// When both sides last agreed, RFC 3339 in UTC.
    pub vtiger_last_synced_at: Option<String>,
    /// Why it is not in step.
    pub vtiger_sync_error: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    pub vtiger_sync_error_code: Option<String>,
    /// What vTiger cannot keep as it is and was adapted.
    #[schema(value_type = Vec<Object>)]
    pub vtiger_warnings: serde_json::Value,
}

impl CustomerBody {
    fn of(view: CustomerView, state: &AppState) -> Self {
        let CustomerView {
            customer,
            place: _,
            vtiger_id,
            sync_status,
            last_synced_at,
            sync_error,
            sync_error_code,
            warnings,
        } = view;
        CustomerBody {
            vtiger_contact_url: vtiger_id
                .as_deref()
                .and_then(|id| record_link(state.crm.as_deref()?, "Contacts", id)),
            vtiger_contact_id: vtiger_id,
            vtiger_sync_status: sync_status.as_deref().and_then(SyncStatus::parse),
            vtiger_last_synced_at: last_synced_at.map(|at| at.timestamp().to_string()),
            vtiger_sync_error: sync_error,
            vtiger_sync_error_code: sync_error_code,
            vtiger_warnings: warnings
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_else(|| serde_json::Value::Array(Vec::new())),
            gender: customer
                .gender
                .as_deref()
                .map(|label| word_of(&GENDERS, label)),
            id_type: word_of(&ID_TYPES, &customer.id_type),
            id: customer.id,
            first_name: customer.first_name,
            middle_name: customer.middle_name,
            last_name: customer.last_name,
            email: customer.email,
            phone_number: customer.phone_number,
            date_of_birth: customer.date_of_birth,
            id_number: customer.id_number,
            status: customer.status,
            is_test_user: customer.is_test_user,
            created_at: customer.created_at.timestamp().to_string(),
            updated_at: customer.updated_at.timestamp().to_string(),
        }
    }
}

/// What a list of customers takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Part of a name, e-mail, phone or id number.
    search: Option<String>,
    /// Only customers in this state: `PENDING`, `SYNCED`, `FAILED`.
    sync_status: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists customers, newest first.
#[utoipa::path(get, path = "/api/internal/customers", tag = "customers", params(ListParameters),
    responses((status = 200, body = Envelope<Page<CustomerBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let sync_status = match parameters.sync_status.as_deref() {
        None => None,
        Some(word) => Some(SyncStatus::parse(&word.to_uppercase()).ok_or_else(|| {
            let what = "must be one of PENDING, SYNCING, SYNCED, FAILED".to_owned();
            ApiError::validation([("syncStatus".to_owned(), what)].into())
        })?),
    };
    let paging = PageParameters::new(parameters.limit, parameters.cursor);
    let filter = CustomerFilter {
        search: search(parameters.search)?,
        sync_status: sync_status.map(SyncStatus::as_str),
        wanted: paging.wanted(&state)?,
    };
    let mut conn = state.db.read().await?;
    let found = customers::list(&mut conn, &filter).await?;
    let page = page(
        found,
        paging.size(),
        |last| cursor::encode(&last.place, &last.customer.id),
        |view| CustomerBody::of(view, &state),
    );
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Customers",
        page,
    ))
}

/// One customer.
#[utoipa::path(get, path = "/api/internal/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 200, body = Envelope<CustomerBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let mut conn = state.db.read().await?;
    let view = customers::view(&mut conn, &id)
        .await?
        .ok_or_else(|| ApiError::not_found("customer", &id))?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Customer",
        CustomerBody::of(view, &state),
    ))
}

/// Registers a customer. The contact follows by itself, a moment later.
#[utoipa::path(post, path = "/api/internal/customers", tag = "customers", request_body = NewCustomerBody,
    responses((status = 201, body = Envelope<CustomerBody>), (status = 400, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewCustomerBody>,
) -> Result<Response, ApiError> {
    let edited = body.edited();
    check(&edited, None)?;
    let now = Ts::now();
    let new = edited.into_row(uuid::Uuid::new_v4().to_string(), now, now);
    let (partner, correlation) = (body.partner_id, correlation_id.to_string());
    let view = state
        .db
        .write("create customer", move |conn| {
            Box::pin(async move {
                customers::insert(conn, &new, partner, Some(&caller.author))
                    .await
                    .map_err(refused_by_constraint)?;
                change_log::correlate(conn, "customers", &new.id, &correlation).await?;
                after_write(conn, &new.id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Customer registered",
        CustomerBody::of(view, &state),
    ))
}

/// Changes a customer. What is left out stays, `null` clears. The contact follows by itself.
#[utoipa::path(patch, path = "/api/internal/customers/{id}", tag = "customers", request_body = CustomerPatchBody,
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 200, body = Envelope<CustomerBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<CustomerPatchBody>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let view = state
        .db
        .write("change customer", move |conn| {
            Box::pin(async move {
                let row = customers::get_for_update(conn, &id)
                    .await?
                    .ok_or_else(|| ApiError::not_found("customer", &id))?;
                let (edited, over) = body.edited(&row);
                check(&edited, Some(&over))?;
                let changed = edited.into_row(row.id, row.created_at, now);
                customers::update(conn, &changed, Some(&caller.author), now)
                    .await
                    .map_err(refused_by_constraint)?;
                change_log::correlate(conn, "customers", &id, &correlation).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Customer changed",
        CustomerBody::of(view, &state),
    ))
}

/// Removes a test customer with everything that belongs to it, children first. Real customers are not deleted: they are
/// terminated, and their contact keeps its history.
#[utoipa::path(delete, path = "/api/internal/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 200, body = Envelope<CustomerBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope)))]
async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let view = state
        .db
        .write("remove test customer", move |conn| {
            Box::pin(async move {
                let row = customers::get_for_update(conn, &id)
                    .await?
                    .ok_or_else(|| ApiError::not_found("customer", &id))?;
                if !row.is_test_user {
                    let what = "Only test customers are deleted; set the status of a real one to TERMINATED";
                    return Err(ApiError::conflict(what));
                }
                let view = after_write(conn, &id).await?;
                customers::delete(conn, &id).await.map_err(still_needed)?;
                Ok(view)
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Test customer removed",
        CustomerBody::of(view, &state),
    ))
}

/// MicroBima has more tables that point to a customer than this program knows.
fn still_needed(error: DbError) -> ApiError {
    match Violation::of(&error) {
        Some(Violation::StillNeeded | Violation::Missing(_)) => ApiError::conflict(
            "MicroBima keeps more of this customer than Pugmark knows; remove it there",
        ),
        _ => error.into(),
    }
}

async fn after_write(conn: &mut Conn, id: &str) -> Result<CustomerView, ApiError> {
    customers::view(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("customer", id))
}

/// Names the field behind a violated constraint. Standalone there need be no partner to point to; in MicroBima's own database
/// there must.
fn refused_by_constraint(error: DbError) -> ApiError {
    let refused = |code, field: &str, what: &str| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, what).field(field, what)
    };
    match Violation::of(&error) {
        Some(Violation::Missing(_)) => {
            let details = [(
                "partnerId".to_owned(),
                "there is no such partner".to_owned(),
            )];
            ApiError::validation(details.into())
        }
        Some(violation) if violation.is_taken("email") => refused(
            "DUPLICATE_EMAIL",
            "email",
            "Another customer has this e-mail",
        ),
        Some(violation) if violation.is_taken("idNumber") => refused(
            "DUPLICATE_ID_NUMBER",
            "idNumber",
            "Another customer has this document",
        ),
        _ => error.into(),
    }
}
