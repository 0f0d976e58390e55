//! What Maxio refuses, in plain words, and what comes of it once it is mended.

use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::json;

use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_product_that_is_not_there_is_named,
    an_account_that_the_gateway_refuses_can_be_corrected,
    a_declined_payment_leaves_customer_and_account_and_is_retried,
    a_wrong_key_burns_nothing,
    a_customer_deleted_in_maxio_is_told,
);

async fn a_product_that_is_not_there_is_named(world: World) {
    let mut site = Site::of(world).await;
    site.settings().product = "nobody-sells-this".to_owned();
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let job = site.ready(&api, &lead).await;
    let failed = site.until(&api, &job, "failed").await;
    assert_eq!(failed.code, "PUG-6203", "{failed:?}");
    let fault = failed.faults["maxio.product"].as_str().unwrap_or_default();
    assert!(fault.contains("API handle"), "{failed:?}");
    let program = site.program().await;
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        1,
        "a person has to look"
    );
    running.shutdown().await;
    site.settings().product = "default-hr-package".to_owned();
    let (running, api) = site.start().await;
    retry(&api, &job).await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}

async fn retry(api: &Api, job: &str) {
    let path = format!("/api/internal/onboarding/jobs/{job}/retry");
    let retried = api.post(&path, &json!({})).await;
    assert!(retried.status < 300, "{}", retried.text);
}

async fn an_account_that_the_gateway_refuses_can_be_corrected(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    site.maxio.decline_payments(true);
    let job = site.ready(&api, &lead).await;
    site.until(&api, &job, "failed").await;
    site.maxio.decline_payments(false);
    // The account exists in Maxio by now, and it is the wrong one.
    let path = format!("/api/internal/onboarding/jobs/{job}/edit-and-retry");
    let other = "DE89370400440532013000";
    let edited = api.post(&path, &json!({"iban": other})).await;
    assert!(edited.status < 300, "{}", edited.text);
    site.until(&api, &job, "crm_updated").await;
    let subscription = site.subscription(&lead);
    let profile = subscription["bank_account"]["id"]
        .as_u64()
        .expect("a profile");
    assert!(site.maxio.iban_is(profile, other), "{subscription}");
    assert_eq!(site.maxio.customers().len(), 1);
    assert_eq!(site.maxio.subscriptions().len(), 1);
    running.shutdown().await;
}

async fn a_declined_payment_leaves_customer_and_account_and_is_retried(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    site.maxio.decline_payments(true);
    let job = site.ready(&api, &lead).await;
    let failed = site.until(&api, &job, "failed").await;
    assert_eq!(failed.code, "PUG-6203", "{failed:?}");
    assert!(
        !failed.customer.is_empty() && failed.subscription.is_empty(),
        "{failed:?}"
    );
    site.maxio.decline_payments(false);
    retry(&api, &job).await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}

async fn a_wrong_key_burns_nothing(world: World) {
    let mut site = Site::of(world).await;
    let right = std::mem::replace(&mut site.settings().key, SecretString::from("wrong"));
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let job = site.ready(&api, &lead).await;
    let waits = eventually("the trouble is told", || async {
        let waits = site.job(&api, &job).await;
        (waits.code == "PUG-6204").then_some(waits)
    })
    .await;
    assert!(waits.message.contains("MAXIO_API_KEY"), "{waits:?}");
    let status = api.get("/api/internal/status").await;
    assert_eq!(status.data()["maxio"], "paused", "{}", status.text);
    running.shutdown().await;
    site.settings().key = right;
    let (running, api) = site.start().await;
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}

async fn a_customer_deleted_in_maxio_is_told(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let plan = FaultPlan::new(1).always("payment_profile.create", Fault::Http(404));
    site.maxio.faults().set(plan);
    let job = site.ready(&api, &lead).await;
    let failed = site.until(&api, &job, "failed").await;
    assert_eq!(failed.code, "PUG-6206", "{failed:?}");
    assert!(failed.message.contains("gone from Maxio"), "{failed:?}");
    running.shutdown().await;
}
