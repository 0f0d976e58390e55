//! What a delivery says of a lead whose status changed. Pure: bytes in, a meaning out.
//!
//! The shapes: the onboarding guide's (`event`, `module`, `record_id`, `data`), and the flat one of plain workflows, as JSON or as
//! a form, in which every value is a text, the record's `id` is appended, and an event or a status stands only if somebody
//! mapped them. The values are no more than what the job falls back on where the CRM itself says nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::Onboarding;
use crate::crm::{CONTACTS, LEADS};
use crate::http::webhooks::reading::{Fields, Letter, object_of, pairs, scalar};

use super::masking::{MASK, plain};

/// Longest id of a record; what is no id of vTiger is found out by the job.
const LONGEST_ID: usize = 100;
/// Longest value that is kept, in bytes: Maxio takes none that is longer.
const LONGEST_VALUE: usize = 1_000;
/// Most values that are kept.
const MOST_VALUES: usize = 200;
/// Events that say nothing but that the record was saved, in small letters without marks and without the module before them.
const SAVED: [&str; 8] = [
    "update", "updated", "create", "created", "save", "saved", "change", "changed",
];
/// What may stand before them.
const OF_RECORD: [&str; 5] = ["record", "leads", "lead", "contacts", "contact"];
/// Parameters that concern the delivery and say nothing of the lead.
const CONTROL: [&str; 11] = [
    "event",
    "module",
    "record_id",
    "recordId",
    "id",
    "lead_id",
    "leadId",
    "delivery_id",
    "deliveryId",
    "event_id",
    "eventId",
];
/// The fields that say how far a lead or contact is, where the setting names none.
const STATUS_FIELDS: [&str; 2] = ["leadstatus", "contactstatus"];

/// What a delivery says. It may hold bank data, so it has no `Debug`.
pub struct Said {
    /// What happened, in the sender's word.
    pub event: Option<String>,
    /// Module of the record.
    pub module: Option<String>,
    /// The record, as the sender named it.
    pub record: Option<String>,
    /// How far the lead is; `None` where the delivery does not say.
    pub standing: Option<String>,
    /// Values by the names the sender gave them.
    pub values: BTreeMap<String, String>,
    /// The sender's own id of the delivery, where the body has one.
    pub delivery_id: Option<String>,
    /// Whether it has the shape of the vTiger extension's messages.
    of_extension: bool,
}

/// What a delivery calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The lead with this id is to be set up.
    Wanted(String),
    /// Nothing, for this reason.
    Ignored(&'static str),
    /// It cannot be used, for this reason.
    Unusable(&'static str),
}

/// Reads a delivery.
///
/// # Errors
/// Why it cannot be used, for people; nothing of what it says is quoted.
pub fn read(letter: &Letter<'_>, settings: &Onboarding) -> Result<Said, String> {
    let body = object_of(letter)?;
    let parameters: Map<String, Value> = pairs(letter.parameters.unwrap_or_default().as_bytes());
    let fields = Fields {
        body: &body,
        parameters: &parameters,
    };
    let nested = body.get("data").and_then(Value::as_object);
    let of_extension = body.contains_key("type")
        && nested.is_some_and(|data| data.contains_key("module") && data.contains_key("id"));
    Ok(Said {
        event: fields.word(&["event"]),
        module: fields.word(&["module"]),
        record: ["record_id", "recordId", "id", "lead_id", "leadId"]
            .into_iter()
            .find_map(|name| scalar(fields.find(name)?))
            .map(|id| id.trim().to_owned()),
        standing: standing(&body, &parameters, settings),
        values: values(&body, &parameters),
        delivery_id: fields.word(&["delivery_id", "deliveryId", "event_id", "eventId"]),
        of_extension,
    })
}

impl Said {
    /// What it calls for, by these settings.
    pub fn verdict(&self, settings: &Onboarding) -> Verdict {
        if self.of_extension {
            return Verdict::Ignored(
                "messages of the vTiger extension say nothing of the status; they belong to /webhooks/vtiger",
            );
        }
        if !self.event.as_deref().is_none_or(is_save) {
            return Verdict::Ignored("another event than the update of a record");
        }
        if !self
            .module
            .as_deref()
            .is_none_or(|module| is_module_of_leads(module, settings))
        {
            return Verdict::Ignored("another module than that of the leads");
        }
        if let Some(standing) = &self.standing
            && !standing.trim().eq_ignore_ascii_case(&settings.ready)
        {
            return Verdict::Ignored("the lead is not ready by its status");
        }
        match self.record.as_deref() {
            None | Some("") => {
                Verdict::Unusable("it names no record: `record_id` and `id` are missing or empty")
            }
            Some(id) if id.len() > LONGEST_ID || id.chars().any(char::is_control) => {
                Verdict::Unusable(
                    "`record_id` is longer than 100 characters or holds control characters",
                )
            }
            Some(id) if plain(id) != id => {
                Verdict::Unusable("`record_id` holds what looks like the number of an account")
            }
            Some(id) => Verdict::Wanted(id.to_owned()),
        }
    }
}

fn is_save(event: &str) -> bool {
    let letters = letters_of(event);
    let rest = OF_RECORD
        .iter()
        .find_map(|before| letters.strip_prefix(before))
        .unwrap_or(&letters);
    SAVED.contains(&rest)
}

fn is_module_of_leads(module: &str, settings: &Onboarding) -> bool {
    match &settings.module {
        Some(wanted) => module.eq_ignore_ascii_case(wanted),
        None => [LEADS, CONTACTS]
            .iter()
            .any(|known| module.eq_ignore_ascii_case(known)),
    }
}

/// The status of the lead, under whichever of its names it was sent. One that is there and empty is a status, too.
fn standing(
    body: &Map<String, Value>,
    parameters: &Map<String, Value>,
    settings: &Onboarding,
) -> Option<String> {
    let wanted: Vec<String> = match &settings.status_field {
        Some(field) => vec![bare_name(field)],
        None => STATUS_FIELDS.map(bare_name).into(),
    };
    every_value(body, parameters)
        .find(|(name, _)| wanted.contains(&bare_name(name)))
        .map(|(_, value)| scalar(value).unwrap_or_default())
}

/// `leadstatus`, `Lead Status` and `cf_leads_leadstatus` are one name.
fn bare_name(name: &str) -> String {
    let letters: String = name
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    match letters.strip_prefix("cf") {
        Some(rest) => ["leads", "contacts"]
            .iter()
            .find_map(|module| rest.strip_prefix(module))
            .unwrap_or(rest)
            .to_owned(),
        None => letters,
    }
}

fn letters_of(word: &str) -> String {
    word.chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// Names and values, wherever a sender may have put them: under `data`, under `data.` with a dot, at the top, in the address.
fn every_value<'a>(
    body: &'a Map<String, Value>,
    parameters: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let nested = body.get("data").and_then(Value::as_object);
    nested
        .into_iter()
        .flatten()
        .chain(body)
        .chain(parameters)
        .map(|(name, value)| (name.strip_prefix("data.").unwrap_or(name), value))
}

fn values(body: &Map<String, Value>, parameters: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, value) in every_value(body, parameters) {
        let Some(text) = scalar(value) else { continue };
        let text = text.trim();
        let usable = !text.is_empty() && text.len() <= LONGEST_VALUE && !text.contains(MASK);
        if usable
            && name.len() <= LONGEST_ID
            && !CONTROL.contains(&name)
            && values.len() < MOST_VALUES
        {
            values
                .entry(name.to_owned())
                .or_insert_with(|| text.to_owned());
        }
    }
    values
}
