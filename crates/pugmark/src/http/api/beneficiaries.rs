//! `/api/internal/customers/{id}/beneficiaries` and `/api/internal/beneficiaries`: the next of kin of customers.

mod input;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, Ts};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::dependants::PeopleParameters;
use super::edit::{OneOrMany, check};
use super::paging::{PageParameters, page};
use super::{cursor, customer_or_404};
use crate::http::AppState;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId};
use crate::microbima::requirements;
use crate::store::beneficiaries::{self, Beneficiary, NewBeneficiary};
use crate::store::change_log;
use input::{BeneficiaryPatchBody, NewBeneficiaryBody};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch, remove))
}

/// A beneficiary as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeneficiaryBody {
    /// UUID.
    #[schema(example = "7d1c0c1e-52a5-4b6e-9a3d-8f0f7f0f1a11")]
    id: String,
    /// UUID of the customer.
    #[schema(example = "0b9f8a52-6b7e-4c53-9d5c-1f2a3b4c5d6e")]
    customer_id: String,
    /// First name, as typed.
    #[schema(example = "Atieno")]
    first_name: String,
    /// Middle name, as typed.
    middle_name: Option<String>,
    /// Last name, as typed.
    #[schema(example = "Otieno")]
    last_name: String,
    /// `spouse`, `child`, `parent`, `sibling`, `friend`, `other`, or what the database holds.
    #[schema(example = "sibling")]
    relationship: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    updated_at: String,
    /// When the person was removed, RFC 3339 in UTC; `null` for a living beneficiary.
    deleted_at: Option<String>,
}

impl From<Beneficiary> for BeneficiaryBody {
    fn from(row: Beneficiary) -> Self {
        let person = row.person;
        BeneficiaryBody {
            id: row.id,
            customer_id: row.customer_id,
            first_name: person.first_name,
            middle_name: person.middle_name,
            last_name: person.last_name,
            relationship: person.relationship,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            deleted_at: row.deleted_at.map(|at| at.to_string()),
        }
    }
}

/// Lists a customer's beneficiaries, newest first, those who were removed among them.
#[utoipa::path(get, path = "/api/internal/customers/{id}/beneficiaries", tag = "beneficiaries",
    params(("id" = String, Path, description = "UUID of the customer"), PeopleParameters),
    responses((status = 200, body = Envelope<Page<BeneficiaryBody>>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    Parameters(parameters): Parameters<PeopleParameters>,
) -> Result<Response, ApiError> {
    let customer = customer.to_string();
    let paging = PageParameters::new(parameters.limit, parameters.cursor);
    let wanted = paging.wanted(&state)?;
    let with_removed = parameters.include_deleted.unwrap_or(true);
    let mut conn = state.db.read().await?;
    customer_or_404(&mut conn, &customer).await?;
    let found = beneficiaries::of_customer(&mut conn, &customer, with_removed, &wanted).await?;
    let page = page(
        found,
        paging.size(),
        |last| cursor::encode(&last.place, &last.id),
        BeneficiaryBody::from,
    );
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Beneficiaries",
        page,
    ))
}

/// Adds one beneficiary, or several with one statement. The contact gets a note for each, a moment later. An object is answered
/// with an object, a list with a list in the same order.
#[utoipa::path(post, path = "/api/internal/customers/{id}/beneficiaries", tag = "beneficiaries",
    request_body(content = OneOrMany<NewBeneficiaryBody>,
        example = json!([{ "firstName": "Atieno", "lastName": "Otieno", "relationship": "sibling" }])),
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 201, body = Envelope<OneOrMany<BeneficiaryBody>>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    JsonBody(body): JsonBody<OneOrMany<NewBeneficiaryBody>>,
) -> Result<Response, ApiError> {
    let edited: Vec<_> = body
        .entries()
        .iter()
        .map(NewBeneficiaryBody::edited)
        .collect();
    body.check(&edited)?;
    let customer = customer.to_string();
    let new: Vec<NewBeneficiary> = edited
        .into_iter()
        .map(|edited| NewBeneficiary {
            id: Uuid::new_v4().to_string(),
            customer_id: customer.clone(),
            person: edited.into_person(),
        })
        .collect();
    let correlation = correlation_id.to_string();
    let made = state
        .db
        .write("add beneficiaries", move |conn| {
            Box::pin(async move {
                customer_or_404(conn, &customer).await?;
                beneficiaries::insert(conn, &new, Ts::now()).await?;
                let mut made = Vec::with_capacity(new.len());
                for NewBeneficiary { id, .. } in &new {
                    change_log::correlate(conn, "beneficiaries", id, &correlation).await?;
                    made.push(after_write(conn, id).await?);
                }
                Ok::<_, ApiError>(made)
            })
        })
        .await?;
    state.relay.notify_one();
    let made = made.into_iter().map(BeneficiaryBody::from).collect();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Beneficiaries added",
        body.in_same_form(made),
    ))
}

/// One beneficiary, removed or not.
#[utoipa::path(get, path = "/api/internal/beneficiaries/{id}", tag = "beneficiaries",
    params(("id" = String, Path, description = "UUID of the beneficiary")),
    responses((status = 200, body = Envelope<BeneficiaryBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let mut conn = state.db.read().await?;
    let row = after_write(&mut conn, &id.to_string()).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Beneficiary",
        BeneficiaryBody::from(row),
    ))
}

/// Changes a living beneficiary. What is left out stays, `null` clears. Missing requirements of a customer whom an agent
/// registered follow: fields that are filled in now are resolved, fields that are blank are asked for.
#[utoipa::path(patch, path = "/api/internal/beneficiaries/{id}", tag = "beneficiaries", request_body = BeneficiaryPatchBody,
    params(("id" = String, Path, description = "UUID of the beneficiary")),
    responses((status = 200, body = Envelope<BeneficiaryBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
    JsonBody(body): JsonBody<BeneficiaryPatchBody>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let row = state
        .db
        .write("change beneficiary", move |conn| {
            Box::pin(async move {
                let row = held(conn, &id).await?;
                if row.deleted_at.is_some() {
                    return Err(removed());
                }
                let (edited, over) = body.edited(&row.person);
                check(&edited, Some(&over))?;
                beneficiaries::update(conn, &id, &edited.into_person(), now).await?;
                change_log::correlate(conn, "beneficiaries", &id, &correlation).await?;
                requirements::reconcile(conn, &row.customer_id, &correlation, now).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Beneficiary changed",
        BeneficiaryBody::from(row),
    ))
}

/// Removes a beneficiary for good: the row stays, with the time. The contact gets a note. Whoever was removed stays as it was.
#[utoipa::path(delete, path = "/api/internal/beneficiaries/{id}", tag = "beneficiaries",
    params(("id" = String, Path, description = "UUID of the beneficiary")),
    responses((status = 200, body = Envelope<BeneficiaryBody>), (status = 404, body = ErrorEnvelope)))]
async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let row = state
        .db
        .write("remove beneficiary", move |conn| {
            Box::pin(async move {
                held(conn, &id).await?;
                beneficiaries::remove(conn, &id, Ts::now()).await?;
                change_log::correlate(conn, "beneficiaries", &id, &correlation).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Beneficiary removed",
        BeneficiaryBody::from(row),
    ))
}

async fn held(conn: &mut Conn, id: &str) -> Result<Beneficiary, ApiError> {
    beneficiaries::get_for_update(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("beneficiary", id))
}

async fn after_write(conn: &mut Conn, id: &str) -> Result<Beneficiary, ApiError> {
    beneficiaries::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("beneficiary", id))
}

fn removed() -> ApiError {
    ApiError::conflict(
        "This beneficiary was removed and can be neither changed nor restored; add a new one",
    )
}
