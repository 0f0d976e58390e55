//! Health tells the truth: what supervisors, proxies and containers go by.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use pugmark::app::{self, Roles, Running};
use pugmark_sandbox::{Fault, FaultPlan};
use reqwest::Method;
use serde_json::json;

use crate::harness::{PATIENCE, World, eventually, on_both_databases};
use crate::http::{Answer, Api, answer};
use crate::program::{configured, run};

const READY: &str = "/health/ready";
const LIVE: &str = "/health/live";
const WORKER: Roles = Roles {
    api: false,
    worker: true,
    scheduler: false,
};

on_both_databases!(
    not_ready_while_migrations_are_missing_and_ready_when_a_newer_program_has_migrated,
    a_process_without_the_api_answers_on_the_port_for_health,
    while_it_stops_it_is_alive_and_not_ready,
    the_command_says_what_the_server_says_and_ends_accordingly,
);

/// Health on a port of its own, chosen by the system.
async fn start(world: &mut World, roles: Roles) -> (Running, Api) {
    world.settings.server.health = Some(([127, 0, 0, 1], 0).into());
    let running = app::start(world.settings.clone(), roles)
        .await
        .expect("Pugmark starts");
    let api = Api::at(running.health_address.expect("health has a port"));
    (running, api)
}

async fn asked(api: &Api, path: &str) -> Answer {
    answer(api.bare(Method::GET, path)).await
}

async fn not_ready_while_migrations_are_missing_and_ready_when_a_newer_program_has_migrated(
    mut world: World,
) {
    let (running, health) = start(&mut world, Roles::ALL).await;
    let program = world.other_program().await;
    let newest = "version = (SELECT max(version) FROM _sqlx_migrations)";
    for at in [&health, &Api::of(&running)] {
        assert_eq!(asked(at, READY).await.status, 200);
        assert_eq!(asked(at, "/health").await.json["store"], "ok");
    }

    let newer = format!("UPDATE _sqlx_migrations SET version = 999999 WHERE {newest}");
    program.sql(newer).await;
    assert_eq!(asked(&health, READY).await.status, 200, "a newer store");

    program
        .sql(format!("DELETE FROM _sqlx_migrations WHERE {newest}"))
        .await;
    for at in [&health, &Api::of(&running)] {
        let ready = asked(at, READY).await;
        assert_eq!(
            (ready.status, &ready.json["store"]),
            (503, &json!("not migrated"))
        );
        assert_eq!(asked(at, LIVE).await.status, 200);
    }
    running.shutdown().await;
}

async fn a_process_without_the_api_answers_on_the_port_for_health(mut world: World) {
    let (running, health) = start(&mut world, WORKER).await;
    assert!(running.address.is_none(), "there is no API");
    assert_eq!(asked(&health, READY).await.status, 200);
    assert_eq!(asked(&health, LIVE).await.status, 200);
    assert_eq!(asked(&health, "/api/internal/status").await.status, 404);

    running.db.clone().close().await;
    let ready = asked(&health, READY).await;
    assert_eq!(
        (ready.status, &ready.json["store"]),
        (503, &json!("does not answer"))
    );
    assert_eq!(asked(&health, LIVE).await.status, 200);
    running.shutdown().await;
}

/// The contact is made, but the answer does not come, so the shutdown has something to wait for.
async fn while_it_stops_it_is_alive_and_not_ready(mut world: World) {
    world.crm_settings().call_timeout = PATIENCE * 2;
    world.settings.queue.lease = PATIENCE * 5;
    world.settings.server.shutdown_grace = PATIENCE * 2;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::HangAfterEffect));
    let (running, health) = start(&mut world, Roles::ALL).await;
    world.other_program().await.insert_customer("Otieno").await;
    let journal = world.crm.journal();
    let made = journal
        .wait_until(|seen| seen.count_created("Contacts") == 1, PATIENCE)
        .await;
    assert!(made, "the contact is made");
    assert_eq!(asked(&health, READY).await.status, 200);

    let stopping = tokio::spawn(running.shutdown());
    let ready = eventually("the end of readiness", || async {
        let ready = asked(&health, READY).await;
        (ready.status == 503).then_some(ready)
    })
    .await;
    assert_eq!(ready.json["status"], "stopping");
    assert_eq!(asked(&health, LIVE).await.status, 200);
    assert!(!stopping.is_finished(), "the call is still waited for");
    stopping.abort();
}

async fn the_command_says_what_the_server_says_and_ends_accordingly(mut world: World) {
    let (running, health) = start(&mut world, Roles::ALL).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = health.address().to_owned();
    let asking = async |arguments: &[&str], server: &str| {
        let mut command = configured(&world, folder.path(), arguments);
        command.env("PUGMARK_SERVER", server);
        run(command).await
    };
    let ready = asking(&["health"], &server).await;
    assert_eq!(ready.code, 0, "{ready:?}");
    assert_eq!(ready.stdout, "ok (store: ok, crm: ok)\n");

    // By the settings alone, as a container's health check asks: a server that listens everywhere.
    let mut command = configured(&world, folder.path(), &["health"]);
    let port = server.rsplit(':').next().unwrap_or_default();
    command.env("PUGMARK_HEALTH", format!("0.0.0.0:{port}"));
    let ready = run(command).await;
    assert_eq!(ready.code, 0, "{ready:?}");

    world.other_program().await.sql("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let unready = asking(&["health"], &server).await;
    assert_eq!(unready.code, 1, "{unready:?}");
    assert!(unready.stdout.contains("not migrated"), "{unready:?}");
    let alive = asking(&["health", "--live"], &server).await;
    assert_eq!((alive.code, alive.stdout.as_str()), (0, "ok\n"));
    running.shutdown().await;

    let gone = asking(&["health"], &server).await;
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.stderr.contains("no Pugmark answers"), "{gone:?}");
}

/// A database that takes connections and says nothing holds the start up.
#[tokio::test]
async fn while_it_starts_it_is_alive_and_not_ready() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let store = silent.local_addr().expect("an address");
    let world = World::sqlite().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&world, folder.path(), &["serve"]);
    command
        .env("DATABASE_URL", format!("postgres://nobody@{store}/nothing"))
        .env("PUGMARK_HEALTH", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let address = tokio::task::spawn_blocking(move || {
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("health at http://")?;
            rest.split('/').next()?.parse().ok()
        });
        // Read on, so that the program never waits for its reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        address
    })
    .await
    .expect("no panic");
    let health = Api::at(address.expect("it says where health is answered"));
    let ready = asked(&health, READY).await;
    assert_eq!(
        (ready.status, &ready.json["status"]),
        (503, &json!("starting"))
    );
    assert_eq!(asked(&health, LIVE).await.status, 200);
    child.kill().expect("it is ours");
    child.wait().expect("it ended");
}

#[tokio::test]
async fn an_address_for_health_that_is_none_is_named_with_its_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = crate::program::pugmark(folder.path(), &["serve"]);
    command.env("PUGMARK_HEALTH", "3001");
    let refused = tokio::time::timeout(Duration::from_secs(300), run(command))
        .await
        .expect("it ends by itself");
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("PUGMARK_HEALTH"), "{refused:?}");
    assert!(refused.stderr.contains("0.0.0.0:3001"), "{refused:?}");
}
