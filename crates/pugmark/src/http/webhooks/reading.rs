//! What the body of a delivery says happened. Pure: bytes in, a meaning out.
//!
//! Whatever shape it has, only ids, the module and the event are believed; everything else is read again in the CRM. The shapes:
//! the extension's (`type`, `data.module`, `data.id`), the nested one (`event`, `module`, `record_id`, `data`), and the flat one
//! of plain workflows, as JSON or as a form, in which every value is a text and the record's `id` is appended.

use serde_json::{Map, Value};
use url::form_urlencoded;
use vtiger::RecordId;

use crate::crm::{CONTACTS, FROM_LEAD, LEADS};

/// Longest word that is kept as an event or a module.
const LONGEST_WORD: usize = 80;
/// Words for "a lead was converted", in small letters without marks between them.
const CONVERSIONS: [&str; 4] = [
    "leadconverted",
    "leadconvert",
    "leadconversion",
    "contactconverted",
];

/// What a delivery says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// What happened, in the sender's word.
    pub event: Option<String>,
    /// Module of the record.
    pub module: String,
    /// The contact.
    pub contact: Option<String>,
    /// The lead.
    pub lead: Option<String>,
    /// Whether it says that a lead was converted.
    pub converted: bool,
    /// Whether it has the extension's shape.
    pub of_extension: bool,
    /// The sender's own id of the delivery, where the body has one.
    pub delivery_id: Option<String>,
}

impl Said {
    /// The record it is about: the contact, or else the lead.
    pub fn record(&self) -> Option<&str> {
        self.contact.as_deref().or(self.lead.as_deref())
    }
}

/// A delivery before it is read.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// What stands behind the question mark of the address; the body goes before it.
    pub parameters: Option<&'a str>,
    /// Whether it came where conversions are taken.
    pub conversion: bool,
    /// Deepest nesting.
    pub max_depth: usize,
}

/// Reads a delivery.
///
/// # Errors
/// Why it cannot be used, for people.
pub fn read(letter: &Letter<'_>) -> Result<Said, String> {
    let body = object_of(letter)?;
    let parameters: Map<String, Value> = pairs(letter.parameters.unwrap_or_default().as_bytes());
    let fields = Fields {
        body: &body,
        parameters: &parameters,
    };
    match body.get("data") {
        Some(Value::Object(data)) if body.get("type").is_some() && data.contains_key("module") => {
            of_extension(&body, data)
        }
        _ => plain(&fields, letter.conversion),
    }
}

fn of_extension(body: &Map<String, Value>, data: &Map<String, Value>) -> Result<Said, String> {
    let event = word(body.get("type")).ok_or("`type` is no text")?;
    let module = word(data.get("module")).ok_or("`data.module` is no text")?;
    let converted = is_conversion(&event);
    let id = id_at("data.id", data.get("id"))?.ok_or("`data.id` is missing")?;
    let mut said = Said {
        event: Some(event),
        converted,
        of_extension: true,
        ..Said::default()
    };
    match module.as_str() {
        CONTACTS => said.contact = Some(id),
        LEADS => {
            said.lead = Some(id);
            if converted {
                said.contact = id_at("data.contact", data.get("contact"))?;
            }
        }
        _ => {}
    }
    said.module = module;
    Ok(said)
}

fn plain(fields: &Fields<'_>, conversion: bool) -> Result<Said, String> {
    let event = fields.word(&["event", "type"]);
    let converted =
        conversion || event.as_deref().is_some_and(is_conversion) || fields.flag(FROM_LEAD);
    let contact = fields.id(&["contact_id", "contactId", "contact"])?;
    let lead = fields.id(&["lead_id", "leadId", "lead"])?;
    let record = fields.id(&["record_id", "recordId", "id"])?;
    let named = fields.word(&["module"]);
    let module = match &named {
        Some(module) => module.clone(),
        // A lead is named and the record besides has its id: then the record is the lead.
        None if record.is_some() && record == lead => LEADS.to_owned(),
        None => CONTACTS.to_owned(),
    };
    let mut said = Said {
        event,
        converted,
        contact,
        lead,
        delivery_id: fields.word(&["delivery_id", "deliveryId", "event_id", "eventId"]),
        ..Said::default()
    };
    match module.as_str() {
        CONTACTS => said.contact = said.contact.or(record),
        LEADS => said.lead = said.lead.or(record),
        _ => {}
    }
    let concerns_us = [CONTACTS, LEADS].contains(&module.as_str());
    if concerns_us && said.record().is_none() {
        return Err(
            "it names no record: `id`, `record_id`, `contact_id` and `lead_id` are missing or empty"
                .to_owned(),
        );
    }
    said.module = module;
    Ok(said)
}

/// The body as an object, whichever way it is written.
pub(super) fn object_of(letter: &Letter<'_>) -> Result<Map<String, Value>, String> {
    if !is_json(letter) {
        let kind = kind_of(letter);
        if kind.starts_with("multipart/") || kind.ends_with("xml") {
            return Err(format!(
                "a body of the kind {kind} is not read; send JSON or a form"
            ));
        }
        return Ok(pairs(letter.body));
    }
    let value: Value =
        serde_json::from_slice(letter.body).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => {
                "the body ends in the middle of its JSON".to_owned()
            }
            // The message of the library can quote the body.
            _ => format!(
                "the body is no JSON (line {}, column {})",
                error.line(),
                error.column()
            ),
        })?;
    if depth(&value) > letter.max_depth {
        return Err(format!(
            "the body is nested deeper than {}",
            letter.max_depth
        ));
    }
    match value {
        Value::Object(object) => Ok(object),
        _ => Err("the body is no JSON object".to_owned()),
    }
}

/// What the sender calls the body, in small letters.
fn kind_of(letter: &Letter<'_>) -> String {
    letter
        .content_type
        .and_then(|kind| kind.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

/// Whether the body is read as JSON.
pub(super) fn is_json(letter: &Letter<'_>) -> bool {
    let kind = kind_of(letter);
    let looks_like_json = letter
        .body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| b"{[\"".contains(byte));
    kind.ends_with("json") || (kind != "application/x-www-form-urlencoded" && looks_like_json)
}

pub(super) fn pairs(text: &[u8]) -> Map<String, Value> {
    form_urlencoded::parse(text)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect()
}

fn depth(value: &Value) -> usize {
    // The parser has bounded it already, so that this cannot exhaust the stack.
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Where a plain delivery may have put a value: at the top, under `data`, under `data.` with a dot, in the address.
pub(super) struct Fields<'a> {
    /// The body.
    pub(super) body: &'a Map<String, Value>,
    /// What stands behind the question mark of the address.
    pub(super) parameters: &'a Map<String, Value>,
}

impl Fields<'_> {
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        let dotted = format!("data.{name}");
        let nested = self.body.get("data").and_then(Value::as_object);
        [
            self.body.get(name),
            nested.and_then(|data| data.get(name)),
            self.body.get(&dotted),
            self.parameters.get(name),
        ]
        .into_iter()
        .flatten()
        .find(|value| !is_blank(value))
    }

    pub(super) fn word(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| word(self.find(name)))
    }

    fn id(&self, names: &[&str]) -> Result<Option<String>, String> {
        let found = names
            .iter()
            .find_map(|name| Some((*name, self.find(name)?)));
        match found {
            Some((name, value)) => id_at(name, Some(value)),
            None => Ok(None),
        }
    }

    fn flag(&self, name: &str) -> bool {
        match self.find(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(value) => scalar(value).is_some_and(|text| {
                ["1", "true", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str())
            }),
            None => false,
        }
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn word(value: Option<&Value>) -> Option<String> {
    let text = scalar(value?)?;
    let word: String = text
        .trim()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_WORD)
        .collect();
    (!word.is_empty()).then_some(word)
}

/// A record's id as the web service writes it. The bare number that vTiger's pages show could be any module's.
fn id_at(name: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    let Some(value) = value.filter(|value| !is_blank(value)) else {
        return Ok(None);
    };
    let wrong = || format!("`{name}` is no record id of vTiger's web service (like 12x345)");
    let text = scalar(value).ok_or_else(wrong)?;
    let id: RecordId = text.trim().parse().map_err(|_| wrong())?;
    if id.as_str().len() > 40 {
        return Err(wrong());
    }
    Ok(Some(id.to_string()))
}

fn is_conversion(event: &str) -> bool {
    let letters: String = event
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    CONVERSIONS.contains(&letters.as_str())
}
