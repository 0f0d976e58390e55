//! What a comparison finds.

use pugmark::config::Mode;
use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::json;

use super::{Disorder, PATH, compared, ended, findings, fix, found, writes};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    everything_that_is_out_of_step_is_found_and_nothing_is_changed,
    more_than_a_page_is_compared_with_one_call_for_a_hundred_on_each_side,
    a_change_under_way_is_no_difference,
    withdrawn_and_test_customers_are_in_step_as_they_are,
    two_contacts_of_one_customer_without_a_link_are_told_apart_from_one,
    a_comparison_that_was_interrupted_goes_on_where_it_was_in_another_process,
    what_cannot_be_compared_is_refused_with_the_reason,
);

async fn everything_that_is_out_of_step_is_found_and_nothing_is_changed(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    assert_eq!(api.get(PATH).await.status, 404, "never compared");
    let program = world.other_program().await;
    let disorder = Disorder::make(&world, &program).await;
    let before = world.traffic();

    let run = compared(&api, &json!({})).await;

    assert_eq!(run["state"], "finished", "{run}");
    for kind in [
        "missing",
        "gone",
        "unlinked",
        "different",
        "duplicate",
        "extra",
    ] {
        assert_eq!(found(&run, kind), (1, 0), "{kind}: {run}");
    }
    assert_eq!(run["left"], 6);
    assert_eq!((&run["strangers"], &run["equal"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&run["contacts"], &run["customers"]),
        (&json!(6), &json!(5))
    );
    assert_eq!(writes(world.traffic() - before), (0, 0, 0), "it only reads");
    let waiting = program
        .count("vtiger_sync_queue WHERE status <> 'COMPLETED'")
        .await;
    assert_eq!(waiting, 0, "nothing is queued");

    let listed = findings(&api).await;
    let of = |kind: &str| listed.iter().find(|item| item["kind"] == kind).expect(kind);
    assert_eq!(of("missing")["customerId"], json!(disorder.missing));
    assert_eq!(of("gone")["customerId"], json!(disorder.gone));
    assert_eq!(of("unlinked")["customerId"], json!(disorder.unlinked));
    assert_eq!(of("extra")["vtigerContactId"], json!(disorder.extra));
    let twin = of("duplicate");
    assert_eq!(twin["vtigerContactId"], json!(disorder.twin));
    let kept = world
        .other_program()
        .await
        .link(&disorder.equal, "vtiger_id")
        .await;
    assert_eq!(twin["detail"]["keeps"], json!(kept));
    let field = &of("different")["detail"]["fields"];
    assert_eq!(field.as_array().map(Vec::len), Some(1), "{field}");
    assert_eq!(
        (
            &field[0]["field"],
            &field[0]["ours"],
            &field[0]["theirs"],
            &field[0]["editedInCrm"]
        ),
        (
            &json!("lastname"),
            &json!("Edited"),
            &json!("Somebody"),
            &json!(true)
        )
    );
    let some = api.get(&format!("{PATH}/findings?kind=gone&limit=1")).await;
    assert_eq!(some.data()["items"].as_array().map(Vec::len), Some(1));
    let wrong = api.get(&format!("{PATH}/findings?cursor=x")).await;
    assert_eq!(wrong.wrong_fields(), ["cursor"]);
    running.shutdown().await;
}

async fn more_than_a_page_is_compared_with_one_call_for_a_hundred_on_each_side(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let mut last = String::new();
    for number in 0..205 {
        last = program.insert_customer(&format!("Were {number}")).await;
    }
    program.wait_until_idle().await;
    assert!(
        world
            .crm
            .remove(&world.contact_of(&last).expect("a contact").id)
    );
    let before = world.traffic();

    let run = compared(&api, &json!({})).await;

    assert_eq!(run["equal"], 204, "{run}");
    assert_eq!(found(&run, "gone"), (1, 0));
    let made = world.traffic() - before;
    // A count, three pages on each side; only the one that is gone is asked for by itself.
    assert_eq!((made.query, made.retrieve), (7, 1), "{run}");
    running.shutdown().await;
}

async fn a_change_under_way_is_no_difference(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Before").await;
    program.wait_until_idle().await;
    running
        .queue
        .pause("customer.update", "test")
        .await
        .expect("paused");
    program.set(&customer, "lastName", "'After'").await;
    eventually("the change to be planned", || async {
        let waits = program
            .count("vtiger_sync_queue WHERE status = 'PENDING'")
            .await;
        (waits == 1).then_some(())
    })
    .await;

    let run = compared(&api, &fix()).await;
    assert_eq!(run["underWay"], 1, "{run}");
    assert_eq!((&run["found"], &run["left"]), (&json!({}), &json!(0)));

    running
        .queue
        .resume("customer.update")
        .await
        .expect("resumed");
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "After")
        .await;
    program.wait_until_idle().await;
    let run = compared(&api, &json!({})).await;
    assert_eq!((&run["equal"], &run["underWay"]), (&json!(1), &json!(0)));
    running.shutdown().await;
}

async fn withdrawn_and_test_customers_are_in_step_as_they_are(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let deleted = program.insert_customer("Deleted").await;
    let turned = program.insert_customer("Turned").await;
    let test = uuid::Uuid::new_v4().to_string();
    program.insert_customer_as(&test, "Test", true).await;
    program.wait_until_idle().await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{deleted}'"))
        .await;
    program.set(&turned, "isTestUser", "TRUE").await;
    program.wait_until_idle().await;

    let run = compared(&api, &json!({})).await;

    assert_eq!(run["found"], json!({}), "{:?}", findings(&api).await);
    assert_eq!(run["customers"], 2);
    running.shutdown().await;
}

async fn two_contacts_of_one_customer_without_a_link_are_told_apart_from_one(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Once").await;
    program.wait_until_idle().await;
    let reference = world.reference();
    let first = world.contact_of(&customer).expect("a contact").id;
    let second = world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Twice"), (&reference, &customer)],
        )
        .expect("a person copies it");
    program
        .sql(format!(
            "DELETE FROM crm_links WHERE entity_id = '{customer}'"
        ))
        .await;

    let run = compared(&api, &json!({})).await;

    assert_eq!(found(&run, "unlinked"), (1, 0), "{run}");
    assert_eq!(found(&run, "duplicate"), (1, 0), "{run}");
    assert_eq!(found(&run, "missing"), (0, 0), "its contact is there");
    let listed = findings(&api).await;
    assert_eq!(listed[0]["vtigerContactId"], json!(first));
    assert_eq!(listed[1]["vtigerContactId"], json!(second));
    assert_eq!(listed[1]["detail"]["keeps"], json!(first));
    running.shutdown().await;
}

async fn a_comparison_that_was_interrupted_goes_on_where_it_was_in_another_process(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    for number in 0..130 {
        program.insert_customer(&format!("Were {number}")).await;
    }
    program.wait_until_idle().await;
    // The count and the first page are answered; then vTiger is away.
    let faults = (3..200).fold(FaultPlan::new(1), |plan, nth| {
        plan.nth("query", nth, Fault::Http(503))
    });
    world.crm.faults().set(faults);
    let api = Api::of(&running);
    assert_eq!(api.post(PATH, &json!({})).await.status, 202);
    let held = eventually("the comparison to be held up", || async {
        let run = api.get(PATH).await.data().clone();
        run["trouble"].is_string().then_some(run)
    })
    .await;
    assert_eq!(
        (&held["state"], &held["contacts"], &held["phase"]),
        (&json!("running"), &json!(100), &json!("contacts"))
    );
    running.shutdown().await;
    world.crm.faults().set(FaultPlan::new(1));

    let before = world.traffic();
    let running = world.start().await;
    let run = ended(&Api::of(&running)).await;

    assert_eq!(
        (&run["contacts"], &run["equal"]),
        (&json!(130), &json!(130))
    );
    assert_eq!((&run["trouble"], &run["found"]), (&json!(null), &json!({})));
    // One page of contacts, two of customers: the first page of contacts is not read again.
    assert_eq!((world.traffic() - before).query, 3, "{run}");
    running.shutdown().await;
}

async fn what_cannot_be_compared_is_refused_with_the_reason(mut world: World) {
    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    let api = Api::of(&running);
    let shadow = api.post(PATH, &fix()).await;
    assert_eq!(shadow.status, 409, "{}", shadow.text);
    assert!(shadow.message().contains("shadow mode"), "{}", shadow.text);
    let alone = api.post(PATH, &json!({ "recreate": true })).await;
    assert_eq!(alone.wrong_fields(), ["recreate"]);
    running.shutdown().await;

    world.settings.mode = Mode::Live;
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    let off = answer(api.request(reqwest::Method::POST, PATH).json(&json!({}))).await;
    assert_eq!(off.status, 409, "{}", off.text);
    assert!(off.message().contains("VTIGER_ENABLED"), "{}", off.text);
    running.shutdown().await;
}
