//! One process does what is done by the clock, and another one takes over.

mod processes;

use std::time::Duration;

use pugmark::app::{self, Roles, Running};
use pugmark::config;
use pugmark::schedule::leader::{Candidate, Pace};
use pugmark_queue::db::{DbError, Engine};
use pugmark_queue::{Queue, QueueOptions};
use serde_json::Value;

use crate::harness::{World, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    the_process_that_leads_is_shown_to_people,
    what_a_leader_writes_after_another_has_taken_over_is_undone,
    an_orderly_end_hands_the_work_back_at_once,
    where_nobody_leads_people_are_told,
);

#[test]
fn with_the_default_lease_a_dead_leader_is_replaced_within_15_seconds() {
    let lease = config::Scheduler::default().lease;
    assert!(Pace::of(lease).takeover() <= Duration::from_secs(15));
}

const API: Roles = Roles {
    api: true,
    worker: false,
    scheduler: false,
};

async fn leader(api: &Api) -> Value {
    api.get("/api/internal/status").await.data()["leader"].clone()
}

/// Waits until the process behind this API leads.
async fn leads(api: &Api) -> Value {
    eventually("it leads", || async {
        let leader = leader(api).await;
        (leader["here"] == true).then_some(leader)
    })
    .await
}

/// Somebody who stands for election with leases that nobody waits for in a test.
fn candidate(running: &Running, name: &str, alone: bool) -> Candidate {
    let queue = Queue::new(running.db.clone(), QueueOptions::default());
    let lease = Duration::from_secs(3_600);
    Candidate::new(running.db.clone(), queue, name.to_owned(), lease, alone)
}

async fn note(db: &pugmark_queue::db::Db, name: &'static str) -> Result<(), DbError> {
    let write = db.write("note", move |conn| {
        Box::pin(async move {
            let now = pugmark_queue::db::Ts::now();
            pugmark::store::settings::put(conn, name, &Value::Bool(true), now).await
        })
    });
    write.await
}

async fn the_process_that_leads_is_shown_to_people(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let leader = leads(&api).await;
    let process = leader["process"].as_str().expect("a name");
    let pid = format!("/{}/", std::process::id());
    assert!(process.contains(&pid), "{process}");
    assert_eq!(leader["term"], 1);
    let person = crate::console::Browser::signed_in(&running, pugmark::people::Role::Viewer).await;
    let page = person.get("/").await.text;
    assert!(page.contains("done by this process since "), "{page}");
    running.shutdown().await;
}

async fn what_a_leader_writes_after_another_has_taken_over_is_undone(world: World) {
    let running = app::start(world.settings.clone(), API)
        .await
        .expect("it starts");
    let first = candidate(&running, "first", false).stand().await;
    let first = first.expect("the store answers").expect("nobody leads");
    note(&first.db, "before").await.expect("it leads");
    let second = candidate(&running, "second", false).stand().await;
    assert!(second.expect("the store answers").is_none(), "one leads");
    // Another process may only come when the lease has run out, or when the first one cannot be alive.
    let second = candidate(&running, "second", true).stand().await;
    let second = second.expect("the store answers").expect("it takes over");

    let refused = note(&first.db, "after").await.expect_err("it is late");
    assert!(matches!(refused, DbError::Fenced { .. }), "{refused}");
    let pruned = first.queue.prune(Duration::from_secs(3_600), 10).await;
    pruned.expect_err("the queue is behind the same fence");
    first.db.check_guard().await.expect_err("it is late");
    note(&second.db, "after").await.expect("it leads now");
    let program = world.other_program().await;
    let notes = program
        .count("settings WHERE name IN ('before', 'after')")
        .await;
    assert_eq!(notes, 2);
    running.shutdown().await;
}

async fn an_orderly_end_hands_the_work_back_at_once(mut world: World) {
    // No lease runs out in the time of this test.
    world.settings.scheduler.lease = Duration::from_secs(3_600);
    let running = world.start().await;
    leads(&Api::of(&running)).await;
    running.shutdown().await;
    let program = world.other_program().await;
    let held = "leader_lease WHERE holder IS NOT NULL";
    assert_eq!(program.count(held).await, 0);
    let next = world.start().await;
    let leader = leads(&Api::of(&next)).await;
    assert_eq!(leader["term"], 2);
    next.shutdown().await;
}

async fn where_nobody_leads_people_are_told(world: World) {
    let running = app::start(world.settings.clone(), API)
        .await
        .expect("it starts");
    let api = Api::of(&running);
    // At first nobody has had the time to.
    assert_eq!(leader(&api).await["missing"], false);
    let program = world.other_program().await;
    let long_ago = match program.engine() {
        Engine::Sqlite => "1700000000000000",
        Engine::Postgres => "TIMESTAMP '2023-11-14'",
    };
    program
        .sql(format!("UPDATE leader_lease SET expires_at = {long_ago}"))
        .await;
    let status = api.get("/api/internal/status").await;
    let status = status.data();
    assert_eq!(status["leader"]["errorCode"], "PUG-6401");
    assert_eq!(status["fine"], false);
    let summary = status["summary"].as_str().expect("a text");
    assert!(
        summary.contains("start one with the role scheduler"),
        "{summary}"
    );
    running.shutdown().await;
}
