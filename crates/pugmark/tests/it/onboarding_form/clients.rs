//! Who the client is: a lead, the contact it became, or a contact from the beginning.

use pugmark::config::CrmEdition;
use pugmark::store::lead_conversions::{self, Claim, Notice};
use pugmark_queue::db::Ts;
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{CloudQuota, Edition, VtigerSandbox};
use serde_json::json;

use super::{Hub, SUBMIT, custom_labels, guide, with_fields};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    the_form_of_a_contact_is_written_to_the_contact,
    the_form_of_a_converted_lead_is_written_to_its_contact,
    the_contact_that_a_conversion_names_counts_before_any_other,
    of_several_contacts_none_is_guessed,
);

async fn the_form_of_a_contact_is_written_to_the_contact(world: World) {
    let hub = Hub::of(world).await;
    let contact = hub
        .world
        .crm
        .insert_as_ui("Contacts", &[("lastname", "Murphy")])
        .expect("a contact");
    let (running, api) = hub.start().await;
    let saved = api.post(SUBMIT, &guide(&contact)).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_eq!(
        hub.value(&contact, "Contacts", "Probation Period"),
        "6 months"
    );
    running.shutdown().await;
}

async fn the_form_of_a_converted_lead_is_written_to_its_contact(world: World) {
    let hub = Hub::of(world).await;
    let contact = hub
        .world
        .crm
        .convert_lead(&hub.lead, &[])
        .expect("converted");
    let (running, api) = hub.start().await;
    let saved = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_eq!(
        hub.value(&contact, "Contacts", "Probation Period"),
        "6 months"
    );
    assert_eq!(
        hub.lead_value("Probation Period"),
        "",
        "nobody looks at the lead any more"
    );
    let told = api.get(saved.header("location")).await;
    assert_eq!(told.json["recordId"], json!(contact));
    running.shutdown().await;
}

async fn the_contact_that_a_conversion_names_counts_before_any_other(world: World) {
    let hub = Hub::of(world).await;
    hub.world
        .crm
        .convert_lead(&hub.lead, &[])
        .expect("converted");
    let named = hub
        .world
        .crm
        .insert_as_ui("Contacts", &[("lastname", "Named")])
        .expect("a contact");
    let (running, api) = hub.start().await;
    let (lead, contact) = (hub.lead.clone(), named.clone());
    let noticed = running.db.write("notice", move |conn| {
        Box::pin(async move {
            let notice = Notice {
                record: &contact,
                module: "Contacts",
                lead: Some(&lead),
                claim: Claim::Signed,
                by: "webhook",
                correlation_id: "c",
            };
            lead_conversions::notice(conn, &notice, Ts::now()).await
        })
    });
    noticed.await.expect("stored");
    let saved = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_eq!(
        hub.value(&named, "Contacts", "Probation Period"),
        "6 months"
    );
    running.shutdown().await;
}

async fn of_several_contacts_none_is_guessed(world: World) {
    let hub = Hub::of(world).await;
    let fields = [("lastname", "Twin"), ("email", "john@acme.example")];
    let other = hub
        .world
        .crm
        .insert_as_ui("Leads", &fields)
        .expect("a lead");
    hub.world
        .crm
        .convert_lead(&hub.lead, &[])
        .expect("converted");
    hub.world.crm.convert_lead(&other, &[]).expect("converted");
    let (running, api) = hub.start().await;
    let unclear = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!((unclear.status, unclear.code()), (409, "CLIENT_UNCLEAR"));
    let program = hub.world.other_program().await;
    assert_eq!(program.count("onboarding_forms").await, 0);
    running.shutdown().await;
}

#[tokio::test]
async fn where_leads_are_contacts_as_on_many_clouds_the_contact_is_written() {
    let crm = VtigerSandbox::builder()
        .seed(1)
        .edition(Edition::Cloud)
        .cloud_leads(false)
        .cloud_quota(CloudQuota {
            per_minute: 1_000,
            per_day: 10_000,
        });
    let mut world = World::over(TestDb::sqlite().await, with_fields(crm, &["Contacts"])).await;
    let crm = world.settings.crm.as_mut().expect("a CRM");
    crm.edition = CrmEdition::Cloud;
    crm.url = format!("{}/restapi/v1/vtiger/default", world.crm.url());
    let hub = Hub::over(world).await;
    let contact = hub
        .world
        .crm
        .insert_as_ui("Contacts", &[("lastname", "Doe")])
        .expect("a contact");
    let (running, api) = hub.start().await;
    let saved = api.post(SUBMIT, &guide(&contact)).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let record = hub.record(&contact);
    let held: Vec<&str> = record.fields.values().map(String::as_str).collect();
    assert!(held.contains(&"Statutory + 3 company days"), "{held:?}");
    let lead = api.post(SUBMIT, &guide("2x7")).await;
    assert_eq!(lead.status, 422, "there are no leads here: {}", lead.text);
    assert!(custom_labels().len() > 20);
    running.shutdown().await;
}
