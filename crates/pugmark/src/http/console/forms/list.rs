//! Forms that were sent and are not in the CRM as a whole: they wait, were saved in part, or failed.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use uuid::Uuid;

use super::links::{SPANS, default_span};
use crate::http::AppState;
use crate::http::api::onboarding_forms::write_again;
use crate::http::console::answered::{actor, refused};
use crate::http::console::explained;
use crate::http::console::frame::{Frame, go, not_found, not_taken, show};
use crate::http::console::masking;
use crate::http::console::moment::{Moment, encoded};
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::http::onboarding::taking::{self, Standing};
use crate::store::onboarding_forms::{self, State as Stands, Submission};

/// Forms of a page.
const PAGE: u32 = 50;
/// Forms of each state where all are shown.
const GLANCE: u32 = 10;
/// States that are listed, those that need somebody first.
const LISTED: [Stands; 3] = [Stands::Failed, Stands::PartlySaved, Stands::Waiting];

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// `failed`, `partly_saved` or `waiting`; without one all are shown.
    show: String,
    /// Older than this form.
    before: String,
    /// Of this lead: for the form that makes a link.
    client: String,
}

struct Line {
    id: String,
    client: String,
    record: Option<String>,
    class: &'static str,
    word: &'static str,
    source: &'static str,
    code: Option<String>,
    explained: bool,
    message: Option<String>,
    not_saved: Vec<(String, String)>,
    changed: Vec<(String, String)>,
    operation: Option<String>,
    sent: Moment,
    /// It can be tried again: it has ended, and its answers are kept.
    again: bool,
}

struct Results {
    lines: Vec<Line>,
    /// Not all of these states are shown here.
    more: Vec<(&'static str, &'static str)>,
    next: Option<String>,
    filtered: bool,
}

#[derive(Template)]
#[template(path = "console/forms/list.html")]
struct Page {
    frame: Frame,
    show: String,
    client: String,
    presets: [(&'static str, &'static str); 4],
    refresh: String,
    may_care: bool,
    may_change: bool,
    /// There is a key to seal forms and sign links with.
    open: bool,
    spans: &'static [(&'static str, &'static str)],
    default_span: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/forms/list.html", block = "live")]
struct Live {
    frame: Frame,
    may_care: bool,
    results: Results,
}

/// `GET /forms`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Page {
            frame,
            refresh: format!(
                "/console/forms?show={}&before={}",
                encoded(&asked.show),
                encoded(&asked.before)
            ),
            presets: [
                ("All that are not saved", ""),
                ("Failed", "failed"),
                ("Saved in part", "partly_saved"),
                ("Waiting", "waiting"),
            ],
            may_care: person.may_care(),
            may_change: person.may_change(),
            open: state.forms.keys().is_ok(),
            spans: &SPANS,
            default_span: default_span(&state),
            show: asked.show,
            client: asked.client,
            results,
        }),
        Err(error) => refused(&frame, &error),
    }
}

/// `GET /console/forms`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Live {
            frame,
            may_care: person.may_care(),
            results,
        }),
        Err(error) => refused(&frame, &error),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, ApiError> {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let chosen = LISTED
        .into_iter()
        .find(|state| state.as_str() == asked.show);
    let before: Option<Uuid> = asked.before.parse().ok().filter(|_| chosen.is_some());
    let (states, size) = match chosen {
        Some(chosen) => (vec![chosen], PAGE),
        None => (LISTED.to_vec(), GLANCE),
    };
    let mut results = Results {
        lines: Vec::new(),
        more: Vec::new(),
        next: None,
        filtered: chosen.is_some(),
    };
    let mut forms = Vec::new();
    let mut conn = state.db.read().await?;
    for stands in states {
        let mut found = onboarding_forms::unsaved(&mut conn, stands, before, size + 1).await?;
        let many = found.len() > usize::try_from(size).unwrap_or(usize::MAX);
        found.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        let last = found.last().map(|form| form.tracking_id);
        match (many, chosen, last) {
            (true, Some(_), Some(last)) => {
                let word = stands.as_str();
                results.next = Some(format!("/forms?show={word}&before={last}"));
            }
            (true, None, _) => results.more.push((stands.as_str(), badge(stands).1)),
            _ => {}
        }
        forms.extend(found);
    }
    drop(conn);
    for form in forms {
        let form = as_it_stands(state, form).await?;
        results
            .lines
            .extend(form.map(|form| line(form, personal, now)));
    }
    Ok(results)
}

/// A form that waits may have been given up by the queue or by a person: then it waits for nobody. `None` for one that is gone by
/// now.
async fn as_it_stands(state: &AppState, form: Submission) -> Result<Option<Standing>, ApiError> {
    match form.standing() {
        Stands::Waiting => taking::standing(state, form.tracking_id).await,
        _ => Ok(Some(Standing::of(form))),
    }
}

fn badge(stands: Stands) -> (&'static str, &'static str) {
    match stands {
        Stands::Failed => ("bad", "Failed"),
        Stands::PartlySaved => ("wait", "Saved in part"),
        Stands::Waiting => ("", "Waiting"),
        Stands::Saved => ("good", "Saved"),
    }
}

fn line(standing: Standing, personal: bool, now: Ts) -> Line {
    let told = |named: BTreeMap<String, String>| -> Vec<(String, String)> {
        let named = named.into_iter();
        named
            .map(|(name, what)| (name, masking::told(&what, personal)))
            .collect()
    };
    let (class, word) = badge(standing.state);
    let form = standing.form;
    Line {
        id: form.tracking_id.to_string(),
        class,
        word,
        source: match form.source.as_str() {
            "page" => "sent from the page",
            _ => "sent by a portal",
        },
        explained: standing.code.as_deref().and_then(explained::of).is_some(),
        message: standing
            .message
            .as_deref()
            .map(|message| masking::told(message, personal)),
        not_saved: told(form.not_saved()),
        changed: told(form.changed()),
        operation: form.operation_id.map(|id| id.to_string()),
        sent: Moment::of(form.created_at, now),
        again: standing.state != Stands::Waiting && form.sealed_fields.is_some(),
        record: form.record_id,
        client: form.client_id,
        code: standing.code,
    }
}

/// Why somebody acts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Why {
    reason: String,
}

/// `POST /forms/{id}/retry`
pub(in crate::http::console) async fn again(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Response {
    let Ok(id) = id.parse::<Uuid>() else {
        return not_found(&frame, &format!("No form has the id {id}."));
    };
    let actor = actor(&person, &frame, &why.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: say what has been put right since it was sent.",
        );
    }
    match write_again(&state, id, actor).await {
        Ok(()) => go("/forms", "The form is written again now."),
        Err(error) => refused(&frame, &error),
    }
}
