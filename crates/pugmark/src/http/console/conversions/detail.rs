//! One conversion: what is missing, what was filled in, who it might be already, and what a person can do.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use pugmark_queue::db::Ts;

use super::{badge, label, meaning, unknown};
use crate::crm::{CONTACTS, LEADS, record_link};
use crate::http::AppState;
use crate::http::api::lead_conversions::FILLABLE;
use crate::http::console::answered;
use crate::http::console::explained::{self, Explained};
use crate::http::console::frame::{Frame, show};
use crate::http::console::masking;
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::store::customers::{self, Customer};
use crate::store::lead_conversions::{self, Claim, Conversion, State};

/// What is missing or wrong.
struct Missing {
    label: String,
    name: String,
    what: String,
}

/// What changes while it is looked at.
struct Standing {
    record: String,
    class: &'static str,
    word: &'static str,
    meaning: &'static str,
    code: Option<String>,
    explained: Option<&'static Explained>,
    message: Option<String>,
    missing: Vec<Missing>,
    customer: Option<String>,
}

/// A field that can be filled in.
struct Field {
    name: &'static str,
    label: &'static str,
    /// What was filled in here before.
    value: String,
    fault: Option<String>,
    kind: &'static str,
    /// Of a field with few values, which.
    choices: &'static [(&'static str, &'static str)],
}

/// Somebody who may be the same person.
struct Candidate {
    id: String,
    values: Vec<(&'static str, String)>,
}

struct Facts {
    module: String,
    url: Option<String>,
    lead: Option<String>,
    lead_url: Option<String>,
    claim: &'static str,
    noticed_by: String,
    correlation_id: String,
    noticed: Moment,
    changed: Moment,
    decided: Option<(String, String)>,
    given: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/conversions/detail.html")]
struct Page {
    frame: Frame,
    standing: Standing,
    facts: Facts,
    fields: Vec<Field>,
    candidate: Option<Candidate>,
    may_look: bool,
    may_fill: bool,
    may_link: bool,
}

#[derive(Template)]
#[template(path = "console/conversions/detail.html", block = "live")]
struct Live {
    standing: Standing,
}

/// `GET /conversions/{record}`
pub(in crate::http::console) async fn page(
    Shared(state): Shared<AppState>,
    frame: Frame,
    person: Person,
    Path(record): Path<String>,
) -> Response {
    let loaded = load(&state, &record).await;
    let (conversion, candidate) = match loaded {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return unknown(&frame, &record),
        Err(error) => return answered::refused(&frame, &error),
    };
    let personal = person.sees_personal();
    let stands = conversion.standing();
    let open = stands != State::Done && conversion.module == CONTACTS;
    show(&Page {
        standing: standing(&conversion, personal),
        fields: fields(&conversion, personal),
        candidate: candidate.map(|customer| shown(customer, personal)),
        may_look: open && person.may_care(),
        may_fill: open && person.may_change(),
        may_link: open && stands != State::Reserved && person.may_change(),
        facts: facts(&state, conversion, personal),
        frame,
    })
}

/// `GET /console/conversions/{record}`
pub(in crate::http::console) async fn fragment(
    Shared(state): Shared<AppState>,
    frame: Frame,
    person: Person,
    Path(record): Path<String>,
) -> Response {
    match load(&state, &record).await {
        Ok(Some((conversion, _))) => show(&Live {
            standing: standing(&conversion, person.sees_personal()),
        }),
        Ok(None) => unknown(&frame, &record),
        Err(error) => answered::refused(&frame, &error),
    }
}

async fn load(
    state: &AppState,
    record: &str,
) -> Result<Option<(Conversion, Option<Customer>)>, ApiError> {
    if record.contains('\0') {
        return Ok(None);
    }
    let mut conn = state.db.read().await?;
    let Some(conversion) = lead_conversions::get(&mut conn, record).await? else {
        return Ok(None);
    };
    let candidate = match conversion.candidate_id.as_deref() {
        Some(id) => customers::get(&mut conn, id).await?,
        None => None,
    };
    Ok(Some((conversion, candidate)))
}

fn missing_of(conversion: &Conversion) -> BTreeMap<String, String> {
    serde_json::from_str(&conversion.missing).unwrap_or_default()
}

fn standing(conversion: &Conversion, personal: bool) -> Standing {
    let stands = conversion.standing();
    let (class, word) = badge(stands);
    let code = conversion.error_code.clone();
    let message = conversion.message.as_deref();
    let missing = missing_of(conversion)
        .into_iter()
        .map(|(name, what)| Missing {
            label: label(&name).to_owned(),
            what: masking::told(&what, personal),
            name,
        });
    Standing {
        record: conversion.record_id.clone(),
        class,
        word,
        meaning: meaning(stands),
        explained: code.as_deref().and_then(explained::of),
        code,
        message: message.map(|message| masking::told(message, personal)),
        missing: missing.collect(),
        customer: conversion.customer_id.clone(),
    }
}

fn fields(conversion: &Conversion, personal: bool) -> Vec<Field> {
    let (given, missing) = (conversion.given(), missing_of(conversion));
    let fields = FILLABLE.into_iter().map(|name| Field {
        name,
        label: label(name),
        value: match personal {
            true => given.get(name).cloned().unwrap_or_default(),
            false => String::new(),
        },
        fault: missing.get(name).map(|what| masking::told(what, personal)),
        kind: match name {
            "dateOfBirth" => "date",
            "email" => "email",
            "phoneNumber" => "tel",
            _ => "text",
        },
        choices: match name {
            "gender" => &[("female", "Female"), ("male", "Male")],
            "idType" => &[
                ("national", "National ID"),
                ("alien", "Alien ID"),
                ("passport", "Passport"),
                ("birth_certificate", "Birth certificate"),
                ("military", "Military ID"),
            ],
            _ => &[],
        },
    });
    let mut fields: Vec<Field> = fields.collect();
    // What is asked for comes first.
    fields.sort_by_key(|field| field.fault.is_none());
    fields
}

fn shown(customer: Customer, personal: bool) -> Candidate {
    let name = [
        Some(customer.first_name),
        customer.middle_name,
        Some(customer.last_name),
    ];
    let name: Vec<String> = name.into_iter().flatten().collect();
    let word = |text: String| match personal {
        true => text,
        false => masking::word(&text),
    };
    let names: Vec<String> = name.into_iter().map(word).collect();
    Candidate {
        id: customer.id,
        values: vec![
            ("Name", names.join(" ")),
            (
                "Document",
                format!("{} {}", customer.id_type, word(customer.id_number)),
            ),
            ("Phone number", word(customer.phone_number)),
            (
                "Date of birth",
                word(customer.date_of_birth.unwrap_or_default()),
            ),
            ("Status", customer.status),
        ],
    }
}

fn facts(state: &AppState, conversion: Conversion, personal: bool) -> Facts {
    let (now, crm) = (Ts::now(), state.crm.as_deref());
    let url = |module: &str, id: &str| crm.and_then(|crm| record_link(crm, module, id));
    let given = conversion.given().into_iter();
    let given = given.map(|(name, value)| {
        let value = match personal {
            true => value,
            false => masking::word(&value),
        };
        (label(&name).to_owned(), value)
    });
    Facts {
        given: given.collect(),
        url: url(&conversion.module, &conversion.record_id),
        lead_url: conversion.lead_id.as_deref().and_then(|id| url(LEADS, id)),
        claim: claim(Claim::parse(&conversion.claim)),
        noticed: Moment::of(conversion.created_at, now),
        changed: Moment::of(conversion.updated_at, now),
        decided: conversion.decided_by.zip(conversion.decided_id),
        module: conversion.module,
        lead: conversion.lead_id,
        noticed_by: conversion.noticed_by,
        correlation_id: conversion.correlation_id,
    }
}

/// Who says that the lead was converted.
fn claim(claim: Claim) -> &'static str {
    match claim {
        Claim::Extension => "the extension, which saw it",
        Claim::Signed => "a delivery whose body is signed",
        Claim::Plain => "a delivery that proved itself by a secret",
        Claim::None => "the contact itself, or nobody",
    }
}
