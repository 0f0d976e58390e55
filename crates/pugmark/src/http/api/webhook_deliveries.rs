//! `/api/internal/vtiger/webhooks`: what was delivered and what became of it, what was refused, and replaying a delivery.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Conn, Ts};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actor;
use super::paging::{page, page_size};
use crate::desk::{self, Actor};
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page};
use crate::http::parameters::{Parameters, PathNumber};
use crate::http::webhooks::plan;
use crate::http::webhooks::proof::Kind;
use crate::http::webhooks::reading::{self, Letter};
use crate::http::webhooks::{lead_status, maxio};
use crate::store::webhook_deliveries::{self, Became, Delivery, DeliveryFilter, Refusal};

/// Hours of refusals that are shown.
const REFUSALS: u32 = 200;
const STATUSES: [&str; 3] = ["ACCEPTED", "IGNORED", "UNUSABLE"];

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(replay))
        .routes(routes!(refusals))
}

/// A delivery in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryBody {
    /// Its number.
    id: i64,
    /// When it came, RFC 3339 in UTC.
    received_at: String,
    /// Where: `lead-convert`, `vtiger`, `lead-status-change` or `maxio`.
    endpoint: String,
    /// How the sender proved itself: `hmac`, `standard`, `header` or `path`.
    proof: String,
    /// With which of the secrets of that kind, counted from 1 as they are listed in the setting.
    secret_number: i64,
    /// What it says happened.
    event: Option<String>,
    /// Module of the record.
    module: Option<String>,
    /// The record in the CRM.
    record_id: Option<String>,
    /// `ACCEPTED`: an operation reads the record again. `IGNORED`: it concerns nothing of ours. `UNUSABLE`: it cannot be read.
    status: String,
    /// Why it came to nothing.
    reason: Option<String>,
    /// The operation.
    operation_id: Option<String>,
    /// The correlation id of its request, and of the operation.
    correlation_id: String,
    /// How often it came again.
    duplicates: i64,
    /// When it came again last.
    last_duplicate_at: Option<String>,
    /// How often somebody replayed it.
    replays: i64,
    /// When somebody did so last.
    replayed_at: Option<String>,
    /// Who.
    replayed_by: Option<String>,
}

/// A delivery with its body.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WholeDeliveryBody {
    /// What a list shows of it.
    #[serde(flatten)]
    delivery: DeliveryBody,
    /// The header `Content-Type`.
    content_type: Option<String>,
    /// What stood behind the question mark of the address.
    parameters: Option<String>,
    /// The body as it came; of `lead-status-change` and `maxio` without bank data.
    body: String,
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        let text = |at: Ts| at.timestamp().to_string();
        DeliveryBody {
            id: delivery.id,
            received_at: text(delivery.received_at),
            endpoint: delivery.endpoint,
            proof: delivery.proof,
            secret_number: delivery.secret_number,
            event: delivery.event,
            module: delivery.module,
            record_id: delivery.record_id,
            status: delivery.status,
            reason: delivery.reason,
            operation_id: delivery.operation_id.map(|id| id.to_string()),
            correlation_id: delivery.correlation_id,
            duplicates: delivery.duplicates,
            last_duplicate_at: delivery.last_duplicate_at.map(text),
            replays: delivery.replays,
            replayed_at: delivery.replayed_at.map(text),
            replayed_by: delivery.replayed_by,
        }
    }
}

impl From<Delivery> for WholeDeliveryBody {
    fn from(delivery: Delivery) -> Self {
        WholeDeliveryBody {
            content_type: delivery.content_type.clone(),
            parameters: delivery.parameters.clone(),
            body: delivery.body.clone(),
            delivery: delivery.into(),
        }
    }
}

/// Refused deliveries of one hour.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalBody {
    /// The hour's beginning, RFC 3339 in UTC.
    hour: String,
    /// Where: `lead-convert` or `vtiger`.
    endpoint: String,
    /// Why.
    reason: String,
    /// How many.
    count: i64,
    /// When the last one came.
    last_at: String,
}

impl From<Refusal> for RefusalBody {
    fn from(refusal: Refusal) -> Self {
        RefusalBody {
            hour: refusal.hour.timestamp().to_string(),
            endpoint: refusal.endpoint,
            reason: refusal.reason,
            count: refusal.count,
            last_at: refusal.last_at.timestamp().to_string(),
        }
    }
}

/// What a list of deliveries takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParameters {
    /// Only deliveries that became `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    status: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<i64>,
}

/// Lists deliveries whose sender proved itself, newest first.
#[utoipa::path(get, path = "/api/internal/vtiger/webhooks/deliveries", tag = "webhooks", params(DeliveryParameters),
    responses((status = 200, body = Envelope<Page<DeliveryBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<DeliveryParameters>,
) -> Result<Response, ApiError> {
    let size = page_size(parameters.limit);
    let filter = DeliveryFilter {
        status: parameters.status.as_deref().map(status).transpose()?,
        before: parameters.cursor,
        limit: size + 1,
    };
    let found = webhook_deliveries::list(&mut state.db.read().await?, &filter).await?;
    let page = page(found, size, |last| last.id.to_string(), DeliveryBody::from);
    let message = "Deliveries";
    Ok(Envelope::of(StatusCode::OK, &correlation_id, message, page))
}

/// One delivery, with its body.
#[utoipa::path(get, path = "/api/internal/vtiger/webhooks/deliveries/{id}", tag = "webhooks",
    params(("id" = i64, Path, description = "Number of the delivery")),
    responses((status = 200, body = Envelope<WholeDeliveryBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathNumber(id): PathNumber,
) -> Result<Response, ApiError> {
    let found = webhook_deliveries::get(&mut state.db.read().await?, id).await?;
    let body = found
        .map(WholeDeliveryBody::from)
        .ok_or_else(|| missing(id))?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Delivery",
        body,
    ))
}

/// Does once more what a kept delivery calls for, by today's rules. The record is read again, so that what was done already is
/// not done twice. Bank data is not kept with deliveries: a lead's job takes it from the CRM then.
#[utoipa::path(post, path = "/api/internal/vtiger/webhooks/deliveries/{id}/replay", tag = "webhooks",
    params(("id" = i64, Path, description = "Number of the delivery")),
    responses((status = 202, body = Envelope<WholeDeliveryBody>), (status = 404, body = ErrorEnvelope),
              (status = 409, body = ErrorEnvelope)))]
async fn replay(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathNumber(id): PathNumber,
) -> Result<Response, ApiError> {
    let delivery = send_again(&state, id, actor(&caller, None, &correlation_id)).await?;
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        &correlation_id,
        "Delivery replayed",
        WholeDeliveryBody::from(delivery),
    ))
}

/// Does once more what a kept delivery calls for, and gives the delivery as it stands then.
///
/// # Errors
/// 404 without such a delivery, 409 for one that [`cannot_be_replayed`].
pub(in crate::http) async fn send_again(
    state: &AppState,
    id: i64,
    actor: Actor,
) -> Result<Delivery, ApiError> {
    let shared = state.clone();
    state
        .db
        .write("replay webhook", move |conn| {
            Box::pin(async move {
                let kept = webhook_deliveries::get(conn, id)
                    .await?
                    .ok_or_else(|| missing(id))?;
                if let Some(why) = cannot_be_replayed(&kept) {
                    return Err(ApiError::conflict(why));
                }
                let became = plan_again(conn, &shared, &kept, &actor.correlation_id).await?;
                let now = Ts::now();
                webhook_deliveries::note_replay(conn, id, &became, &actor.name, now).await?;
                desk::note(conn, "webhook.replay", &id.to_string(), &actor).await?;
                webhook_deliveries::get(conn, id)
                    .await?
                    .ok_or_else(|| missing(id))
            })
        })
        .await
}

/// Why a delivery is not done once more. A body in which bank data may stand anywhere is kept without its digits, so that what is
/// read in it might be another record than the sender meant.
pub(in crate::http) fn cannot_be_replayed(kept: &Delivery) -> Option<&'static str> {
    let without_digits = kept.endpoint == lead_status::ENDPOINT
        && kept.status == "UNUSABLE"
        && !kept.body.bytes().any(|byte| byte.is_ascii_digit());
    without_digits.then_some(
        "It could not be read and is kept without its digits, since bank data may have been among them: the record that it names is \
         not known for certain. Have the sender send it again, or start the lead's job by hand",
    )
}

async fn plan_again(
    conn: &mut Conn,
    state: &AppState,
    kept: &Delivery,
    request: &str,
) -> Result<Became, QueueError> {
    let letter = Letter {
        body: kept.body.as_bytes(),
        content_type: kept.content_type.as_deref(),
        parameters: kept.parameters.as_deref(),
        conversion: kept.endpoint == "lead-convert",
        max_depth: state.webhooks.max_depth(),
    };
    if kept.endpoint == lead_status::ENDPOINT {
        let said = lead_status::reading::read(&letter, &state.onboarding);
        let means = lead_status::Means::of(state);
        return Ok(lead_status::plan(conn, &means, &said, request)
            .await?
            .became);
    }
    if kept.endpoint == maxio::ENDPOINT {
        return match ::maxio::webhook::Event::parse(kept.body.as_bytes()) {
            Ok(event) => maxio::plan(conn, state, &event, request).await,
            Err(why) => Ok(Became::unusable(&why.to_string())),
        };
    }
    match reading::read(&letter) {
        Ok(said) => plan(conn, &state.queue, &said, proof_of(&kept.proof), request).await,
        Err(why) => Ok(Became::unusable(&why)),
    }
}

/// Counts refused deliveries by the hour, newest first. Nothing of what was sent is kept.
#[utoipa::path(get, path = "/api/internal/vtiger/webhooks/refusals", tag = "webhooks",
    responses((status = 200, body = Envelope<Vec<RefusalBody>>)))]
async fn refusals(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let found = webhook_deliveries::refusals(&mut state.db.read().await?, REFUSALS).await?;
    let body: Vec<RefusalBody> = found.into_iter().map(RefusalBody::from).collect();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Refused deliveries",
        body,
    ))
}

fn missing(id: i64) -> ApiError {
    ApiError::not_found("delivery", &id.to_string())
}

fn proof_of(word: &str) -> Kind {
    [Kind::Hmac, Kind::Standard, Kind::Header]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .unwrap_or(Kind::Path)
}

fn status(word: &str) -> Result<&'static str, ApiError> {
    STATUSES
        .into_iter()
        .find(|status| status.eq_ignore_ascii_case(word.trim()))
        .ok_or_else(|| {
            let what = format!("must be one of {}", STATUSES.join(", "));
            ApiError::validation([("status".to_owned(), what)].into())
        })
}
