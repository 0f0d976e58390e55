//! New contacts through the upsert of Pugmark's vTiger extension.

use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::{Value, json};
use vtiger::{ChangesFrom, Client, ClientConfig};

use super::{PATH, begun, until};
use crate::harness::{World, eventually, on_both_databases, sandbox};
use crate::http::Api;

on_both_databases!(
    the_extension_makes_a_hundred_contacts_with_one_call_each_only_once,
    an_upsert_whose_outcome_is_unknown_is_asked_again_and_makes_nothing_twice,
    what_the_extension_refuses_is_left_to_the_queue,
);

/// Customers whose contacts nobody has made, before a vTiger with the extension; their operations wait.
async fn untouched(
    world: &World,
    running: &pugmark::app::Running,
    customers: usize,
) -> Vec<String> {
    let program = world.other_program().await;
    running
        .queue
        .pause("customer.create", "test")
        .await
        .expect("paused");
    let mut ids = Vec::new();
    for number in 0..customers {
        ids.push(program.insert_customer(&format!("Were {number}")).await);
    }
    eventually("every change to be planned", || async {
        let unplanned = program.count("change_log WHERE processed_at IS NULL").await;
        (unplanned == 0).then_some(())
    })
    .await;
    ids
}

/// Makes a first sync of them to its end, and lets go on what waits: a customer whose operation is being looked at in that moment would
/// be left to it.
async fn made(world: &World, running: &pugmark::app::Running, body: &Value) -> Value {
    let api = Api::of(running);
    begun(&api, body).await;
    eventually("the end of linking", || async {
        let run = api.get(PATH).await.data().clone();
        (run["phase"] == "ended").then_some(())
    })
    .await;
    running
        .queue
        .resume("customer.create")
        .await
        .expect("resumed");
    let run = until(&api, "finished").await;
    world.other_program().await.wait_until_idle().await;
    run
}

/// How many contacts the extension has told of as new: in vTiger's bulk mode of none.
async fn told_as_new(world: &World) -> usize {
    let key = world.crm.access_key().into();
    let config = ClientConfig::open_source(&world.crm.url(), world.crm.username(), key)
        .expect("a usable address");
    let client = Client::new(config).expect("a client");
    let told = client
        .changes("Contacts", ChangesFrom::Beginning, 500)
        .await
        .expect("the extension tells changes")
        .expect("everything is kept");
    told.changes.len()
}

async fn the_extension_makes_a_hundred_contacts_with_one_call_each_only_once(world: World) {
    let world = world.before(sandbox().with_extension()).await;
    let running = world.start().await;
    let customers = untouched(&world, &running, 130).await;

    let run = made(
        &world,
        &running,
        &json!({ "confirmed": true, "bulk": true }),
    )
    .await;

    assert_eq!(
        (&run["done"], &run["fresh"]),
        (&json!(130), &json!(130)),
        "{run}"
    );
    assert_eq!(run["estimatedCalls"], 2, "{run}");
    assert_eq!(world.crm.records("Contacts").len(), 130);
    assert_eq!(
        (world.calls("pugmark.upsert"), world.traffic().create),
        (2, 0)
    );
    let program = world.other_program().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    for customer in &customers {
        let contact = world.contact_of(customer).expect("it was made");
        assert_eq!(program.link(customer, "vtiger_id").await, Some(contact.id));
        assert_eq!(
            program.link(customer, "sync_status").await.as_deref(),
            Some("SYNCED")
        );
    }
    assert_eq!(world.traffic().revise, 0, "what waited found nothing to do");
    assert_eq!(
        told_as_new(&world).await,
        0,
        "in bulk mode, as was asked for"
    );
    running.shutdown().await;
}

async fn an_upsert_whose_outcome_is_unknown_is_asked_again_and_makes_nothing_twice(world: World) {
    let world = world.before(sandbox().with_extension()).await;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("pugmark.upsert", 1, Fault::HttpAfterEffect(502)));
    let running = world.start().await;
    untouched(&world, &running, 3).await;

    let run = made(&world, &running, &json!({ "confirmed": true })).await;

    assert_eq!(
        (&run["done"], &run["trouble"]),
        (&json!(3), &Value::Null),
        "{run}"
    );
    assert_eq!(
        (world.calls("pugmark.upsert"), world.traffic().create),
        (2, 0)
    );
    let program = world.other_program().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(
        told_as_new(&world).await,
        3,
        "bulk mode is only used when it is asked for"
    );
    running.shutdown().await;
}

async fn what_the_extension_refuses_is_left_to_the_queue(world: World) {
    let world = world.before(sandbox().with_extension()).await;
    world.crm.set_unique("Contacts", "email", true);
    let running = world.start().await;
    let program = world.other_program().await;
    let customers = untouched(&world, &running, 2).await;
    program
        .set(&customers[0], "email", "'taken@example.org'")
        .await;
    let other = [("lastname", "Other"), ("email", "taken@example.org")];
    world
        .crm
        .insert_as_ui("Contacts", &other)
        .expect("a person makes a contact");

    // Its e-mail is no key here, so it counts as new.
    let body = json!({ "confirmed": true, "matchBy": ["reference"] });
    let run = made(&world, &running, &body).await;

    assert_eq!(run["done"], 2, "{run}");
    assert!(world.contact_of(&customers[1]).is_some());
    assert!(world.contact_of(&customers[0]).is_none());
    assert_eq!(
        program
            .link(&customers[0], "sync_error_code")
            .await
            .as_deref(),
        Some("PUG-2006"),
        "it is told where everything is told"
    );
    running.shutdown().await;
}
