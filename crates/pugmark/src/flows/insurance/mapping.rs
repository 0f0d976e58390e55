//! From a customer to the fields of a contact. Pure.

use vtiger::{Element, Field, FieldType, Value};

use crate::crm::contact_fields::{ContactFields, REFERENCE};
use crate::store::customers::Customer;

/// Why a contact is marked and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// The customer's row was deleted.
    Deleted,
    /// The customer turned out to be a test customer.
    Test,
}

/// The contact of a customer: every mapped field with the value it should hold. Empty columns clear their field.
///
/// `link` is the address at which people find the customer, when there is one.
pub fn contact_of(customer: &Customer, fields: &ContactFields, link: Option<&str>) -> Element {
    let mut element = Element::new();
    let mut set = |column: &str, value: Value| {
        if let Some(target) = fields.target(column) {
            element.set(target.field.clone(), value);
        }
    };
    set(REFERENCE, text(&customer.id));
    set("firstName", text(&first_name(customer, fields)));
    set("middleName", optional(customer.middle_name.as_deref()));
    set("lastName", text(&customer.last_name));
    set("email", optional(customer.email.as_deref()));
    set("phoneNumber", text(&customer.phone_number));
    set("dateOfBirth", birth_date(customer.date_of_birth.as_deref()));
    set(
        "gender",
        label(fields, "gender", customer.gender.as_deref()),
    );
    set("idType", label(fields, "idType", Some(&customer.id_type)));
    set("idNumber", text(&customer.id_number));
    set("status", label(fields, "status", Some(&customer.status)));
    if let Some(link) = link {
        set("link", text(link));
    }
    element
}

/// What marks a contact whose customer is withdrawn: the status field, and nothing else, so that all the rest stays as it
/// was. `None` when this installation has no field for it.
pub fn mark_of(withdrawal: Withdrawal, fields: &ContactFields) -> Option<Element> {
    let target = fields.target("status")?;
    let word = match withdrawal {
        Withdrawal::Deleted => "DELETED",
        Withdrawal::Test => "TEST_CUSTOMER",
    };
    Some(Element::new().with(target.field.clone(), label(fields, "status", Some(word))))
}

/// An installation without a field for the middle name shows it behind the first name.
fn first_name(customer: &Customer, fields: &ContactFields) -> String {
    match customer.middle_name.as_deref() {
        Some(middle) if fields.target("middleName").is_none() => {
            format!("{} {middle}", customer.first_name)
        }
        _ => customer.first_name.clone(),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn optional(value: Option<&str>) -> Value {
    value.map_or(Value::Null, text)
}

/// A day of the calendar; anything else is passed on as text, for the adapter to refuse with the field's name.
fn birth_date(value: Option<&str>) -> Value {
    match value {
        None => Value::Null,
        Some(value) => value.parse().map_or_else(|_| text(value), Value::Date),
    }
}

/// A label of MicroBima's enums as people write it, or as the field's picklist spells it. Labels added later come through
/// unharmed.
fn label(fields: &ContactFields, column: &str, value: Option<&str>) -> Value {
    let Some(value) = value else {
        return Value::Null;
    };
    let words = words_of(value);
    let picked = fields
        .target(column)
        .and_then(|target| fields.module.field(&target.field))
        .and_then(|field| picklist_entry(field, &words, value));
    text(&picked.unwrap_or(words))
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

/// `PENDING_ACTIVATION` becomes `Pending activation`; `NATIONAL_ID` keeps its abbreviation.
fn words_of(label: &str) -> String {
    let words: Vec<String> = label
        .split('_')
        .enumerate()
        .map(|(position, word)| match word {
            "ID" | "KYC" => word.to_owned(),
            word if position == 0 => capitalised(word),
            word => word.to_lowercase(),
        })
        .collect();
    words.join(" ")
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first
            .to_uppercase()
            .chain(letters.as_str().to_lowercase().chars())
            .collect(),
        None => String::new(),
    }
}
