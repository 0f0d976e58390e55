//! What a change leads to in the CRM when nothing goes wrong, and when the data or the installation is odd.

mod calls;
mod installation;
mod values;
mod withdrawal;

use pugmark_queue::{Filter, OperationRecord};
use pugmark_sandbox::{CustomField, CustomFieldKind, VtigerSandbox, VtigerSandboxBuilder};
use serde_json::Value;

use crate::harness::{FIELDS, World, Writer};
use crate::http::Api;

/// The operations of a customer, newest first.
async fn operations(running: &pugmark::app::Running, customer: &str) -> Vec<OperationRecord> {
    let filter = Filter {
        entity_id: Some(customer.to_owned()),
        limit: 50,
        ..Filter::default()
    };
    running
        .queue
        .list(&filter)
        .await
        .expect("a list")
        .operations
}

/// The fields that the last call of an operation sent, by the attempt that Pugmark keeps.
async fn sent(program: &Writer, operation: &str) -> Vec<String> {
    let text = program
        .one("SELECT CAST(request AS TEXT) FROM vtiger_sync_attempts WHERE crm_calls > 0 ORDER BY started_at DESC, id DESC LIMIT 1")
        .await
        .expect("an attempt");
    let calls: Value = serde_json::from_str(&text).expect("JSON");
    let call = calls
        .as_array()
        .and_then(|calls| {
            calls
                .iter()
                .rev()
                .find(|call| call["operation"] == operation)
        })
        .unwrap_or_else(|| panic!("no {operation} in {calls}"));
    let element = match &call["parameters"]["element"] {
        Value::String(text) => serde_json::from_str(text).expect("an element"),
        element => element.clone(),
    };
    let fields = element
        .as_object()
        .unwrap_or_else(|| panic!("no element in {call}"));
    fields
        .keys()
        .filter(|name| *name != "id")
        .cloned()
        .collect()
}

/// The customer as the API shows it.
async fn shown(running: &pugmark::app::Running, customer: &str) -> Value {
    let answer = Api::of(running)
        .get(&format!("/api/internal/customers/{customer}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.data().clone()
}

async fn warnings(running: &pugmark::app::Running, customer: &str) -> Vec<String> {
    let customer = shown(running, customer).await;
    let list = customer["vtigerWarnings"].as_array().expect("a list");
    list.iter()
        .map(|warning| warning.as_str().expect("text").to_owned())
        .collect()
}

/// A vTiger of an insurer, without one of the custom fields.
fn sandbox_without(label: &str) -> VtigerSandboxBuilder {
    FIELDS.iter().filter(|known| **known != label).fold(
        VtigerSandbox::builder().seed(1),
        |builder, label| {
            let number = 853
                + 2 * FIELDS
                    .iter()
                    .position(|known| known == label)
                    .expect("a known label");
            let field = CustomField::new("Contacts", label, CustomFieldKind::Text)
                .named(&format!("cf_{number}"));
            builder.custom_field(field)
        },
    )
}

/// Edits a column that nothing else depends on, and tells which fields that sent.
async fn after_an_unrelated_edit(world: &World, program: &Writer, customer: &str) -> Vec<String> {
    program.set(customer, "phoneNumber", "'0799999999'").await;
    world
        .wait_for_contact(customer, |contact| contact.value("mobile") == "0799999999")
        .await;
    program.wait_until_idle().await;
    sent(program, "revise").await
}
