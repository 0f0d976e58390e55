//! Rows that no trigger saw: their contacts may exist already, so they are looked for before they are made.

use pugmark_queue::db::Engine;

use crate::harness::{PATIENCE, World, on_both_databases};

on_both_databases!(
    a_row_that_no_trigger_saw_takes_up_the_contact_it_already_has,
    with_look_first_even_a_fresh_customer_is_looked_for,
);

async fn a_row_that_no_trigger_saw_takes_up_the_contact_it_already_has(world: World) {
    world.start().await.shutdown().await;
    let program = world.other_program().await;
    // A backup is restored, or the trigger was off: the row is there, nothing was captured.
    program
        .sql(match program.engine() {
            Engine::Sqlite => "DROP TRIGGER pugmark_customers_insert",
            Engine::Postgres => "ALTER TABLE customers DISABLE TRIGGER pugmark_capture_customers",
        })
        .await;
    let customer = program.insert_customer("Were").await;
    let existing = world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Were"), (&world.reference(), &customer)],
        )
        .expect("a person makes a contact");

    let running = world.start().await;
    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("firstname") == "Achieng")
        .await;

    assert_eq!(contact.id, existing);
    assert_eq!(world.crm.journal().calls_of("create").len(), 0);
    running.shutdown().await;
}

async fn with_look_first_even_a_fresh_customer_is_looked_for(mut world: World) {
    if let Some(crm) = &mut world.settings.crm {
        crm.look_first = true;
    }
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = uuid::Uuid::new_v4().to_string();
    let existing = world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Abdi"), (&world.reference(), &customer)],
        )
        .expect("a person makes a contact");
    program.insert_customer_as(&customer, "Abdi", false).await;

    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("firstname") == "Achieng")
        .await;

    assert_eq!(contact.id, existing);
    let journal = world.crm.journal();
    assert!(
        journal
            .wait_until(|journal| !journal.calls_of("revise").is_empty(), PATIENCE)
            .await
    );
    assert_eq!(journal.calls_of("create").len(), 0);
    running.shutdown().await;
}
