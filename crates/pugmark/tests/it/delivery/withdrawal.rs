//! Customers who go, become test customers, or come back.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan};

use super::{sandbox_without, sent};
use crate::harness::{Traffic, World, new_id, on_both_databases};

on_both_databases!(
    a_deleted_customer_keeps_the_contact_which_is_marked,
    a_mark_whose_answer_was_lost_is_not_reported_as_impossible,
    without_a_status_field_the_contact_is_kept_and_the_missing_mark_is_named,
    a_customer_who_comes_back_is_no_longer_marked,
    a_customer_who_becomes_a_test_customer_is_marked,
    a_test_customer_never_reaches_the_crm,
    a_test_customer_who_becomes_real_is_created,
    a_marked_customer_who_becomes_real_again_is_no_longer_marked,
    a_changed_primary_key_marks_the_old_contact_and_makes_a_new_one,
);

async fn a_deleted_customer_keeps_the_contact_which_is_marked(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    program.wait_until_idle().await;

    let contact = world.contact_of(&customer).expect("the contact is kept");
    let status = world.field("MicroBima Status");
    assert_eq!(
        (contact.value(&status), contact.value("lastname")),
        ("Deleted", "Kamau")
    );
    assert_eq!(
        world.traffic() - before,
        Traffic {
            revise: 1,
            ..Traffic::default()
        }
    );
    assert_eq!(sent(&program, "revise").await, [status]);
    assert_eq!(
        program.link(&customer, "warnings").await.as_deref(),
        Some("[]")
    );
    running.shutdown().await;
}

async fn a_mark_whose_answer_was_lost_is_not_reported_as_impossible(mut world: World) {
    world.crm_settings().call_timeout = Duration::from_secs(1);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("revise", 1, Fault::HttpAfterEffect(502)));
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    program.wait_until_idle().await;

    assert_eq!(world.calls("revise"), 1);
    assert_eq!(
        program.link(&customer, "warnings").await.as_deref(),
        Some("[]")
    );
    running.shutdown().await;
}

async fn without_a_status_field_the_contact_is_kept_and_the_missing_mark_is_named(world: World) {
    let world = world.before(sandbox_without("MicroBima Status")).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    program.wait_until_idle().await;

    assert!(world.contact_of(&customer).is_some());
    assert_eq!(world.traffic() - before, Traffic::default());
    let warnings = program
        .link(&customer, "warnings")
        .await
        .unwrap_or_default();
    assert!(warnings.contains("status"), "{warnings}");
    running.shutdown().await;
}

async fn a_customer_who_comes_back_is_no_longer_marked(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    let status = world.field("MicroBima Status");
    world
        .wait_for_contact(&customer, |contact| contact.value(&status) == "Deleted")
        .await;
    program.insert_customer_as(&customer, "Kamau", false).await;
    program.wait_until_idle().await;

    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(world.calls("create"), 1, "the contact is the same");
    running.shutdown().await;
}

async fn a_customer_who_becomes_a_test_customer_is_marked(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    program.set(&customer, "isTestUser", "TRUE").await;
    let status = world.field("MicroBima Status");
    world
        .wait_for_contact(&customer, |contact| {
            contact.value(&status) == "Test customer"
        })
        .await;
    let before = world.traffic();
    program.set(&customer, "lastName", "'Secret'").await;
    program.wait_until_idle().await;

    assert_eq!(
        world.traffic() - before,
        Traffic::default(),
        "edits of a test customer stay here"
    );
    assert_eq!(
        world
            .contact_of(&customer)
            .expect("a contact")
            .value("lastname"),
        "Kamau"
    );
    running.shutdown().await;
}

async fn a_test_customer_never_reaches_the_crm(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program.insert_customer_as(&customer, "Test", true).await;
    program.set(&customer, "lastName", "'Tester'").await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    // Whatever is planned is planned in order: when the next customer is there, the test customer was looked at.
    let next = program.insert_customer("Kamau").await;
    world.wait_for_contact(&next, |_| true).await;
    program.wait_until_idle().await;

    assert!(world.contact_of(&customer).is_none());
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 1,
            ..Traffic::default()
        }
    );
    running.shutdown().await;
}

async fn a_test_customer_who_becomes_real_is_created(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program.insert_customer_as(&customer, "Kamau", true).await;
    program.set(&customer, "isTestUser", "FALSE").await;
    program.wait_until_idle().await;

    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 1,
            ..Traffic::default()
        }
    );
    running.shutdown().await;
}

async fn a_marked_customer_who_becomes_real_again_is_no_longer_marked(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    program.set(&customer, "isTestUser", "TRUE").await;
    let status = world.field("MicroBima Status");
    world
        .wait_for_contact(&customer, |contact| {
            contact.value(&status) == "Test customer"
        })
        .await;
    program.set(&customer, "lastName", "'Mutua'").await;
    program.set(&customer, "isTestUser", "FALSE").await;
    program.wait_until_idle().await;

    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(world.calls("create"), 1, "the contact is the same");
    running.shutdown().await;
}

async fn a_changed_primary_key_marks_the_old_contact_and_makes_a_new_one(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let old = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let new = new_id();
    program
        .sql(format!(
            "UPDATE customers SET \"id\" = '{new}' WHERE \"id\" = '{old}'"
        ))
        .await;
    let status = world.field("MicroBima Status");
    world
        .wait_for_contact(&old, |contact| contact.value(&status) == "Deleted")
        .await;
    world.wait_for_contact(&new, |_| true).await;
    program.wait_until_idle().await;

    assert_eq!(
        world.out_of_step(&program, &[old]).await,
        Vec::<String>::new()
    );
    running.shutdown().await;
}
