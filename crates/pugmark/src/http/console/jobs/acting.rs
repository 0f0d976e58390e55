//! Starting a job by hand, having one tried again, and cancelling one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use super::detail::load;
use super::id_of;
use super::line::label;
use crate::http::AppState;
use crate::http::api::onboarding_jobs::{cancel_job, retry_job, start_job};
use crate::http::console::answered::{actor, refused};
use crate::http::console::frame::{Frame, go, not_taken, show};
use crate::http::console::person::Person;
use crate::store::sync_jobs::{Status, Step};

/// What is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    lead: String,
    reason: String,
}

/// `POST /jobs/start`
pub(in crate::http::console) async fn start(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(typed): Form<Typed>,
) -> Response {
    let actor = actor(&person, &frame, &typed.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say why this lead is set up by hand.",
        );
    }
    match start_job(&state, &typed.lead, actor).await {
        Ok(id) => go(&format!("/jobs/{id}"), "The lead is being set up."),
        Err(error) => refused(&frame, &error),
    }
}

/// `POST /jobs/{id}/retry`
pub(in crate::http::console) async fn retry(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let id = match id_of(&frame, &id) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    let actor = actor(&person, &frame, &typed.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say what has been put right since it failed.",
        );
    }
    match retry_job(&state, id, actor).await {
        Ok(()) => go(
            &format!("/jobs/{id}"),
            "It is tried again now, and goes on where it stopped.",
        ),
        Err(error) => refused(&frame, &error),
    }
}

#[derive(Template)]
#[template(path = "console/jobs/cancel.html")]
struct CancelPage {
    frame: Frame,
    id: String,
    lead: String,
    /// What is done and stays.
    finished: Vec<&'static str>,
    customer: Option<String>,
    subscription: Option<String>,
}

/// `GET /jobs/{id}/cancel`
pub(in crate::http::console) async fn cancel_page(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
) -> Response {
    let (job, _) = match load(&state, &frame, &id).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    if job.standing() == Status::CrmUpdated {
        return not_taken(&frame, "The job is done; there is nothing left to cancel.");
    }
    if job.is_cancelled() {
        return not_taken(&frame, "The job was cancelled already.");
    }
    let reached = job.reached();
    let done = Step::ALL.into_iter().filter(|step| *step <= reached);
    show(&CancelPage {
        frame,
        id: job.job_id.to_string(),
        finished: done.map(label).collect(),
        lead: job.vtiger_lead_id,
        customer: job.maxio_customer_id,
        subscription: job.maxio_subscription_id,
    })
}

/// `POST /jobs/{id}/cancel`
pub(in crate::http::console) async fn cancel(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let id = match id_of(&frame, &id) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    let actor = actor(&person, &frame, &typed.reason);
    match cancel_job(&state, id, actor).await {
        Ok(()) => go(
            &format!("/jobs/{id}"),
            "It is cancelled: no further step is begun.",
        ),
        Err(error) => refused(&frame, &error),
    }
}
