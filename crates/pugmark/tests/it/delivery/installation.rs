//! Installations and records that are not as they should be.

use std::time::Duration;

use pugmark_sandbox::{CustomField, CustomFieldKind, UserSpec};

use super::{after_an_unrelated_edit, operations, sandbox_without, shown};
use crate::harness::{Traffic, World, eventually, new_id, on_both_databases, sandbox};
use crate::http::Api;

on_both_databases!(
    without_the_reference_field_creates_are_held_until_it_appears,
    a_contact_that_is_already_there_is_adopted_after_the_link_was_lost,
    a_contact_that_was_deleted_in_the_crm_is_reported_and_not_made_again,
    a_contact_that_belongs_to_another_customer_is_not_taken,
    the_owner_and_the_defaults_that_are_configured_are_used,
    a_mandatory_field_without_a_value_is_a_dead_letter_that_names_it,
    a_refused_record_can_be_mended_and_retried,
);

async fn without_the_reference_field_creates_are_held_until_it_appears(world: World) {
    let mut world = world.before(sandbox_without("MicroBima Customer ID")).await;
    world.crm_settings().describe_for = Duration::from_millis(200);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_for_trouble(&customer, "PUG-3006").await;

    // It looks again every now and then, and is being delivered for that moment.
    let held = eventually("it is held", || async {
        let held = operations(&running, &customer).await;
        assert_eq!(held.len(), 1);
        let waits = held[0].is_waiting() && held[0].blocked_by.is_some();
        waits.then(|| held[0].clone())
    })
    .await;
    assert_eq!(held.retry_count, 0, "holding burns nothing");
    let api = eventually("it is shown as held", || async {
        let api = shown(&running, &customer).await;
        (api["vtigerSyncStatus"] == "PENDING").then_some(api)
    })
    .await;
    assert_eq!(api["vtigerSyncErrorCode"], "PUG-3006");
    assert!(
        api["vtigerSyncError"]
            .as_str()
            .is_some_and(|why| why.contains("MicroBima Customer ID")),
        "{api}"
    );
    assert_eq!(world.traffic(), Traffic::default());

    // An administrator makes the field: to Pugmark, the same address describes one field more.
    world.crm.go_down().await;
    let with_field = sandbox()
        .port(Some(world.crm.port()))
        .start()
        .await
        .expect("the port is free");
    let world = World {
        crm: with_field,
        ..world
    };
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(
        program.link(&customer, "sync_status").await.as_deref(),
        Some("SYNCED")
    );
    running.shutdown().await;
}

async fn a_contact_that_is_already_there_is_adopted_after_the_link_was_lost(world: World) {
    assert!(world.crm.set_unique("Contacts", &world.reference(), true));
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    running.shutdown().await;
    // A store from before the customer was delivered.
    for table in [
        "crm_links",
        "vtiger_sync_attempts",
        "vtiger_sync_queue",
        "change_log",
    ] {
        program.sql(format!("DELETE FROM {table}")).await;
    }
    program.set(&customer, "lastName", "'Mutua'").await;
    program
        .sql("UPDATE change_log SET event = 'INSERT', old_row = NULL")
        .await;

    let running = world.start().await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Mutua")
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(
        world.calls("create"),
        2,
        "the second one was refused, or the test shows nothing"
    );
    assert_eq!(
        program.link(&customer, "sync_status").await.as_deref(),
        Some("SYNCED")
    );
    running.shutdown().await;
}

async fn a_contact_that_was_deleted_in_the_crm_is_reported_and_not_made_again(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert!(world.crm.remove(&contact.id));
    program.set(&customer, "lastName", "'Mutua'").await;
    program.wait_for_trouble(&customer, "PUG-3004").await;
    program.wait_until_idle().await;

    let api = shown(&running, &customer).await;
    assert_eq!(
        (&api["vtigerSyncStatus"], &api["vtigerSyncErrorCode"]),
        (&"FAILED".into(), &"PUG-3004".into())
    );
    assert!(
        api["vtigerSyncError"]
            .as_str()
            .is_some_and(|why| why.contains(&contact.id)),
        "{api}"
    );
    assert!(operations(&running, &customer).await[0].is_dead());
    // Nor by the next edit.
    program.set(&customer, "lastName", "'Otieno'").await;
    eventually("a second dead letter", || async {
        (program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL AND status = 'FAILED'")
            .await
            == 2)
            .then_some(())
    })
    .await;
    assert_eq!(world.calls("create"), 1);
    running.shutdown().await;
}

async fn a_contact_that_belongs_to_another_customer_is_not_taken(mut world: World) {
    world.crm_settings().look_first = true;
    let running = world.start().await;
    let program = world.other_program().await;
    let first = program.insert_customer("Kamau").await;
    let contact = world.wait_for_contact(&first, |_| true).await;
    program.wait_until_idle().await;
    let second = new_id();
    assert!(
        world
            .crm
            .edit(&contact.id, &[(&world.reference(), &second)]),
        "somebody writes the wrong reference"
    );
    program.insert_customer_as(&second, "Otieno", false).await;
    program.wait_for_trouble(&second, "PUG-3005").await;
    program.wait_until_idle().await;

    assert_eq!(
        world
            .crm
            .record(&contact.id)
            .expect("a contact")
            .value("lastname"),
        "Kamau"
    );
    assert_eq!(shown(&running, &second).await["vtigerSyncStatus"], "FAILED");
    assert_eq!(world.crm.journal().count_created("Contacts"), 1);
    running.shutdown().await;
}

async fn the_owner_and_the_defaults_that_are_configured_are_used(world: World) {
    let crm = sandbox()
        .user(UserSpec::admin("admin", "SandboxAccessKey"))
        .user(UserSpec::standard("agent", "AgentKey"));
    let mut world = world.before(crm).await;
    let agent = world
        .crm
        .records("Users")
        .into_iter()
        .find(|user| user.value("user_name") == "agent")
        .expect("the second user");
    let settings = world.crm_settings();
    settings.default_owner = Some(agent.id.clone());
    settings
        .contact_defaults
        .insert("leadsource".to_owned(), "Partner".to_owned());
    // What MicroBima knows goes before what the operator assumes.
    settings
        .contact_defaults
        .insert("lastname".to_owned(), "Nobody".to_owned());
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;

    assert_eq!(contact.value("assigned_user_id"), agent.id);
    assert_eq!(
        (contact.value("leadsource"), contact.value("lastname")),
        ("Partner", "Kamau")
    );
    program.wait_until_idle().await;
    // They are for new contacts: a person's choice is not taken back.
    assert!(world.crm.edit(&contact.id, &[("leadsource", "Employee")]));
    assert_eq!(
        after_an_unrelated_edit(&world, &program, &customer).await,
        ["mobile"]
    );
    running.shutdown().await;
}

async fn a_mandatory_field_without_a_value_is_a_dead_letter_that_names_it(world: World) {
    let field = CustomField::new("Contacts", "Branch", CustomFieldKind::Text)
        .named("cf_branch")
        .mandatory();
    let mut world = world.before(sandbox().custom_field(field)).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_for_trouble(&customer, "PUG-2006").await;
    program.wait_until_idle().await;

    let dead = operations(&running, &customer).await.remove(0);
    assert!(dead.is_dead());
    assert!(
        dead.error_message
            .as_deref()
            .is_some_and(|message| message.contains("cf_branch")),
        "{dead:?}"
    );
    assert_eq!(
        shown(&running, &customer).await["vtigerSyncStatus"],
        "FAILED"
    );
    assert_eq!(
        world.traffic(),
        Traffic {
            create: 1,
            ..Traffic::default()
        },
        "refused for good is not tried again"
    );
    running.shutdown().await;

    world
        .crm_settings()
        .contact_defaults
        .insert("cf_branch".to_owned(), "Nairobi".to_owned());
    let running = world.start().await;
    assert!(
        world.contact_of(&customer).is_none(),
        "a dead letter waits for a person"
    );
    running
        .queue
        .retry(dead.id, "ann", "the default is set")
        .await
        .expect("a retry");
    let contact = world.wait_for_contact(&customer, |_| true).await;
    assert_eq!(contact.value("cf_branch"), "Nairobi");
    program.wait_until_idle().await;
    assert_eq!(
        shown(&running, &customer).await["vtigerSyncStatus"],
        "SYNCED"
    );
    running.shutdown().await;
}

async fn a_refused_record_can_be_mended_and_retried(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("").await;
    program.wait_for_trouble(&customer, "PUG-2006").await;
    program.wait_until_idle().await;
    let dead = operations(&running, &customer).await.remove(0);
    assert!(
        dead.error_message
            .as_deref()
            .is_some_and(|message| message.contains("lastname")),
        "{dead:?}"
    );

    // Mending the row is enough: the edit is an operation of its own.
    program.set(&customer, "lastName", "'Kamau'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Kamau")
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        shown(&running, &customer).await["vtigerSyncStatus"],
        "SYNCED",
        "the old dead letter is nobody's trouble now"
    );
    let status = Api::of(&running).get("/api/internal/status").await;
    assert_eq!(status.data()["dead"], 0);
    assert_eq!(status.data()["fine"], true);
    running.shutdown().await;
}
