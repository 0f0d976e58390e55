//! Operations that the insurer's own API hands in.

use pugmark::flows::insurance::plan::kind;
use pugmark_queue::testing::lapin::BasicProperties;
use pugmark_queue::{Filter, OperationRecord, Queue, QueueOptions};
use serde_json::{Value, json};

use super::*;
use crate::harness::new_id;

with_a_broker!(
    a_note_is_told_once_however_often_it_is_sent,
    every_kind_that_may_be_asked_for_is_stored_as_it_is_planned_here,
    what_cannot_be_taken_in_is_a_dead_letter_with_its_reason,
    passwords_are_never_kept_among_the_dead_letters,
);

/// What messages led to, in the order in which it was stored.
async fn stored(site: &Site) -> Vec<OperationRecord> {
    let queue = Queue::new(site.world.store.db().clone(), QueueOptions::default());
    let filter = Filter {
        limit: 100,
        ..Filter::default()
    };
    let page = queue.list(&filter).await.expect("read");
    let mut rows = page.operations;
    rows.retain(|row| row.requested_by.as_deref() == Some("microbima"));
    rows.sort_by_key(|row| row.id);
    rows
}

async fn send(site: &Site, kind: &str, id: &str, body: &Value) {
    let body = body.to_string();
    site.broker.send(kind, body.as_bytes(), named(id)).await;
}

async fn a_note_is_told_once_however_often_it_is_sent(site: Site) {
    let running = site.world.start().await;
    site.wait_for_consumer().await;
    let program = site.world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let note = json!({ "customerId": customer, "text": "Called about the policy" });
    for _ in 0..3 {
        send(&site, kind::NOTE_CREATE, "call-1", &note).await;
    }
    send(&site, kind::NOTE_CREATE, "call-2", &note).await;
    eventually("both are stored", || async {
        (stored(&site).await.len() == 2).then_some(())
    })
    .await;
    program.wait_until_idle().await;
    running.shutdown().await;
    let comments = site.world.crm.records("ModComments");
    assert_eq!(comments.len(), 2, "{comments:?}");
    for comment in comments {
        let content = comment.value("commentcontent").to_owned();
        assert!(
            content.starts_with("Called about the policy\n[MB-"),
            "{content}"
        );
    }
    // One that was taken and not yet acknowledged at the end is there again, and the next program has nothing to do but that.
    eventually("all are acknowledged", || async {
        let at_rest = site.at(kind::NOTE_CREATE).await == (0, 0);
        if !at_rest {
            let again = site.world.start().await;
            site.wait_for_consumer().await;
            again.shutdown().await;
        }
        at_rest.then_some(())
    })
    .await;
    assert_eq!(site.world.crm.records("ModComments").len(), 2);
}

async fn every_kind_that_may_be_asked_for_is_stored_as_it_is_planned_here(site: Site) {
    let running = site.world.start().await;
    site.wait_for_consumer().await;
    let [customer, requirement, user] = [new_id(), new_id(), new_id()];
    let of_customer = json!({ "customerId": customer });
    let asked = [
        (
            kind::CUSTOMER_CREATE,
            of_customer.clone(),
            format!("customer:{customer}"),
        ),
        (
            kind::CUSTOMER_UPDATE,
            of_customer.clone(),
            format!("customer:{customer}"),
        ),
        (
            kind::CUSTOMER_MARK,
            of_customer.clone(),
            format!("customer:{customer}"),
        ),
        (
            kind::CONTACT_APPLY,
            of_customer,
            format!("customer:{customer}"),
        ),
        (
            kind::TASK_CREATE,
            json!({ "requirementId": requirement, "customerId": customer }),
            format!("requirement:{requirement}"),
        ),
        (
            kind::USER_UPDATE,
            json!({ "userId": user }),
            format!("user:{user}"),
        ),
    ];
    for (number, (kind, body, _)) in asked.iter().enumerate() {
        send(&site, kind, &format!("message-{number}"), body).await;
        let key = format!("message:microbima:{kind}:message-{number}");
        eventually("its name is noted", || async {
            let program = site.world.other_program().await;
            let noted = format!("queue_idempotency_keys WHERE idempotency_key = '{key}'");
            (program.count(noted).await == 1).then_some(())
        })
        .await;
    }
    send(
        &site,
        kind::LEAD_CONVERT,
        "lead-1",
        &json!({ "contactId": "12x4711" }),
    )
    .await;
    eventually("the lead is noted", || async {
        let program = site.world.other_program().await;
        (program
            .count("lead_conversions WHERE record_id = '12x4711'")
            .await
            == 1)
            .then_some(())
    })
    .await;
    let rows = stored(&site).await;
    for (kind, _, lane) in &asked {
        // State operations merge while they wait; those that were done before have rows of their own.
        let of_lane: Vec<_> = rows.iter().filter(|row| row.lane == *lane).collect();
        assert!(!of_lane.is_empty(), "{kind}: {rows:?}");
        assert!(of_lane.iter().all(|row| row.correlation_id == "request-7"));
    }
    running.shutdown().await;
    assert_eq!(site.found().await.dead_letters, 0);
}

async fn what_cannot_be_taken_in_is_a_dead_letter_with_its_reason(site: Site) {
    let running = site.world.start().await;
    site.wait_for_consumer().await;
    let customer = new_id();
    let note = |text: &str| json!({ "customerId": customer, "text": text }).to_string();
    let unnamed = BasicProperties::default;
    let rubbish = [
        (
            kind::CUSTOMER_UPDATE,
            "no JSON".to_owned(),
            named("1"),
            "the body is no JSON",
        ),
        (
            kind::CUSTOMER_UPDATE,
            "{}".to_owned(),
            named("2"),
            "missing field `customerId`",
        ),
        (
            kind::CUSTOMER_UPDATE,
            "{\"customerId\":7}".to_owned(),
            named("3"),
            "customerId is not of the right type",
        ),
        (
            kind::CUSTOMER_UPDATE,
            "{\"customerId\":\"x\"}".to_owned(),
            named("4"),
            "customerId is no UUID",
        ),
        (
            kind::CUSTOMER_UPDATE,
            "{\"customer\":\"x\"}".to_owned(),
            named("5"),
            "unknown field `customer`",
        ),
        (kind::NOTE_CREATE, note("  "), named("6"), "text is empty"),
        (kind::NOTE_CREATE, note("Hello"), unnamed(), "no message_id"),
        (
            kind::LEAD_CONVERT,
            "{\"contactId\":\"7\"}".to_owned(),
            named("8"),
            "contactId is no vTiger id",
        ),
        (
            kind::PAYMENT_SUMMARY,
            "{}".to_owned(),
            named("9"),
            "payment.summary is never taken from a message",
        ),
    ];
    for (kind, body, properties, reason) in rubbish {
        site.broker.send(kind, body.as_bytes(), properties).await;
        let (headers, kept) = site.dead_letter().await;
        let text = |name: &str| {
            let value = headers
                .inner()
                .get(name)
                .and_then(|value| value.as_long_string());
            value.map(ToString::to_string).unwrap_or_default()
        };
        let said = text("x-pugmark-reason");
        assert!(
            said.starts_with("PUG-7004: ") && said.contains(reason),
            "{reason}: {said}"
        );
        assert_eq!(text("x-pugmark-queue"), site.options().queue(kind));
        assert_eq!(kept, body.as_bytes(), "{reason}");
    }
    running.shutdown().await;
    assert!(stored(&site).await.is_empty());
}

async fn passwords_are_never_kept_among_the_dead_letters(site: Site) {
    let running = site.world.start().await;
    site.wait_for_consumer().await;
    let account = json!({ "userId": new_id(), "newPassword": "very-secret" });
    for kind in [
        kind::USER_CREATE,
        kind::USER_PASSWORD_RESET,
        kind::USER_UPDATE,
        kind::CUSTOMER_UPDATE,
    ] {
        send(&site, kind, "1", &account).await;
        let (headers, body) = site.dead_letter().await;
        assert!(body.is_empty(), "{kind}");
        assert!(
            !format!("{headers:?}").contains("very-secret"),
            "{kind}: {headers:?}"
        );
        assert!(headers.contains_key("x-pugmark-withheld"), "{kind}");
    }
    running.shutdown().await;
    let program = site.world.other_program().await;
    assert_eq!(
        program
            .count("application_logs WHERE message LIKE '%very-secret%'")
            .await,
        0
    );
    assert!(stored(&site).await.is_empty());
}
