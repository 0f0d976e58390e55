//! What a change costs in calls, and which fields it touches.

use std::time::Duration;

use pugmark_sandbox::Latency;
use serde_json::Value;

use super::{after_an_unrelated_edit, operations, sent};
use crate::harness::{Traffic, World, eventually, on_both_databases, sandbox};

on_both_databases!(
    a_create_is_one_call,
    calls_begin_by_the_lease_as_it_was_renewed,
    an_edit_is_one_call_that_sends_only_what_differs,
    an_edit_that_was_taken_back_is_no_call,
    a_column_that_becomes_empty_clears_its_field,
    a_field_that_a_person_filled_is_left_alone_by_edits_of_others,
    a_change_of_status_is_shown,
);

async fn a_create_is_one_call(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    for name in ["Kamau", "Otieno", "Were"] {
        program.insert_customer(name).await;
    }
    program.wait_until_idle().await;

    assert_eq!(
        world.traffic(),
        Traffic {
            create: 3,
            ..Traffic::default()
        }
    );
    assert_eq!(
        world.calls("describe"),
        1,
        "a description is asked for once"
    );
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn calls_begin_by_the_lease_as_it_was_renewed(world: World) {
    // Three slow answers (a challenge, a login, a description) before the write: by then the lease as it was claimed has not
    // enough left for a call, the renewed one has.
    let mut world = world
        .before(sandbox().latency(Latency::Fixed(Duration::from_millis(2_200))))
        .await;
    world.settings.queue.lease = Duration::from_secs(12);
    world.crm_settings().call_timeout = Duration::from_secs(6);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;

    let attempts: Vec<i64> = operations(&running, &customer)
        .await
        .iter()
        .map(|operation| i64::from(operation.attempts))
        .collect();
    assert_eq!(attempts, [1]);
    assert_eq!(world.calls("create"), 1);
    running.shutdown().await;
}

async fn an_edit_is_one_call_that_sends_only_what_differs(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .sql(format!(
            "UPDATE customers SET \"lastName\" = 'Mutua', \"email\" = 'mutua@example.co.ke', \"firstName\" = 'Achieng' \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    program.wait_until_idle().await;

    assert_eq!(
        world.traffic() - before,
        Traffic {
            revise: 1,
            ..Traffic::default()
        }
    );
    assert_eq!(sent(&program, "revise").await, ["email", "lastname"]);
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn an_edit_that_was_taken_back_is_no_call(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    running
        .queue
        .pause("customer.update", "test")
        .await
        .expect("paused");
    program.set(&customer, "lastName", "'Mutua'").await;
    program.set(&customer, "lastName", "'Kamau'").await;
    eventually("two planned edits", || async {
        (program
            .count("change_log WHERE event = 'UPDATE' AND processed_at IS NOT NULL")
            .await
            == 2)
            .then_some(())
    })
    .await;
    running
        .queue
        .resume("customer.update")
        .await
        .expect("resumed");
    program.wait_until_idle().await;

    assert_eq!(world.traffic() - before, Traffic::default());
    let operations = operations(&running, &customer).await;
    assert_eq!(
        operations.len(),
        2,
        "the two edits became one operation beside the create"
    );
    assert_eq!(
        operations[0]
            .outcome
            .as_ref()
            .map(|outcome| &outcome.0["result"]),
        Some(&Value::from("unchanged"))
    );
    running.shutdown().await;
}

async fn a_column_that_becomes_empty_clears_its_field(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program
        .set(&customer, "email", "'kamau@example.co.ke'")
        .await;
    program.set(&customer, "middleName", "'Njoroge'").await;
    program.wait_until_idle().await;
    program
        .sql(format!(
            "UPDATE customers SET \"email\" = NULL, \"middleName\" = NULL, \"dateOfBirth\" = NULL, \"gender\" = NULL \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    program.wait_until_idle().await;

    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(
        after_an_unrelated_edit(&world, &program, &customer).await,
        ["mobile"],
        "an empty field equals an empty column"
    );
    running.shutdown().await;
}

async fn a_field_that_a_person_filled_is_left_alone_by_edits_of_others(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert!(world.crm.edit(
        &contact.id,
        &[("department", "Claims"), ("mobile", "0700111222")]
    ));
    program.set(&customer, "lastName", "'Mutua'").await;

    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Mutua")
        .await;
    assert_eq!(
        (contact.value("department"), contact.value("mobile")),
        ("Claims", "0700111222")
    );
    running.shutdown().await;
}

async fn a_change_of_status_is_shown(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let status = world.field("MicroBima Status");
    for (label, words) in [
        ("ACTIVE", "Active"),
        ("SUSPENDED", "Suspended"),
        ("PENDING_KYC", "Pending KYC"),
    ] {
        program
            .set(&customer, "status", &format!("'{label}'"))
            .await;
        world
            .wait_for_contact(&customer, |contact| contact.value(&status) == words)
            .await;
        program.wait_until_idle().await;
        assert_eq!(
            sent(&program, "revise").await,
            std::slice::from_ref(&status)
        );
    }
    running.shutdown().await;
}
