//! One operation: how it stands and why, what was tried, what a person can do.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::db::Ts;
use pugmark_queue::{OperationId, OperationRecord, QueueError};
use serde_json::Value;

use super::attempts::{Attempt, readable};
use super::line::{Badge, record_filter, told};
use super::why::{Around, why};
use crate::crm::breaker::{Breaker, Position};
use crate::flows::onboarding;
use crate::http::AppState;
use crate::http::console::explained::{self, Explained};
use crate::http::console::frame::{Frame, not_found, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;

/// What changes while it is looked at.
pub(super) struct Standing {
    pub(super) id: OperationId,
    pub(super) badge: Badge,
    why: Vec<String>,
    /// The operation it waits behind.
    behind: Option<OperationId>,
    /// The operation that does its work now.
    heir: Option<OperationId>,
    next: Option<Moment>,
    code: Option<String>,
    explained: Option<&'static Explained>,
    message: Option<String>,
    unknown: Option<Moment>,
    outcome: Option<String>,
    attempts: Vec<Attempt>,
}

/// What does not change.
struct Facts {
    kind: String,
    entity_type: String,
    entity_id: String,
    record_filter: String,
    operation: String,
    priority: String,
    lane: String,
    retries: String,
    queued: Moment,
    correlation_id: String,
    requested_by: Option<String>,
    /// What a person last did to it.
    human: Option<String>,
    payload: String,
}

#[derive(Template)]
#[template(path = "console/operations/detail.html")]
struct Page {
    frame: Frame,
    facts: Facts,
    standing: Standing,
    may_retry: bool,
    may_edit: bool,
    may_discard: bool,
}

#[derive(Template)]
#[template(path = "console/operations/detail.html", block = "live")]
struct Live {
    standing: Standing,
}

/// `GET /operations/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    let (record, standing) = match load(&state, &person, &id).await {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return not_found(&frame, &format!("No operation has the id {id}.")),
        Err(error) => return store_down(&frame, &error),
    };
    let open = is_open(&record);
    show(&Page {
        may_retry: open && person.may_care(),
        may_edit: open && person.may_change() && is_editable(&record),
        may_discard: open && person.may_change(),
        facts: facts(&record, person.sees_personal()),
        standing,
        frame,
    })
}

/// `GET /console/operations/{id}`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &person, &id).await {
        Ok(Some((_, standing))) => show(&Live { standing }),
        Ok(None) => not_found(&frame, &format!("No operation has the id {id}.")),
        Err(error) => store_down(&frame, &error),
    }
}

/// It waits or is dead: a person can do something about it.
pub(super) fn is_open(record: &OperationRecord) -> bool {
    record.is_waiting() || record.is_dead()
}

/// It has values of its own: what merges takes them from the record when it runs.
pub(super) fn is_editable(record: &OperationRecord) -> bool {
    record.coalesce_key.is_none() && record.payload.is_object()
}

async fn load(
    state: &AppState,
    person: &Person,
    id: &str,
) -> Result<Option<(OperationRecord, Standing)>, QueueError> {
    let Ok(id) = id.parse::<OperationId>() else {
        return Ok(None);
    };
    let Some(found) = state.queue.get(id).await? else {
        return Ok(None);
    };
    let record = found.asked;
    let (now, personal) = (Ts::now(), person.sees_personal());
    let paused = state.queue.paused().await?;
    let left_alone = left_alone(state, &record.kind);
    let around = Around {
        policy: state.queue.policies().of(&record.kind),
        pause: paused.iter().find(|pause| pause.kind == record.kind),
        left_alone: left_alone.as_deref(),
        now,
    };
    let behind = match record.is_waiting() && !record.head {
        true => state.queue.head_of(&record.lane).await?,
        false => None,
    };
    let attempts = state.queue.attempts(id).await?;
    let heir = found.superseded_by.map(|heir| heir.id).or(record.heir);
    let open = record.processed_at.is_none();
    let code = record.error_code.clone().filter(|_| open);
    let standing = Standing {
        id,
        badge: Badge::of(&record),
        why: why(&record, &around),
        behind: behind.filter(|behind| *behind != id),
        heir,
        next: record
            .is_waiting()
            .then(|| Moment::of(record.next_attempt_at, now)),
        explained: code.as_deref().and_then(explained::of),
        code,
        message: record
            .error_message
            .as_deref()
            .filter(|_| open)
            .map(|message| told(message, personal)),
        unknown: record
            .unknown_at
            .filter(|_| open)
            .map(|at| Moment::of(at, now)),
        outcome: record
            .outcome
            .as_ref()
            .map(|outcome| readable(&outcome.0, personal)),
        attempts: Attempt::all(attempts, personal, now),
    };
    Ok(Some((record, standing)))
}

/// Why the system that this kind of operation needs is being left alone just now.
fn left_alone(state: &AppState, kind: &str) -> Option<String> {
    let maxio = kind == onboarding::kind::ONBOARD;
    let (name, breaker) = if maxio {
        ("Maxio", &state.maxio_breaker)
    } else {
        ("vTiger", &state.breaker)
    };
    let position = breaker.as_deref().map(Breaker::position)?;
    match position {
        Position::Closed => None,
        Position::Open { remaining } => Some(format!(
            "{name} is being left alone for {} seconds more, because it failed several times in a row",
            remaining.as_secs() + 1
        )),
    }
}

fn facts(record: &OperationRecord, personal: bool) -> Facts {
    Facts {
        kind: record.kind.clone(),
        record_filter: record_filter(&record.entity_type, &record.entity_id),
        entity_type: record.entity_type.clone(),
        entity_id: record.entity_id.clone(),
        operation: record.operation.to_string().to_lowercase(),
        priority: format!("{:?}", record.priority).to_lowercase(),
        lane: record.lane.clone(),
        retries: format!("{} of {}", record.retry_count, record.max_retries),
        queued: Moment::of(record.first_queued_at, Ts::now()),
        correlation_id: record.correlation_id.clone(),
        requested_by: record.requested_by.clone(),
        human: record.human_action.as_ref().and_then(|act| human(&act.0)),
        payload: readable(&record.payload, personal),
    }
}

/// `retry by ann@example.org: mended`.
fn human(act: &Value) -> Option<String> {
    let text = |name: &str| act[name].as_str().unwrap_or_default();
    let why = match text("why") {
        "" => String::new(),
        why => format!(": {why}"),
    };
    act["action"]
        .as_str()
        .map(|action| format!("{action} by {}{why}", text("by")))
}
