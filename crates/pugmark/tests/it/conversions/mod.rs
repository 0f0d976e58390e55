//! Converted leads that become customers, judged by what MicroBima's tables and the CRM hold in the end.

mod asking;
mod attached;
mod desk;
mod direct;
pub(crate) mod partner_api;

use pugmark::app::Running;
use pugmark::config;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::harness::{World, Writer, eventually};
use crate::http::{Answer, Api, answer};

const CONVERSIONS: &str = "/api/internal/vtiger/lead-conversions";
pub(crate) const HEADER_SECRET: &str = "header-secret-of-this-test";

/// Starts with a partner in MicroBima and a way for workflows to prove themselves.
pub(crate) async fn started(world: &mut World) -> (Running, Api, Writer) {
    let secret = SecretString::from(HEADER_SECRET);
    world.settings.webhooks.secrets.header = vec![secret];
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let program = world.other_program().await;
    if program.count("partners WHERE \"id\" = 1").await == 0 {
        program
            .sql("INSERT INTO partners (\"id\", \"partnerName\", \"createdBy\", \"updatedBy\") VALUES (1, 'Maisha Poa', \
                  '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001')")
            .await;
    }
    let running = world.start().await;
    let api = Api::of(&running);
    (running, api, program)
}

/// What a person knew of the lead.
pub(crate) const COMPLETE: [(&str, &str); 6] = [
    ("birthday", "1990-04-12"),
    ("mobile", "0712345678"),
    ("Gender", "Female"),
    ("ID Type", "National ID"),
    ("ID Number", "12345678"),
    ("email", "achieng@example.co.ke"),
];

/// A person converts a lead and completes the contact.
pub(crate) fn convert(world: &World, last_name: &str, values: &[(&str, &str)]) -> String {
    let names = [("firstname", "Achieng"), ("lastname", last_name)];
    let lead = world.crm.insert_as_ui("Leads", &names).expect("a lead");
    let contact = world.crm.convert_lead(&lead, &[]).expect("a contact");
    edit(world, &contact, values);
    contact
}

/// A person edits a contact; fields by API name or label.
pub(crate) fn edit(world: &World, contact: &str, values: &[(&str, &str)]) {
    let named: Vec<(String, &str)> = values
        .iter()
        .map(|(name, value)| {
            let known = crate::harness::FIELDS.contains(name);
            let name = if known {
                world.field(name)
            } else {
                (*name).to_owned()
            };
            (name, *value)
        })
        .collect();
    let changes: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    assert!(
        changes.is_empty() || world.crm.edit(contact, &changes),
        "{changes:?}"
    );
}

/// The workflow on new contacts that were leads.
pub(crate) async fn tell(api: &Api, contact: &str) -> Answer {
    tell_again(api, contact, "first").await
}

/// A notice that is not the same delivery as another one.
pub(crate) async fn tell_again(api: &Api, contact: &str, which: &str) -> Answer {
    let body = json!({ "id": contact, "event": "lead.converted", "modifiedtime": which });
    let path = "/api/internal/vtiger/webhooks/lead-convert";
    let request = api
        .bare(Method::POST, path)
        .header("X-Webhook-Secret", HEADER_SECRET);
    let told = answer(request.json(&body)).await;
    assert_eq!(told.status, 202, "{}", told.text);
    told
}

/// Waits until the conversion stands so.
pub(crate) async fn standing(api: &Api, contact: &str, state: &str) -> Value {
    let path = format!("{CONVERSIONS}/{contact}");
    eventually(&format!("{contact} {state}"), || async {
        let found = answer(api.request(Method::GET, &path)).await;
        (found.json["data"]["state"] == state).then(|| found.json["data"].clone())
    })
    .await
}

/// The one customer that the contact became; that both sides know it, and that nobody was made twice.
pub(crate) async fn assert_became_one(world: &World, program: &Writer, contact: &str) -> String {
    program.wait_until_idle().await;
    let customer = program
        .one(format!(
            "SELECT entity_id FROM crm_links WHERE vtiger_id = '{contact}'"
        ))
        .await
        .expect("the contact is linked");
    let row = format!("customers WHERE CAST(\"id\" AS TEXT) = '{customer}'");
    assert_eq!(program.count(&row).await, 1);
    assert_eq!(world.crm.records("Contacts").len(), 1, "no second contact");
    let held = world.crm.record(contact).expect("the contact");
    assert_eq!(
        held.value(&world.reference()),
        customer,
        "the contact knows its customer"
    );
    assert_eq!(
        program.link(&customer, "sync_status").await.as_deref(),
        Some("SYNCED")
    );
    customer
}
