//! The operator's mapping: checked against the CRM, tried before it is used, applied to what is there.

mod applying;
mod checking;
mod command;
mod delivering;
mod trying;

use pugmark_sandbox::{CustomField, CustomFieldKind, VtigerSandboxBuilder};
use serde_json::{Value, json};

use crate::harness::{World, sandbox};
use crate::http::Api;

const MAPPINGS: &str = "/api/internal/vtiger/field-mappings";

/// Labels, kinds and API names of the fields that these vTigers have besides.
const PARTNER: &str = "cf_867";
const PARTNER_NUMBER: &str = "cf_869";
const REGISTERED_ON: &str = "cf_871";
const SOMETHING_MISSING: &str = "cf_873";

fn with_more_fields() -> VtigerSandboxBuilder {
    let field = |label, kind| CustomField::new("Contacts", label, kind);
    sandbox()
        .custom_field(field("Partner", CustomFieldKind::Text))
        .custom_field(field("Partner Number", CustomFieldKind::Integer))
        .custom_field(field("Registered On", CustomFieldKind::Date))
        .custom_field(field("Something Missing", CustomFieldKind::Checkbox))
}

async fn spacious(world: World) -> World {
    world.before(with_more_fields()).await
}

fn mapping(source: &str, field: &str, kind: &str) -> Value {
    json!({ "microbimaField": source, "vtigerFieldName": field, "fieldType": kind })
}

/// Adds a mapping that works, and gives its number.
async fn added(api: &Api, source: &str, field: &str, kind: &str) -> i64 {
    let answer = api.post(MAPPINGS, &mapping(source, field, kind)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.data()["usable"], true, "{}", answer.text);
    answer.data()["id"].as_i64().expect("a number")
}

/// The mapping of a source, as the list shows it.
async fn listed(api: &Api, source: &str) -> Option<Value> {
    let list = api.get(MAPPINGS).await;
    let items = list.data()["items"].as_array().expect("a list").clone();
    items
        .into_iter()
        .find(|item| item["microbimaField"] == source)
}
