use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_delivery_that_comes_again_has_the_same_answer_and_no_second_effect,
    the_same_body_after_ten_minutes_is_a_new_hint,
    an_id_counts_for_ever_and_for_its_own_sender,
);

async fn a_delivery_that_comes_again_has_the_same_answer_and_no_second_effect(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let body = converted("12x5");
    let first = send(signed(&api, CONVERT, &body)).await;
    let second = send(signed(&api, CONVERT, &body)).await;
    assert_eq!(second.status, first.status);
    assert_eq!(second.data(), first.data());
    let kept = delivery(&api, &first).await;
    assert_eq!(
        (&kept["duplicates"], &kept["body"]),
        (&json!(1), &json!(body))
    );
    assert_eq!(program.count("webhook_deliveries").await, 1);
    assert_eq!(program.count("vtiger_sync_queue").await, 1);
    assert_eq!(
        program.count("vtiger_sync_correlations").await,
        0,
        "nothing was merged either"
    );

    let bad = send(signed(&api, CONVERT, "{")).await;
    let bad_again = send(signed(&api, CONVERT, "{")).await;
    assert_eq!(
        (bad.status, bad.message()),
        (bad_again.status, bad_again.message())
    );
    assert_eq!(program.count("webhook_deliveries").await, 2);
    running.shutdown().await;
}

async fn the_same_body_after_ten_minutes_is_a_new_hint(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let body = converted("12x5");
    let first = send(signed(&api, CONVERT, &body)).await;
    let earlier = |minutes: i64| match program.engine() {
        pugmark_queue::db::Engine::Sqlite => format!("seen_at - {minutes} * 60000000"),
        pugmark_queue::db::Engine::Postgres => format!("seen_at - INTERVAL '{minutes} minutes'"),
    };
    program
        .sql(format!("UPDATE webhook_keys SET seen_at = {}", earlier(9)))
        .await;
    let within = send(signed(&api, CONVERT, &body)).await;
    assert_eq!(within.data()["deliveryId"], first.data()["deliveryId"]);
    program
        .sql(format!("UPDATE webhook_keys SET seen_at = {}", earlier(2)))
        .await;
    let after = send(signed(&api, CONVERT, &body)).await;
    assert_ne!(after.data()["deliveryId"], first.data()["deliveryId"]);
    assert_eq!(
        after.data()["operationId"],
        first.data()["operationId"],
        "both wait as one"
    );
    running.shutdown().await;
}

async fn an_id_counts_for_ever_and_for_its_own_sender(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let first = send(standard(&api, "msg-1", &converted("12x5"))).await;
    program
        .sql(match program.engine() {
            pugmark_queue::db::Engine::Sqlite => "UPDATE webhook_keys SET seen_at = 1",
            pugmark_queue::db::Engine::Postgres => "UPDATE webhook_keys SET seen_at = '1970-01-02'",
        })
        .await;
    let again = send(standard(&api, "msg-1", &converted("12x5"))).await;
    assert_eq!(again.data(), first.data());
    // The same id in a body that another secret vouches for is another delivery.
    let body = json!({ "delivery_id": "msg-1", "id": "12x6" }).to_string();
    let other = send(signed(&api, CONVERT, &body)).await;
    assert_ne!(other.data()["deliveryId"], first.data()["deliveryId"]);
    let edited = json!({ "delivery_id": "msg-1", "id": "12x6", "more": 1 }).to_string();
    let repeated = send(signed(&api, CONVERT, &edited)).await;
    assert_eq!(
        repeated.data(),
        other.data(),
        "by its id, whatever else it says"
    );
    running.shutdown().await;
}
