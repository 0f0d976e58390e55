//! From a customer to the fields of a contact. Pure.
//!
//! A value is converted twice: to the kind that the mapping names, here, and to what the field can keep, by
//! [`vtiger::Module::adapt`]. A value that cannot be converted is left out and told, and costs no other field.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use pugmark_queue::db::Ts;
use vtiger::{Element, Field, FieldType, Value};

use super::sources::{Known, Values};
use super::wording::words_of;
use crate::crm::contact_fields::{ContactFields, Target};
use crate::store::field_mapping::FieldKind;

/// Why a contact is marked and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// The customer's row was deleted.
    Deleted,
    /// The customer turned out to be a test customer.
    Test,
}

/// What the mapped fields of a contact should hold.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    /// The values. Null clears its field.
    pub element: Element,
    /// Values that are not sent, each with its field and the reason.
    pub unsent: Vec<String>,
}

/// The contact of a customer: every mapped field with the value it should hold. Sources without a value clear their field.
pub fn contact_of(values: &Values, fields: &ContactFields, zone: &TimeZone) -> Mapped {
    let mut mapped = Mapped::default();
    for (source, target) in fields.targets() {
        if let Some(why) = values.unread.get(source) {
            let what = format!("`{source}` could not be read: {why}; not sent");
            mapped.unsent.push(about(fields, target, &what));
        }
        let Some(known) = values.get(source) else {
            continue;
        };
        let value = match source {
            "firstName" => Ok(Value::Text(first_name(values, fields))),
            _ => converted(known, target, fields, zone),
        };
        match value {
            Ok(value) => mapped.element.set(target.field.clone(), value),
            Err(what) => mapped.unsent.push(about(fields, target, &what)),
        }
    }
    mapped
}

/// What marks a contact whose customer is withdrawn: the status field, and nothing else, so that all the rest stays as it
/// was. `None` when this installation has no field for it.
pub fn mark_of(withdrawal: Withdrawal, fields: &ContactFields) -> Option<Element> {
    let target = fields.target("status")?;
    let word = match withdrawal {
        Withdrawal::Deleted => "DELETED",
        Withdrawal::Test => "TEST_CUSTOMER",
    };
    let label = Value::Text(in_words(word, target, fields));
    Some(Element::new().with(target.field.clone(), label))
}

/// An installation without a field for the middle name shows it behind the first name.
fn first_name(values: &Values, fields: &ContactFields) -> String {
    let text = |source| match values.get(source) {
        Some(Known::Text(text)) => text.as_str(),
        _ => "",
    };
    match (text("firstName"), text("middleName")) {
        (first, middle) if !middle.is_empty() && fields.target("middleName").is_none() => {
            format!("{first} {middle}")
        }
        (first, _) => first.to_owned(),
    }
}

/// The value in the kind that the mapping names, or what is wrong with it.
fn converted(
    known: &Known,
    target: &Target,
    fields: &ContactFields,
    zone: &TimeZone,
) -> Result<Value, String> {
    if let Known::Absent = known {
        return Ok(Value::Null);
    }
    match target.kind {
        FieldKind::Text => Ok(Value::Text(as_text(known, target, fields, zone))),
        FieldKind::Number => as_number(known),
        FieldKind::Date => as_date(known, zone),
        FieldKind::Boolean => as_boolean(known),
    }
}

fn as_text(known: &Known, target: &Target, fields: &ContactFields, zone: &TimeZone) -> String {
    match known {
        Known::Label(label) => in_words(label, target, fields),
        Known::Flag(true) => "Yes".to_owned(),
        Known::Flag(false) => "No".to_owned(),
        Known::Instant(at) => at
            .timestamp()
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
        known => raw(known),
    }
}

fn as_number(known: &Known) -> Result<Value, String> {
    let text = raw(known);
    match known {
        Known::Number(_) | Known::Text(_) if is_decimal(text.trim()) => {
            Ok(Value::Number(text.trim().to_owned()))
        }
        _ => Err(format!("`{}` is no number; not sent", shown(&text))),
    }
}

fn as_date(known: &Known, zone: &TimeZone) -> Result<Value, String> {
    let text = raw(known);
    match known {
        Known::Instant(at) => Ok(Value::Date(day_of(*at, zone))),
        Known::Date(_) | Known::Text(_) => text
            .trim()
            .parse::<Date>()
            .map(Value::Date)
            .map_err(|_| format!("`{}` is no date (YYYY-MM-DD); not sent", shown(&text))),
        _ => Err(format!(
            "`{}` is no date (YYYY-MM-DD); not sent",
            shown(&text)
        )),
    }
}

fn as_boolean(known: &Known) -> Result<Value, String> {
    let text = raw(known);
    match (known, text.trim().to_ascii_lowercase().as_str()) {
        (Known::Flag(flag), _) => Ok(Value::Bool(*flag)),
        (Known::Text(_) | Known::Number(_), "1" | "true" | "yes") => Ok(Value::Bool(true)),
        (Known::Text(_) | Known::Number(_), "0" | "false" | "no") => Ok(Value::Bool(false)),
        _ => Err(format!(
            "`{}` is neither yes nor no; not sent",
            shown(&text)
        )),
    }
}

/// The value as MicroBima keeps it.
fn raw(known: &Known) -> String {
    match known {
        Known::Absent => String::new(),
        Known::Text(text) | Known::Label(text) | Known::Number(text) | Known::Date(text) => {
            text.clone()
        }
        Known::Instant(at) => at.timestamp().to_string(),
        Known::Flag(flag) => flag.to_string(),
    }
}

fn day_of(at: Ts, zone: &TimeZone) -> Date {
    at.timestamp().to_zoned(zone.clone()).date()
}

/// `-1234.56`: what vTiger reads as one number. It takes `2,500.75` for 2.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction)
}

/// In the words in which adapting a value reports.
fn about(fields: &ContactFields, target: &Target, what: &str) -> String {
    let label = fields
        .module
        .field(&target.field)
        .map_or(target.field.as_str(), |field| field.label.as_str());
    format!("{label} ({}): {what}", target.field)
}

fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}

/// A label of MicroBima's enums as people write it, or as the field's picklist spells it. Labels added later come through
/// unharmed.
fn in_words(label: &str, target: &Target, fields: &ContactFields) -> String {
    let words = words_of(label);
    let picked = fields
        .module
        .field(&target.field)
        .and_then(|field| picklist_entry(field, &words, label));
    picked.unwrap_or(words)
}

fn picklist_entry(field: &Field, words: &str, label: &str) -> Option<String> {
    let FieldType::Picklist(values) = &field.field_type else {
        return None;
    };
    values
        .iter()
        .find(|entry| {
            entry.value.eq_ignore_ascii_case(words) || entry.value.eq_ignore_ascii_case(label)
        })
        .map(|entry| entry.value.clone())
}
