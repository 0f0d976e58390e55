//! Webhooks, as their receivers see them.

use std::time::Duration;

use aws_lc_rs::hmac;
use md5::{Digest, Md5};
use pugmark_sandbox::maxio::WebhookProgress;
use pugmark_sandbox::webhook::WebhookFault;
use pugmark_sandbox::{
    Clock, ManualClock, MaxioSandbox, MaxioSandboxBuilder, Occurrence, SubscriptionState,
    WebhookFaults,
};
use serde_json::json;

use super::{Caller, builder, id_of, john_in, messages, signed_up};
use crate::raw::PATIENCE;
use crate::receiver::{Received, Receiver};

const SIGNUPS: [&str; 2] = ["signup_success", "subscription_state_change"];

/// A site that sends these events to a receiver, and tries again without much ado.
async fn site(builder: MaxioSandboxBuilder, events: &[&str]) -> (MaxioSandbox, Receiver, Caller) {
    let waits = [1, 2, 3, 4].map(Duration::from_millis);
    let sandbox = builder.webhook_waits(waits).start().await.unwrap();
    let receiver = Receiver::start().await;
    sandbox.add_webhook_endpoint(&receiver.url(), events);
    let (caller, _) = john_in(&sandbox).await;
    (sandbox, receiver, caller)
}

async fn settled(sandbox: &MaxioSandbox) {
    assert!(
        sandbox.webhooks_settled(PATIENCE).await,
        "{:?}",
        sandbox.webhooks()
    );
}

fn body(received: &Received) -> String {
    String::from_utf8(received.body.clone()).unwrap()
}

/// A field of a webhook, still escaped.
fn field<'a>(body: &'a str, name: &str) -> &'a str {
    let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(key, _)| *key == name);
    found.unwrap_or_else(|| panic!("{name} in {body}")).1
}

fn events(received: &[Received]) -> Vec<String> {
    let event = |one: &Received| field(&body(one), "event").to_owned();
    received.iter().map(event).collect()
}

#[tokio::test]
async fn a_signup_tells_of_itself_and_its_payment_in_signed_form_fields() {
    let names = [
        "signup_success",
        "payment_success",
        "direct_debit_payment_pending",
    ];
    let clock = ManualClock::new("2025-06-08T15:41:02Z".parse().unwrap());
    let (sandbox, receiver, caller) = site(builder().clock(Clock::Manual(clock)), &names).await;
    let subscription = signed_up(&caller).await;
    settled(&sandbox).await;
    let received = receiver.take();
    assert_eq!(events(&received), names);
    let first = body(&received[0]);
    assert_eq!(
        received[0].header("content-type"),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        received[0].header("x-chargify-webhook-id"),
        field(&first, "id")
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, sandbox.webhook_key().as_bytes());
    let signature = hex::encode(hmac::sign(&key, first.as_bytes()));
    assert_eq!(
        received[0].header("x-chargify-webhook-signature-hmac-sha-256"),
        signature
    );
    let older = hex::encode(Md5::digest(format!("{}{first}", sandbox.webhook_key())));
    assert_eq!(received[0].header("x-chargify-webhook-signature"), older);
    assert_eq!(
        field(&first, "payload[subscription][id]"),
        subscription["id"].to_string()
    );
    assert_eq!(
        field(&first, "payload[subscription][customer][reference]"),
        "10x456"
    );
    assert_eq!(field(&first, "payload[subscription][canceled_at]"), "");
    assert_eq!(
        field(&first, "payload[subscription][updated_at]"),
        "2025-06-08%2011%3A41%3A02%20-0400"
    );
    assert_eq!(
        field(&body(&received[1]), "payload[transaction][amount_in_cents]"),
        "29900"
    );
}

#[tokio::test]
async fn only_what_was_asked_for_is_sent() {
    let (sandbox, receiver, caller) = site(builder(), &["customer_update"]).await;
    signed_up(&caller).await;
    settled(&sandbox).await;
    assert_eq!(
        events(&receiver.take()),
        ["customer_update"],
        "it became verified"
    );
}

#[tokio::test]
async fn a_change_of_state_shows_the_state_before() {
    let (sandbox, receiver, caller) = site(builder(), &["subscription_state_change"]).await;
    let id = id_of(&signed_up(&caller).await);
    sandbox.set_subscription_state(id, SubscriptionState::PastDue);
    sandbox.set_subscription_state(id, SubscriptionState::PastDue);
    settled(&sandbox).await;
    let received = receiver.take();
    assert_eq!(received.len(), 1, "what does not change is not told");
    let body = body(&received[0]);
    assert_eq!(
        (
            field(&body, "payload[subscription][state]"),
            field(&body, "payload[subscription][previous_state]")
        ),
        ("past_due", "active")
    );
    assert_eq!(field(&body, "payload[site][subdomain]"), "acme-test");
}

#[tokio::test]
async fn what_the_bank_says_is_told_before_the_state_that_follows() {
    let names = [
        "direct_debit_payment_rejected",
        "direct_debit_payment_paid_out",
        "subscription_state_change",
        "renewal_success",
        "payment_success",
    ];
    let (sandbox, receiver, caller) = site(builder(), &names).await;
    let id = id_of(&signed_up(&caller).await);
    sandbox.direct_debit_rejected(id);
    sandbox.direct_debit_paid(id);
    sandbox.renew(id);
    settled(&sandbox).await;
    assert_eq!(
        events(&receiver.take())[1..],
        [
            "direct_debit_payment_rejected",
            "subscription_state_change",
            "direct_debit_payment_paid_out",
            "subscription_state_change",
            "renewal_success",
            "payment_success",
        ]
    );
}

#[tokio::test]
async fn a_payment_that_is_declined_is_a_failed_signup_and_a_validation_error_is_not() {
    let (sandbox, receiver, caller) = site(builder(), &["signup_failure"]).await;
    let mut signup = super::johns_signup();
    signup["product_handle"] = json!("nothing");
    caller.sign_up(&signup).await;
    sandbox.decline_payments(true);
    messages(&caller.sign_up(&super::johns_signup()).await);
    settled(&sandbox).await;
    assert_eq!(events(&receiver.take()), ["signup_failure"]);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_five_times_with_the_same_id_and_body() {
    let (sandbox, receiver, caller) = site(builder(), &SIGNUPS).await;
    receiver.answer(202);
    signed_up(&caller).await;
    settled(&sandbox).await;
    let received = receiver.take();
    assert_eq!(received.len(), 5, "nothing but 200 will do");
    assert!(received.iter().all(|one| one.body == received[0].body));
    let webhook = &sandbox.webhooks()[0];
    assert_eq!(
        (webhook.attempts, webhook.progress),
        (5, WebhookProgress::Failed)
    );
}

#[tokio::test]
async fn a_replay_sends_the_same_again() {
    let (sandbox, receiver, caller) = site(builder(), &SIGNUPS).await;
    receiver.answer(500);
    signed_up(&caller).await;
    settled(&sandbox).await;
    let failed = caller.get("/webhooks.json?status=failed").await.json();
    let webhook = &failed[0]["webhook"];
    assert_eq!(
        (&webhook["successful"], &webhook["last_error"]),
        (&json!(false), &json!("500"))
    );
    let first = receiver.take().remove(0);
    receiver.answer(200);
    let replay = json!({ "ids": [webhook["id"]] });
    let answer = caller.post("/webhooks/replay.json", &replay).await;
    assert_eq!(answer.json(), json!({ "status": "ok" }));
    settled(&sandbox).await;
    let received = receiver.take();
    assert_eq!((received.len(), &received[0].body), (1, &first.body));
    assert_eq!(
        caller.get("/webhooks.json?status=failed").await.json(),
        json!([])
    );
    assert_eq!(
        messages(&caller.post("/webhooks/replay.json", &json!({})).await).len(),
        1
    );
}

#[tokio::test]
async fn webhooks_are_lost_doubled_and_overtaken_on_demand() {
    let faults = WebhookFaults::new(0)
        .rule(Occurrence::Nth(1), WebhookFault::Lose)
        .rule(Occurrence::Nth(2), WebhookFault::Repeat(2))
        .rule(Occurrence::Nth(3), WebhookFault::HoldBack(1))
        .rule(Occurrence::Nth(5), WebhookFault::HoldBack(9));
    let names = ["customer_update"];
    let (sandbox, receiver, caller) = site(builder().webhook_faults(faults), &names).await;
    let path = format!("/customers/{}.json", id_of(&sandbox.customers()[0]));
    for city in ["A", "B", "C", "D", "E"] {
        caller
            .put(&path, &json!({ "customer": { "city": city } }))
            .await;
    }
    settled(&sandbox).await;
    let cities = |received: Vec<Received>| -> String {
        let city = |one: &Received| field(&body(one), "payload[customer][city]").to_owned();
        received.iter().map(city).collect()
    };
    assert_eq!(cities(receiver.take()), "BBDC");
    sandbox.release_held_webhooks();
    assert_eq!(cities(receiver.wait_for(1).await), "E");
}

#[tokio::test]
async fn endpoints_are_managed_and_their_list_is_not_wrapped() {
    let sandbox = builder().start().await.unwrap();
    let caller = Caller::of(&sandbox);
    let endpoint = |url: &str, events: &[&str]| json!({ "endpoint": { "url": url, "webhook_subscriptions": events } });
    let created = caller
        .post(
            "/endpoints.json",
            &endpoint("https://a.example/hook", &SIGNUPS),
        )
        .await;
    assert_eq!(created.status, 201);
    let id = id_of(&created.json()["endpoint"]);
    let list = caller.get("/endpoints.json").await.json();
    assert_eq!(list[0], created.json()["endpoint"]);
    assert_eq!(list[0]["webhook_subscriptions"], json!(SIGNUPS));
    let path = format!("/endpoints/{id}.json");
    let changed = caller
        .put(&path, &endpoint("https://b.example/", &["payment_success"]))
        .await;
    assert_eq!(
        changed.json()["endpoint"]["webhook_subscriptions"],
        json!(["payment_success"])
    );
    for wrong in [
        endpoint("ftp://a.example", &SIGNUPS),
        endpoint("https://a.example", &["nothing"]),
    ] {
        assert_eq!(
            messages(&caller.post("/endpoints.json", &wrong).await).len(),
            1
        );
    }
    assert_eq!(
        caller.put("/endpoints/1.json", &json!({})).await.status,
        404
    );
    let live = builder().live_site().start().await.unwrap();
    let plain = endpoint("http://a.example/", &SIGNUPS);
    assert_eq!(
        Caller::of(&live)
            .post("/endpoints.json", &plain)
            .await
            .status,
        422
    );
}

#[tokio::test]
async fn all_webhooks_can_be_switched_off() {
    let (sandbox, receiver, caller) = site(builder(), &SIGNUPS).await;
    let off = json!({ "webhooks_enabled": false });
    assert_eq!(
        caller.put("/webhooks/settings.json", &off).await.json(),
        off
    );
    signed_up(&caller).await;
    assert!(sandbox.webhooks().is_empty() && receiver.take().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_paused_probed_and_disabled() {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let (sandbox, receiver, caller) = site(
        builder().clock(Clock::Manual(clock.clone())),
        &["customer_update"],
    )
    .await;
    receiver.answer(500);
    let path = format!("/customers/{}.json", id_of(&sandbox.customers()[0]));
    let change = async |city: usize| {
        let body = json!({ "customer": { "city": city.to_string() } });
        caller.put(&path, &body).await;
        settled(&sandbox).await;
    };
    let status = async || caller.get("/endpoints.json").await.json()[0]["status"].clone();
    for city in 0..6 {
        change(city).await;
    }
    assert_eq!(
        (status().await, receiver.take().len()),
        (json!("paused"), 26)
    );
    change(7).await;
    assert_eq!(receiver.take().len(), 0, "it is left alone");
    for city in 10..35 {
        clock.advance(Duration::from_secs(2 * 3600));
        change(city).await;
    }
    assert_eq!(
        (status().await, receiver.take().len()),
        (json!("disabled"), 25)
    );
    clock.advance(Duration::from_secs(2 * 3600));
    change(40).await;
    assert_eq!(receiver.take().len(), 0);
}

#[tokio::test]
async fn the_test_ping_is_the_vendors() {
    let (sandbox, receiver, _caller) = site(builder(), &[]).await;
    sandbox.send_test_webhook();
    settled(&sandbox).await;
    let received = receiver.take();
    let body = body(&received[0]);
    assert!(
        body.ends_with("&event=test&payload[chargify]=testing"),
        "{body}"
    );
}
