//! Home: is it fine?

use pugmark::people::Role;
use pugmark_queue::db::Engine;

use super::Browser;
use super::planted::{api_alone, note, plant, plant_dead, without_worker};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    what_is_counted_leads_to_the_list_of_it,
    the_page_answers_in_a_sentence_with_a_lamp_for_each_system_and_what_each_flow_did,
    what_is_too_much_to_be_counted_is_shown_as_the_leader_counted_it,
);

async fn what_is_counted_leads_to_the_list_of_it(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    plant_dead(
        &running,
        &program,
        note("c1", 1),
        "PUG-2006",
        "no last name",
    )
    .await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/").await.text;
    let tiles = page
        .split_once("<ul class=\"tiles\">")
        .and_then(|(_, rest)| rest.split_once("</ul>"))
        .map(|(tiles, _)| tiles)
        .expect("the tiles");
    let lists: Vec<&str> = tiles
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(
        lists,
        [
            "/operations?q=status:waiting",
            "/operations?q=status:running",
            "/problems",
            "/alerts"
        ]
    );
    for list in &lists {
        assert_eq!(viewer.get(list).await.status, 200, "{list}");
    }
    assert!(viewer.get("/problems").await.text.contains("PUG-2006"));
    running.shutdown().await;
}

async fn the_page_answers_in_a_sentence_with_a_lamp_for_each_system_and_what_each_flow_did(
    world: World,
) {
    let running = world.start().await;
    let program = world.other_program().await;
    for name in ["Were", "Otieno", "Wanjiru"] {
        program.insert_customer(name).await;
    }
    program.wait_until_idle().await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = eventually("the figures are made", || async {
        let page = viewer.get("/").await.text;
        page.contains("3 carried out and 0 failed attempts in the last 24 hours")
            .then_some(page)
    })
    .await;
    assert!(
        page.contains("All flows are current; nothing waits."),
        "{page}"
    );
    assert!(page.contains("Nothing waits."), "{page}");
    assert!(page.contains("No limit is known."), "{page}");
    for system in [
        "vTiger", "Maxio", "Supabase", "Database", "RabbitMQ", "Redis",
    ] {
        assert!(
            page.contains(&format!("<span>{system}</span>")),
            "{system}: {page}"
        );
    }
    assert!(page.contains("<svg class=\"chart\"") && page.contains("The numbers, hours in UTC"));
    assert!(
        page.contains("/operations?q=kind:customer.create"),
        "{page}"
    );
    assert!(page.contains("Current</span>"), "{page}");
    assert!(page.len() < 100_000, "{} bytes", page.len());
    running.shutdown().await;
}

/// More than anybody who looks counts.
const MANY: i64 = 12_000;

async fn what_is_too_much_to_be_counted_is_shown_as_the_leader_counted_it(world: World) {
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    plant(&running, note("c1", 1)).await;
    let (series, id, now) = match program.engine() {
        Engine::Sqlite => (
            format!(
                "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {MANY})"
            ),
            "unhex(printf('%032x', n))",
            "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        ),
        Engine::Postgres => (
            format!("WITH g AS (SELECT n FROM generate_series(1, {MANY}) AS n)"),
            "CAST(lpad(to_hex(n), 32, '0') AS UUID)",
            "now()",
        ),
    };
    program
        .sql(format!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
             retry_count, max_retries, deferrals, next_attempt_at, payload, correlation_id, attempts, inherited_attempts, \
             first_queued_at, created_at, updated_at) {series} SELECT {id}, 'customer.update', 'CUSTOMER', CAST(n AS TEXT), \
             'UPDATE', 'customer:x' || n, 1, 1, 'PENDING', 2, 0, 3, 0, {now}, '{{}}', 'c', 0, 0, {now}, {now}, {now} FROM g"
        ))
        .await;
    let api = Api::of(&running);
    let status = eventually("the leader has counted them", || async {
        let status = api.get("/api/internal/status").await;
        let status = status.data().clone();
        (status["waiting"] == MANY + 1).then_some(status)
    })
    .await;
    assert!(status["countedAt"].is_string(), "{status}");
    assert_eq!(status["kinds"]["customer.update"]["waiting"], MANY);
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/").await.text;
    assert!(page.contains("<strong>12,001</strong>"), "{page}");
    running.shutdown().await;
}
