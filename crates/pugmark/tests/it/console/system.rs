//! System: what runs, which settings are in force, what is found when everything is checked.

use pugmark::config::{self, Environment};
use pugmark::people::Role;
use pugmark_queue::db::Engine;

use super::Browser;
use crate::harness::{World, eventually, on_both_databases};

on_both_databases!(
    what_runs_and_what_it_relies_on_is_shown_and_who_ends_is_gone,
    a_process_that_fell_silent_and_work_in_dead_hands_are_pointed_out,
    settings_in_force_say_where_they_come_from_and_show_no_secret,
    everything_is_checked_on_demand_and_the_page_says_what_was_found,
);

async fn what_runs_and_what_it_relies_on_is_shown_and_who_ends_is_gone(world: World) {
    let running = world.start().await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = eventually("this process leads", || async {
        let page = viewer.get("/system").await.text;
        (page.contains("answers here") && page.contains(">leads<")).then_some(page)
    })
    .await;
    let engine = match running.db.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    for said in [
        "api, worker, scheduler",
        env!("CARGO_PKG_VERSION"),
        engine,
        "the tables are Pugmark&#39;s own",
        "mapping versions",
        "workers are woken without it",
        "Running",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(
        !page.contains("/system/checkup"),
        "a viewer is offered no check"
    );
    let live = viewer.get("/console/system").await;
    assert_eq!(live.status, 200);
    assert!(!live.text.contains("<nav"), "only what changes");
    let program = world.other_program().await;
    assert_eq!(program.count("processes").await, 1);
    running.shutdown().await;
    assert_eq!(program.count("processes").await, 0);
}

async fn a_process_that_fell_silent_and_work_in_dead_hands_are_pointed_out(world: World) {
    let running = super::planted::api_alone(&world).await;
    let program = world.other_program().await;
    let ago = match program.engine() {
        Engine::Sqlite => "CAST((unixepoch('subsec') - 3600) * 1000000 AS INTEGER)",
        Engine::Postgres => "now() - INTERVAL '1 hour'",
    };
    program
        .sql(format!(
            "INSERT INTO processes (process, roles, version, started_at, seen_at) VALUES ('elsewhere/7/abc', 'worker', '0.0.9', {ago}, {ago})"
        ))
        .await;
    let operation = super::planted::plant(&running, super::planted::update("someone")).await;
    let token = match program.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let until = ago
        .replace("- 3600", "+ 3600")
        .replace("now() -", "now() +");
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET status = 'PROCESSING', lease_owner = 'nobody/1/x', lease_token = {token}, \
             lease_expires_at = {until} WHERE id = {}",
            super::planted::literal(&program, operation)
        ))
        .await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/system").await.text;
    for said in [
        "elsewhere/7/abc",
        "Silent",
        "0.0.9",
        "nobody/1/x",
        "holds 1",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    running.shutdown().await;
}

async fn settings_in_force_say_where_they_come_from_and_show_no_secret(mut world: World) {
    let environment = Environment::of([
        ("REDIS_URL", "redis://:tiger-pw@cache:6379"),
        ("PUGMARK__SUMMARY__DAY", "friday"),
        ("APP_SECRET_TOKEN", "a-very-secret-token"),
    ]);
    let read = config::load(None, &environment).expect("these settings are in order");
    world.settings.in_force = read.in_force;
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let page = admin.get("/system/settings").await.text;
    for said in [
        "queue.lease",
        "default",
        "environment REDIS_URL",
        "redis://:***@cache:6379",
        "environment PUGMARK__SUMMARY__DAY",
        "environment APP_SECRET_TOKEN",
        "set, never shown",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("tiger-pw") && !page.contains("very-secret"));
    let changed = admin.get("/system/settings?changed=yes").await.text;
    assert!(changed.contains("summary.day") && !changed.contains("queue.lease"));
    let sought = admin.get("/system/settings?q=LEASE").await.text;
    assert!(sought.contains("queue.lease") && !sought.contains("summary.day"));
    let none = admin.get("/system/settings?q=nothing+like+it").await.text;
    assert!(none.contains("No setting is like this"), "{none}");
    running.shutdown().await;
}

async fn everything_is_checked_on_demand_and_the_page_says_what_was_found(world: World) {
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let page = admin.get("/system/checkup").await.text;
    assert!(page.contains("Not checked yet"), "{page}");
    let begun = admin.post_and_follow("/system/checkup", &[]).await.text;
    assert!(begun.contains("Everything is being checked."), "{begun}");
    let found = eventually("it was checked", || async {
        let live = admin.get("/console/system/checkup").await.text;
        live.contains("Checked for").then_some(live)
    })
    .await;
    for said in [
        "Test registration_admin",
        "connection",
        "login",
        "Fine",
        "What to do:",
    ] {
        assert!(found.contains(said), "{said}: {found}");
    }
    let program = world.other_program().await;
    assert_eq!(
        program
            .count("audit_log WHERE action = 'system.check'")
            .await,
        1
    );
    running.shutdown().await;
}
