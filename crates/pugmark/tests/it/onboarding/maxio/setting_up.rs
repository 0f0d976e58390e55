//! What comes of a lead that is ready, in the ways in which leads stand in vTiger and customers pay.

use pugmark::config::{Collection, Gateway, NextBilling};
use pugmark_sandbox::Edition;
use serde_json::json;

use super::super::sending::guide;
use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_lead_becomes_a_customer_with_a_subscription_and_is_told,
    the_guides_example_fails_naming_everything_and_a_valid_one_completes,
    what_the_webhook_said_stands_in_where_the_crm_has_nothing,
    whoever_pays_by_invoice_needs_no_account,
    a_lead_that_is_no_longer_ready_is_called_off,
    a_lead_that_was_converted_meanwhile_is_told_as_a_contact,
    what_stands_in_maxio_already_is_adopted_and_completed,
    a_subscription_made_by_hand_is_not_billed_a_second_time,
    without_a_field_for_the_ids_nothing_is_made_until_there_is_one,
    a_cancelled_job_stops_before_its_next_step,
    in_shadow_mode_nothing_is_made,
);

async fn a_lead_becomes_a_customer_with_a_subscription_and_is_told(world: World) {
    let mut site = Site::of(world).await;
    site.world.settings.onboarding.done = Some("Finance Setup Complete".to_owned());
    site.world.settings.onboarding.write.subscription_state = "Subscription state".to_owned();
    let (running, api) = site.start().await;
    let lead = site.lead_with(
        "contact@acmecorp.com",
        &[("country", "Ireland"), ("city", "Dublin")],
    );
    let job = site.ready(&api, &lead).await;
    let job = site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    let customer = site.maxio.customer_by_reference(&lead).expect("a customer");
    assert_eq!(customer["organization"], "Acme Corp Ltd");
    assert_eq!(customer["country"], "IE");
    let subscription = site.subscription(&lead);
    assert_eq!(subscription["state"], "active");
    assert_eq!(subscription["payment_collection_method"], "automatic");
    let profile = subscription["bank_account"]["id"]
        .as_u64()
        .expect("a profile");
    assert!(site.maxio.iban_is(profile, ACCOUNT));
    assert_eq!(job.customer, customer["id"].to_string());
    assert_eq!(job.subscription, subscription["id"].to_string());
    let record = site.world.crm.record(&lead).expect("the lead");
    assert_eq!(record.value("leadstatus"), "Finance Setup Complete");
    assert_eq!(record.value(STATE_FIELD), "active");
    running.shutdown().await;
}

async fn the_guides_example_fails_naming_everything_and_a_valid_one_completes(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let wrong = site.said(&api, &guide()).await;
    let failed = site.until(&api, &wrong, "failed").await;
    assert_eq!(failed.code, "PUG-6101", "{failed:?}");
    let fault = |name: &str| failed.faults[name].as_str().unwrap_or_default().to_owned();
    assert!(fault("iban").contains("mod 97"), "{failed:?}");
    assert!(
        fault("lead").contains("`vtiger_lead_id_456` is no id"),
        "{failed:?}"
    );
    assert_eq!(
        failed.faults.as_object().map(serde_json::Map::len),
        Some(2),
        "{failed:?}"
    );
    assert!(site.maxio.customers().is_empty());

    let lead = site.lead_with("contact@acmecorp.com", &[(IBAN_FIELD, "")]);
    let job = site.said(&api, &guide_for(&lead)).await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}

async fn what_the_webhook_said_stands_in_where_the_crm_has_nothing(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead_with("mended@acmecorp.com", &[("company", ""), (IBAN_FIELD, "")]);
    let job = site.said(&api, &guide_for(&lead)).await;
    site.until(&api, &job, "crm_updated").await;
    let customer = site.maxio.customer_by_reference(&lead).expect("a customer");
    assert_eq!(customer["organization"], "Acme Corp Ltd", "of the webhook");
    assert_eq!(
        customer["email"], "mended@acmecorp.com",
        "the CRM counts before the webhook"
    );
    running.shutdown().await;
}

async fn whoever_pays_by_invoice_needs_no_account(world: World) {
    let mut site = Site::of(world).await;
    site.settings().collection = Collection::Remittance;
    site.settings().next_billing = NextBilling::FirstOfNextMonth;
    site.settings().net_terms = Some(30);
    let (running, api) = site.start().await;
    let lead = site.lead_with("contact@acmecorp.com", &[(IBAN_FIELD, "no account")]);
    let job = site.ready(&api, &lead).await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    let subscription = site.subscription(&lead);
    assert_eq!(subscription["payment_collection_method"], "remittance");
    let ends = subscription["current_period_ends_at"]
        .as_str()
        .unwrap_or_default();
    assert!(ends.contains("-01T"), "{ends}");
    running.shutdown().await;
}

async fn a_lead_that_is_no_longer_ready_is_called_off(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead_with("contact@acmecorp.com", &[("leadstatus", "Cold")]);
    let job = site.ready(&api, &lead).await;
    let failed = site.until(&api, &job, "failed").await;
    assert_eq!(failed.code, "PUG-6102");
    assert!(failed.message.contains("`Cold`"), "{failed:?}");
    assert!(site.maxio.customers().is_empty());
    let program = site.program().await;
    let dead = program
        .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, 0, "nobody needs to look at it");
    // Set to ready again: the workflow fires again, and the same job goes on.
    site.world.crm.edit(&lead, &[("leadstatus", READY)]);
    assert_eq!(site.ready(&api, &lead).await, job);
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}

async fn a_lead_that_was_converted_meanwhile_is_told_as_a_contact(world: World) {
    let crm = |crm| with_fields(with_fields_of_contacts(crm), "Leads");
    let site = Site::with(world, |maxio| maxio, crm).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let gate = site.maxio.hold_before_effect("subscription.create");
    let job = site.ready(&api, &lead).await;
    assert!(
        gate.wait_until_held(1, PATIENCE).await,
        "it comes to the subscription"
    );
    let contact = site.world.crm.convert_lead(&lead, &[]).expect("a contact");
    gate.open();
    let job = site.until(&api, &job, "crm_updated").await;
    let record = site.world.crm.record(&contact).expect("the contact");
    assert_eq!(record.value("cf_951"), job.customer);
    assert_eq!(record.value("cf_953"), job.subscription);
    assert_eq!(site.maxio.subscriptions().len(), 1);
    running.shutdown().await;
}

fn with_fields_of_contacts(crm: VtigerSandboxBuilder) -> VtigerSandboxBuilder {
    let text = |label, name| CustomField::new("Contacts", label, CustomFieldKind::Text).named(name);
    crm.custom_field(text("Maxio Customer ID", "cf_951"))
        .custom_field(text("Maxio Subscription ID", "cf_953"))
}

async fn what_stands_in_maxio_already_is_adopted_and_completed(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    post(&site, "/customers.json", json!({"customer": {"first_name": "Johnny", "last_name": "Doe", "email": "other@acme.example", "reference": lead}})).await;
    let job = site.ready(&api, &lead).await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    let customer = site.maxio.customer_by_reference(&lead).expect("a customer");
    assert_eq!(
        customer["first_name"], "Johnny",
        "somebody may have mended it in Maxio"
    );
    assert_eq!(
        customer["organization"], "Acme Corp Ltd",
        "a blank is filled in"
    );
    running.shutdown().await;
}

async fn a_subscription_made_by_hand_is_not_billed_a_second_time(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    post(&site, "/customers.json", json!({"customer": {"first_name": "John", "last_name": "Doe", "email": "other@acme.example", "reference": lead}})).await;
    post(&site, "/subscriptions.json", json!({"subscription": {"customer_reference": lead, "product_handle": "default-hr-package", "payment_collection_method": "remittance"}})).await;
    let job = site.ready(&api, &lead).await;
    let failed = site.until(&api, &job, "failed").await;
    assert_eq!(failed.code, "PUG-6206", "{failed:?}");
    assert!(
        failed.message.contains(&format!("lead-{lead}")),
        "{failed:?}"
    );
    assert_eq!(site.maxio.subscriptions().len(), 1);
    running.shutdown().await;
}

/// What a person makes in Maxio.
async fn post(site: &Site, path: &str, body: serde_json::Value) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let made = client
        .post(format!("{}{path}", site.maxio.url()))
        .basic_auth(site.maxio.api_key(), Some("x"))
        .json(&body)
        .send()
        .await
        .expect("an answer");
    assert_eq!(made.status().as_u16(), 201, "{:?}", made.text().await);
}

async fn without_a_field_for_the_ids_nothing_is_made_until_there_is_one(world: World) {
    let mut site = Site::of(world).await;
    site.world.settings.onboarding.write.customer_id = "Nobody made this".to_owned();
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let job = site.ready(&api, &lead).await;
    let waits = eventually("the trouble is told", || async {
        let waits = site.job(&api, &job).await;
        (waits.code == "PUG-6104").then_some(waits)
    })
    .await;
    assert_eq!(waits.status, "processing");
    assert!(waits.message.contains("Nobody made this"), "{waits:?}");
    assert!(site.maxio.customers().is_empty());
    running.shutdown().await;
    site.world.settings.onboarding.write.customer_id = "maxio_customer_id".to_owned();
    let (running, api) = site.start().await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}

async fn a_cancelled_job_stops_before_its_next_step(world: World) {
    let mut site = Site::of(world).await;
    site.settings().call_timeout = Duration::from_secs(20);
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let gate = site.maxio.hold_answers("customer.create");
    let job = site.ready(&api, &lead).await;
    assert!(
        gate.wait_until_held(1, PATIENCE).await,
        "the customer is made"
    );
    let path = format!("/api/internal/onboarding/jobs/{job}/cancel");
    let cancelled = api
        .post(&path, &json!({"reason": "The lead called it off"}))
        .await;
    assert!(cancelled.status < 300, "{}", cancelled.text);
    gate.open();
    site.program().await.wait_until_idle().await;
    let job = site.job(&api, &job).await;
    assert_eq!(
        (job.status.as_str(), job.code.as_str()),
        ("failed", "CANCELLED")
    );
    assert!(site.maxio.payment_profiles().is_empty());
    assert!(site.maxio.subscriptions().is_empty());
    running.shutdown().await;
}

async fn in_shadow_mode_nothing_is_made(world: World) {
    let mut site = Site::of(world).await;
    site.world.settings.mode = pugmark::config::Mode::Shadow;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let job = site.ready(&api, &lead).await;
    let shown = site.until(&api, &job, "failed").await;
    assert_eq!(shown.code, "PUG-6106");
    assert!(shown.message.contains("make a customer"), "{shown:?}");
    assert!(site.maxio.journal().created("customers").is_empty());
    running.shutdown().await;
}

#[tokio::test]
async fn on_a_cloud_without_leads_contacts_are_set_up() {
    let crm = |crm: VtigerSandboxBuilder| {
        let status = CustomField::new("Contacts", "Contact Status", CustomFieldKind::Text);
        let crm = crm.edition(Edition::Cloud).cloud_leads(false);
        with_fields(crm.custom_field(status.named("contactstatus")), "Contacts")
    };
    let mut site = Site::with(World::sqlite().await, |maxio| maxio, crm).await;
    let url = format!("{}/restapi/v1/vtiger/default", site.world.crm.url());
    let settings = site.world.crm_settings();
    settings.edition = pugmark::config::CrmEdition::Cloud;
    settings.url = url;
    let (running, api) = site.start().await;
    let contact = site.world.crm.insert_as_ui(
        "Contacts",
        &[
            ("firstname", "John"),
            ("lastname", "Doe"),
            ("email", "contact@acmecorp.com"),
            ("contactstatus", READY),
            ("mailingcity", "Dublin"),
            (IBAN_FIELD, ACCOUNT),
        ],
    );
    let contact = contact.expect("the fields exist");
    let job = site.ready(&api, &contact).await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&contact);
    let customer = site
        .maxio
        .customer_by_reference(&contact)
        .expect("a customer");
    assert_eq!(customer["city"], "Dublin");
    running.shutdown().await;
}

#[tokio::test]
async fn gocardless_is_not_asked_without_a_state() {
    let mut site = Site::of(World::sqlite().await).await;
    site.settings().gateway = Gateway::Gocardless;
    site.world.settings.onboarding.lead.bank_name = "designation".to_owned();
    let (running, api) = site.start().await;
    let address = [
        ("lane", "1 Main Street"),
        ("city", "Dublin"),
        ("code", "D02 X285"),
        ("country", "Ireland"),
        ("designation", "AIB"),
    ];
    let lead = site.lead_with("contact@acmecorp.com", &address);
    let job = site.ready(&api, &lead).await;
    let failed = site.until(&api, &job, "failed").await;
    let faults = failed.faults.as_object().expect("faults");
    assert_eq!(faults.keys().collect::<Vec<_>>(), ["state"], "{failed:?}");
    assert!(site.maxio.customers().is_empty());
    // Filled in, and retried by a person.
    site.world.crm.edit(&lead, &[("state", "D")]);
    let retried = api
        .post(
            &format!("/api/internal/onboarding/jobs/{job}/retry"),
            &json!({}),
        )
        .await;
    assert!(retried.status < 300, "{}", retried.text);
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}
