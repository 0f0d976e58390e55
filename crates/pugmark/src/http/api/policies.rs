//! `/api/internal/customers/{id}/policies` and `/api/internal/policies`.

mod input;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::edit::{broken_rules, check, refuse_if_any};
use super::paging::{PageParameters, page};
use super::{acting_login, cursor, customer_or_404};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId};
use crate::microbima::lifecycle::{self, Reason};
use crate::store::policies::{self, Policy, PolicyTerms};
use crate::store::violation::Violation;
use crate::store::{change_log, products};
use input::{NewPolicyBody, PolicyPatchBody};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch))
}

/// A policy as the API shows it. Amounts are decimal text in Kenyan shillings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyBody {
    /// UUID.
    #[schema(example = "3e0a5d0e-43c0-4a53-8a3e-6f6f5f1d7a20")]
    id: String,
    /// UUID of the customer.
    customer_id: String,
    /// Unique where there is one.
    #[schema(example = "MP/MFG/001")]
    policy_number: Option<String>,
    /// Name of the product.
    #[schema(example = "MfanisiGo Gold")]
    product_name: String,
    /// Label of MicroBima's `PolicyStatus`.
    #[schema(example = "PENDING_ACTIVATION")]
    status: String,
    /// An instalment.
    #[schema(example = "200.00")]
    premium: String,
    /// A year's premium.
    annual_premium: Option<String>,
    /// Label of `PaymentFrequency`.
    #[schema(example = "WEEKLY")]
    frequency: String,
    /// Days between instalments.
    #[schema(example = 7)]
    payment_cadence: i32,
    /// Id of the package.
    #[schema(example = 1)]
    package_id: i32,
    /// Id of the plan within the package.
    package_plan_id: Option<i32>,
    /// Account number for payments by pay bill.
    #[schema(example = "12345678")]
    payment_ac_number: Option<String>,
    /// Number of the member at the employer.
    staff_number: Option<String>,
    /// Begin of the cover; `null` until the first payment.
    start_date: Option<String>,
    /// End of the cover.
    end_date: Option<String>,
    /// Payments are overdue, but the policy still holds.
    in_grace_period: bool,
    /// When it was deactivated or terminated.
    deactivated_at: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    updated_at: String,
}

impl From<Policy> for PolicyBody {
    fn from(row: Policy) -> Self {
        let text = |at: Ts| at.to_string();
        let terms = row.terms;
        PolicyBody {
            id: row.id,
            customer_id: row.customer_id,
            policy_number: terms.policy_number,
            product_name: terms.product_name,
            status: row.status,
            premium: terms.premium.to_string(),
            annual_premium: terms.annual_premium.map(|amount| amount.to_string()),
            frequency: terms.frequency,
            payment_cadence: terms.payment_cadence,
            package_id: terms.package_id,
            package_plan_id: terms.package_plan_id,
            payment_ac_number: terms.payment_ac_number,
            staff_number: terms.staff_number,
            start_date: terms.start_date.map(text),
            end_date: terms.end_date.map(text),
            in_grace_period: row.in_grace_period,
            deactivated_at: row.deactivated_at.map(text),
            created_at: text(row.created_at),
            updated_at: text(row.updated_at),
        }
    }
}

/// Lists a customer's policies, newest first.
#[utoipa::path(get, path = "/api/internal/customers/{id}/policies", tag = "policies",
    params(("id" = String, Path, description = "UUID of the customer"), PageParameters),
    responses((status = 200, body = Envelope<Page<PolicyBody>>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    Parameters(paging): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let customer = customer.to_string();
    let wanted = paging.wanted(&state)?;
    let mut conn = state.db.read().await?;
    customer_or_404(&mut conn, &customer).await?;
    let found = policies::of_customer(&mut conn, &customer, &wanted).await?;
    let page = page(
        found,
        paging.size(),
        |last| cursor::encode(&last.place, &last.id),
        PolicyBody::from,
    );
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Policies",
        page,
    ))
}

/// Writes a policy. A customer has at most one open policy of a package (ACTIVE, PENDING_ACTIVATION or SUSPENDED): a second
/// one is a conflict. The first completed payment makes it active.
#[utoipa::path(post, path = "/api/internal/customers/{id}/policies", tag = "policies", request_body = NewPolicyBody,
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 201, body = Envelope<PolicyBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(customer): PathId,
    JsonBody(body): JsonBody<NewPolicyBody>,
) -> Result<Response, ApiError> {
    let edited = body.edited();
    check(&edited, None)?;
    let (status, terms) = edited.into_terms()?;
    let customer = customer.to_string();
    let id = Uuid::new_v4().to_string();
    let correlation = correlation_id.to_string();
    let row = state
        .db
        .write("write policy", move |conn| {
            Box::pin(async move {
                customer_or_404(conn, &customer).await?;
                refuse_unknown_products(conn, &terms).await?;
                policies::insert(conn, &id, &customer, &status, &terms, Ts::now())
                    .await
                    .map_err(refused_by_constraint)?;
                change_log::correlate(conn, "policies", &id, &correlation).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Policy written",
        PolicyBody::from(row),
    ))
}

/// One policy.
#[utoipa::path(get, path = "/api/internal/policies/{id}", tag = "policies",
    params(("id" = String, Path, description = "UUID of the policy")),
    responses((status = 200, body = Envelope<PolicyBody>), (status = 404, body = ErrorEnvelope)))]
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
        "Policy",
        PolicyBody::from(row),
    ))
}

/// Changes a policy. What is left out stays, `null` clears. A new status is recorded with its reason, and the customer's status
/// follows those of all the policies: any ACTIVE one wins, else PENDING_ACTIVATION, else SUSPENDED, else the customer is closed.
#[utoipa::path(patch, path = "/api/internal/policies/{id}", tag = "policies", request_body = PolicyPatchBody,
    params(("id" = String, Path, description = "UUID of the policy")),
    responses((status = 200, body = Envelope<PolicyBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<PolicyPatchBody>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let row = state
        .db
        .write("change policy", move |conn| {
            Box::pin(async move {
                let row = policies::get_for_update(conn, &id)
                    .await?
                    .ok_or_else(|| ApiError::not_found("policy", &id))?;
                let reason = Reason {
                    text: body.reason(),
                    changed_by: acting_login(&caller),
                    correlation_id: correlation.clone(),
                };
                let (edited, over) = body.edited(&row);
                refuse_if_any(broken_rules(&edited, Some(&over)))?;
                let (status, terms) = edited.into_terms()?;
                refuse_unknown_products(conn, &terms).await?;
                policies::update(conn, &id, &terms, now)
                    .await
                    .map_err(refused_by_constraint)?;
                let statuses = (row.status.as_str(), status.as_str());
                lifecycle::change_policy_status(
                    conn,
                    &row.customer_id,
                    &id,
                    statuses,
                    &reason,
                    now,
                )
                .await
                .map_err(refused_by_constraint)?;
                change_log::correlate(conn, "policies", &id, &correlation).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Policy changed",
        PolicyBody::from(row),
    ))
}

async fn after_write(conn: &mut Conn, id: &str) -> Result<Policy, ApiError> {
    policies::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("policy", id))
}

async fn refuse_unknown_products(conn: &mut Conn, terms: &PolicyTerms) -> Result<(), ApiError> {
    let refused = |field: &str, what: &str| {
        Err(ApiError::validation(
            [(field.to_owned(), what.to_owned())].into(),
        ))
    };
    if !products::has_package(conn, terms.package_id).await? {
        return refused("packageId", "there is no such package");
    }
    match terms.package_plan_id {
        Some(plan) if !products::has_plan(conn, plan, terms.package_id).await? => {
            refused("packagePlanId", "there is no such plan in the package")
        }
        _ => Ok(()),
    }
}

/// Names the field behind a violated constraint.
fn refused_by_constraint(error: DbError) -> ApiError {
    let Some(violation @ Violation::Taken(_)) = Violation::of(&error) else {
        return error.into();
    };
    let duplicate = |code, field: &str, what: &str| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, what).field(field, what)
    };
    if violation.is_taken("packageId") {
        let what = "The customer has an open policy of this package; close that one first";
        ApiError::conflict(what).field("packageId", what)
    } else if violation.is_taken("policyNumber") {
        let what = "Another policy has this number";
        duplicate("DUPLICATE_POLICY_NUMBER", "policyNumber", what)
    } else if violation.is_taken("paymentAcNumber") {
        let what = "Another policy has this account number";
        duplicate("DUPLICATE_ACCOUNT_NUMBER", "paymentAcNumber", what)
    } else {
        error.into()
    }
}
