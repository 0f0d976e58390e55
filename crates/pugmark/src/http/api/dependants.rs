//! `/api/internal/customers/{id}/dependants` and `/api/internal/dependants`: spouses and children of customers.

mod input;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::edit::{OneOrMany, check};
use super::fields::{GENDERS, ID_TYPES, RELATIONSHIPS, word_of};
use super::paging::{PageParameters, page};
use super::{cursor, customer_or_404};
use crate::http::AppState;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId};
use crate::microbima::requirements;
use crate::store::change_log;
use crate::store::dependants::{self, Dependant, NewDependant};
use input::{DependantPatchBody, NewDependantBody};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch, remove))
}

/// A dependant as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependantBody {
    /// UUID.
    #[schema(example = "7d1c0c1e-52a5-4b6e-9a3d-8f0f7f0f1a11")]
    id: String,
    /// UUID of the customer.
    #[schema(example = "0b9f8a52-6b7e-4c53-9d5c-1f2a3b4c5d6e")]
    customer_id: String,
    /// First name, as typed.
    #[schema(example = "Zuri")]
    first_name: String,
    /// Middle name, as typed.
    middle_name: Option<String>,
    /// Last name, as typed.
    #[schema(example = "Otieno")]
    last_name: String,
    /// `YYYY-MM-DD`.
    #[schema(example = "2015-08-30")]
    date_of_birth: Option<String>,
    /// `male`, `female`, `prefer_not_to_say`, or what the database holds.
    #[schema(example = "female")]
    gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate`, `military`, or what the database holds.
    id_type: Option<String>,
    /// Number of the document.
    id_number: Option<String>,
    /// `spouse`, `child`, `parent`, `sibling`, `friend`, `other`, or what the database holds.
    #[schema(example = "child")]
    relationship: String,
    /// E-mail.
    email: Option<String>,
    /// Phone number as typed.
    phone_number: Option<String>,
    /// Whether somebody has verified the person.
    is_verified: bool,
    /// Whether the person has to be verified: children of 18 to 24.
    verification_required: bool,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    updated_at: String,
    /// When the person was removed, RFC 3339 in UTC; `null` for a living dependant.
    deleted_at: Option<String>,
    /// The login of whoever removed the person.
    deleted_by: Option<String>,
}

impl From<Dependant> for DependantBody {
    fn from(row: Dependant) -> Self {
        let person = row.person;
        DependantBody {
            id: row.id,
            customer_id: row.customer_id,
            first_name: person.first_name,
            middle_name: person.middle_name,
            last_name: person.last_name,
            date_of_birth: person.date_of_birth,
            gender: person.gender.map(|label| word_of(&GENDERS, &label)),
            id_type: person.id_type.map(|label| word_of(&ID_TYPES, &label)),
            id_number: person.id_number,
            relationship: word_of(&RELATIONSHIPS, &person.relationship),
            email: person.email,
            phone_number: person.phone_number,
            is_verified: row.is_verified,
            verification_required: person.verification_required,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            deleted_at: row.deleted_at.map(|at| at.to_string()),
            deleted_by: row.deleted_by,
        }
    }
}

/// What a list of people of a customer takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeopleParameters {
    /// `false` leaves out those who were removed; they are shown when this is left out.
    pub(super) include_deleted: Option<bool>,
    /// Entries of a page, 1 to 200; 50 when left out.
    pub(super) limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// Who removes a person.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemovalParameters {
    /// UUID of that person's login; nobody is noted when left out.
    deleted_by: Option<Uuid>,
}

/// Lists a customer's dependants, newest first, those who were removed among them.
#[utoipa::path(get, path = "/api/internal/customers/{id}/dependants", tag = "dependants",
    params(("id" = String, Path, description = "UUID of the customer"), PeopleParameters),
    responses((status = 200, body = Envelope<Page<DependantBody>>), (status = 404, body = ErrorEnvelope),
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
    let found = dependants::of_customer(&mut conn, &customer, with_removed, &wanted).await?;
    let page = page(
        found,
        paging.size(),
        |last| cursor::encode(&last.place, &last.id),
        DependantBody::from,
    );
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Dependants",
        page,
    ))
}

/// Adds one dependant, or several with one statement. The contact gets a note for each, a moment later. An object is answered
/// with an object, a list with a list in the same order.
#[utoipa::path(post, path = "/api/internal/customers/{id}/dependants", tag = "dependants",
    request_body(content = OneOrMany<NewDependantBody>,
        example = json!([{ "firstName": "Zuri", "lastName": "Otieno", "relationship": "child",
                           "dateOfBirth": "2015-08-30", "gender": "female" }])),
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 201, body = Envelope<OneOrMany<DependantBody>>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    JsonBody(body): JsonBody<OneOrMany<NewDependantBody>>,
) -> Result<Response, ApiError> {
    let edited: Vec<_> = body
        .entries()
        .iter()
        .map(NewDependantBody::edited)
        .collect();
    body.check(&edited)?;
    let customer = customer.to_string();
    let new: Vec<NewDependant> = edited
        .into_iter()
        .map(|edited| NewDependant {
            id: Uuid::new_v4().to_string(),
            customer_id: customer.clone(),
            person: edited.into_person(),
        })
        .collect();
    let correlation = correlation_id.to_string();
    let made = state
        .db
        .write("add dependants", move |conn| {
            Box::pin(async move {
                customer_or_404(conn, &customer).await?;
                dependants::insert(conn, &new, Ts::now()).await?;
                let mut made = Vec::with_capacity(new.len());
                for NewDependant { id, .. } in &new {
                    change_log::correlate(conn, "dependants", id, &correlation).await?;
                    made.push(after_write(conn, id).await?);
                }
                Ok::<_, ApiError>(made)
            })
        })
        .await?;
    state.relay.notify_one();
    let made = made.into_iter().map(DependantBody::from).collect();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Dependants added",
        body.in_same_form(made),
    ))
}

/// One dependant, removed or not.
#[utoipa::path(get, path = "/api/internal/dependants/{id}", tag = "dependants",
    params(("id" = String, Path, description = "UUID of the dependant")),
    responses((status = 200, body = Envelope<DependantBody>), (status = 404, body = ErrorEnvelope)))]
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
        "Dependant",
        DependantBody::from(row),
    ))
}

/// Changes a living dependant. What is left out stays, `null` clears. Missing requirements of a customer whom an agent
/// registered follow: fields that are filled in now are resolved, fields that are blank are asked for.
#[utoipa::path(patch, path = "/api/internal/dependants/{id}", tag = "dependants", request_body = DependantPatchBody,
    params(("id" = String, Path, description = "UUID of the dependant")),
    responses((status = 200, body = Envelope<DependantBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
    JsonBody(body): JsonBody<DependantPatchBody>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let row = state
        .db
        .write("change dependant", move |conn| {
            Box::pin(async move {
                let row = held(conn, &id).await?;
                if row.deleted_at.is_some() {
                    return Err(removed());
                }
                let (edited, over) = body.edited(&row.person);
                check(&edited, Some(&over))?;
                dependants::update(conn, &id, &edited.into_person(), now).await?;
                change_log::correlate(conn, "dependants", &id, &correlation).await?;
                requirements::reconcile(conn, &row.customer_id, &correlation, now).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Dependant changed",
        DependantBody::from(row),
    ))
}

/// Removes a dependant for good: the row stays, with the time. The contact gets a note. Whoever was removed stays as it was.
#[utoipa::path(delete, path = "/api/internal/dependants/{id}", tag = "dependants",
    params(("id" = String, Path, description = "UUID of the dependant"), RemovalParameters),
    responses((status = 200, body = Envelope<DependantBody>), (status = 404, body = ErrorEnvelope)))]
async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
    Parameters(parameters): Parameters<RemovalParameters>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let by = parameters.deleted_by.map(|user| user.to_string());
    let row = state
        .db
        .write("remove dependant", move |conn| {
            Box::pin(async move {
                held(conn, &id).await?;
                dependants::remove(conn, &id, by.as_deref(), Ts::now()).await?;
                change_log::correlate(conn, "dependants", &id, &correlation).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Dependant removed",
        DependantBody::from(row),
    ))
}

async fn held(conn: &mut Conn, id: &str) -> Result<Dependant, ApiError> {
    dependants::get_for_update(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("dependant", id))
}

async fn after_write(conn: &mut Conn, id: &str) -> Result<Dependant, ApiError> {
    dependants::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("dependant", id))
}

fn removed() -> ApiError {
    ApiError::conflict(
        "This dependant was removed and can be neither changed nor restored; add a new one",
    )
}
