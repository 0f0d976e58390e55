//! What is done to agents: edited, synced, enabled and disabled, given another password, tried again.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::{caller, reason, refused, shown};
use crate::http::AppState;
use crate::http::api::brand_ambassadors::{self, AmbassadorPatchBody};
use crate::http::api::users::{self, Answered, RetryBody};
use crate::http::console::frame::{Frame, go, not_found, not_taken};
use crate::http::console::person::Person;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::ambassadors;

const NO_REASON: &str = "Say why, for the audit log.";
const NOT_ALIKE: &str = "Type the same password twice: the two were not alike.";

/// What the forms of an agent's page say.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    reason: String,
    password: Option<SecretString>,
    again: Option<SecretString>,
    /// `yes` enables, gives.
    wanted: String,
    partner: String,
    phone: String,
    rate: String,
    operation: String,
}

impl Typed {
    /// The password, when the same one was typed twice. One is always typed here: a page never shows one that was made.
    fn password(&mut self) -> Result<SecretString, &'static str> {
        let given = |typed: &SecretString| !typed.expose_secret().is_empty();
        let (first, second) = (self.password.take(), self.again.take());
        match (first.filter(given), second.filter(given)) {
            (Some(first), Some(second)) if first.expose_secret() == second.expose_secret() => {
                Ok(first)
            }
            (None, None) => Err("Type a password, twice."),
            _ => Err(NOT_ALIKE),
        }
    }
}

/// Back to the agent's page, which shows how far the act came in each system.
fn back(frame: &Frame, id: Uuid, done: Result<Answered, ApiError>) -> Response {
    match done {
        Ok(answered) => {
            let operation = answered.body.operation_id;
            let operation = operation.map_or_else(String::new, |id| format!("?operation={id}"));
            go(
                &format!("/agents/{id}{operation}"),
                &format!("{}.", answered.message),
            )
        }
        Err(error) => refused(frame, &error),
    }
}

fn nobody(frame: &Frame) -> Response {
    not_found(frame, "There is no agent with this id.")
}

/// `POST /agents/{id}/sync`
pub(in crate::http::console) async fn sync(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(mut typed): Form<Typed>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return nobody(&frame);
    };
    let Some(why) = reason(&typed.reason) else {
        return not_taken(&frame, NO_REASON);
    };
    let password = match typed.password() {
        Ok(password) => password,
        Err(wrong) => return not_taken(&frame, wrong),
    };
    let asked = (Some(password), Some(why));
    let done = users::sync_account(&state, &correlation_id, caller(&person), id, asked).await;
    back(&frame, id, done)
}

/// `POST /agents/{id}/password`
pub(in crate::http::console) async fn reset_password(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(mut typed): Form<Typed>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return nobody(&frame);
    };
    let Some(why) = reason(&typed.reason) else {
        return not_taken(&frame, NO_REASON);
    };
    let password = match typed.password() {
        Ok(password) => password,
        Err(wrong) => return not_taken(&frame, wrong),
    };
    let asked = (Some(password), Some(why));
    let done = users::reset_account(&state, &correlation_id, caller(&person), id, asked).await;
    back(&frame, id, done)
}

/// `POST /agents/{id}/status`
pub(in crate::http::console) async fn set_status(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return nobody(&frame);
    };
    let active = typed.wanted == "yes";
    let why = reason(&typed.reason);
    if !active && why.is_none() {
        return not_taken(&frame, NO_REASON);
    }
    let asked = (active, why);
    let done = users::set_active(&state, &correlation_id, caller(&person), id, asked).await;
    back(&frame, id, done)
}

/// `POST /agents/{id}/retry`
pub(in crate::http::console) async fn retry(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(mut typed): Form<Typed>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return nobody(&frame);
    };
    let Some(why) = reason(&typed.reason) else {
        return not_taken(&frame, NO_REASON);
    };
    // Without one, the operation goes on with its own, as long as that is kept.
    let empty = |typed: &Option<SecretString>| {
        typed
            .as_ref()
            .is_none_or(|text| text.expose_secret().is_empty())
    };
    let password = if empty(&typed.password) && empty(&typed.again) {
        None
    } else {
        match typed.password() {
            Ok(password) => Some(password),
            Err(wrong) => return not_taken(&frame, wrong),
        }
    };
    if password.is_none() && erased(&state, &typed.operation).await {
        return not_taken(
            &frame,
            "The password of this act is not kept any more: type a new one, twice.",
        );
    }
    let body = RetryBody {
        operation_id: Some(typed.operation.clone()).filter(|id| !id.is_empty()),
        password,
        reason: Some(why),
    };
    let done = users::try_again(&state, &correlation_id, caller(&person), id, body).await;
    back(&frame, id, done)
}

/// Whether an operation had a password that was erased: then the API would make one and answer it, which no page does.
async fn erased(state: &AppState, operation: &str) -> bool {
    let Ok(id) = operation.parse() else {
        return true;
    };
    let Ok(Some(found)) = state.queue.get(id).await else {
        return false;
    };
    let record = found.current();
    let past = record.secret_expires_at <= Some(pugmark_queue::db::Ts::now());
    record.secret_expires_at.is_some() && (!record.sealed || past)
}

/// `POST /agents/{id}/edit`
pub(in crate::http::console) async fn edit(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return nobody(&frame);
    };
    let known = match state.db.read().await {
        Ok(mut conn) => ambassadors::get(&mut conn, &id.to_string()).await,
        Err(error) => Err(error),
    };
    let ambassador = match known {
        Ok(Some(ambassador)) => ambassador,
        Ok(None) => return nobody(&frame),
        Err(error) => return refused(&frame, &error.into()),
    };
    let body = match changes(&typed, &ambassador) {
        Ok(Some(body)) => body,
        Ok(None) => return go(&format!("/agents/{id}"), "Nothing was changed."),
        Err(wrong) => return not_taken(&frame, wrong),
    };
    let change = (ambassador.id, body, reason(&typed.reason));
    match brand_ambassadors::change(&state, &correlation_id, caller(&person), change).await {
        Ok(_) => go(&format!("/agents/{id}"), "Changed in MicroBima."),
        Err(error) => refused(&frame, &error),
    }
}

/// The fields that differ, as MicroBima's own dialog sends them; `None` when none does.
fn changes(
    typed: &Typed,
    row: &ambassadors::Ambassador,
) -> Result<Option<AmbassadorPatchBody>, &'static str> {
    let partner: i32 = typed.partner.parse().map_err(|_| "Choose a partner.")?;
    let rate = shown::cents(&typed.rate)
        .ok_or("The rate is an amount in shillings such as 50 or 50.25.")?;
    let phone = Some(typed.phone.trim().to_owned()).filter(|phone| !phone.is_empty());
    let body = AmbassadorPatchBody {
        partner_id: (partner != row.partner_id).then_some(partner),
        per_registration_rate_cents: (rate != row.rate_cents).then_some(rate),
        phone_number: (phone != row.phone_number).then_some(phone),
        is_active: None,
    };
    let none = body.partner_id.is_none()
        && body.per_registration_rate_cents.is_none()
        && body.phone_number.is_none();
    Ok((!none).then_some(body))
}

/// `POST /agents/{id}/role`: gives or takes MicroBima's role customer care.
pub(in crate::http::console) async fn change_role(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return nobody(&frame);
    };
    let Some(why) = reason(&typed.reason) else {
        return not_taken(&frame, NO_REASON);
    };
    let asked = (typed.wanted == "yes", Some(why));
    match users::change_role(&state, &correlation_id, caller(&person), id, asked).await {
        Ok((_, said)) => go(&format!("/agents/{id}"), &format!("{said}.")),
        Err(error) => refused(&frame, &error),
    }
}
