//! `/api/internal/vtiger/lead-conversions`: converted leads on their way to becoming customers, and what people do about those
//! that stand still.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::Queue;
use pugmark_queue::db::{Conn, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edit::present;
use super::paging::{page, page_size};
use super::{actor, customer_or_404, named};
use crate::crm::{CONTACTS, record_link};
use crate::desk::{self, Actor};
use crate::flows::insurance::inbound;
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::Parameters;
use crate::store::lead_conversions::{self, Claim, Conversion, ConversionFilter, State};
use crate::store::links;

/// Longest value that can be filled in.
const LONGEST: usize = 254;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, fill_in))
        .routes(routes!(link))
}

/// A conversion.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversionBody {
    /// The contact in vTiger; of a conversion that names none, the lead.
    record_id: String,
    /// `Contacts` or `Leads`.
    module: String,
    /// Address of the record in vTiger.
    url: Option<String>,
    /// The lead, when it is known.
    lead_id: Option<String>,
    /// Who says that it was converted: `extension`, `signed`, `plain`, or `none` but the contact itself.
    claim: String,
    /// Who noticed it: `webhook`, `poll`, ...
    noticed_by: String,
    /// `OPEN`, `INCOMPLETE` (something is missing), `UNDECIDED` (it looks like a customer there is), `RESERVED` (MicroBima is
    /// being asked), `DONE`, `REFUSED`.
    state: String,
    /// What is missing or wrong, by field.
    missing: BTreeMap<String, String>,
    /// What was filled in here, by field.
    given: BTreeMap<String, String>,
    /// A customer with the same document who has no contact: `link` makes it this one's.
    candidate_customer_id: Option<String>,
    /// The customer it became.
    customer_id: Option<String>,
    /// Why it stands still; docs/errors.md explains the code.
    error_code: Option<String>,
    /// The same, for people.
    message: Option<String>,
    /// The correlation id of the first notice.
    correlation_id: String,
    /// When it was first noticed, RFC 3339 in UTC.
    created_at: String,
    /// When it last changed.
    updated_at: String,
}

impl ConversionBody {
    fn of(conversion: Conversion, state: &AppState) -> Self {
        let crm = state.crm.as_deref();
        ConversionBody {
            url: crm.and_then(|crm| record_link(crm, &conversion.module, &conversion.record_id)),
            missing: serde_json::from_str(&conversion.missing).unwrap_or_default(),
            given: conversion.given(),
            record_id: conversion.record_id,
            module: conversion.module,
            lead_id: conversion.lead_id,
            claim: conversion.claim,
            noticed_by: conversion.noticed_by,
            state: conversion.state,
            candidate_customer_id: conversion.candidate_id,
            customer_id: conversion.customer_id,
            error_code: conversion.error_code,
            message: conversion.message,
            correlation_id: conversion.correlation_id,
            created_at: conversion.created_at.timestamp().to_string(),
            updated_at: conversion.updated_at.timestamp().to_string(),
        }
    }
}

/// What a list of conversions takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConversionParameters {
    /// Only conversions in this state.
    state: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<i64>,
}

/// Values of the customer. What is left out stays as it was filled in before, `null` takes it back. They go before what the
/// contact holds.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ValuesBody {
    /// 1 to 50 characters.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    first_name: Option<Option<String>>,
    /// 1 to 50 characters.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    middle_name: Option<Option<String>>,
    /// 1 to 50 characters.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    last_name: Option<Option<String>>,
    /// E-mail.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Phone number.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    phone_number: Option<Option<String>>,
    /// `YYYY-MM-DD`, 18 years ago or more.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    date_of_birth: Option<Option<String>>,
    /// `male` or `female`.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    gender: Option<Option<String>>,
    /// `national`, `alien`, `passport`, `birth_certificate`, `military`.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    id_type: Option<Option<String>>,
    /// 5 to 9 characters.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    id_number: Option<Option<String>>,
}

impl ValuesBody {
    /// What is said, by field; `None` takes a value back.
    fn into_changes(self) -> Changes {
        let fields = [
            self.first_name,
            self.middle_name,
            self.last_name,
            self.email,
            self.phone_number,
            self.date_of_birth,
            self.gender,
            self.id_type,
            self.id_number,
        ];
        let said = FILLABLE.into_iter().zip(fields);
        let said = said.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        said.collect()
    }
}

/// Values of a customer by the names of [`FILLABLE`]; `None` takes one back.
pub(in crate::http) type Changes = BTreeMap<String, Option<String>>;

/// What can be filled in, in the order in which people are asked for it.
pub(in crate::http) const FILLABLE: [&str; 9] = [
    "firstName",
    "middleName",
    "lastName",
    "email",
    "phoneNumber",
    "dateOfBirth",
    "gender",
    "idType",
    "idNumber",
];

/// What was filled in before, with these changes.
fn over(
    mut given: BTreeMap<String, String>,
    changes: &Changes,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut wrong = BTreeMap::new();
    for (name, value) in changes {
        let value = value.as_deref().map(str::trim);
        let fits = |text: &str| {
            !text.is_empty() && text.chars().count() <= LONGEST && !text.contains('\0')
        };
        match value {
            None => drop(given.remove(name)),
            Some(text) if fits(text) => drop(given.insert(name.clone(), text.to_owned())),
            Some(_) => {
                let what = format!("must have 1 to {LONGEST} characters");
                wrong.insert(name.clone(), what);
            }
        }
    }
    match wrong.is_empty() {
        true => Ok(given),
        false => Err(ApiError::validation(wrong)),
    }
}

/// The customer that the contact is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkBody {
    /// UUID of the customer.
    customer_id: String,
    /// Kept in the audit log.
    reason: Option<String>,
}

/// Lists conversions, newest first.
#[utoipa::path(get, path = "/api/internal/vtiger/lead-conversions", tag = "lead conversions", params(ConversionParameters),
    responses((status = 200, body = Envelope<Page<ConversionBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    Shared(state): Shared<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ConversionParameters>,
) -> Result<Response, ApiError> {
    let size = page_size(parameters.limit);
    let filter = ConversionFilter {
        state: parameters.state.as_deref().map(standing).transpose()?,
        before: parameters.cursor,
        limit: size + 1,
    };
    let found = lead_conversions::list(&mut state.db.read().await?, &filter).await?;
    let page = page(
        found,
        size,
        |last| last.id.to_string(),
        |conversion| ConversionBody::of(conversion, &state),
    );
    let message = "Lead conversions";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, page))
}

/// One conversion.
#[utoipa::path(get, path = "/api/internal/vtiger/lead-conversions/{recordId}", tag = "lead conversions",
    params(("recordId" = String, Path, description = "Id of the contact (or lead) in vTiger, like 12x345")),
    responses((status = 200, body = Envelope<ConversionBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    Shared(state): Shared<AppState>,
    correlation_id: CorrelationId,
    Path(record): Path<String>,
) -> Result<Response, ApiError> {
    let conversion = conversion_or_404(&mut state.db.read().await?, &record).await?;
    let body = ConversionBody::of(conversion, &state);
    let message = "Lead conversion";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, body))
}

/// Fills in what is missing; the conversion then goes on. The values are kept here until there is a customer.
#[utoipa::path(patch, path = "/api/internal/vtiger/lead-conversions/{recordId}", tag = "lead conversions", request_body = ValuesBody,
    params(("recordId" = String, Path, description = "Id of the contact in vTiger, like 12x345")),
    responses((status = 202, body = Envelope<ConversionBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn fill_in(
    Shared(state): Shared<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Path(record): Path<String>,
    JsonBody(body): JsonBody<ValuesBody>,
) -> Result<Response, ApiError> {
    let actor = actor(&caller, None, &correlation_id);
    let conversion = complete(&state, &record, body.into_changes(), actor).await?;
    let body = ConversionBody::of(conversion, &state);
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        "Filled in; the conversion goes on",
        body,
    ))
}

/// Keeps what is filled in of a conversion and has it go on; without changes it is looked at once more, as the contact is now. The
/// audit log gets the names of the fields and the reason: the values are personal.
///
/// # Errors
/// 404 without such a conversion, 409 when it is done or names no contact, 422 for values that cannot be one.
pub(in crate::http) async fn complete(
    state: &AppState,
    record: &str,
    changes: Changes,
    mut actor: Actor,
) -> Result<Conversion, ApiError> {
    let (queue, record) = (state.queue.clone(), record.to_owned());
    state
        .db
        .write("fill in lead conversion", move |conn| {
            Box::pin(async move {
                let conversion = open_or_409(conn, &record).await?;
                let given = over(conversion.given(), &changes)?;
                lead_conversions::set_given(conn, &record, &given, Ts::now()).await?;
                let action = match changes.is_empty() {
                    true => "lead-conversion.look-again",
                    false => "lead-conversion.fill-in",
                };
                actor.reason = named(changes.keys(), &actor.reason);
                desk::note(conn, action, &record, &actor).await?;
                go_on(conn, &queue, &conversion, &actor.correlation_id).await?;
                conversion_or_404(conn, &record).await
            })
        })
        .await
}

/// Decides that the contact is a customer there is already: the two are linked, and the contact gets the customer's values.
#[utoipa::path(post, path = "/api/internal/vtiger/lead-conversions/{recordId}/link", tag = "lead conversions", request_body = LinkBody,
    params(("recordId" = String, Path, description = "Id of the contact in vTiger, like 12x345")),
    responses((status = 202, body = Envelope<ConversionBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn link(
    Shared(state): Shared<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    Path(record): Path<String>,
    JsonBody(body): JsonBody<LinkBody>,
) -> Result<Response, ApiError> {
    let actor = actor(&caller, body.reason, &correlation_id);
    let conversion = decide_customer(&state, &record, &body.customer_id, actor).await?;
    let body = ConversionBody::of(conversion, &state);
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        "Decided; the two are being linked",
        body,
    ))
}

/// Decides that the contact of a conversion is this customer, and has the two linked.
///
/// # Errors
/// 404 without such a conversion or customer; 409 when it is done or just being made, and for a customer that is linked or a test;
/// 422 for what is no UUID.
pub(in crate::http) async fn decide_customer(
    state: &AppState,
    record: &str,
    customer: &str,
    actor: Actor,
) -> Result<Conversion, ApiError> {
    let customer = uuid::Uuid::parse_str(customer.trim()).map_err(|_| {
        ApiError::validation([("customerId".to_owned(), "must be a UUID".to_owned())].into())
    })?;
    let (queue, record) = (state.queue.clone(), record.to_owned());
    state
        .db
        .write("decide lead conversion", move |conn| {
            Box::pin(async move {
                let customer = customer.to_string();
                let conversion = open_or_409(conn, &record).await?;
                if conversion.standing() == State::Reserved {
                    return Err(ApiError::conflict(
                        "MicroBima is just being asked to make a customer of this contact; wait for the end of that",
                    ));
                }
                let row = customer_or_404(conn, &customer).await?;
                if row.is_test_user {
                    return Err(ApiError::conflict("Test customers never reach the CRM"));
                }
                let linked = links::get(conn, CUSTOMER, &customer).await?;
                if let Some(contact) = linked.and_then(|link| link.vtiger_id) {
                    let what = format!("The customer is linked to the contact {contact}");
                    return Err(ApiError::conflict(what));
                }
                let now = Ts::now();
                lead_conversions::set_decided(conn, &record, &customer, &actor.name, now).await?;
                let subject = format!("{record} {customer}");
                desk::note(conn, "lead-conversion.link", &subject, &actor).await?;
                go_on(conn, &queue, &conversion, &actor.correlation_id).await?;
                conversion_or_404(conn, &record).await
            })
        })
        .await
}

async fn go_on(
    conn: &mut Conn,
    queue: &Queue,
    conversion: &Conversion,
    request: &str,
) -> Result<(), ApiError> {
    let again = inbound::Conversion {
        module: CONTACTS,
        record: conversion.record_id.clone(),
        lead: None,
        claim: Claim::None,
        correlation_id: request.to_owned(),
        by: "operator",
    };
    inbound::enqueue_conversion(conn, queue, &again).await?;
    Ok(())
}

async fn conversion_or_404(conn: &mut Conn, record: &str) -> Result<Conversion, ApiError> {
    lead_conversions::get(conn, record)
        .await?
        .ok_or_else(|| ApiError::not_found("lead conversion", record))
}

async fn open_or_409(conn: &mut Conn, record: &str) -> Result<Conversion, ApiError> {
    let conversion = conversion_or_404(conn, record).await?;
    if conversion.standing() == State::Done {
        let customer = conversion.customer_id.unwrap_or_default();
        let what = format!("It is done: the contact is customer {customer}");
        return Err(ApiError::conflict(what));
    }
    if conversion.module != CONTACTS {
        return Err(ApiError::conflict(
            "It names no contact, so there is nobody to make a customer of",
        ));
    }
    Ok(conversion)
}

fn standing(word: &str) -> Result<State, ApiError> {
    State::parse(word).ok_or_else(|| {
        let known = State::ALL.map(State::as_str).join(", ");
        ApiError::validation([("state".to_owned(), format!("must be one of {known}"))].into())
    })
}
