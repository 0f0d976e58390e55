//! What was recorded of a real vTiger 8.0 makes the modules: its answers of `listtypes` and `describe`.

use std::collections::HashMap;
use std::io;

use serde_json::{Map, Value};

use super::catalogue::{Field, Kind, Module};
use super::widths;

/// The recorded `describe` answers, one per module that is modelled.
const DESCRIBED: [&str; 11] = [
    include_str!("../../../../fixtures/vtiger8/057-meta-describe-Contacts.json"),
    include_str!("../../../../fixtures/vtiger8/058-meta-describe-Leads.json"),
    include_str!("../../../../fixtures/vtiger8/059-meta-describe-Users.json"),
    include_str!("../../../../fixtures/vtiger8/060-meta-describe-Calendar.json"),
    include_str!("../../../../fixtures/vtiger8/061-meta-describe-Events.json"),
    include_str!("../../../../fixtures/vtiger8/062-meta-describe-ModComments.json"),
    include_str!("../../../../fixtures/vtiger8/063-meta-describe-Documents.json"),
    include_str!("../../../../fixtures/vtiger8/064-meta-describe-Accounts.json"),
    include_str!("../../../../fixtures/vtiger8/065-meta-describe-HelpDesk.json"),
    include_str!("../../../../fixtures/vtiger8/066-meta-describe-Groups.json"),
    include_str!("../../../../fixtures/vtiger8/067-meta-describe-Currency.json"),
];

/// The recorded `listtypes` answer.
const LISTED: &str = include_str!("../../../../fixtures/vtiger8/053-meta-listtypes.json");

/// The modules that are modelled.
pub(super) fn modules() -> io::Result<Vec<Module>> {
    let answers = DESCRIBED.iter().map(|text| recorded_result(text));
    answers.map(|answer| answer.map(module)).collect()
}

fn recorded_result(text: &str) -> io::Result<Value> {
    let mut recording: Value = serde_json::from_str(text).map_err(io::Error::from)?;
    Ok(recording["response"]["body"]["result"].take())
}

/// The modules that `listtypes` names, in its order, with what it says of them.
pub(super) fn listed() -> io::Result<Vec<(String, Value)>> {
    let result = recorded_result(LISTED)?;
    let names = result["types"].as_array().cloned().unwrap_or_default();
    let names = names.iter().filter_map(Value::as_str);
    Ok(names
        .map(|name| (name.to_owned(), result["information"][name].clone()))
        .collect())
}

/// A module as a `describe` answer has it.
pub(super) fn module(mut result: Value) -> Module {
    let listed = result["fields"].take();
    let describe = result.as_object().cloned().unwrap_or_default();
    let name = describe
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    // The recorded installation had custom fields of its own; a fresh one has none.
    let fields = listed
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object);
    let fields = fields
        .map(|described| field(&name, described))
        .filter(|field| !is_recorded_custom(&field.name));
    let is_entity = describe
        .get("isEntity")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let mut module = Module {
        fields: fields.collect(),
        name,
        is_entity,
        by_name: HashMap::new(),
        label_fields: Vec::new(),
        describe,
    };
    module.reindex();
    module
}

fn field(module: &str, described: &Map<String, Value>) -> Field {
    let text = |key: &str| {
        described
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let flag = |key: &str| described.get(key).and_then(Value::as_bool).unwrap_or(false);
    let name = text("name");
    let kind = described.get("type").cloned().unwrap_or_default();
    let type_name = kind["name"].as_str().unwrap_or_default().to_owned();
    Field {
        label: text("label"),
        mandatory: flag("mandatory"),
        unique: flag("isunique"),
        editable: flag("editable"),
        kind: built_in_kind(module, &name, &type_name, &kind),
        type_name,
        name,
        custom: false,
        describe: described.clone(),
    }
}

/// Columns whose type differs from what `describe` says of the field.
fn column_override(module: &str, field: &str) -> Option<Kind> {
    match (module, field) {
        // Kept as text, verbatim.
        ("Calendar" | "Events", "time_start" | "time_end" | "duration_hours" | "reminder_time") => {
            Some(Kind::Text(Some(50)))
        }
        ("Users", "is_admin") => Some(Kind::Text(Some(3))),
        // Nothing until somebody downloads it.
        ("Documents", "filedownloadcount") => Some(Kind::Text(Some(11))),
        _ => None,
    }
}

fn built_in_kind(module: &str, field: &str, type_name: &str, described: &Value) -> Kind {
    if let Some(kind) = column_override(module, field) {
        return kind;
    }
    match type_name {
        "integer" => Kind::Integer,
        "double" => Kind::Decimal {
            digits: 17,
            scale: 8,
            lenient: false,
        },
        "currency" => Kind::Decimal {
            digits: 17,
            scale: 8,
            lenient: true,
        },
        "boolean" => Kind::Boolean,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "datetime" => Kind::DateTime,
        "multipicklist" => Kind::MultiPicklist,
        "owner" => Kind::Owner,
        "reference" => Kind::Reference(strings(&described["refersTo"])),
        "autogenerated" if field == "id" => Kind::Id,
        _ => Kind::Text(widths::built_in(module, field, type_name)),
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn is_recorded_custom(name: &str) -> bool {
    name.strip_prefix("cf_")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
