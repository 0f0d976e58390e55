//! One value for one field, by the field's type.

use crate::adapt::{Fitted, WarningKind, number, text, time};
use crate::element::{LIST_SEPARATOR, Value};
use crate::id::RecordId;
use crate::module::{Field, FieldType, Module, PicklistValue};

/// What a warning repeats of a value.
pub(super) fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}

pub(super) fn fit(module: &Module, field: &Field, value: &Value) -> Result<Fitted, WarningKind> {
    let is_list = matches!(value, Value::List(_));
    if is_list && !matches!(field.field_type, FieldType::MultiPicklist(_)) {
        return Err(WarningKind::NotAList);
    }
    let given = value.as_text();
    let is_empty = given.trim().is_empty();
    match &field.field_type {
        FieldType::Boolean => fit_boolean(module, field, &given),
        FieldType::Integer if is_empty => Ok(number::cleared(field.limits)),
        FieldType::Double | FieldType::Currency if is_empty => Ok(number::cleared(field.limits)),
        FieldType::Date
        | FieldType::Time
        | FieldType::DateTime
        | FieldType::Reference(_)
        | FieldType::Owner
            if is_empty =>
        {
            Ok(Fitted::cleared(""))
        }
        FieldType::Integer => number::fit_integer(&given),
        FieldType::Double | FieldType::Currency => number::fit_decimal(field.limits, &given),
        FieldType::Date => time::fit_date(&given),
        FieldType::Time => time::fit_time(&given),
        FieldType::DateTime => time::fit_datetime(&given),
        FieldType::Reference(_) | FieldType::Owner => fit_reference(&given),
        FieldType::Picklist(values) => Ok(fit_picklist(module, field, values, &given)),
        FieldType::MultiPicklist(values) => Ok(fit_multi_picklist(module, field, values, value)),
        _ if matches!(value, Value::Null) => Ok(Fitted::cleared("")),
        // Only its hash reaches a column.
        FieldType::Password => Ok(Fitted::exactly(given)),
        _ => Ok(text::fit(module.edition, field.length, &given)),
    }
}

/// vTiger takes `"true"` and `"yes"` for no; the user module wants `on` and `off`.
fn fit_boolean(module: &Module, field: &Field, given: &str) -> Result<Fitted, WarningKind> {
    let yes = match given.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => true,
        "" | "0" | "false" | "no" | "off" => false,
        _ => {
            return Err(WarningKind::BadBoolean {
                value: shown(given),
            });
        }
    };
    let switch = module.name == "Users" && field.name == "is_admin";
    Ok(Fitted::exactly(match (switch, yes) {
        (true, true) => "on",
        (true, false) => "off",
        (false, true) => "1",
        (false, false) => "0",
    }))
}

/// vTiger makes the calling user the owner when it cannot read an owner, and cuts ids it half understands.
fn fit_reference(given: &str) -> Result<Fitted, WarningKind> {
    match given.trim().parse::<RecordId>() {
        Ok(id) => Ok(Fitted {
            sent: Value::Id(id.clone()),
            stored: id.to_string(),
            warnings: Vec::new(),
        }),
        Err(_) => Err(WarningKind::BadReference {
            value: shown(given),
        }),
    }
}

fn fit_picklist(module: &Module, field: &Field, values: &[PicklistValue], given: &str) -> Fitted {
    let mut fitted = text::fit(module.edition, field.length, given);
    if !makes_a_task(module, field, given) {
        fitted.warnings.extend(outside(values, given));
    }
    fitted
}

/// The picklist shows kinds of events only, and without this value, which it lacks, a task becomes an event.
fn makes_a_task(module: &Module, field: &Field, given: &str) -> bool {
    module.name == "Calendar" && field.name == "activitytype" && given == "Task"
}

fn fit_multi_picklist(
    module: &Module,
    field: &Field,
    values: &[PicklistValue],
    value: &Value,
) -> Fitted {
    let entries: Vec<String> = match value {
        Value::List(entries) => entries.clone(),
        // Without the spaces vTiger stores one odd entry.
        other => other
            .as_text()
            .split("|##|")
            .map(|entry| entry.trim().to_owned())
            .collect(),
    };
    let entries: Vec<&str> = entries
        .iter()
        .map(String::as_str)
        .filter(|entry| !entry.is_empty())
        .collect();
    let mut fitted = text::fit(module.edition, field.length, &entries.join(LIST_SEPARATOR));
    fitted
        .warnings
        .extend(entries.iter().filter_map(|entry| outside(values, entry)));
    fitted
}

/// An empty list of values means that the description does not tell them.
fn outside(values: &[PicklistValue], given: &str) -> Option<WarningKind> {
    let known =
        given.is_empty() || values.is_empty() || values.iter().any(|value| value.value == given);
    (!known).then(|| WarningKind::NotInPicklist {
        value: shown(given),
    })
}
