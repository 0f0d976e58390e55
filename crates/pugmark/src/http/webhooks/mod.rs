//! Receiving webhooks: who sent it, what it says, and what it leads to, stored together before the sender gets its answer.

mod effect;
pub mod lead_status;
mod limits;
pub mod maxio;
pub mod proof;
pub mod reading;
mod refusals;
pub mod stringify;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use pugmark_queue::db::{Db, Ts};
use pugmark_queue::{Queue, QueueError};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::correlation::CorrelationId;
use super::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::config;
use crate::store::webhook_deliveries::{self, Became, Delivery, NewDelivery};
use limits::Limits;
use proof::{Kind, Proven, Shown, Unproven, judge};
use reading::Letter;
use refusals::Refusals;

pub use effect::plan;

/// Where conversions of leads are taken.
pub const LEAD_CONVERT: &str = "/api/internal/vtiger/webhooks/lead-convert";
/// Where everything else is taken, and conversions, too.
pub const GENERAL: &str = "/webhooks/vtiger";
/// How long a body without an id of its own is taken for the same delivery.
const SAME_BODY_FOR: Duration = Duration::from_secs(600);

/// Takes deliveries.
pub struct Receiver {
    settings: config::Webhooks,
    limits: Limits,
    refusals: Arc<Refusals>,
    /// Takes in leads.
    leads: Arc<lead_status::Together>,
}

impl Receiver {
    /// A receiver with these settings. `onboards`: leads are set up in Maxio; `seals`: there is a key to seal what is received of
    /// them with.
    pub fn new(settings: config::Webhooks, onboards: bool, seals: bool) -> Self {
        if settings.secrets.is_empty() {
            tracing::info!(
                "webhooks are refused: none of VTIGER_WEBHOOK_SECRET, VTIGER_WEBHOOK_SIGNING_KEY, \
                 VTIGER_WEBHOOK_HEADER_SECRET and VTIGER_WEBHOOK_PATH_SECRET is set"
            );
        }
        if onboards && !settings.secrets.is_empty() && !seals {
            tracing::warn!(
                "PUGMARK_SEAL_KEY is not set: what webhooks say of leads is not kept, everything is read in the CRM"
            );
        }
        Receiver {
            limits: Limits::new(settings.per_minute, settings.per_peer),
            refusals: Arc::default(),
            leads: Arc::default(),
            settings,
        }
    }

    /// Deepest nesting of a body.
    pub fn max_depth(&self) -> usize {
        self.settings.max_depth
    }
}

/// The routes. They are open to everybody: each delivery proves itself.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(lead_convert))
        .routes(routes!(general))
        .routes(routes!(general_with_secret))
        .merge(lead_status::routes())
        .merge(maxio::routes())
}

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptBody {
    /// Its number; `null` for one that came before and is kept no more.
    delivery_id: Option<i64>,
    /// `ACCEPTED`: an operation reads the record again. `IGNORED`: it concerns nothing of ours. `UNUSABLE`: it cannot be read.
    status: String,
    /// Why it came to nothing.
    reason: Option<String>,
    /// The operation.
    operation_id: Option<String>,
}

/// Takes the conversion of a lead. The body names the contact (`contact_id`, or `id` of a workflow on contacts), the lead
/// (`lead_id`), or both; JSON or a form.
#[utoipa::path(post, path = "/api/internal/vtiger/webhooks/lead-convert", tag = "webhooks", security(()),
    request_body(content = Object, description = "JSON or a form"),
    responses((status = 202, body = Envelope<ReceiptBody>), (status = 401, body = ErrorEnvelope),
              (status = 413, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope), (status = 429, body = ErrorEnvelope)))]
async fn lead_convert(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    request: Request,
) -> Result<Response, ApiError> {
    receive(&state, "lead-convert", None, &correlation_id, request).await
}

/// Takes a delivery of vTiger's extension, of a workflow, or of a script.
#[utoipa::path(post, path = "/webhooks/vtiger", tag = "webhooks", security(()),
    request_body(content = Object, description = "JSON or a form"),
    responses((status = 202, body = Envelope<ReceiptBody>), (status = 401, body = ErrorEnvelope),
              (status = 413, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope), (status = 429, body = ErrorEnvelope)))]
async fn general(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    request: Request,
) -> Result<Response, ApiError> {
    receive(&state, "vtiger", None, &correlation_id, request).await
}

/// The same for senders that can show a secret only in the address.
#[utoipa::path(post, path = "/webhooks/vtiger/{secret}", tag = "webhooks", security(()),
    params(("secret" = String, Path, description = "VTIGER_WEBHOOK_PATH_SECRET")),
    request_body(content = Object, description = "JSON or a form"),
    responses((status = 202, body = Envelope<ReceiptBody>), (status = 401, body = ErrorEnvelope),
              (status = 413, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope), (status = 429, body = ErrorEnvelope)))]
async fn general_with_secret(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    receive(&state, "vtiger", Some(&secret), &correlation_id, request).await
}

async fn receive(
    state: &AppState,
    endpoint: &'static str,
    path: Option<&str>,
    correlation_id: &CorrelationId,
    request: Request,
) -> Result<Response, ApiError> {
    let receiver = &state.webhooks;
    let (parts, body, proven) = prove(state, endpoint, path, false, request).await?;
    let arrived = Arrived::of(endpoint, &parts, body, proven, correlation_id, receiver);
    let proof = arrived.proof;
    let receipt = take_in(&state.db, &state.queue, arrived).await?;
    if receipt.status == "UNUSABLE" && proof != Kind::Standard {
        return Err(unusable(&receipt));
    }
    Ok(Envelope::of(
        StatusCode::ACCEPTED,
        correlation_id,
        "Delivery stored",
        receipt,
    ))
}

/// Reads the body of a delivery and has the sender prove itself, within the limits. `reserialised`: a signature over the JSON as
/// JavaScript would write it again counts here whatever the setting says.
async fn prove(
    state: &AppState,
    endpoint: &'static str,
    path: Option<&str>,
    reserialised: bool,
    request: Request,
) -> Result<(Parts, Bytes, Proven), ApiError> {
    let receiver = &state.webhooks;
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let refused = |reason| receiver.refusals.count(&state.db, endpoint, reason);
    if let Err(seconds) = receiver.limits.take(peer.map(|peer| peer.0.ip())) {
        refused("too many");
        return Err(too_many(seconds));
    }
    let Ok(body) = to_bytes(body, receiver.settings.max_body).await else {
        refused("too large, or cut off");
        return Err(too_large());
    };
    let shown = Shown {
        headers: &parts.headers,
        path,
        body: &body,
        reserialised: reserialised || receiver.settings.reserialised,
        now: Timestamp::now(),
    };
    let proven = judge(&receiver.settings, &shown).map_err(|why| {
        refused(why.as_str());
        not_proven(why)
    })?;
    Ok((parts, body, proven))
}

/// A delivery that proved itself.
struct Arrived {
    new: NewDelivery,
    proof: Kind,
    /// What it says, or why it cannot be used.
    said: Result<reading::Said, String>,
    /// Another delivery with the same key since then is the same one.
    same_since: Ts,
}

impl Arrived {
    fn of(
        endpoint: &'static str,
        parts: &Parts,
        body: Bytes,
        proven: Proven,
        correlation_id: &CorrelationId,
        receiver: &Receiver,
    ) -> Self {
        let content_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .map(|kind| kind.chars().take(200).collect::<String>());
        let parameters = parts.uri.query().map(str::to_owned);
        let said = reading::read(&Letter {
            body: &body,
            content_type: content_type.as_deref(),
            parameters: parameters.as_deref(),
            conversion: endpoint == "lead-convert",
            max_depth: receiver.max_depth(),
        });
        let now = Ts::now();
        let in_body = said.as_ref().ok().and_then(|said| said.delivery_id.clone());
        let id = proven.id.or(in_body);
        let (dedup_key, same_since) = match id {
            Some(id) => (
                format!("id:{}:{id}", proven.kind.as_str()),
                Ts::from_micros(0),
            ),
            None => (
                hash_of(endpoint, parameters.as_deref(), &body),
                now.before(SAME_BODY_FOR),
            ),
        };
        Arrived {
            new: NewDelivery {
                received_at: now,
                endpoint: endpoint.into(),
                proof: proven.kind.as_str().into(),
                secret_number: i64::try_from(proven.secret_number).unwrap_or(i64::MAX),
                dedup_key: storable(&dedup_key),
                content_type: content_type.as_deref().map(storable),
                parameters: parameters.as_deref().map(storable),
                body: storable(&String::from_utf8_lossy(&body)),
                correlation_id: correlation_id.to_string(),
            },
            proof: proven.kind,
            said: said.map_err(|why| storable(&why)),
            same_since,
        }
    }
}

/// Stores the delivery, its key and its operation in one commit; one that came before has no second effect.
async fn take_in(db: &Db, queue: &Queue, arrived: Arrived) -> Result<ReceiptBody, QueueError> {
    let queue = queue.clone();
    db.write("receive webhook", move |conn| {
        Box::pin(async move {
            let Arrived {
                new,
                proof,
                said,
                same_since,
            } = arrived;
            let (key, now) = (&new.dedup_key, new.received_at);
            if !webhook_deliveries::claim_key(conn, key, now, same_since).await? {
                let before = webhook_deliveries::note_duplicate(conn, key, now).await?;
                return Ok(ReceiptBody::again(before));
            }
            let became = match &said {
                Ok(said) => plan(conn, &queue, said, proof, &new.correlation_id).await?,
                Err(why) => Became::unusable(why),
            };
            let id = webhook_deliveries::insert(conn, &new, &became).await?;
            Ok(ReceiptBody {
                delivery_id: Some(id),
                status: became.status.to_owned(),
                reason: became.reason,
                operation_id: became.operation_id.map(|id| id.to_string()),
            })
        })
    })
    .await
}

impl ReceiptBody {
    fn again(before: Option<Delivery>) -> Self {
        match before {
            Some(delivery) => ReceiptBody {
                delivery_id: Some(delivery.id),
                status: delivery.status,
                reason: delivery.reason,
                operation_id: delivery.operation_id.map(|id| id.to_string()),
            },
            None => ReceiptBody {
                delivery_id: None,
                status: "ACCEPTED".to_owned(),
                reason: None,
                operation_id: None,
            },
        }
    }
}

/// The same words to the same place. The lengths in front keep parts apart.
fn hash_of(endpoint: &str, parameters: Option<&str>, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [
        endpoint.as_bytes(),
        parameters.unwrap_or_default().as_bytes(),
        body,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("body:{}", hex::encode(hash.finalize()))
}

/// PostgreSQL keeps every character but this one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Says nothing of what was wrong: whoever has the secret finds that in the log.
fn not_proven(why: Unproven) -> ApiError {
    if why == Unproven::NothingConfigured {
        tracing::debug!("a delivery came although no secret of webhooks is set");
    }
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "The delivery is not accepted",
    )
}

fn too_many(seconds: u32) -> ApiError {
    let mut error = ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "TOO_MANY_REQUESTS",
        "Too many deliveries; send it again later",
    );
    error.retry_after = Some(seconds);
    error
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        "The body is larger than deliveries may be, or ended too early",
    )
}

fn unusable(receipt: &ReceiptBody) -> ApiError {
    let why = receipt.reason.as_deref().unwrap_or("it cannot be read");
    let number = receipt.delivery_id.unwrap_or_default();
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "UNUSABLE_DELIVERY",
        format!("Delivery {number} is kept but cannot be used: {why}"),
    )
}
