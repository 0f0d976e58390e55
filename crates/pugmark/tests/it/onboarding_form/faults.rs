//! vTiger is away, slow, or answers nonsense: the form is there once in the end.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::json;

use super::{Hub, IBAN, SUBMIT, until};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    while_vtiger_is_down_a_form_is_accepted_and_saved_when_it_is_back,
    a_slow_vtiger_keeps_nobody_waiting_beyond_the_limit,
    a_write_whose_answer_is_lost_happens_once,
    what_vtiger_changes_is_told,
    what_a_client_cannot_mend_is_kept_for_those_who_can,
);

async fn while_vtiger_is_down_a_form_is_accepted_and_saved_when_it_is_back(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.onboarding.form.wait = Duration::from_millis(300);
    let (running, api) = hub.start().await;
    hub.world.crm.go_down().await;
    let mut body = hub.guide();
    body["iban"] = json!(IBAN);
    let accepted = api.post(SUBMIT, &body).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    assert_eq!(accepted.json["status"], "accepted");
    let again = api.post(SUBMIT, &body).await;
    assert_eq!(accepted.json["trackingId"], again.json["trackingId"]);
    let tracking = accepted.json["trackingId"]
        .as_str()
        .expect("an id")
        .to_owned();
    until(&api, &tracking, "waiting").await;
    hub.world.crm.come_back().await.expect("its port is free");
    until(&api, &tracking, "saved").await;
    assert_eq!(hub.lead_value("IBAN"), IBAN);
    assert_eq!(hub.writes(), 1);
    running.shutdown().await;
}

async fn a_slow_vtiger_keeps_nobody_waiting_beyond_the_limit(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.onboarding.form.wait = Duration::from_millis(300);
    let slow = Fault::Slow(Duration::from_millis(1_200));
    hub.world
        .crm
        .faults()
        .set(FaultPlan::new(1).always("revise", slow));
    let (running, api) = hub.start().await;
    let accepted = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let tracking = accepted.json["trackingId"]
        .as_str()
        .expect("an id")
        .to_owned();
    until(&api, &tracking, "saved").await;
    assert_eq!(hub.writes(), 1);
    running.shutdown().await;
}

async fn a_write_whose_answer_is_lost_happens_once(world: World) {
    let hub = Hub::of(world).await;
    let plan = FaultPlan::new(1).nth("revise", 1, Fault::HttpAfterEffect(502));
    hub.world.crm.faults().set(plan);
    let (running, api) = hub.start().await;
    let saved = api.post(SUBMIT, &hub.guide()).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_eq!(hub.writes(), 1, "it was looked for before it was repeated");
    running.shutdown().await;
}

async fn what_vtiger_changes_is_told(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let body = json!({ "clientId": hub.lead, "bankName": "Bank 🐯 of Ireland" });
    let saved = api.post(SUBMIT, &body).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let why = saved.json["changed"]["bankName"]
        .as_str()
        .unwrap_or_default();
    assert!(why.contains("emoji"), "{}", saved.text);
    assert_eq!(hub.lead_value("Bank Name"), "Bank � of Ireland");
    running.shutdown().await;
}

async fn what_a_client_cannot_mend_is_kept_for_those_who_can(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    hub.world.crm.remove(&hub.lead);
    let path = hub.link(&api).await;
    let sent = super::post_form(&api, &path, &super::FILLED).await;
    assert_eq!(sent.status, 200, "the finish page: {}", sent.text);
    assert!(sent.text.contains("One of us has to look"), "{}", sent.text);
    // Whoever filled it in cannot mend a deleted lead, so it is kept for those who can.
    let program = hub.world.other_program().await;
    let kept = "onboarding_forms WHERE state = 'failed' AND sealed_fields IS NOT NULL";
    assert_eq!(program.count(kept).await, 1);
    assert!(hub.world.crm.restore(&hub.lead));
    let again = super::post_form(&api, &path, &super::FILLED).await;
    assert!(again.text.contains("that is everything"), "{}", again.text);
    assert_eq!(hub.lead_value("IBAN"), IBAN);
    running.shutdown().await;
}
