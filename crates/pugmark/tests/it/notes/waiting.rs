//! A note has no contact yet, none any more, or one that it made itself in another life.

use std::time::Duration;

use pugmark_sandbox::{CustomField, CustomFieldKind};

use super::{all_notes, assert_nothing_died, notes};
use crate::harness::{FIELDS, World, Writer, eventually, new_id, on_both_databases, sandbox};

on_both_databases!(
    a_note_of_a_customer_deleted_before_the_contact_is_not_written,
    a_note_of_a_customer_who_turned_into_a_test_before_the_contact_is_not_written,
    a_customer_whom_vtiger_refuses_is_mended_although_a_note_waits,
    a_note_goes_on_as_soon_as_the_contact_is_there,
    a_contact_that_a_person_deleted_keeps_its_notes,
    a_dependant_who_comes_back_from_a_backup_is_not_told_twice,
);

/// Waits until a note waits for its contact.
async fn wait_for_a_waiting_note(program: &Writer) {
    eventually("a note that waits", || async {
        let waiting = program
            .count("vtiger_sync_queue WHERE kind = 'note.create' AND blocked_by LIKE 'CUSTOMER:%'")
            .await;
        (waiting == 1).then_some(())
    })
    .await;
}

async fn a_note_of_a_customer_deleted_before_the_contact_is_not_written(mut world: World) {
    world.settings.capture.settle = Duration::from_secs(2);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world), Vec::<String>::new());
    assert_eq!(world.crm.journal().count_created("Contacts"), 0);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_note_of_a_customer_who_turned_into_a_test_before_the_contact_is_not_written(
    mut world: World,
) {
    world.settings.capture.settle = Duration::from_secs(2);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.set(&customer, "isTestUser", "TRUE").await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world), Vec::<String>::new());
    assert_eq!(world.crm.journal().count_created("Contacts"), 0);
    running.shutdown().await;
}

async fn a_customer_whom_vtiger_refuses_is_mended_although_a_note_waits(world: World) {
    let world = world
        .before(sandbox().unique_field("Contacts", "email"))
        .await;
    let taken = [("lastname", "Somebody"), ("email", "zuri@example.org")];
    world
        .crm
        .insert_as_ui("Contacts", &taken)
        .expect("a contact of somebody else");
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program
        .sql(
            crate::harness::insert_statement(&customer, "Otieno")
                .replace("\"status\")", "\"status\", \"email\")")
                .replace(
                    "'PENDING_ACTIVATION')",
                    "'PENDING_ACTIVATION', 'zuri@example.org')",
                ),
        )
        .await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    wait_for_a_waiting_note(&program).await;
    eventually("the dead letter", || async {
        let dead = program
            .count("vtiger_sync_queue WHERE kind = 'customer.create' AND dead_at IS NOT NULL")
            .await;
        (dead == 1).then_some(())
    })
    .await;
    program.set(&customer, "email", "NULL").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1);
    running.shutdown().await;
}

async fn a_note_goes_on_as_soon_as_the_contact_is_there(world: World) {
    // No field for the reference: contacts are held, and so are their notes.
    let bare = FIELDS[1..].iter().zip(1..).fold(
        pugmark_sandbox::VtigerSandbox::builder().seed(1),
        |builder, (label, index)| {
            let field = CustomField::new("Contacts", label, CustomFieldKind::Text);
            builder.custom_field(field.named(&format!("cf_{}", 853 + 2 * index)))
        },
    );
    let mut world = world.before(bare).await;
    world.crm_settings().describe_for = Duration::from_millis(200);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    wait_for_a_waiting_note(&program).await;
    // The operator maps the reference to a field that is there.
    program
        .sql(
            "UPDATE vtiger_custom_field_mapping SET vtiger_field_name = 'department' \
             WHERE microbima_field = 'id'",
        )
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.crm.journal().count_created("Contacts"), 1);
    assert_eq!(all_notes(&world).len(), 1);
    running.shutdown().await;
}

async fn a_contact_that_a_person_deleted_keeps_its_notes(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert!(world.crm.remove(&contact.id));
    let before = world.traffic();
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.wait_until_idle().await;
    // vTiger takes a comment on a contact in the recycle bin, and shows it when the contact is restored.
    assert_eq!((world.traffic() - before).create, 1);
    assert_eq!(world.crm.journal().count_created("ModComments"), 1);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn a_dependant_who_comes_back_from_a_backup_is_not_told_twice(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let child = program.add_dependant(&customer, "Zuri", "Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    let told = notes(&world);
    // The backup is older than the note: nothing of ours knows it any more, and the row is found by the gap sweep.
    program
        .sql(
            "DELETE FROM crm_links WHERE entity_type = 'NOTE'; \
             DELETE FROM queue_idempotency_keys WHERE idempotency_key LIKE 'note:%'",
        )
        .await;
    let row = format!(
        r#"{{"customerId": "{customer}", "firstName": "Zuri", "lastName": "Otieno", "createdAt": "2026-03-04T05:06:07", "deletedAt": null}}"#
    );
    program
        .sql(format!(
            "INSERT INTO change_log (table_name, row_key, event, new_row, healed) \
             VALUES ('dependants', '{child}', 'INSERT', '{row}', TRUE)"
        ))
        .await;
    eventually("the second operation", || async {
        let operations = program
            .count("vtiger_sync_queue WHERE kind = 'note.create'")
            .await;
        (operations == 2).then_some(())
    })
    .await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1);
    assert_eq!(told.len(), 1);
    running.shutdown().await;
}
