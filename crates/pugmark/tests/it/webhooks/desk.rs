use std::time::Duration;

use super::*;
use crate::harness::{eventually, on_both_databases};

on_both_databases!(
    deliveries_are_listed_by_pages_and_by_status,
    a_kept_delivery_is_replayed_by_todays_rules,
    deliveries_are_kept_as_long_as_the_setting_says,
);

async fn deliveries_are_listed_by_pages_and_by_status(mut world: World) {
    let (running, api) = started(&mut world).await;
    for number in 1..=5 {
        send(signed(&api, CONVERT, &converted(&format!("12x{number}")))).await;
    }
    send(signed(&api, GENERAL, "{\"module\":\"Accounts\"}")).await;
    let mut seen = Vec::new();
    let mut path = format!("{DELIVERIES}?status=ACCEPTED&limit=2");
    loop {
        let page = api.get(&path).await;
        let items = page.data()["items"].as_array().expect("a list").clone();
        seen.extend(
            items
                .iter()
                .map(|item| item["recordId"].as_str().unwrap_or_default().to_owned()),
        );
        assert!(
            items.iter().all(|item| item.get("body").is_none()),
            "a list shows no bodies"
        );
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(cursor) => path = format!("{DELIVERIES}?status=ACCEPTED&limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["12x5", "12x4", "12x3", "12x2", "12x1"]);
    let wrong = api.get(&format!("{DELIVERIES}?status=GONE")).await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["status".to_owned()])
    );
    let nobody = api.get(&format!("{DELIVERIES}/999")).await;
    assert_eq!(nobody.status, 404);
    let closed = answer(api.bare(Method::GET, DELIVERIES)).await;
    assert_eq!(
        closed.status, 401,
        "people and programs need a right to look"
    );
    running.shutdown().await;
}

async fn a_kept_delivery_is_replayed_by_todays_rules(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let ignored = send(signed(&api, GENERAL, "{\"id\":\"12x5\"}")).await;
    assert_eq!(status_of(&ignored), "IGNORED");
    let kept = delivery(&api, &ignored).await;
    // Meanwhile the conversion was noticed in another way.
    send(signed(&api, CONVERT, &converted("12x5"))).await;
    let path = format!("{DELIVERIES}/{}/replay", kept["id"]);
    let replayed = api.post(&path, &json!({})).await;
    assert_eq!(replayed.status, 202, "{}", replayed.text);
    let data = replayed.data();
    assert_eq!(
        (&data["status"], &data["replays"]),
        (&json!("ACCEPTED"), &json!(1))
    );
    assert_eq!(data["replayedBy"], "token:APP_SECRET_TOKEN");
    assert_eq!(
        program
            .count("audit_log WHERE action = 'webhook.replay'")
            .await,
        1
    );
    assert_eq!(
        api.post(&format!("{DELIVERIES}/999/replay"), &json!({}))
            .await
            .status,
        404
    );
    running.shutdown().await;
}

async fn deliveries_are_kept_as_long_as_the_setting_says(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    for number in 1..=2 {
        send(signed(&api, CONVERT, &converted(&format!("12x{number}")))).await;
    }
    let old = match program.engine() {
        pugmark_queue::db::Engine::Sqlite => "received_at - 7200000000",
        pugmark_queue::db::Engine::Postgres => "received_at - INTERVAL '2 hours'",
    };
    program
        .sql(format!(
            "UPDATE webhook_deliveries SET received_at = {old} WHERE record_id = '12x1'"
        ))
        .await;
    running.shutdown().await;
    world.settings.webhooks.keep = Duration::from_secs(3600);
    let running = world.start().await;
    eventually("the old delivery's end", || async {
        (program.count("webhook_deliveries").await == 1).then_some(())
    })
    .await;
    let api = Api::of(&running);
    let again = send(signed(&api, CONVERT, &converted("12x1"))).await;
    assert_eq!(again.status, 202, "its key is still known: {}", again.text);
    assert_eq!(again.data()["deliveryId"], Value::Null);
    assert_eq!(program.count("webhook_deliveries").await, 1);
    running.shutdown().await;
}
