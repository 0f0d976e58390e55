//! Correcting what a job knows of its lead, and having it tried again. What is kept sealed is never shown, and bank data that was
//! typed is not shown back.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::detail::load;
use crate::flows::onboarding::fields;
use crate::flows::onboarding::request::known_of;
use crate::http::AppState;
use crate::http::api::onboarding_jobs::correct_job;
use crate::http::console::answered::{actor, refused, sentence};
use crate::http::console::frame::{Frame, go, not_taken, show};
use crate::http::console::masking;
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::store::sync_jobs::{Job, Status};

/// Fields whose values are not shown back when something else is wrong.
const BANK: [&str; 2] = ["iban", "bank_name"];

/// What was typed, by the names of the form's fields.
type Typed = BTreeMap<String, String>;

/// A field that may be corrected.
struct Field {
    name: &'static str,
    label: String,
    /// What the CRM calls it.
    configured: String,
    /// What is wrong with it, in the lead or in what was typed.
    fault: Option<String>,
    /// A correction is kept, which can be taken back.
    corrected: bool,
    value: String,
    bank: bool,
}

#[derive(Template)]
#[template(path = "console/jobs/edit.html")]
struct Page {
    frame: Frame,
    id: String,
    lead: String,
    message: Option<String>,
    fields: Vec<Field>,
    reason: String,
    wrong: Option<String>,
    /// There is a key to seal corrections with.
    seals: bool,
}

/// `GET /jobs/{id}/edit`
pub(in crate::http::console) async fn edit_page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match editable(&state, &frame, &id).await {
        Ok(job) => show(&page(&state, frame, &person, &job, &Typed::new(), None)),
        Err(response) => *response,
    }
}

/// `POST /jobs/{id}/edit`
pub(in crate::http::console) async fn edit(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let job = match editable(&state, &frame, &id).await {
        Ok(job) => job,
        Err(response) => return *response,
    };
    let corrections = corrections(&state, &typed);
    let reason = typed.get("reason").map_or("", String::as_str);
    let actor = actor(&person, &frame, reason);
    let done = if actor.reason.is_empty() {
        let what = "is needed: it is kept in the audit log".to_owned();
        Err(ApiError::validation([("reason".to_owned(), what)].into()))
    } else if corrections.is_empty() {
        Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "VALIDATION_ERROR",
            "Nothing is corrected. To try it again as it is, use Retry now",
        ))
    } else {
        correct_job(&state, job.job_id, corrections, actor).await
    };
    match done {
        Ok(()) => go(
            &format!("/jobs/{}", job.job_id),
            "It is corrected, and tried again now.",
        ),
        Err(error) if error.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let page = page(&state, frame, &person, &job, &typed, Some(&error));
            (error.status, show(&page)).into_response()
        }
        Err(error) => refused(&frame, &error),
    }
}

async fn editable(state: &AppState, frame: &Frame, id: &str) -> Result<Job, Box<Response>> {
    let (job, _) = load(state, frame, id).await?;
    match job.standing() {
        Status::Failed => Ok(job),
        Status::CrmUpdated => Err(Box::new(not_taken(
            frame,
            "The job is done; there is nothing to correct.",
        ))),
        _ => Err(Box::new(not_taken(
            frame,
            "The job is under way and goes on by itself; only one that stands still can be corrected.",
        ))),
    }
}

/// What was typed into fields that there are; what was left empty stays as it is.
fn corrections(state: &AppState, typed: &Typed) -> BTreeMap<String, Option<String>> {
    let names = fields::asked(&state.onboarding.lead).map(|(name, _)| name);
    let said = names.into_iter().filter_map(|name| {
        let back = typed.contains_key(&format!("back_{name}"));
        let value = typed.get(name).filter(|value| !value.trim().is_empty());
        match (value, back) {
            (Some(value), _) => Some((name.to_owned(), Some(value.clone()))),
            (None, true) => Some((name.to_owned(), None)),
            (None, false) => None,
        }
    });
    said.collect()
}

fn page(
    state: &AppState,
    frame: Frame,
    person: &Person,
    job: &Job,
    typed: &Typed,
    wrong: Option<&ApiError>,
) -> Page {
    let sealer = state.staff.sealer.as_deref();
    let known = known_of(sealer, job);
    let (faults, personal) = (job.faults(), person.sees_personal());
    let fields = fields::asked(&state.onboarding.lead).map(|(name, configured)| {
        let bank = BANK.contains(&name);
        let refused = wrong.and_then(|error| error.details.get(name));
        let fault = refused.or_else(|| faults.get(name));
        Field {
            name,
            label: label(name),
            configured: configured.to_owned(),
            fault: fault.map(|what| masking::told(what, personal)),
            corrected: known.edited.contains_key(name),
            value: match bank {
                true => String::new(),
                false => typed.get(name).cloned().unwrap_or_default(),
            },
            bank,
        }
    });
    let mut fields = Vec::from(fields);
    // What is wrong comes first.
    fields.sort_by_key(|field| field.fault.is_none());
    Page {
        frame,
        id: job.job_id.to_string(),
        lead: job.vtiger_lead_id.clone(),
        message: job
            .error_message
            .as_deref()
            .map(|message| masking::told(message, personal)),
        fields,
        reason: typed.get("reason").cloned().unwrap_or_default(),
        wrong: wrong.map(sentence),
        seals: sealer.is_some(),
    }
}

/// `first_name` as people read it.
fn label(name: &str) -> String {
    match name {
        "iban" => "IBAN".to_owned(),
        "zip" => "Postcode".to_owned(),
        "vat_number" => "VAT number".to_owned(),
        "email" => "E-mail address".to_owned(),
        _ => {
            let text = name.replace('_', " ");
            let mut letters = text.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_people_name_them() {
        assert_eq!(label("first_name"), "First name");
        assert_eq!(label("vat_number"), "VAT number");
        assert_eq!(label("iban"), "IBAN");
    }
}
