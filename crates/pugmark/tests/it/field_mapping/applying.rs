//! Bringing the contacts that are there up to date after a change of the mapping.

use reqwest::Method;

use super::{MAPPINGS, PARTNER, added, spacious};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    applying_fills_the_contacts_that_are_there_and_tells_how_far_it_is,
    applying_stands_behind_what_people_do_and_can_be_stopped,
);

async fn applying_fills_the_contacts_that_are_there_and_tells_how_far_it_is(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let path = format!("{MAPPINGS}/apply");
    assert_eq!(api.get(&path).await.status, 404, "never asked for");
    let program = world.other_program().await;
    let mut customers = Vec::new();
    for number in 0..5 {
        customers.push(program.insert_customer(&format!("Otieno {number}")).await);
    }
    let gone = program.insert_customer("Gone").await;
    for customer in customers.iter().chain([&gone]) {
        world.wait_for_contact(customer, |_| true).await;
    }
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{gone}'"))
        .await;
    program.wait_until_idle().await;

    added(&api, "partnerName", "Partner", "TEXT").await;
    let before = world.traffic();
    let request = api
        .request(Method::POST, &path)
        .header("x-correlation-id", "fill-the-partner");
    let begun = answer(request).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    assert_eq!(begun.data()["contacts"], 5, "{}", begun.text);
    let ended = eventually("the end of the run", || async {
        let run = api.get(&path).await;
        (run.data()["state"] == "finished").then_some(run)
    })
    .await;
    assert_eq!(ended.data()["queued"], 5, "{}", ended.text);
    assert_eq!(ended.data()["done"], 5, "{}", ended.text);
    assert_eq!(ended.data()["dead"], 0);
    for customer in &customers {
        let contact = world.contact_of(customer).expect("it is there");
        assert_eq!(contact.value(PARTNER), "Direct");
    }
    let marked = world.contact_of(&gone).expect("it is kept");
    assert_eq!(
        marked.value(PARTNER),
        "",
        "a withdrawn contact stays as it is"
    );
    let made = world.traffic() - before;
    assert_eq!(
        (made.revise, made.retrieve, made.create),
        (5, 0, 0),
        "one call each"
    );

    // A second time there is nothing to do, and it costs nothing.
    assert_eq!(answer(api.request(Method::POST, &path)).await.status, 202);
    eventually("the end of the second run", || async {
        let run = api.get(&path).await;
        (run.data()["state"] == "finished" && run.data()["queued"] == 5).then_some(())
    })
    .await;
    assert_eq!((world.traffic() - before).revise, 5);
    running.shutdown().await;
}

async fn applying_stands_behind_what_people_do_and_can_be_stopped(mut world: World) {
    world.crm_settings().enabled = false;
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let program = world.other_program().await;
    let now = match program.engine() {
        pugmark_queue::db::Engine::Sqlite => "1",
        pugmark_queue::db::Engine::Postgres => "now()",
    };
    // The first gap sweep closes this, and the next one is far: it would take the links below for those of deleted customers.
    program
        .sql(format!(
            "INSERT INTO capture_errors (table_name, event, sqlstate, message, at) \
             VALUES ('customers', 'UPDATE', 'XX000', 'a mark of this test', {now})"
        ))
        .await;
    let running = world.start().await;
    let api = Api::of(&running);
    eventually("the end of the first gap sweep", || async {
        let open = program
            .count("capture_errors WHERE healed_at IS NULL")
            .await;
        (open == 0).then_some(())
    })
    .await;
    // Nothing is delivered here: so many links are there as if it had been.
    for first in 0..10 {
        let values: Vec<String> = (0..100)
            .map(|second| {
                format!("('CUSTOMER', 'c{first}{second:02}', 'Contacts', '12x{first}{second:02}', {now}, {now})")
            })
            .collect();
        program
            .sql(format!(
                "INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, created_at, updated_at) VALUES {}",
                values.join(", ")
            ))
            .await;
    }
    let path = format!("{MAPPINGS}/apply");
    let begun = answer(api.request(Method::POST, &path)).await;
    assert_eq!(begun.data()["contacts"], 1000, "{}", begun.text);
    let again = answer(api.request(Method::POST, &path)).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let far = eventually("what may wait at the same time", || async {
        let run = api.get(&path).await;
        (run.data()["queued"].as_i64() >= Some(300)).then_some(run)
    })
    .await;
    assert!(far.data()["queued"].as_i64() <= Some(400), "{}", far.text);
    assert_eq!(far.data()["state"], "running");
    let lowest = program
        .one("SELECT CAST(max(priority) AS TEXT) FROM vtiger_sync_queue")
        .await;
    assert_eq!(lowest.as_deref(), Some("3"), "behind everything else");

    let stopped = answer(api.request(Method::DELETE, &path)).await;
    assert_eq!(stopped.data()["state"], "stopped", "{}", stopped.text);
    assert_eq!(stopped.data()["stoppedBy"], "token:APP_SECRET_TOKEN");
    let entries = program
        .count("audit_log WHERE action IN ('mapping.apply', 'mapping.apply.stop')")
        .await;
    assert_eq!(entries, 2);
    running.shutdown().await;
}
