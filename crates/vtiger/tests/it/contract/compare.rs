//! Comparing what the client read and sent with what was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use vtiger::{Module, Record};

use super::recording::Recording;
use crate::server::Server;

pub(crate) fn same(expected: &Json, actual: &Json) -> Result<(), String> {
    if expected == actual {
        Ok(())
    } else {
        Err(format!("expected {expected}, got {actual}"))
    }
}

pub(crate) fn same_record(result: &Json, record: &Record) -> Result<(), String> {
    let fields: BTreeMap<String, String> = result
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    same(&result["id"], &Json::from(record.id.as_str()))?;
    if fields == record.fields {
        Ok(())
    } else {
        Err(format!("expected {fields:?}, got {:?}", record.fields))
    }
}

pub(crate) fn same_records(result: &Json, records: &Vec<Record>) -> Result<(), String> {
    let rows = result.as_array().unwrap();
    same(&Json::from(rows.len()), &Json::from(records.len()))?;
    rows.iter()
        .zip(records)
        .try_for_each(|(row, record)| same_record(row, record))
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => panic!("the recordings hold text only, not {other}"),
    }
}

/// Compares the last request of the recorded operation with the recording.
pub(crate) fn request_difference(server: &Server, recording: &Recording) -> Option<String> {
    let Some(sent) = server.requests_of(recording.operation()).pop() else {
        return Some("nothing was sent".to_owned());
    };
    if sent.method != recording.request.method || sent.path != recording.request.path {
        return Some(format!(
            "sent {} {}, recorded {}",
            sent.method, sent.path, recording.request.method
        ));
    }
    parameter_difference("URL", &sent.query, &recording.request.query)
        .or_else(|| parameter_difference("form", &sent.form, &recording.request.form))
}

fn parameter_difference(
    place: &str,
    sent: &[(String, String)],
    recorded: &Map<String, Json>,
) -> Option<String> {
    let sent: BTreeMap<&str, Json> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), comparable(name, value)))
        .collect();
    let recorded: BTreeMap<&str, Json> = recorded
        .iter()
        .map(|(name, value)| (name.as_str(), comparable(name, value.as_str().unwrap())))
        .collect();
    (sent != recorded).then(|| format!("{place}: sent {sent:?}, recorded {recorded:?}"))
}

/// The order of an element's fields and its white space do not matter.
fn comparable(name: &str, value: &str) -> Json {
    match name {
        "element" => serde_json::from_str(value).unwrap_or_else(|_| Json::from(value)),
        _ => Json::from(value),
    }
}

pub(crate) fn same_module(result: &Json, module: &Arc<Module>) -> Result<(), String> {
    same(&result["name"], &Json::from(module.name.as_str()))?;
    same(&result["label"], &Json::from(module.label.as_str()))?;
    same(&result["idPrefix"], &Json::from(module.id_prefix.as_str()))?;
    same(&result["createable"], &Json::from(module.createable))?;
    same(&result["isEntity"], &Json::from(module.is_entity))?;
    let recorded = result["fields"].as_array().unwrap();
    same(
        &Json::from(recorded.len()),
        &Json::from(module.fields.len()),
    )?;
    recorded
        .iter()
        .zip(&module.fields)
        .try_for_each(|(recorded, field)| {
            same(&recorded["name"], &Json::from(field.name.as_str()))?;
            same(&recorded["label"], &Json::from(field.label.as_str()))?;
            same(&recorded["mandatory"], &Json::from(field.mandatory))?;
            same(&recorded["editable"], &Json::from(field.editable))?;
            same(&recorded["nullable"], &Json::from(field.nullable))?;
            same(
                &Json::Bool(recorded["isunique"] == true),
                &Json::from(field.unique),
            )?;
            same_type(&recorded["type"], &field.field_type)
        })
}

fn same_type(recorded: &Json, field_type: &vtiger::FieldType) -> Result<(), String> {
    use vtiger::FieldType;
    match field_type {
        FieldType::Picklist(values) | FieldType::MultiPicklist(values) => {
            let values: Vec<Json> = values
                .iter()
                .map(|entry| serde_json::json!({"label": entry.label, "value": entry.value}))
                .collect();
            same(&recorded["picklistValues"], &Json::from(values))
        }
        FieldType::Reference(modules) => same(&recorded["refersTo"], &Json::from(modules.clone())),
        FieldType::Other(name) => Err(format!("unknown type {name}")),
        plain => same(
            &recorded["name"],
            &Json::from(format!("{plain:?}").to_lowercase()),
        ),
    }
}
