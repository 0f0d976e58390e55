//! One delivery: how its sender proved itself, what it said, and what it led to.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::OperationRecord;
use pugmark_queue::db::Ts;

use super::shown::{badge, place, proof, readable_body};
use crate::config;
use crate::crm::record_link;
use crate::flows::insurance::plan;
use crate::flows::onboarding;
use crate::http::AppState;
use crate::http::api::webhook_deliveries::cannot_be_replayed;
use crate::http::console::answered;
use crate::http::console::frame::{Frame, not_found, show};
use crate::http::console::masking;
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::http::webhooks::lead_status::{form_without_bank_data, without_bank_data};
use crate::http::webhooks::reading::Letter;
use crate::store::webhook_deliveries::{self, Delivery};

/// What a delivery led to.
struct Led {
    operation: String,
    kind: String,
    /// It is still to be carried out, or just being.
    under_way: bool,
    /// The page of what the operation is about, and its name.
    about: Option<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "console/inbox/detail.html")]
struct Page {
    frame: Frame,
    id: i64,
    place: String,
    class: &'static str,
    word: &'static str,
    proof: String,
    reason: Option<String>,
    event: Option<String>,
    module: Option<String>,
    record: Option<String>,
    record_url: Option<String>,
    led: Option<Led>,
    received: Moment,
    duplicates: i64,
    last_duplicate: Option<Moment>,
    replays: i64,
    replayed: Option<(Moment, String)>,
    correlation_id: String,
    content_type: Option<String>,
    parameters: Option<String>,
    body: Option<String>,
    may_resend: bool,
    /// Why it is not done once more.
    not_again: Option<&'static str>,
}

/// `GET /inbox/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &id).await {
        Ok(Some((delivery, operation))) => show(&of(&state, frame, &person, delivery, operation)),
        Ok(None) => not_found(
            &frame,
            &format!(
                "No delivery has the number {id}. Deliveries are removed after webhooks.keep."
            ),
        ),
        Err(error) => answered::refused(&frame, &error),
    }
}

async fn load(
    state: &AppState,
    id: &str,
) -> Result<Option<(Delivery, Option<OperationRecord>)>, ApiError> {
    let Ok(id) = id.parse::<i64>() else {
        return Ok(None);
    };
    let mut conn = state.db.read().await?;
    let Some(delivery) = webhook_deliveries::get(&mut conn, id).await? else {
        return Ok(None);
    };
    let operation = match delivery.operation_id {
        Some(operation) => state.queue.get_in(&mut conn, operation).await?,
        None => None,
    };
    Ok(Some((
        delivery,
        operation.map(|found| found.current().clone()),
    )))
}

fn of(
    state: &AppState,
    frame: Frame,
    person: &Person,
    delivery: Delivery,
    operation: Option<OperationRecord>,
) -> Page {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let (class, word) = badge(&delivery.status);
    let told = |text: Option<String>| text.map(|text| masking::told(&text, personal));
    let crm = state.crm.as_deref();
    Page {
        frame,
        id: delivery.id,
        place: place(&delivery.endpoint).to_owned(),
        class,
        word,
        proof: proof(&delivery.proof, delivery.secret_number),
        record_url: record_url(crm, &delivery),
        led: led(&delivery, operation),
        not_again: cannot_be_replayed(&delivery),
        may_resend: person.may_care(),
        received: Moment::of(delivery.received_at, now),
        last_duplicate: delivery.last_duplicate_at.map(|at| Moment::of(at, now)),
        replayed: delivery
            .replayed_at
            .map(|at| Moment::of(at, now))
            .zip(delivery.replayed_by.clone()),
        body: readable_body(&body(state, &delivery), personal),
        parameters: parameters(state, &delivery)
            .filter(|text| !text.is_empty())
            .and_then(|text| readable_body(&text, personal)),
        reason: told(delivery.reason),
        event: told(delivery.event),
        module: told(delivery.module),
        record: told(delivery.record_id),
        duplicates: delivery.duplicates,
        replays: delivery.replays,
        correlation_id: delivery.correlation_id,
        content_type: delivery.content_type,
    }
}

/// The body without bank data. Deliveries for the onboarding and of Maxio are kept without it; others are not expected to hold
/// any, and if one does, it is not for this page.
fn body(state: &AppState, delivery: &Delivery) -> String {
    let letter = Letter {
        body: delivery.body.as_bytes(),
        content_type: delivery.content_type.as_deref(),
        parameters: delivery.parameters.as_deref(),
        conversion: false,
        max_depth: state.webhooks.max_depth(),
    };
    without_bank_data(&letter, &state.onboarding.lead.iban)
}

fn parameters(state: &AppState, delivery: &Delivery) -> Option<String> {
    let text = delivery.parameters.as_deref()?;
    Some(form_without_bank_data(text, &state.onboarding.lead.iban))
}

/// The record in vTiger; what Maxio says of its own is shown on the job's page.
fn record_url(crm: Option<&config::Crm>, delivery: &Delivery) -> Option<String> {
    let (module, record) = (delivery.module.as_deref()?, delivery.record_id.as_deref()?);
    let known = [crate::crm::CONTACTS, crate::crm::LEADS];
    let module = known.into_iter().find(|known| *known == module)?;
    record_link(crm?, module, record)
}

fn led(delivery: &Delivery, operation: Option<OperationRecord>) -> Option<Led> {
    let id = delivery.operation_id?;
    let kind = operation.as_ref().map(|found| found.kind.clone());
    let under_way = operation
        .as_ref()
        .is_some_and(|found| found.processed_at.is_none() && !found.is_dead());
    Some(Led {
        operation: id.to_string(),
        kind: kind.unwrap_or_else(|| "an operation that is kept no more".to_owned()),
        under_way,
        about: operation.as_ref().and_then(about),
    })
}

/// The page of what an operation is about, where there is one.
fn about(operation: &OperationRecord) -> Option<(String, &'static str)> {
    let id = &operation.entity_id;
    match operation.kind.as_str() {
        onboarding::kind::ONBOARD => Some((format!("/jobs/{id}"), "its onboarding job")),
        plan::kind::LEAD_CONVERT => Some((format!("/conversions/{id}"), "its lead conversion")),
        _ => None,
    }
}
