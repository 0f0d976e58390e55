//! `pugmark.setup`: the custom fields that the synchronisation needs, and the index on the one with our reference.

use serde_json::{Map, Value, json};

use super::{invalid, module_names};
use crate::vtiger::config::{CustomField, CustomFieldKind};
use crate::vtiger::failure::Answer;
use crate::vtiger::records::Call;

/// The field that holds our reference unless another is named.
const REFERENCE: &str = "cf_microbima_customer_id";

/// Name, label and kind of each field.
fn fields() -> [(&'static str, &'static str, CustomFieldKind); 5] {
    let amount = CustomFieldKind::Decimal {
        digits: 13,
        scale: 2,
    };
    [
        (REFERENCE, "Microbima Customer Id", CustomFieldKind::Text),
        ("cf_id_number", "ID Number", CustomFieldKind::Text),
        ("cf_weekly_payment_total", "Weekly Payment Total", amount),
        (
            "cf_last_payment_date",
            "Last Payment Date",
            CustomFieldKind::Date,
        ),
        (
            "cf_payment_count",
            "Payment Count",
            CustomFieldKind::Integer,
        ),
    ]
}

/// Makes what is missing.
pub(super) fn run(call: &mut Call<'_>, options: &Map<String, Value>) -> Answer {
    let modules = options.get("modules").unwrap_or(&Value::Null);
    let modules = module_names(call, modules)?;
    let given = options.get("referenceField").and_then(Value::as_str);
    let mut made = Vec::new();
    let mut indexed = false;
    for module in &modules {
        for (name, label, kind) in fields() {
            made.push(field(call, module, name, label, kind));
        }
        let wanted = given.filter(|name| !name.is_empty());
        let name = match wanted {
            Some(name) => name.to_owned(),
            None => existing(call, module, REFERENCE, fields()[0].1).unwrap_or_default(),
        };
        let at = call.state.catalogue.find(module).unwrap_or_default();
        if call.state.catalogue.module(at).field(&name).is_none() {
            return Err(invalid(format!("{module} has no field {name}")));
        }
        let entry = (at, name);
        if !call.state.extension.indexed.contains(&entry) {
            call.state.extension.indexed.push(entry);
            indexed = true;
        }
    }
    Ok(json!({ "fields": made, "index": { "created": indexed } }))
}

/// The field of this name; or one that somebody made by hand under the same label.
fn existing(call: &Call<'_>, module: &str, name: &str, label: &str) -> Option<String> {
    let about = call
        .state
        .catalogue
        .module(call.state.catalogue.find(module)?);
    let by_label = || {
        let mut own = about.fields.iter().filter(|field| field.custom);
        own.find(|field| field.label == label && field.name.starts_with("cf"))
    };
    let by_name = about.field(name).map(|at| &about.fields[at]);
    by_name.or_else(by_label).map(|field| field.name.clone())
}

fn field(
    call: &mut Call<'_>,
    module: &str,
    name: &str,
    label: &str,
    kind: CustomFieldKind,
) -> Value {
    let found = existing(call, module, name, label);
    let created = found.is_none();
    if created {
        let custom = CustomField::new(module, label, kind).named(name).length(64);
        call.state.add_field(&custom, name);
    }
    let name = found.unwrap_or_else(|| name.to_owned());
    json!({ "module": module, "name": name, "label": label, "created": created })
}
