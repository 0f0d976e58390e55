//! The same in vTiger Cloud, whose fields have other names.

use pugmark::config::CrmEdition;
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{CloudQuota, CustomField, CustomFieldKind, Edition, VtigerSandbox};
use serde_json::json;

use super::NewPayment;
use crate::harness::World;
use crate::http::Api;

#[tokio::test]
async fn figures_and_the_summary_of_a_week_arrive_in_vtiger_cloud() {
    let field = |label: &str, kind: CustomFieldKind| {
        let name = format!("cf_contacts_{}", label.to_lowercase().replace(' ', ""));
        CustomField::new("Contacts", label, kind).named(&name)
    };
    let money = CustomFieldKind::Decimal {
        digits: 10,
        scale: 2,
    };
    let crm = VtigerSandbox::builder()
        .seed(1)
        .edition(Edition::Cloud)
        .cloud_quota(CloudQuota {
            per_minute: 1_000,
            per_day: 10_000,
        })
        .custom_field(field("MicroBima Customer ID", CustomFieldKind::Text))
        .custom_field(field("Payment Count", CustomFieldKind::Integer))
        .custom_field(field("Last Payment Date", CustomFieldKind::Date))
        .custom_field(field("Weekly Payment Total", money));
    let mut world = World::over(TestDb::sqlite().await, crm).await;
    let url = format!("{}/restapi/v1/vtiger/default", world.crm.url());
    let settings = world.crm_settings();
    settings.edition = CrmEdition::Cloud;
    settings.url = url;
    world.settings.insurance.summary.enabled = false;
    let running = world.start().await;
    let program = world.other_program().await;
    let (_, policy) = program.member("Otieno").await;
    for (reference, amount) in [("SGL31HA2Q1", "50.25"), ("SGL31HA2Q2", "19.75")] {
        program
            .pay(NewPayment::paid(
                &policy,
                reference,
                amount,
                "2026-06-17T08:00:00",
            ))
            .await;
    }
    program.wait_until_idle().await;
    let body = json!({ "week": "2026-06-15" });
    let api = Api::of(&running);
    let asked = api
        .post("/api/internal/vtiger/payment-summaries", &body)
        .await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    program.wait_until_idle().await;

    let contacts = world.crm.records("Contacts");
    let contact = contacts.first().expect("a contact");
    assert_eq!(contact.value("cf_contacts_paymentcount"), "2");
    assert_eq!(contact.value("cf_contacts_lastpaymentdate"), "2026-06-17");
    assert_eq!(contact.value("cf_contacts_weeklypaymenttotal"), "70.00");
    let notes = world.crm.records("ModComments");
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0]
            .value("commentcontent")
            .contains("Total: KES 70.00")
    );
    running.shutdown().await;
}
