//! Maxio's webhooks: signed forms, each with an id that stays the same however often it is sent. What they say is a hint: the
//! subscription is read again before the lead is told.

use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use maxio::webhook::{Event, SIGNATURE_HEADER, verify};
use pugmark_queue::QueueError;
use pugmark_queue::db::{Conn, Ts};
use serde_json::json;
use url::form_urlencoded;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{hash_of, not_proven, storable, too_large, too_many};
use crate::flows::onboarding::subscription_state::operation;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, ErrorEnvelope};
use crate::http::webhooks::proof::Unproven;
use crate::store::webhook_deliveries::{self, Became, NewDelivery};
use crate::store::{maxio_debits, sync_jobs};

/// Where they are taken.
pub const MAXIO: &str = "/webhooks/maxio";
/// What their deliveries are called.
pub const ENDPOINT: &str = "maxio";
/// Who noticed it, in operations.
const BY: &str = "maxio";
/// Parameters whose names hold one of these words are not kept: on test sites the token of the vault is the account's number.
const BANK_DATA: [&str; 7] = [
    "bank",
    "vault",
    "iban",
    "account_number",
    "routing",
    "card",
    "token",
];
/// The longest reason of a bank that is told.
const LONGEST_REASON: usize = 100;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(take))
}

/// Takes an event of Maxio. Every delivery whose signature is right is answered 200, also one that comes a second time or
/// concerns nobody here: Maxio sends everything else again.
#[utoipa::path(post, path = "/webhooks/maxio", tag = "webhooks", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded", description = "A form with `id`, `event` and `payload[...]`"),
    responses((status = 200, description = "Stored"), (status = 401, body = ErrorEnvelope), (status = 413, body = ErrorEnvelope),
              (status = 429, body = ErrorEnvelope)))]
async fn take(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    request: Request,
) -> Result<Response, ApiError> {
    let (headers, body) = genuine(&state, request).await?;
    let event = Event::parse(&body);
    if event.as_ref().is_ok_and(Event::is_test) {
        tracing::info!("Maxio's test of its webhooks has arrived");
        return Ok(received());
    }
    let new = delivery(&headers, &body, event.as_ref().ok(), &correlation_id);
    let shared = state.clone();
    state
        .db
        .write("receive Maxio webhook", move |conn| {
            Box::pin(async move { take_in(conn, &shared, new, event.ok()).await })
        })
        .await?;
    Ok(received())
}

fn received() -> Response {
    (StatusCode::OK, Json(json!({ "status": "received" }))).into_response()
}

/// The body of a delivery that Maxio has signed, within the limits.
async fn genuine(state: &AppState, request: Request) -> Result<(HeaderMap, Bytes), ApiError> {
    let receiver = &state.webhooks;
    let (parts, body) = request.into_parts();
    let peer = parts
        .extensions
        .get::<ConnectInfo<std::net::SocketAddr>>()
        .map(|peer| peer.0.ip());
    let refused = |reason| receiver.refusals.count(&state.db, ENDPOINT, reason);
    if let Err(seconds) = receiver.limits.take(peer) {
        refused("too many");
        return Err(too_many(seconds));
    }
    let Ok(body) = to_bytes(body, receiver.settings.max_body).await else {
        refused("too large, or cut off");
        return Err(too_large());
    };
    let maxio = state.maxio.as_ref();
    let Some(secret) = maxio.and_then(|maxio| maxio.webhook_secret.as_ref()) else {
        refused(Unproven::NothingConfigured.as_str());
        return Err(not_proven(Unproven::NothingConfigured));
    };
    let signature = parts.headers.get(SIGNATURE_HEADER);
    let signature = signature.and_then(|value| value.to_str().ok());
    if !signature.is_some_and(|signature| verify(secret, &body, signature)) {
        refused(Unproven::BadSignature.as_str());
        return Err(not_proven(Unproven::BadSignature));
    }
    Ok((parts.headers, body))
}

fn delivery(
    headers: &HeaderMap,
    body: &Bytes,
    event: Option<&Event>,
    correlation_id: &CorrelationId,
) -> NewDelivery {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .map(|kind| storable(&kind.chars().take(200).collect::<String>()));
    let id = event.and_then(|event| event.id.as_deref());
    NewDelivery {
        received_at: Ts::now(),
        endpoint: ENDPOINT.into(),
        proof: "hmac".into(),
        secret_number: 1,
        dedup_key: match id {
            Some(id) => storable(&format!("id:maxio:{id}")),
            None => hash_of(ENDPOINT, None, body),
        },
        content_type,
        parameters: None,
        body: storable(&without_bank_data(body)),
        correlation_id: correlation_id.to_string(),
    }
}

/// The form as it is kept.
fn without_bank_data(body: &[u8]) -> String {
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(body) {
        let small = name.to_lowercase();
        let secret = BANK_DATA.iter().any(|word| small.contains(word));
        kept.append_pair(
            &name,
            if secret && !value.is_empty() {
                "***"
            } else {
                &value
            },
        );
    }
    kept.finish()
}

/// Stores the delivery, its key and its operation in one commit; one that came before has no second effect.
async fn take_in(
    conn: &mut Conn,
    state: &AppState,
    new: NewDelivery,
    event: Option<Event>,
) -> Result<(), QueueError> {
    let (key, now) = (&new.dedup_key, new.received_at);
    if !webhook_deliveries::claim_key(conn, key, now, Ts::from_micros(0)).await? {
        webhook_deliveries::note_duplicate(conn, key, now).await?;
        return Ok(());
    }
    let became = match &event {
        Some(event) => plan(conn, state, event, &new.correlation_id).await?,
        None => Became::unusable("the body names no event, or no id of it"),
    };
    webhook_deliveries::insert(conn, &new, &became).await?;
    Ok(())
}

/// Does what an event calls for, in the caller's transaction.
///
/// # Errors
/// Whatever the database says.
pub async fn plan(
    conn: &mut Conn,
    state: &AppState,
    event: &Event,
    correlation_id: &str,
) -> Result<Became, QueueError> {
    let subscription = event.subscription_id().map(|id| id.to_string());
    let became = |operation_id, reason: Option<&str>| Became {
        status: match reason {
            None => "ACCEPTED",
            Some(_) => "IGNORED",
        },
        reason: reason.map(str::to_owned),
        event: Some(storable(&event.event.chars().take(100).collect::<String>())),
        module: Some("Subscriptions".to_owned()),
        record_id: subscription.clone(),
        operation_id,
    };
    let Some(subscription) = subscription.as_deref() else {
        return Ok(became(None, Some("the event is about no subscription")));
    };
    let Some(job) = sync_jobs::of_maxio(conn, Some(subscription), None).await? else {
        let why = "no lead was set up with this subscription";
        return Ok(became(None, Some(why)));
    };
    let write = &state.onboarding.write;
    let told = |field: &str| !field.trim().is_empty();
    if let Some(said) = debit(event) {
        if !told(&write.direct_debit) {
            let why =
                "leads are not told of direct debits (onboarding.write.direct_debit is empty)";
            return Ok(became(None, Some(why)));
        }
        let id = event.id.as_deref().and_then(|id| id.parse().ok());
        maxio_debits::note(conn, subscription, id.unwrap_or(0), &said, Ts::now()).await?;
    } else if !told(&write.subscription_state) {
        let why = "leads are not told of their subscription (onboarding.write.subscription_state is empty)";
        return Ok(became(None, Some(why)));
    }
    let enqueued = state
        .queue
        .enqueue(conn, operation(&job, correlation_id, BY))
        .await?;
    Ok(became(Some(enqueued.id()), None))
}

/// What an event says of a direct debit, as the lead is told: what became of it, the day, the amount, and why.
fn debit(event: &Event) -> Option<String> {
    let what = match event.event.strip_prefix("direct_debit_payment_")? {
        "paid_out" => "paid out".to_owned(),
        other => other.replace('_', " "),
    };
    let mut said = vec![what];
    if let Some(at) = event.moment(&["transaction", "created_at"]) {
        said.push(at.to_zoned(TimeZone::UTC).date().to_string());
    }
    let cents = event.text(&["transaction", "amount_in_cents"]);
    if let Some(cents) = cents.and_then(|cents| cents.parse::<i64>().ok()) {
        let currency = event.text(&["transaction", "currency"]);
        said.extend(
            currency
                .or(event.text(&["subscription", "currency"]))
                .map(str::to_owned),
        );
        said.push(format!("{}.{:02}", cents / 100, (cents % 100).abs()));
    }
    let mut said = said.join(" ");
    let reason = [&["transaction", "memo"][..], &["reason"], &["message"]];
    if let Some(reason) = reason.iter().find_map(|path| event.text(path))
        && event.event.ends_with("rejected")
    {
        said.push_str(": ");
        said.extend(
            reason
                .chars()
                .filter(|letter| !letter.is_control())
                .take(LONGEST_REASON),
        );
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &str) -> Event {
        Event::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_direct_debit_is_told_with_day_amount_and_reason() {
        let paid = event(
            "id=1&event=direct_debit_payment_paid_out&payload[subscription][currency]=EUR&\
             payload[transaction][amount_in_cents]=29900&payload[transaction][created_at]=2026-11-21%2010:00:00%20-0500",
        );
        assert_eq!(
            debit(&paid).as_deref(),
            Some("paid out 2026-11-21 EUR 299.00")
        );
        let rejected = event(
            "id=1&event=direct_debit_payment_rejected&payload[transaction][amount_in_cents]=5&payload[transaction][memo]=no%20funds",
        );
        assert_eq!(debit(&rejected).as_deref(), Some("rejected 0.05: no funds"));
        assert_eq!(debit(&event("id=1&event=payment_success")), None);
    }

    #[test]
    fn nothing_of_an_account_is_kept() {
        let kept = without_bank_data(
            b"id=7&event=test&payload[subscription][bank_account][vault_token]=IE29AIBK93115212345678&payload[subscription][state]=active",
        );
        assert!(
            !kept.contains("12345678") && kept.contains("active"),
            "{kept}"
        );
        assert_eq!(event(&kept).state().unwrap().as_str(), "active");
    }
}
