//! Two contacts under one reference, however they came to be: one is kept, the other removed only if it is certainly ours
//! and untouched, otherwise reported.

use pugmark_sandbox::{Fault, FaultPlan};
use vtiger::{Client, ClientConfig, Element};

use crate::harness::{World, on_both_databases};

on_both_databases!(
    after_an_unclear_create_a_second_contact_that_nobody_touched_is_removed,
    after_an_unclear_create_a_second_contact_that_a_person_made_is_kept_and_reported,
    a_second_contact_that_is_none_of_ours_is_reported_and_left_alone,
);

/// What a request that was held up in a proxy leaves behind: a contact made through the web service.
async fn straggler(world: &World, customer: &str) -> String {
    let key = world.crm.access_key().into();
    let config = ClientConfig::open_source(&world.crm.url(), world.crm.username(), key)
        .expect("a usable address");
    let client = Client::new(config).expect("a client");
    let owner = client.identify().await.expect("a login").user_id;
    let element = Element::new()
        .with("lastname", "Straggler")
        .with("assigned_user_id", owner)
        .with(world.reference(), customer);
    client
        .create("Contacts", &element)
        .await
        .expect("a contact")
        .id
        .to_string()
}

fn contacts_of(world: &World, customer: &str) -> Vec<String> {
    let reference = world.reference();
    let records = world.crm.records("Contacts");
    records
        .into_iter()
        .filter(|record| record.value(&reference) == customer)
        .map(|record| record.id)
        .collect()
}

/// Writes the customer, waits until everything is delivered, and gives what Pugmark then says about the contact.
async fn deliver(world: &World, customer: &str) -> String {
    let running = world.start().await;
    let program = world.other_program().await;
    program.insert_customer_as(customer, "Wekesa", false).await;
    program.wait_until_idle().await;
    let linked = program
        .link(customer, "vtiger_id")
        .await
        .expect("the contact is linked");
    let contact = world
        .crm
        .record(&linked)
        .expect("the linked contact is there");
    assert_eq!(
        (contact.value("lastname"), contact.value("mobile")),
        ("Wekesa", "0712345678")
    );
    let warnings = program.link(customer, "warnings").await.unwrap_or_default();
    running.shutdown().await;
    warnings
}

async fn after_an_unclear_create_a_second_contact_that_nobody_touched_is_removed(world: World) {
    let customer = uuid::Uuid::new_v4().to_string();
    let first = straggler(&world, &customer).await;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::HttpAfterEffect(502)));

    let warnings = deliver(&world, &customer).await;

    assert_eq!(
        contacts_of(&world, &customer),
        [first],
        "the older one is kept, the other is gone"
    );
    assert!(warnings.contains("was removed"), "{warnings}");
}

async fn after_an_unclear_create_a_second_contact_that_a_person_made_is_kept_and_reported(
    world: World,
) {
    let customer = uuid::Uuid::new_v4().to_string();
    let fields = [("lastname", "Copy"), (&*world.reference(), &*customer)];
    let copy = world
        .crm
        .insert_as_ui("Contacts", &fields)
        .expect("a person copies a contact");
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::HttpAfterEffect(502)));

    deliver(&world, &customer).await;

    assert!(
        contacts_of(&world, &customer).contains(&copy),
        "what a person made is never removed"
    );
}

async fn a_second_contact_that_is_none_of_ours_is_reported_and_left_alone(mut world: World) {
    if let Some(crm) = &mut world.settings.crm {
        crm.look_first = true;
    }
    let customer = uuid::Uuid::new_v4().to_string();
    let (one, other) = (
        straggler(&world, &customer).await,
        straggler(&world, &customer).await,
    );

    let warnings = deliver(&world, &customer).await;

    assert_eq!(contacts_of(&world, &customer), [one, other.clone()]);
    assert!(
        warnings.contains(&other) && warnings.contains("merge it by hand"),
        "{warnings}"
    );
}
