//! The queue as people see it and act on it.

use std::collections::BTreeSet;

use pugmark_sandbox::{Fault, FaultPlan};
use reqwest::Method;
use serde_json::json;

use super::{
    QUEUE, customer, dead_letter, operations_of, refusing, register, started, started_quiet,
};
use crate::harness::{TOKEN, World, eventually, on_both_databases};
use crate::http::answer;

on_both_databases!(
    attempts_are_shown_without_keys_and_sessions,
    a_discarded_operation_is_over_and_both_acts_are_in_the_audit_log,
    the_queue_is_listed_page_by_page_and_filtered,
);

async fn attempts_are_shown_without_keys_and_sessions(world: World) {
    let (running, api) = started(&world).await;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::Http(503)));
    let id = register(&api, &customer(1)).await;
    world.wait_for_contact(&id, |_| true).await;
    let operation = eventually("the end of the operation", || async {
        let operations = operations_of(&api, &id).await;
        operations
            .into_iter()
            .find(|found| found["status"] == "COMPLETED")
    })
    .await;

    let shown = api
        .get(&format!(
            "{QUEUE}/{}",
            operation["id"].as_str().expect("an id")
        ))
        .await;
    let attempts = shown.data()["attemptList"].as_array().expect("a list");
    assert!(attempts.len() >= 2, "{}", shown.text);
    let text = shown.text.to_lowercase();
    assert!(text.contains("create"), "the requests are there");
    assert!(
        !shown.text.contains(world.crm.access_key()),
        "the access key"
    );
    assert!(!shown.text.contains(TOKEN), "the token");
    assert!(
        attempts
            .iter()
            .any(|attempt| attempt["crmCalls"].as_u64() > Some(0))
    );
    for forbidden in [
        "sessionname\":\"",
        "sessionname=",
        "accesskey\":\"",
        "accesskey=",
    ] {
        let mut rest = text.as_str();
        while let Some(at) = rest.find(forbidden) {
            rest = &rest[at + forbidden.len()..];
            assert!(
                rest.starts_with("***"),
                "{forbidden}{}",
                &rest[..rest.len().min(30)]
            );
        }
    }
    running.shutdown().await;
}

async fn a_discarded_operation_is_over_and_both_acts_are_in_the_audit_log(world: World) {
    let world = refusing(world).await;
    let (running, api) = started(&world).await;
    let (customer, operation) = dead_letter(&world, &api).await;
    let path = format!("{QUEUE}/{}", operation["id"].as_str().expect("an id"));

    // Without a body a retry is possible, a discard is not: it needs a reason.
    let retried = answer(api.request(Method::POST, &format!("{path}/retry"))).await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    eventually("the second death", || async {
        let read = api.get(&path).await;
        (read.data()["dead"] == true).then_some(())
    })
    .await;
    for body in [
        json!({}),
        json!({ "reason": "  " }),
        json!({ "reason": null }),
    ] {
        let refused = api.post(&format!("{path}/discard"), &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &format!("{path}/discard"));
        assert_eq!(refused.wrong_fields(), ["reason"]);
    }
    let request = api
        .request(Method::POST, &format!("{path}/discard"))
        .header("x-correlation-id", "by-hand")
        .json(&json!({ "reason": "a double" }));
    let discarded = answer(request).await;
    assert_eq!(discarded.data()["dead"], false);
    assert_eq!(discarded.data()["status"], "COMPLETED");
    let again = api.post(&format!("{path}/retry"), &json!({})).await;
    again.assert_error(409, "CONFLICT", &format!("{path}/retry"));

    let program = world.other_program().await;
    let entries = program
        .one(
            "SELECT CAST(count(*) AS TEXT) || ' ' || min(actor) || ' ' || min(action) || ' ' || max(action) || ' ' || max(reason) \
             || ' ' || max(CASE WHEN action = 'queue.discard' THEN correlation_id END) FROM audit_log",
        )
        .await;
    assert_eq!(
        entries.as_deref(),
        Some("2 token:APP_SECRET_TOKEN queue.discard queue.retry a double by-hand"),
        "what was refused leaves no entry"
    );
    assert!(world.contact_of(&customer).is_none());
    running.shutdown().await;
}

async fn the_queue_is_listed_page_by_page_and_filtered(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let mut customers = BTreeSet::new();
    for number in 0..23 {
        customers.insert(register(&api, &customer(number)).await);
    }
    eventually("an operation each", || async {
        let list = api.get(&format!("{QUEUE}?limit=200")).await;
        (list.data()["items"].as_array().map(Vec::len) == Some(23)).then_some(())
    })
    .await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api
            .get(&format!("{QUEUE}?limit=5&status=pending{cursor}"))
            .await;
        for item in page.data()["items"].as_array().expect("a list") {
            seen.push(item["entityId"].as_str().expect("an id").to_owned());
        }
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 23);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), customers);
    for (parameters, expected) in [
        ("kind=customer.create", 23),
        ("kind=note.create", 0),
        ("entityType=CUSTOMER", 23),
        ("dead=true", 0),
        ("status=COMPLETED", 0),
        ("search=%25", 0),
        ("search=_", 0),
    ] {
        let list = api.get(&format!("{QUEUE}?limit=200&{parameters}")).await;
        assert_eq!(
            list.data()["items"].as_array().map(Vec::len),
            Some(expected),
            "{parameters}"
        );
    }
    for (parameters, field) in [
        ("status=BLUE", "status"),
        ("cursor=x", "cursor"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("dead=maybe", "dead"),
        ("colour=blue", "colour"),
        ("search=a%00b", "search"),
    ] {
        let refused = api.get(&format!("{QUEUE}?{parameters}")).await;
        assert!(
            [400, 422].contains(&refused.status),
            "{parameters}: {}",
            refused.text
        );
        assert_eq!(refused.code(), "VALIDATION_ERROR");
        assert_eq!(
            refused.wrong_fields(),
            [field],
            "{parameters}: {}",
            refused.text
        );
    }
    // NUL in a text that is only compared finds nothing or is refused, but breaks nothing.
    let nul = api.get(&format!("{QUEUE}?kind=a%00b")).await;
    assert!([200, 422].contains(&nul.status), "{}", nul.text);
    running.shutdown().await;
}
