//! Changes that the operator calls significant.

use pugmark::config::Mode;

use super::{all_notes, assert_nothing_died};
use crate::harness::{World, Writer, new_id, on_both_databases};
use crate::rows::insert_policy;

on_both_databases!(
    a_change_is_one_note_with_all_its_significant_columns,
    labels_are_told_in_words_and_what_was_empty_as_nothing,
    with_nothing_significant_nothing_is_told,
    what_is_written_again_with_the_same_value_is_not_told,
    a_policy_that_changes_its_status_is_told,
    a_customer_who_turns_out_to_be_a_test_is_told_nothing_more,
    shadow_mode_writes_no_note,
);

/// Settings that call `what` significant and nothing else.
fn telling(mut world: World, what: &[&str]) -> World {
    let significant = what.iter().map(|name| (*name).to_owned()).collect();
    world.settings.insurance.notes.significant = significant;
    world
}

async fn customer(world: &World, program: &Writer) -> String {
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(
        all_notes(world),
        Vec::<String>::new(),
        "a new customer is no change"
    );
    customer
}

async fn a_change_is_one_note_with_all_its_significant_columns(world: World) {
    let world = telling(world, &["customer.phoneNumber", "customer.idNumber"]);
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    program
        .sql(format!(
            "UPDATE customers SET \"phoneNumber\" = '0799000111', \"idNumber\" = 'O''Brien 7', \"lastName\" = 'Kamau' \
             WHERE \"id\" = '{id}'"
        ))
        .await;
    program.wait_until_idle().await;
    let old = &id[..8];
    assert_eq!(
        all_notes(&world),
        [format!(
            "Phone number changed from 0712345678 to 0799000111\nID number changed from {old} to O'Brien 7"
        )]
    );
    program.set(&id, "phoneNumber", "'0799000222'").await;
    program.set(&id, "phoneNumber", "'0799000333'").await;
    program.wait_until_idle().await;
    assert_eq!(
        all_notes(&world)[1..],
        [
            "Phone number changed from 0799000111 to 0799000222",
            "Phone number changed from 0799000222 to 0799000333",
        ],
        "each change is told, although the contact is brought up to date once"
    );
    running.shutdown().await;
}

async fn labels_are_told_in_words_and_what_was_empty_as_nothing(world: World) {
    let world = telling(
        world,
        &[
            "customer.status",
            "customer.idType",
            "customer.middleName",
            "customer.gender",
        ],
    );
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    for (column, value) in [
        ("status", "'ACTIVE'"),
        ("idType", "'PASSPORT'"),
        ("middleName", "'Wambui'"),
        ("gender", "NULL"),
    ] {
        program.set(&id, column, value).await;
        program.wait_until_idle().await;
    }
    assert_eq!(
        super::notes(&world),
        [
            "Status changed from Pending activation to Active",
            "ID type changed from National ID to Passport",
            "Middle name changed from nothing to Wambui",
            "Gender changed from Female to nothing",
        ]
    );
    assert_eq!(all_notes(&world).len(), 4);
    running.shutdown().await;
}

async fn with_nothing_significant_nothing_is_told(world: World) {
    let world = telling(world, &[]);
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    let child = program.add_dependant(&id, "Zuri", "Otieno").await;
    program.mark_deleted("dependants", &child).await;
    program.set(&id, "phoneNumber", "'0799000111'").await;
    program.set(&id, "status", "'ACTIVE'").await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world), Vec::<String>::new());
    running.shutdown().await;
}

async fn what_is_written_again_with_the_same_value_is_not_told(world: World) {
    let world = telling(world, &["customer.status", "customer.phoneNumber"]);
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    program
        .sql(format!(
            "UPDATE customers SET \"phoneNumber\" = \"phoneNumber\", \"status\" = 'PENDING_ACTIVATION', \
             \"updatedAt\" = '2026-03-04 05:06:07', \"hasMissingRequirements\" = TRUE WHERE \"id\" = '{id}'"
        ))
        .await;
    program.set(&id, "lastName", "'Kamau'").await;
    world
        .wait_for_contact(&id, |contact| contact.value("lastname") == "Kamau")
        .await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world), Vec::<String>::new());
    running.shutdown().await;
}

async fn a_policy_that_changes_its_status_is_told(world: World) {
    let world = telling(world, &["policy.status"]);
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    let policy = new_id();
    program.sql(insert_policy(&policy, &id)).await;
    for status in ["ACTIVE", "ACTIVE", "SUSPENDED"] {
        program
            .sql(format!(
                "UPDATE policies SET \"status\" = '{status}', \"policyNumber\" = 'MB-7' WHERE \"id\" = '{policy}'"
            ))
            .await;
        program.wait_until_idle().await;
    }
    assert_eq!(
        super::notes(&world),
        [
            "Policy MB-7 changed from Pending activation to Active",
            "Policy MB-7 changed from Active to Suspended",
        ]
    );
    running.shutdown().await;
}

async fn a_customer_who_turns_out_to_be_a_test_is_told_nothing_more(world: World) {
    let world = telling(world, &["dependant.added", "customer.phoneNumber"]);
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    program.set(&id, "isTestUser", "TRUE").await;
    program.set(&id, "phoneNumber", "'0799000111'").await;
    program.add_dependant(&id, "Zuri", "Otieno").await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world), Vec::<String>::new());
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn shadow_mode_writes_no_note(world: World) {
    let mut world = telling(world, &["customer.phoneNumber"]);
    let running = world.start().await;
    let program = world.other_program().await;
    let id = customer(&world, &program).await;
    running.shutdown().await;
    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    program.set(&id, "phoneNumber", "'0799000111'").await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world), Vec::<String>::new());
    let would = program
        .one("SELECT CAST(outcome AS TEXT) FROM vtiger_sync_queue WHERE kind = 'note.create'")
        .await
        .expect("an outcome");
    assert!(
        would.contains("shadow") && would.contains("create"),
        "{would}"
    );
    running.shutdown().await;
}
