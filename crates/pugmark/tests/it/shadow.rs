//! When nothing is to be written, when nobody answers, and which process does what.

use std::time::Duration;

use pugmark::app::{self, Roles};
use pugmark::config::Mode;
use pugmark_queue::{Filter, OperationRecord, Status};
use pugmark_sandbox::JournalKind;
use secrecy::SecretString;
use serde_json::json;

use crate::harness::{PATIENCE, Traffic, World, Writer, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    switched_off_everything_is_kept_and_later_delivered,
    without_a_crm_everything_is_kept_and_later_delivered,
    shadow_mode_writes_nothing_and_says_what_it_would_do,
    shadow_mode_looks_at_what_is_unknown_and_links_nothing,
    live_mode_takes_up_what_shadow_mode_only_looked_at,
    while_the_crm_is_away_attempts_stop_growing_and_nothing_dies,
    a_wrong_key_kills_nothing_and_the_right_one_delivers,
    an_unknown_user_kills_nothing,
    a_process_for_the_api_alone_delivers_nothing,
    a_process_for_the_worker_alone_delivers_and_does_not_listen,
);

async fn all_operations(running: &app::Running) -> Vec<OperationRecord> {
    let filter = Filter {
        limit: 200,
        ..Filter::default()
    };
    running
        .queue
        .list(&filter)
        .await
        .expect("a list")
        .operations
}

async fn wait_until_planned(program: &Writer, operations: i64) {
    eventually("the planning of every change", || async {
        let waiting = program.count("change_log WHERE processed_at IS NULL").await;
        (waiting == 0 && program.count("vtiger_sync_queue").await == operations).then_some(())
    })
    .await;
}

fn effects(world: &World) -> Vec<String> {
    let stores = |kind: &JournalKind| {
        matches!(
            kind,
            JournalKind::Created { .. }
                | JournalKind::Revised { .. }
                | JournalKind::Updated { .. }
                | JournalKind::Deleted { .. }
        )
    };
    let entries = world.crm.journal().entries();
    entries
        .iter()
        .filter(|entry| stores(&entry.kind))
        .map(|entry| format!("{:?}", entry.kind))
        .collect()
}

async fn switched_off_everything_is_kept_and_later_delivered(mut world: World) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let program = world.other_program().await;
    let customers = [
        program.insert_customer("Kamau").await,
        program.insert_customer("Otieno").await,
    ];
    wait_until_planned(&program, 2).await;
    let status = Api::of(&running).get("/api/internal/status").await;
    assert_eq!(
        (&status.data()["crm"], &status.data()["waiting"]),
        (&json!("disabled"), &json!(2))
    );
    assert!(
        all_operations(&running)
            .await
            .iter()
            .all(|operation| operation.status == Status::Pending && operation.attempts == 0)
    );
    assert!(
        world.crm.journal().is_empty(),
        "the CRM is not even asked who we are"
    );
    running.shutdown().await;

    world.crm_settings().enabled = true;
    let running = world.start().await;
    for customer in &customers {
        world.wait_for_contact(customer, |_| true).await;
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 2,
            ..Traffic::default()
        }
    );
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn without_a_crm_everything_is_kept_and_later_delivered(mut world: World) {
    let crm = world.settings.crm.take();
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    wait_until_planned(&program, 1).await;
    running.shutdown().await;
    world.settings.crm = crm;
    let running = world.start().await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    running.shutdown().await;
}

async fn shadow_mode_writes_nothing_and_says_what_it_would_do(mut world: World) {
    // One customer is in step before, one is new, one was deleted, one differs in nothing.
    let running = world.start().await;
    let program = world.other_program().await;
    let (edited, deleted) = (
        program.insert_customer("Kamau").await,
        program.insert_customer("Otieno").await,
    );
    program.wait_until_idle().await;
    running.shutdown().await;
    let before = effects(&world);

    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    program.set(&edited, "lastName", "'Mutua'").await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{deleted}'"))
        .await;
    let created = program.insert_customer("Were").await;
    program.wait_until_idle().await;

    assert_eq!(effects(&world), before, "nothing was written");
    let outcome = |customer: &str, operations: &[OperationRecord]| {
        let newest = operations
            .iter()
            .find(|operation| operation.entity_id == customer)
            .expect("an operation");
        newest.outcome.as_ref().expect("an outcome").0.clone()
    };
    let operations = all_operations(&running).await;
    let create = outcome(&created, &operations);
    assert_eq!(
        (&create["result"], &create["would"]),
        (&json!("shadow"), &json!("create"))
    );
    assert!(
        create["fields"]
            .as_array()
            .is_some_and(|fields| fields.contains(&json!("lastname"))),
        "{create}"
    );
    let revise = outcome(&edited, &operations);
    assert_eq!(
        (&revise["would"], &revise["fields"]),
        (&json!("revise"), &json!(["lastname"]))
    );
    let mark = outcome(&deleted, &operations);
    assert_eq!(
        (&mark["would"], &mark["fields"]),
        (&json!("revise"), &json!([world.field("MicroBima Status")]))
    );
    let linked = program.link(&created, "vtiger_id").await;
    assert_eq!(linked, None, "a contact that was not made is not linked");
    running.shutdown().await;
}

async fn shadow_mode_looks_at_what_is_unknown_and_links_nothing(mut world: World) {
    world.settings.mode = Mode::Shadow;
    world.crm_settings().look_first = true;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = crate::harness::new_id();
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Kamau"), (&world.reference(), &customer)],
        )
        .expect("a contact");
    let before = effects(&world);
    program.insert_customer_as(&customer, "Kamau", false).await;
    program.wait_until_idle().await;

    assert_eq!(effects(&world), before);
    let operation = all_operations(&running).await.remove(0);
    assert_eq!(operation.outcome.expect("an outcome").0["would"], "revise");
    assert_eq!(program.link(&customer, "vtiger_id").await, None);
    running.shutdown().await;
}

async fn live_mode_takes_up_what_shadow_mode_only_looked_at(mut world: World) {
    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    running.shutdown().await;
    assert!(effects(&world).is_empty());

    world.settings.mode = Mode::Live;
    let running = world.start().await;
    // Nobody edits the customer: the sweep finds that it was never delivered.
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn while_the_crm_is_away_attempts_stop_growing_and_nothing_dies(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    world.crm.go_down().await;
    for number in 0..30 {
        program.insert_customer(&format!("Customer {number}")).await;
    }
    wait_until_planned(&program, 30).await;
    let api = Api::of(&running);
    // The breaker opens after a few failures in a row; from the second pause on it is open for four seconds and more.
    eventually("an open breaker", || async {
        let status = api.get("/api/internal/status").await;
        (status.data()["crm"] == "paused").then_some(())
    })
    .await;
    let attempts = || program.count("vtiger_sync_attempts");
    // What had been claimed when it opened may still end.
    eventually("the end of what was claimed", || async {
        (program
            .count("vtiger_sync_queue WHERE status = 'PROCESSING'")
            .await
            == 0)
            .then_some(())
    })
    .await;
    let first = attempts().await;
    let waited = world
        .crm
        .journal()
        .wait_until(
            |journal| journal.count_calls(None) > 0,
            Duration::from_secs(6),
        )
        .await;
    assert!(!waited, "nobody can have been reached");
    let grown = attempts().await - first;
    // Without a breaker thirty operations with a backoff of half a second at most would be tried hundreds of times.
    assert!(grown <= 3 * 4, "{grown} attempts in six seconds");
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        0
    );
    assert!(
        all_operations(&running)
            .await
            .iter()
            .all(|operation| operation.retry_count == 0)
    );

    world.crm.come_back().await.expect("the port is free");
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn a_wrong_key_kills_nothing_and_the_right_one_delivers(mut world: World) {
    let right = world.crm_settings().access_key.clone();
    world.crm_settings().access_key = SecretString::from("not-the-key");
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_for_trouble(&customer, "PUG-2002").await;
    let operation = all_operations(&running).await.remove(0);
    assert!(
        operation.is_waiting() && operation.retry_count == 0,
        "{operation:?}"
    );
    let logins = world.calls("login");
    let again = world
        .crm
        .journal()
        .wait_until(
            |journal| journal.count_calls(Some("login")) > logins,
            Duration::from_secs(3),
        )
        .await;
    assert!(!again, "a refused user is not tried again and again");
    running.shutdown().await;

    world.crm_settings().access_key = right;
    let running = world.start().await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn an_unknown_user_kills_nothing(mut world: World) {
    world.crm_settings().username = "nobody".to_owned();
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_for_trouble(&customer, "PUG-2002").await;
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        0
    );
    running.shutdown().await;
}

async fn a_process_for_the_api_alone_delivers_nothing(world: World) {
    let roles: Roles = "api".parse().expect("a role");
    let running = app::start(world.settings.clone(), roles)
        .await
        .expect("it starts");
    let program = world.other_program().await;
    let api = Api::of(&running);
    let body = json!({
        "firstName": "Achieng", "lastName": "Otieno", "phoneNumber": "0712345678", "dateOfBirth": "1990-04-12",
        "gender": "female", "idType": "national", "idNumber": "12345678",
    });
    let answer = api.post("/api/internal/customers", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let customer = answer.data()["id"].as_str().expect("an id").to_owned();
    let called = world
        .crm
        .journal()
        .wait_until(|journal| !journal.is_empty(), Duration::from_secs(1))
        .await;
    assert!(!called, "nothing is sent by the API");
    assert_eq!(
        program.count("change_log WHERE processed_at IS NULL").await,
        1
    );
    running.shutdown().await;

    let running = world.start().await;
    world.wait_for_contact(&customer, |_| true).await;
    running.shutdown().await;
}

async fn a_process_for_the_worker_alone_delivers_and_does_not_listen(world: World) {
    let roles: Roles = "worker".parse().expect("a role");
    let running = app::start(world.settings.clone(), roles)
        .await
        .expect("it starts");
    assert_eq!(running.address, None);
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    running.shutdown().await;
}

/// Several processes on one store, which needs PostgreSQL.
mod together {
    pub(super) mod postgres {
        use super::super::*;

        #[tokio::test]
        async fn two_workers_and_an_api_share_the_work_and_nothing_is_done_twice() {
            let Some(world) = World::postgres().await else {
                return;
            };
            let start =
                |roles: &str| app::start(world.settings.clone(), roles.parse().expect("roles"));
            let (one, two) = (
                start("worker,scheduler").await.expect("starts"),
                start("worker,scheduler").await.expect("starts"),
            );
            let api = start("api").await.expect("starts");
            let program = world.other_program().await;
            let mut customers = Vec::new();
            for number in 0..60 {
                customers.push(program.insert_customer(&format!("Customer {number}")).await);
            }
            for customer in &customers {
                program
                    .set(customer, "email", &format!("'{customer}@example.co.ke'"))
                    .await;
            }
            program.wait_until_idle().await;

            assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
            assert_eq!(world.calls("create"), 60);
            assert_eq!(Api::of(&api).get("/api/internal/status").await.status, 200);
            let owners = program
                .count("(SELECT DISTINCT owner FROM vtiger_sync_attempts) AS owners")
                .await;
            assert_eq!(owners, 2, "both workers took part");
            let stopped = tokio::time::timeout(PATIENCE, async {
                one.shutdown().await;
                two.shutdown().await;
                api.shutdown().await;
            });
            stopped.await.expect("they stop");
        }
    }
}
