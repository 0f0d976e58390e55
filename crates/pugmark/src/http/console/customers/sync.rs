//! "Sync now": both sides of one customer are brought in step at once.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::{Filter, QueueError};
use serde::Deserialize;
use uuid::Uuid;

use super::no_such;
use crate::config::Mode;
use crate::desk::Actor;
use crate::desk::customers::{self as desk, Synced};
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::console::frame::{Frame, go, not_taken, store_down};
use crate::http::console::person::Person;
use crate::store::customers;

/// Why somebody syncs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Why {
    reason: String,
}

/// `POST /customers/{id}/sync`
pub(in crate::http::console) async fn sync(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return no_such(&frame);
    };
    let id = id.to_string();
    let may = match allowed(&state, &id, &why.reason).await {
        Ok(Some(may)) => may,
        Ok(None) => return no_such(&frame),
        Err(error) => return store_down(&frame, &error),
    };
    if let Err(refusal) = may {
        return not_taken(&frame, refusal);
    }
    let reason = why.reason.trim().chars().filter(|it| *it != '\0');
    let actor = Actor {
        name: person.actor().into(),
        reason: reason.take(1_000).collect(),
        correlation_id: frame.correlation_id.clone(),
    };
    match desk::sync_now(&state.db, &state.queue, &id, actor).await {
        Ok(synced) => go(
            &format!("/operations/{}", synced.delivery),
            &told(&synced, &state),
        ),
        Err(QueueError::Running(_)) => not_taken(
            &frame,
            "A change of this customer is being carried out at this very moment. Look again in a few seconds.",
        ),
        Err(error) => store_down(&frame, &error),
    }
}

/// Whether the customer can be synced; `None` when there is no such customer.
async fn allowed(
    state: &AppState,
    id: &str,
    reason: &str,
) -> Result<Option<Result<(), &'static str>>, QueueError> {
    let mut conn = state.db.read().await?;
    let Some(view) = customers::view(&mut conn, id).await? else {
        return Ok(None);
    };
    drop(conn);
    if view.customer.is_test_user && view.vtiger_id.is_none() {
        let what = "This is a test customer without a contact: it never reaches vTiger, so there is nothing to sync.";
        return Ok(Some(Err(what)));
    }
    if reason.trim().is_empty() && repeats(state, id).await? {
        let what = "Something of this customer failed for good, and syncing repeats it: say why, for the audit log.";
        return Ok(Some(Err(what)));
    }
    Ok(Some(Ok(())))
}

/// Whether what failed for good is done again by a sync.
pub(super) async fn repeats(state: &AppState, customer: &str) -> Result<bool, QueueError> {
    let filter = Filter {
        dead: Some(true),
        entity_type: Some(CUSTOMER.to_owned()),
        entity_id: Some(customer.to_owned()),
        limit: 1,
        ..Filter::default()
    };
    let found = state.queue.list(&filter).await?;
    Ok(!found.operations.is_empty())
}

/// What was queued, in a sentence.
fn told(synced: &Synced, state: &AppState) -> String {
    let reading = match synced.reading {
        Some(_) => {
            "First the contact is read and what was edited there is merged (contact.apply); then this operation "
        }
        None => {
            "There is no contact yet: this operation looks for one that carries the customer's id, and else "
        }
    };
    let delivery = match (synced.reading.is_some(), synced.waited) {
        (true, false) => "brings the contact up to date.",
        (true, true) => "brings the contact up to date; it waited already, and goes on now.",
        (false, false) => "makes it.",
        (false, true) => "makes it; it waited already, and goes on now.",
    };
    let shadow = match state.mode {
        Mode::Shadow => " In shadow mode nothing is written.",
        Mode::Live => "",
    };
    format!("{reading}{delivery}{shadow}")
}
