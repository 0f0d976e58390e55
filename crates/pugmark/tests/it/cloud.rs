//! The same road to vTiger Cloud: another transport, other ids, call limits.

use std::time::Duration;

use pugmark::config::CrmEdition;
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{CloudQuota, CustomField, CustomFieldKind, Edition, VtigerSandbox};

use crate::harness::{PATIENCE, World};

async fn cloud(quota: CloudQuota) -> World {
    let crm = VtigerSandbox::builder()
        .seed(1)
        .edition(Edition::Cloud)
        .cloud_quota(quota)
        .custom_field(
            CustomField::new("Contacts", "MicroBima Customer ID", CustomFieldKind::Text)
                .named("cf_contacts_microbimacustomerid"),
        );
    let mut world = World::over(TestDb::sqlite().await, crm).await;
    if let Some(crm) = &mut world.settings.crm {
        crm.edition = CrmEdition::Cloud;
        crm.url = format!("{}/restapi/v1/vtiger/default", world.crm.url());
    }
    world
}

#[tokio::test]
async fn a_customer_becomes_a_contact_in_vtiger_cloud_and_stays_in_step() {
    let world = cloud(CloudQuota {
        per_minute: 1_000,
        per_day: 10_000,
    })
    .await;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("O'Brien-Otieno").await;

    let journal = world.crm.journal();
    let found = |name: &'static str| {
        let (crm, customer) = (&world.crm, customer.clone());
        move |_: &pugmark_sandbox::Journal| {
            crm.records("Contacts").iter().any(|contact| {
                contact.value("lastname") == name
                    && contact.value("cf_contacts_microbimacustomerid") == customer
            })
        }
    };
    assert!(
        journal.wait_until(found("O'Brien-Otieno"), PATIENCE).await,
        "no contact came"
    );
    program.set(&customer, "lastName", "'Ng''ang''a'").await;
    assert!(
        journal.wait_until(found("Ng'ang'a"), PATIENCE).await,
        "the edit did not come"
    );

    assert_eq!(journal.count_created("Contacts"), 1);
    running.shutdown().await;
}

#[tokio::test]
async fn the_call_limit_of_vtiger_cloud_is_kept_before_it_is_hit() {
    let world = cloud(CloudQuota {
        per_minute: 40,
        per_day: 10_000,
    })
    .await;
    let running = world.start().await;
    let program = world.other_program().await;
    for _ in 0..60 {
        program.insert_customer("Kamau").await;
    }

    let journal = world.crm.journal();
    let paused = journal
        .wait_until(|journal| journal.count_calls(None) >= 30, PATIENCE)
        .await;
    assert!(paused, "the first calls were not made");
    // What is under way may still end; after that nothing more is asked for until the minute is over.
    let over = journal
        .wait_until(
            |journal| journal.count_calls(None) > 40,
            Duration::from_secs(5),
        )
        .await;

    assert!(!over, "more calls than the limit allows");
    let refused = journal
        .calls()
        .iter()
        .filter(|entry| format!("{:?}", entry.kind).contains("http: 429"))
        .count();
    assert_eq!(refused, 0, "no call was refused for being one too many");
    running.shutdown().await;
}
