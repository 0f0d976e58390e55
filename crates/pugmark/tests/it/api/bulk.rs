//! Many operations at once, how one thing stands, and how each kind does.

use pugmark_sandbox::FaultPlan;
use reqwest::Method;
use serde_json::{Value, json};

use super::{QUEUE, customer, register, started};
use crate::harness::{World, eventually, new_id, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    dead_letters_are_grouped_and_tried_again_together,
    retries_in_bulk_go_on_page_by_page_and_skip_what_cannot_be_done,
    discards_in_bulk_need_a_reason_and_are_audited_one_by_one,
    who_means_everything_has_to_say_so,
    one_thing_shows_its_link_its_operations_and_what_is_in_the_way,
    the_status_shows_each_kind_and_the_last_sweep,
);

/// A vTiger that takes each e-mail once; the customers' e-mails are all taken.
async fn with_dead_letters(world: &World, api: &Api, number: u32) -> Vec<String> {
    world.crm.set_unique("Contacts", "email", true);
    world.crm.faults().set(FaultPlan::new(1));
    let mut customers = Vec::new();
    for number in 0..number {
        let email = format!("achieng{number}@example.co.ke");
        world
            .crm
            .insert_as_ui("Contacts", &[("lastname", "Other"), ("email", &email)])
            .expect("a person makes a contact");
        customers.push(register(api, &customer(number)).await);
    }
    eventually("dead letters", || async {
        (dead(api).await.len() == number as usize).then_some(())
    })
    .await;
    customers
}

async fn dead(api: &Api) -> Vec<Value> {
    let list = api.get(&format!("{QUEUE}?dead=true&limit=200")).await;
    list.data()["items"].as_array().cloned().expect("a list")
}

async fn dead_letters_are_grouped_and_tried_again_together(world: World) {
    let (running, api) = started(&world).await;
    with_dead_letters(&world, &api, 3).await;
    let grouped = api.get(&format!("{QUEUE}/dead-letters")).await;
    assert_eq!(grouped.data()["total"], 3, "{}", grouped.text);
    let group = &grouped.data()["groups"][0];
    assert_eq!(group["kind"], "customer.create");
    assert_eq!(group["errorCode"], "PUG-2006");
    assert_eq!(group["operations"], 3);
    assert!(group["example"].is_string());

    world.crm.set_unique("Contacts", "email", false);
    let path = format!("{QUEUE}/retry");
    let none = api.post(&path, &json!({ "kind": "note.create" })).await;
    assert_eq!((none.status, &none.data()["done"]), (202, &json!(0)));
    let body = json!({ "kind": "customer.create", "errorCode": "PUG-2006", "entityType": "CUSTOMER", "reason": "mended" });
    let request = api
        .request(Method::POST, &path)
        .header("x-correlation-id", "all-of-them")
        .json(&body);
    let retried = answer(request).await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    assert_eq!(retried.data()["done"], 3);
    assert_eq!(
        retried.data()["operations"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(retried.data()["hasMore"], false);
    let program = world.other_program().await;
    program.wait_until_idle().await;
    assert!(dead(&api).await.is_empty());
    assert_eq!(world.crm.journal().count_created("Contacts"), 6);
    let entries = program
        .count("audit_log WHERE action = 'queue.retry' AND reason = 'mended' AND correlation_id = 'all-of-them'")
        .await;
    assert_eq!(entries, 3);
    running.shutdown().await;
}

async fn retries_in_bulk_go_on_page_by_page_and_skip_what_cannot_be_done(world: World) {
    let (running, api) = started(&world).await;
    with_dead_letters(&world, &api, 5).await;
    world.crm.set_unique("Contacts", "email", false);
    let path = format!("{QUEUE}/retry");
    let mut after = Value::Null;
    let mut done = Vec::new();
    loop {
        let body = json!({ "all": true, "limit": 2, "after": after });
        let page = api.post(&path, &body).await;
        done.push(page.data()["done"].as_u64().expect("a number"));
        after = page.data()["next"].clone();
        assert_eq!(page.data()["hasMore"], !after.is_null());
        if after.is_null() {
            break;
        }
    }
    assert_eq!(done, [2, 2, 1]);
    world.other_program().await.wait_until_idle().await;

    let finished = api.get(&format!("{QUEUE}?status=COMPLETED")).await;
    let finished = finished.data()["items"][0]["id"].clone();
    let nobody = new_id();
    let skipped = api.post(&path, &json!({ "ids": [finished, nobody] })).await;
    assert_eq!(skipped.data()["done"], 0, "{}", skipped.text);
    let skipped = skipped.data()["skipped"]
        .as_array()
        .expect("a list")
        .clone();
    assert_eq!(skipped.len(), 2, "each with its reason: {skipped:?}");
    assert!(skipped.iter().all(|one| one["why"].is_string()));
    running.shutdown().await;
}

async fn discards_in_bulk_need_a_reason_and_are_audited_one_by_one(world: World) {
    let (running, api) = started(&world).await;
    let customers = with_dead_letters(&world, &api, 3).await;
    let path = format!("{QUEUE}/discard");
    for reason in [Value::Null, json!("  ")] {
        let refused = api
            .post(&path, &json!({ "all": true, "reason": reason }))
            .await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), ["reason"]);
    }
    assert_eq!(dead(&api).await.len(), 3);
    let body = json!({ "entityType": "CUSTOMER", "entityId": customers[0], "reason": "left us" });
    let one = api.post(&path, &body).await;
    assert_eq!(one.data()["done"], 1, "{}", one.text);
    let ids: Vec<Value> = dead(&api).await.iter().map(|it| it["id"].clone()).collect();
    let rest = api
        .post(&path, &json!({ "ids": ids, "reason": "doubles" }))
        .await;
    assert_eq!(rest.data()["done"], 2, "{}", rest.text);
    assert!(dead(&api).await.is_empty());
    let program = world.other_program().await;
    let entries = program
        .one(
            "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(count(DISTINCT subject) AS TEXT) || ' ' || max(reason) FROM audit_log \
             WHERE action = 'queue.discard'",
        )
        .await;
    assert_eq!(entries.as_deref(), Some("3 3 left us"));
    running.shutdown().await;
}

async fn who_means_everything_has_to_say_so(world: World) {
    let (running, api) = started(&world).await;
    let path = format!("{QUEUE}/retry");
    for (body, wrong) in [
        (json!({}), "all"),
        (json!({ "all": false, "reason": "x" }), "all"),
        (json!({ "ids": [], }), "ids"),
        (json!({ "ids": ["x"] }), "ids"),
        (json!({ "ids": [new_id()], "kind": "note.create" }), "ids"),
        (json!({ "all": true, "after": "x" }), "after"),
    ] {
        let refused = api.post(&path, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [wrong], "{body}");
    }
    let odd = api.post(&path, &json!({ "everything": true })).await;
    assert_eq!(odd.status, 400);
    running.shutdown().await;
}

async fn one_thing_shows_its_link_its_operations_and_what_is_in_the_way(world: World) {
    let (running, api) = started(&world).await;
    let path = |id: &str| format!("/api/internal/vtiger/sync-status/CUSTOMER/{id}");
    let nobody = new_id();
    api.get(&path(&nobody))
        .await
        .assert_error(404, "NOT_FOUND", &path(&nobody));

    let good = register(&api, &customer(7)).await;
    let contact = world.wait_for_contact(&good, |_| true).await;
    let program = world.other_program().await;
    program.wait_until_idle().await;
    let shown = api.get(&path(&good)).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "SYNCED", "{}", shown.text);
    assert_eq!(shown.data()["vtigerId"], contact.id);
    assert_eq!(shown.data()["vtigerModule"], "Contacts");
    assert!(
        shown.data()["vtigerUrl"]
            .as_str()
            .unwrap()
            .contains("module=Contacts")
    );
    assert!(shown.data()["vtigerLastSyncedAt"].is_string());
    assert_eq!(shown.data()["last"][0]["kind"], "customer.create");
    assert_eq!(shown.data()["waiting"], json!([]));

    let bad = with_dead_letters(&world, &api, 1).await.remove(0);
    let shown = api.get(&path(&bad)).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "FAILED", "{}", shown.text);
    assert_eq!(shown.data()["vtigerSyncErrorCode"], "PUG-2006");
    assert_eq!(shown.data()["dead"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown.data()["vtigerId"], Value::Null);
    running.shutdown().await;
}

async fn the_status_shows_each_kind_and_the_last_sweep(world: World) {
    let (running, api) = started(&world).await;
    let good = register(&api, &customer(7)).await;
    world.wait_for_contact(&good, |_| true).await;
    with_dead_letters(&world, &api, 1).await;
    let program = world.other_program().await;
    program.wait_until_idle().await;
    let status = eventually("the first sweep", || async {
        let status = api.get("/api/internal/status").await;
        status.data()["retrySweep"].is_object().then_some(status)
    })
    .await;
    assert!(
        status.data()["retrySweep"]["at"].is_string(),
        "{}",
        status.text
    );
    assert_eq!(status.data()["overdue"], 0);
    let kind = &status.data()["kinds"]["customer.create"];
    assert_eq!(kind["succeededLastDay"], 1, "{}", status.text);
    assert_eq!(kind["diedLastDay"], 1);
    assert_eq!(kind["dead"], 1);
    assert_eq!(kind["successRate"], 0.5);
    running.shutdown().await;
}
