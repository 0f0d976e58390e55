//! One job: how it stands and why, which steps are finished, and what a person can do.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::db::Ts;

use super::line::{Badge, label};
use super::{id_of, unknown};
use crate::http::AppState;
use crate::http::api::onboarding_jobs::{self, Around, lead_url, maxio_page, what_to_do};
use crate::http::console::answered;
use crate::http::console::explained::{self, Explained};
use crate::http::console::frame::{Frame, show};
use crate::http::console::masking;
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::store::sync_jobs::{Job, Status, Step};

/// How long vTiger is waited for to say which module a lead is of: only its address depends on it, and somebody looks at a page.
const PATIENCE: Duration = Duration::from_secs(1);

/// A step, as its page shows it.
struct Taken {
    label: &'static str,
    class: &'static str,
    word: &'static str,
    begun: Option<Moment>,
    finished: Option<Moment>,
}

/// What changes while it is looked at.
pub(super) struct Standing {
    id: String,
    badge: Badge,
    what_to_do: &'static str,
    cancelled: bool,
    code: Option<String>,
    explained: Option<&'static Explained>,
    message: Option<String>,
    faults: Vec<(String, String)>,
    next: Option<Moment>,
    operation: Option<String>,
    steps: Vec<Taken>,
}

/// What does not change.
struct Facts {
    lead: String,
    lead_url: Option<String>,
    customer: Option<(String, Option<String>)>,
    subscription: Option<(String, Option<String>)>,
    payment_profile: Option<String>,
    requested_by: String,
    correlation_id: String,
    made: Moment,
    ended: Option<Moment>,
    reruns: i32,
    kept: bool,
}

#[derive(Template)]
#[template(path = "console/jobs/detail.html")]
struct Page {
    frame: Frame,
    facts: Facts,
    standing: Standing,
    may_retry: bool,
    may_edit: bool,
    may_cancel: bool,
    may_link: bool,
}

#[derive(Template)]
#[template(path = "console/jobs/detail.html", block = "live")]
struct Live {
    standing: Standing,
}

/// `GET /jobs/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    let (job, around) = match load(&state, &frame, &id).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    let failed = job.standing() == Status::Failed;
    let lead_url = lead_url(&state, &job.vtiger_lead_id, PATIENCE).await;
    show(&Page {
        may_retry: failed && person.may_care(),
        may_edit: failed && person.may_change(),
        may_cancel: person.may_change()
            && job.standing() != Status::CrmUpdated
            && !job.is_cancelled(),
        may_link: person.may_care(),
        standing: standing(&job, &around, person.sees_personal()),
        facts: facts(&state, job, lead_url, person.sees_personal()),
        frame,
    })
}

/// `GET /console/jobs/{id}`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &frame, &id).await {
        Ok((job, around)) => show(&Live {
            standing: standing(&job, &around, person.sees_personal()),
        }),
        Err(response) => *response,
    }
}

/// The job of the address, or the page that says why there is none.
pub(super) async fn load(
    state: &AppState,
    frame: &Frame,
    id: &str,
) -> Result<(Job, Around), Box<Response>> {
    let found = onboarding_jobs::look_up(state, id_of(frame, id)?).await;
    let found = found.map_err(|error: ApiError| Box::new(answered::refused(frame, &error)))?;
    found.ok_or_else(|| Box::new(unknown(frame, id)))
}

fn standing(job: &Job, around: &Around, personal: bool) -> Standing {
    let now = Ts::now();
    let active = job.standing().is_active();
    let operation = around.operation.as_ref();
    let waits = operation.filter(|operation| operation.is_waiting() && active);
    let code = job.error_code.clone().filter(|_| !job.is_cancelled());
    let faults = job.faults().into_iter();
    Standing {
        id: job.job_id.to_string(),
        badge: Badge::of(job),
        what_to_do: what_to_do(job),
        cancelled: job.is_cancelled(),
        explained: code.as_deref().and_then(explained::of),
        code,
        message: job
            .error_message
            .as_deref()
            .map(|message| masking::told(message, personal)),
        faults: faults
            .map(|(field, what)| (field, masking::told(&what, personal)))
            .collect(),
        next: waits.map(|operation| Moment::of(operation.next_attempt_at, now)),
        operation: job.operation_id.map(|id| id.to_string()),
        steps: steps(job, around, now),
    }
}

fn steps(job: &Job, around: &Around, now: Ts) -> Vec<Taken> {
    let reached = job.reached();
    let steps = Step::ALL.into_iter().map(|step| {
        let taken = around
            .taken
            .iter()
            .find(|taken| taken.step == step.as_str());
        let received = Some(job.created_at).filter(|_| step == Step::Received);
        let begun = received.or(taken.map(|taken| taken.begun_at));
        let finished = received.or(taken.and_then(|taken| taken.finished_at));
        let stands_here = super::line::next(reached) == Some(step);
        let (class, word) = match job.standing() {
            _ if step <= reached => ("good", "Finished"),
            Status::Failed if stands_here && job.is_cancelled() => ("", "Not begun any more"),
            Status::Failed if stands_here => ("bad", "Stands still here"),
            _ if stands_here && begun.is_some() => ("brand", "Begun"),
            _ if stands_here => ("brand", "Next"),
            _ => ("", "Later"),
        };
        Taken {
            label: label(step),
            class,
            word,
            begun: begun.map(|at| Moment::of(at, now)),
            finished: finished.map(|at| Moment::of(at, now)),
        }
    });
    steps.collect()
}

fn facts(state: &AppState, job: Job, lead_url: Option<String>, personal: bool) -> Facts {
    let (now, maxio) = (Ts::now(), state.maxio.as_deref());
    let page = |folder: &str, id: Option<String>| {
        id.map(|id| {
            let url = maxio_page(maxio, folder, Some(&id));
            (id, url)
        })
    };
    Facts {
        lead_url,
        customer: page("customers", job.maxio_customer_id),
        subscription: page("subscriptions", job.maxio_subscription_id),
        payment_profile: job.maxio_payment_profile_id,
        made: Moment::of(job.created_at, now),
        ended: job.ended_at.map(|at| Moment::of(at, now)),
        kept: job.sealed_data.is_some(),
        // As a webhook named it: it need not be an id.
        lead: masking::told(&job.vtiger_lead_id, personal),
        requested_by: job.requested_by,
        correlation_id: job.correlation_id,
        reruns: job.reruns,
    }
}
