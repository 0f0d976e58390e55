//! `/api/internal/policies/{id}/payments` and `/api/internal/payments`: expected and received payments.

mod input;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor;
use super::edit::{check, refuse_if_any};
use super::paging::{PageParameters, page};
use crate::http::AppState;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathId, PathNumber};
use crate::microbima::lifecycle;
use crate::microbima::payment::{Standing, detached_reference, is_placeholder};
use crate::store::policy_payments::{self, PaymentEntry, PolicyPayment};
use crate::store::violation::Violation;
use crate::store::{change_log, policies};
use input::{DetachBody, NewPaymentBody, PaymentPatchBody};

const TABLE: &str = "policy_payments";

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch, remove))
        .routes(routes!(detach))
}

/// A payment as the API shows it. The amount is decimal text in Kenyan shillings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentBody {
    /// The only stable key of a payment.
    #[schema(example = 4711)]
    id: i32,
    /// UUID of the policy.
    policy_id: String,
    /// Label of `PolicyStatus` of the policy: the first completed payment makes it ACTIVE.
    #[schema(example = "ACTIVE")]
    policy_status: String,
    /// UUID of the customer.
    customer_id: String,
    /// Label of `PaymentType`.
    #[schema(example = "MPESA")]
    payment_type: String,
    /// Receipt or other reference; a placeholder where there is none yet.
    #[schema(example = "SGL31HA2Q1")]
    transaction_reference: String,
    /// Shillings.
    #[schema(example = "200.00")]
    amount: String,
    /// Payer's phone or the customer's id number.
    account_number: Option<String>,
    /// Text for people; of a detached payment, the reason.
    details: Option<String>,
    /// When it is expected, digit for digit as stored.
    #[schema(example = "2026-11-21T10:30:00Z")]
    expected_payment_date: String,
    /// When it was paid, digit for digit as stored: of M-Pesa mostly the time of day in Nairobi.
    actual_payment_date: Option<String>,
    /// Label of `PaymentStatus`.
    #[schema(example = "COMPLETED")]
    payment_status: String,
    /// When it was taken off.
    detached_at: Option<String>,
    /// The login of whoever took it off.
    detached_by: Option<String>,
    /// RFC 3339 in UTC.
    created_at: String,
    /// RFC 3339 in UTC.
    updated_at: String,
}

impl From<PolicyPayment> for PaymentBody {
    fn from(row: PolicyPayment) -> Self {
        let entry = row.entry;
        PaymentBody {
            id: row.id,
            policy_id: entry.policy_id,
            policy_status: row.policy_status,
            customer_id: row.customer_id,
            payment_type: entry.payment_type,
            transaction_reference: entry.transaction_reference,
            amount: entry.amount.to_string(),
            account_number: entry.account_number,
            details: entry.details,
            expected_payment_date: entry.expected_payment_date.to_string(),
            actual_payment_date: entry.actual_payment_date.map(|at| at.to_string()),
            payment_status: entry.payment_status,
            detached_at: row.detached_at.map(|at| at.to_string()),
            detached_by: row.detached_by,
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
        }
    }
}

/// A payment that was taken off, and the one booked in its place.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DetachedBody {
    /// The payment that was taken off.
    detached: PaymentBody,
    /// The same receipt on the other policy, where one was named.
    rebooked: Option<PaymentBody>,
}

/// Lists a policy's payments, newest first.
#[utoipa::path(get, path = "/api/internal/policies/{id}/payments", tag = "payments",
    params(("id" = String, Path, description = "UUID of the policy"), PageParameters),
    responses((status = 200, body = Envelope<Page<PaymentBody>>), (status = 404, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(policy): PathId,
    Parameters(paging): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let policy = policy.to_string();
    let before = paging.before_number()?;
    let mut conn = state.db.read().await?;
    policy_or_404(&mut conn, &policy).await?;
    let limit = paging.size() + 1;
    let found = policy_payments::of_policy(&mut conn, &policy, before, limit).await?;
    let page = page(
        found,
        paging.size(),
        |last| cursor::encode_number(last.id),
        PaymentBody::from,
    );
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Payments",
        page,
    ))
}

/// Writes a payment: one that is expected, or one that has come. An expected one gets a placeholder as its reference. The
/// contact's figures follow by themselves; the first payment that has come activates the policy, a moment later.
#[utoipa::path(post, path = "/api/internal/policies/{id}/payments", tag = "payments", request_body = NewPaymentBody,
    params(("id" = String, Path, description = "UUID of the policy")),
    responses((status = 201, body = Envelope<PaymentBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(policy): PathId,
    JsonBody(body): JsonBody<NewPaymentBody>,
) -> Result<Response, ApiError> {
    let now = Ts::now();
    let edited = body.edited(policy.to_string(), now);
    check(&edited, None)?;
    let entry = edited.into_entry()?;
    let correlation = correlation_id.to_string();
    let row = state
        .db
        .write("write payment", move |conn| {
            Box::pin(async move {
                policy_or_404(conn, &entry.policy_id).await?;
                insert(conn, &entry, &correlation, now).await
            })
        })
        .await?;
    let row = followed_by_activation(&state, &correlation_id, row).await?;
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Payment written",
        PaymentBody::from(row),
    ))
}

/// One payment.
#[utoipa::path(get, path = "/api/internal/payments/{id}", tag = "payments",
    params(("id" = i32, Path, description = "Number of the payment")),
    responses((status = 200, body = Envelope<PaymentBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathNumber(id): PathNumber,
) -> Result<Response, ApiError> {
    let mut conn = state.db.read().await?;
    let row = after_write(&mut conn, payment_id(id)?).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Payment",
        PaymentBody::from(row),
    ))
}

/// Changes a payment. What is left out stays, `null` clears. An expected payment is completed by a status and, for `COMPLETED`,
/// the receipt; without a date of its own the expected date becomes that of the payment. A payment that has come does not
/// become an expected one again: it is detached.
#[utoipa::path(patch, path = "/api/internal/payments/{id}", tag = "payments",
    request_body(content = PaymentPatchBody, example = json!({
        "paymentStatus": "COMPLETED", "transactionReference": "SGL31HA2Q1", "amount": "200.00",
        "actualPaymentDate": "2026-11-21T10:30:00" })),
    params(("id" = i32, Path, description = "Number of the payment")),
    responses((status = 200, body = Envelope<PaymentBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathNumber(id): PathNumber,
    JsonBody(body): JsonBody<PaymentPatchBody>,
) -> Result<Response, ApiError> {
    let id = payment_id(id)?;
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let row = state
        .db
        .write("change payment", move |conn| {
            Box::pin(async move {
                let row = held(conn, id).await?;
                let standing = standing_of(&row);
                if standing == Standing::Detached {
                    return Err(ApiError::conflict(
                        "This payment was detached and cannot be changed",
                    ));
                }
                let (edited, over) = body.edited(&row.entry);
                refuse_if_any(edited.broken_rules(&over))?;
                let entry = edited.into_entry()?;
                if standing == Standing::Paid
                    && Standing::of(&entry.payment_status, false) != Standing::Paid
                {
                    let what = "This payment has come; detach it to take it off";
                    return Err(ApiError::conflict(what).field("paymentStatus", what));
                }
                refuse_policy_of_another(conn, &row, &entry).await?;
                policy_payments::update(conn, id, &entry, now)
                    .await
                    .map_err(refused_by_constraint)?;
                change_log::correlate(conn, TABLE, &id.to_string(), &correlation).await?;
                after_write(conn, id).await
            })
        })
        .await?;
    let row = followed_by_activation(&state, &correlation_id, row).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Payment changed",
        PaymentBody::from(row),
    ))
}

/// Takes off a payment that has come. The row stays with the reason; its reference becomes `[d]<id>-<old reference>`, cut at 50
/// characters. With `rebookOnPolicyId` the same receipt is booked on that policy, of whatever customer, in the same
/// transaction. The figures of both contacts follow by themselves.
#[utoipa::path(post, path = "/api/internal/payments/{id}/detach", tag = "payments", request_body = DetachBody,
    params(("id" = i32, Path, description = "Number of the payment")),
    responses((status = 200, body = Envelope<DetachedBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn detach(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathNumber(id): PathNumber,
    JsonBody(body): JsonBody<DetachBody>,
) -> Result<Response, ApiError> {
    let id = payment_id(id)?;
    let body = body.checked()?;
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let (detached, rebooked) = state
        .db
        .write("detach payment", move |conn| {
            Box::pin(async move {
                let row = held(conn, id).await?;
                match standing_of(&row) {
                    Standing::Paid => {}
                    Standing::Unpaid => {
                        let what = "This payment has not come; it can be deleted, not detached";
                        return Err(ApiError::conflict(what));
                    }
                    Standing::Detached => {
                        return Err(ApiError::conflict("This payment was detached before"));
                    }
                }
                let old = &row.entry;
                let reference = detached_reference(id, &old.transaction_reference);
                let by = body.detached_by.as_deref();
                policy_payments::detach(conn, id, &reference, &body.reason, by, now).await?;
                change_log::correlate(conn, TABLE, &id.to_string(), &correlation).await?;
                let rebooked = match &body.rebook_on_policy_id {
                    None => None,
                    Some(policy) => {
                        let entry = rebooked_on(conn, old, policy).await?;
                        Some(insert(conn, &entry, &correlation, now).await?)
                    }
                };
                Ok((after_write(conn, id).await?, rebooked))
            })
        })
        .await?;
    let rebooked = match rebooked {
        Some(row) => Some(followed_by_activation(&state, &correlation_id, row).await?),
        None => {
            state.relay.notify_one();
            None
        }
    };
    let body = DetachedBody {
        detached: detached.into(),
        rebooked: rebooked.map(PaymentBody::from),
    };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Payment detached",
        body,
    ))
}

/// Deletes a placeholder: an expected payment whose prompt could not be sent. What has come, or looks as if it had, stays.
#[utoipa::path(delete, path = "/api/internal/payments/{id}", tag = "payments",
    params(("id" = i32, Path, description = "Number of the payment")),
    responses((status = 200, body = Envelope<PaymentBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope)))]
async fn remove(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathNumber(id): PathNumber,
) -> Result<Response, ApiError> {
    let id = payment_id(id)?;
    let correlation = correlation_id.to_string();
    let row = state
        .db
        .write("delete payment", move |conn| {
            Box::pin(async move {
                let row = held(conn, id).await?;
                if standing_of(&row) != Standing::Unpaid {
                    let what = "Only an expected payment can be deleted; detach one that has come";
                    return Err(ApiError::conflict(what));
                }
                // Rows from before MicroBima had the status look unpaid although their money came.
                if !is_placeholder(&row.entry.transaction_reference) {
                    let what =
                        "This row carries a real reference and may be an old payment; it is kept";
                    return Err(ApiError::conflict(what));
                }
                policy_payments::delete(conn, id).await?;
                change_log::correlate(conn, TABLE, &id.to_string(), &correlation).await?;
                Ok::<_, ApiError>(row)
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Payment deleted",
        PaymentBody::from(row),
    ))
}

/// MicroBima numbers payments with 32 bits.
fn payment_id(number: i64) -> Result<i32, ApiError> {
    i32::try_from(number).map_err(|_| ApiError::not_found("payment", &number.to_string()))
}

fn standing_of(row: &PolicyPayment) -> Standing {
    Standing::of(&row.entry.payment_status, row.detached_at.is_some())
}

async fn policy_or_404(conn: &mut Conn, id: &str) -> Result<(), ApiError> {
    policies::get(conn, id)
        .await?
        .map(drop)
        .ok_or_else(|| ApiError::not_found("policy", id))
}

async fn held(conn: &mut Conn, id: i32) -> Result<PolicyPayment, ApiError> {
    policy_payments::get_for_update(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("payment", &id.to_string()))
}

async fn after_write(conn: &mut Conn, id: i32) -> Result<PolicyPayment, ApiError> {
    policy_payments::get(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("payment", &id.to_string()))
}

async fn insert(
    conn: &mut Conn,
    entry: &PaymentEntry,
    correlation: &str,
    now: Ts,
) -> Result<PolicyPayment, ApiError> {
    let id = policy_payments::insert(conn, entry, now)
        .await
        .map_err(refused_by_constraint)?;
    change_log::correlate(conn, TABLE, &id.to_string(), correlation).await?;
    after_write(conn, id).await
}

/// What follows on a payment that has come is a transaction of its own, as in MicroBima. Should it fail, the payment stands and
/// the caller is told so by the policy's status; completing it once more tries again.
async fn followed_by_activation(
    state: &AppState,
    correlation_id: &CorrelationId,
    row: PolicyPayment,
) -> Result<PolicyPayment, ApiError> {
    if standing_of(&row) != Standing::Paid || row.policy_status != "PENDING_ACTIVATION" {
        state.relay.notify_one();
        return Ok(row);
    }
    let (payment, correlation) = (row.clone(), correlation_id.to_string());
    let activated = state
        .db
        .write("activate policy", move |conn| {
            Box::pin(async move {
                lifecycle::activate(conn, &payment, &correlation, Ts::now()).await?;
                policy_payments::get(conn, payment.id).await
            })
        })
        .await;
    state.relay.notify_one();
    match activated {
        Ok(after) => Ok(after.unwrap_or(row)),
        Err(error) => {
            let error: DbError = error;
            tracing::error!(payment = row.id, %error, "the policy of a payment could not be activated");
            Ok(row)
        }
    }
}

/// A product change moves payments to another policy of the same customer, and to nobody else's.
async fn refuse_policy_of_another(
    conn: &mut Conn,
    row: &PolicyPayment,
    entry: &PaymentEntry,
) -> Result<(), ApiError> {
    if entry.policy_id == row.entry.policy_id {
        return Ok(());
    }
    let policy = policies::get(conn, &entry.policy_id).await?;
    match policy {
        Some(policy) if policy.customer_id == row.customer_id => Ok(()),
        _ => {
            let what =
                "must be a policy of the same customer; detach the payment to book it on another's";
            Err(ApiError::validation(
                [("policyId".to_owned(), what.to_owned())].into(),
            ))
        }
    }
}

/// The same receipt on another policy.
async fn rebooked_on(
    conn: &mut Conn,
    old: &PaymentEntry,
    policy: &str,
) -> Result<PaymentEntry, ApiError> {
    let refused = |what: &str| {
        ApiError::validation([("rebookOnPolicyId".to_owned(), what.to_owned())].into())
    };
    if policy == old.policy_id {
        return Err(refused("must be another policy than that of the payment"));
    }
    if policies::get(conn, policy).await?.is_none() {
        return Err(refused("there is no such policy"));
    }
    Ok(PaymentEntry {
        policy_id: policy.to_owned(),
        ..old.clone()
    })
}

/// Names the field behind a violated constraint.
fn refused_by_constraint(error: DbError) -> ApiError {
    match Violation::of(&error) {
        Some(violation) if violation.is_taken("transactionReference") => {
            let what = "Another payment has this reference";
            ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "DUPLICATE_TRANSACTION_REFERENCE",
                what,
            )
            .field("transactionReference", what)
        }
        _ => error.into(),
    }
}
