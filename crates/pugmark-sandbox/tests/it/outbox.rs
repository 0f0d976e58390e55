//! The extension's outbox: changes since a cursor, and signed webhooks.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pugmark_sandbox::{
    Clock, CronReport, ManualClock, Occurrence, VtigerSandbox, WebhookFault, WebhookFaults,
};
use serde_json::{Value, json};

use crate::raw::Caller;
use crate::receiver::{Received, Receiver};

const KEY: &[u8] = b"a key of more than twenty-four bytes";

async fn sandbox() -> (VtigerSandbox, Caller, ManualClock) {
    let clock = ManualClock::new("2026-11-21T08:00:00Z".parse().unwrap());
    let crm = VtigerSandbox::builder()
        .with_extension()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let caller = Caller::log_in(&crm).await;
    (crm, caller, clock)
}

async fn changes(caller: &Caller, module: &str, cursor: &str, limit: &str) -> Value {
    let pairs = [
        ("elementType", module),
        ("cursor", cursor),
        ("limit", limit),
    ];
    caller.get("pugmark.changes", &pairs).await.result()
}

fn kinds(changes: &Value) -> Vec<(String, String)> {
    let list = changes["changes"].as_array().unwrap();
    let text = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
    list.iter()
        .map(|change| (text(change, "id"), text(change, "kind")))
        .collect()
}

async fn receive(caller: &Caller, receiver: &Receiver) {
    let secret = format!("whsec_{}", STANDARD.encode(KEY));
    let options = json!({"url": receiver.url(), "secret": secret, "modules": ["Contacts", "Leads"], "enabled": true});
    let set = caller
        .post("pugmark.webhook", &[("options", &options.to_string())])
        .await;
    assert_eq!(set.result()["secret"], true);
    assert!(!set.text().contains(&secret));
}

/// Whether the signature fits, as a receiver checks it.
fn is_genuine(received: &Received) -> bool {
    let mut signed = format!(
        "{}.{}.",
        received.header("webhook-id"),
        received.header("webhook-timestamp")
    )
    .into_bytes();
    signed.extend_from_slice(&received.body);
    let signature = received
        .header("webhook-signature")
        .strip_prefix("v1,")
        .unwrap();
    let tag = STANDARD.decode(signature).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, KEY), &signed, &tag).is_ok()
}

fn contacts(crm: &VtigerSandbox, count: usize) -> Vec<String> {
    let one = |n| {
        crm.insert_as_ui("Contacts", &[("lastname", &format!("N{n}"))])
            .unwrap()
    };
    (0..count).map(one).collect()
}

fn ids(received: &[Received]) -> Vec<String> {
    let id = |one: &Received| one.json()["data"]["id"].as_str().unwrap().to_owned();
    received.iter().map(id).collect()
}

#[tokio::test]
async fn changes_and_deletions_are_told_since_a_cursor_in_the_order_of_the_saves() {
    let (crm, caller, _) = sandbox().await;
    let before = changes(&caller, "Contacts", "", "").await;
    assert_eq!(before, json!({"changes": [], "cursor": "0", "more": false}));
    let lead = crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    let contact = crm.convert_lead(&lead, &[]).unwrap();
    crm.edit(&contact, &[("mobile", "1")]);
    crm.remove(&contact);
    crm.restore(&contact);
    crm.insert_as_ui("Accounts", &[("accountname", "Not watched")])
        .unwrap();
    let all = changes(&caller, "Contacts", "0", "").await;
    let expected = ["created", "updated", "deleted", "restored"]
        .map(|kind| (contact.clone(), kind.to_owned()));
    assert_eq!(kinds(&all), expected);
    assert_eq!(all["changes"][0]["at"], "2026-11-21 08:00:00");
    let leads = kinds(&changes(&caller, "Leads", "0", "").await);
    assert_eq!(
        leads,
        [
            (lead.clone(), "created".to_owned()),
            (lead, "converted".to_owned())
        ]
    );
    let page = changes(&caller, "Contacts", "0", "3").await;
    assert_eq!(
        (page["changes"].as_array().unwrap().len(), &page["more"]),
        (3, &json!(true))
    );
    let rest = changes(&caller, "Contacts", page["cursor"].as_str().unwrap(), "3").await;
    assert_eq!(kinds(&rest), [(contact, "restored".to_owned())]);
    assert_eq!(rest["more"], false);
}

#[tokio::test]
async fn a_cursor_from_before_what_is_kept_has_expired() {
    let (crm, caller, _) = sandbox().await;
    contacts(&crm, 5);
    crm.keep_changes(2);
    let ask = async |cursor: &str| {
        let pairs = [("elementType", "Contacts"), ("cursor", cursor)];
        caller.get("pugmark.changes", &pairs).await
    };
    assert_eq!(ask("2").await.code(), "CURSOR_EXPIRED");
    assert_eq!(ask("6").await.code(), "CURSOR_EXPIRED");
    assert_eq!(ask("x").await.code(), "INVALID_INPUT");
    assert_eq!(kinds(&ask("3").await.result()).len(), 2);
    assert_eq!(kinds(&ask("0").await.result()).len(), 2);
    let other = caller
        .get(
            "pugmark.changes",
            &[("elementType", "Accounts"), ("cursor", "")],
        )
        .await;
    assert_eq!(other.code(), "MODULE_NOT_WATCHED");
}

#[tokio::test]
async fn bulk_saves_and_saves_without_the_extension_leave_no_trace() {
    let (crm, caller, _) = sandbox().await;
    let upsert = async |bulk: &str| {
        let elements =
            json!([{"reference": "a", "fields": {"lastname": bulk, "assigned_user_id": "19x1"}}])
                .to_string();
        let options = format!("{{\"bulk\":{bulk}}}");
        let pairs = [
            ("elementType", "Contacts"),
            ("reference", "department"),
            ("elements", &elements),
            ("options", &options),
        ];
        caller.post("pugmark.upsert", &pairs).await.result()
    };
    upsert("true").await;
    assert!(kinds(&changes(&caller, "Contacts", "0", "").await).is_empty());
    upsert("false").await;
    assert_eq!(kinds(&changes(&caller, "Contacts", "0", "").await).len(), 1);
    crm.remove_extension();
    contacts(&crm, 1);
    crm.install_extension();
    assert_eq!(kinds(&changes(&caller, "Contacts", "0", "").await).len(), 1);
}

#[tokio::test]
async fn the_cron_task_sends_signed_messages_in_order() {
    let (crm, caller, _) = sandbox().await;
    contacts(&crm, 1);
    let receiver = Receiver::start().await;
    receive(&caller, &receiver).await;
    let lead = crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    let contact = crm.convert_lead(&lead, &[]).unwrap();
    assert_eq!(
        crm.webhooks_waiting(),
        3,
        "what was saved before is not sent"
    );
    let report = crm.run_cron().await;
    assert_eq!(
        report,
        CronReport {
            sent: 3,
            failed: 0,
            given_up: 0
        }
    );
    let received = receiver.take();
    assert!(received.iter().all(is_genuine));
    let types: Vec<Value> = received
        .iter()
        .map(|one| one.json()["type"].clone())
        .collect();
    assert_eq!(
        types,
        ["record.created", "record.created", "lead.converted"]
    );
    let body = received[2].json();
    assert_eq!(
        body["data"],
        json!({"module": "Leads", "id": lead, "contact": contact})
    );
    assert_eq!(body["timestamp"], "2026-11-21T08:00:00Z");
    assert_eq!(body["id"], received[2].header("webhook-id"));
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(
        (received[0].method.as_str(), received[0].target.as_str()),
        ("POST", "/hooks?x=1")
    );
    assert_eq!(received[0].json()["data"]["crm_user"], "19x1");
    assert_eq!(crm.run_cron().await, CronReport::default());
}

#[tokio::test]
async fn a_refused_message_holds_back_the_others_and_comes_again_under_its_id() {
    let (crm, caller, clock) = sandbox().await;
    let receiver = Receiver::start().await;
    receive(&caller, &receiver).await;
    let made = contacts(&crm, 2);
    receiver.answer(503);
    assert_eq!(
        crm.run_cron().await,
        CronReport {
            sent: 0,
            failed: 1,
            given_up: 0
        }
    );
    let first = receiver.take();
    assert_eq!(ids(&first), made[..1]);
    assert_eq!(
        crm.run_cron().await,
        CronReport::default(),
        "it is not due yet"
    );
    receiver.answer(204);
    clock.advance(Duration::from_secs(31));
    assert_eq!(crm.run_cron().await.sent, 2);
    let again = receiver.take();
    assert_eq!(ids(&again), made);
    assert_eq!(again[0].header("webhook-id"), first[0].header("webhook-id"));
    assert_eq!(again[0].body, first[0].body);
    assert!(is_genuine(&again[0]), "signed anew with the new time");
}

#[tokio::test]
async fn a_message_refused_for_good_is_given_up_after_eight_attempts() {
    let (crm, caller, clock) = sandbox().await;
    let receiver = Receiver::start().await;
    receive(&caller, &receiver).await;
    contacts(&crm, 1);
    receiver.answer(400);
    for _ in 0..7 {
        assert_eq!(crm.run_cron().await.failed, 1);
        clock.advance(Duration::from_secs(3601));
    }
    assert_eq!(crm.run_cron().await.given_up, 1);
    assert_eq!(crm.webhooks_waiting(), 0);
    assert_eq!(receiver.take().len(), 8);
}

#[tokio::test]
async fn webhooks_can_be_lost_repeated_held_back_forged_and_broken_off() {
    let (crm, caller, clock) = sandbox().await;
    let receiver = Receiver::start().await;
    receive(&caller, &receiver).await;
    let run = async |fault| {
        crm.set_webhook_faults(WebhookFaults::new(1).rule(Occurrence::Nth(1), fault));
        let made = contacts(&crm, 3);
        let report = crm.run_cron().await;
        (made, report, receiver.take())
    };
    let (made, report, received) = run(WebhookFault::Lose).await;
    assert_eq!((report.sent, ids(&received)), (3, made[1..].to_vec()));
    let (made, _, received) = run(WebhookFault::Repeat(20)).await;
    assert_eq!(received.len(), 22);
    assert!(ids(&received)[..20].iter().all(|id| *id == made[0]));
    let (made, _, received) = run(WebhookFault::HoldBack(1)).await;
    assert_eq!(
        ids(&received),
        [&made[1], &made[0], &made[2]].map(Clone::clone)
    );
    let (_, _, received) = run(WebhookFault::Forge).await;
    assert_eq!(
        received.iter().map(is_genuine).collect::<Vec<_>>(),
        [false, true, true, true]
    );
    receiver.answer(400);
    let (made, report, received) = run(WebhookFault::Truncate).await;
    assert_eq!((report.failed, received.len()), (1, 1));
    assert!(!is_genuine(&received[0]));
    receiver.answer(200);
    crm.set_webhook_faults(WebhookFaults::default());
    clock.advance(Duration::from_secs(31));
    assert_eq!(crm.run_cron().await.sent, 3);
    assert_eq!(ids(&receiver.take()), made);
}

#[tokio::test]
async fn a_receiver_is_set_only_with_a_proper_address_and_secret() {
    let (_crm, caller, _) = sandbox().await;
    let set = async |options: Value| {
        caller
            .post("pugmark.webhook", &[("options", &options.to_string())])
            .await
    };
    let good = format!("whsec_{}", STANDARD.encode(KEY));
    for options in [
        json!({"enabled": true}),
        json!({"url": "ftp://x", "secret": good}),
        json!({"url": "http://user:pw@x/", "secret": good}),
        json!({"url": "http://x/", "secret": "whsec_dG9vIHNob3J0"}),
        json!({"url": "http://x/", "secret": "plain"}),
        json!({"modules": ["Nope"]}),
        json!("text"),
    ] {
        assert_eq!(
            set(options.clone()).await.code(),
            "INVALID_INPUT",
            "{options}"
        );
    }
    let whole =
        json!({"url": "http://x/", "secret": good, "modules": ["Accounts"], "enabled": true});
    assert_eq!(set(whole).await.result()["modules"], json!(["Accounts"]));
    assert_eq!(
        set(json!({"enabled": "0"})).await.result()["url"],
        "http://x/"
    );
    let info = caller.get("pugmark.info", &[]).await.result();
    assert_eq!(info["modules"], json!(["Contacts", "Leads", "Accounts"]));
}

#[tokio::test]
async fn what_waits_can_be_taken_and_sent_by_the_test_itself() {
    let (crm, caller, _) = sandbox().await;
    let receiver = Receiver::start().await;
    receive(&caller, &receiver).await;
    let made = contacts(&crm, 250);
    let taken = crm.take_outbox();
    assert_eq!((taken.len(), crm.webhooks_waiting()), (250, 0));
    assert_eq!(crm.run_cron().await, CronReport::default());
    let last = taken.last().unwrap();
    assert_eq!(last.send().await.unwrap(), 200);
    let received = receiver.take();
    assert!(is_genuine(&received[0]));
    assert_eq!(ids(&received), made[249..]);
    contacts(&crm, 1);
    assert_eq!(
        crm.run_cron().await.sent,
        1,
        "what comes later is sent as ever"
    );
}
