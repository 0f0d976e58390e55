//! The main road: a customer row written by any program becomes a contact, and stays in step.

use pugmark_queue::db::Engine;
use pugmark_sandbox::Release;

use crate::harness::{World, on_both_databases, sandbox};

on_both_databases!(
    a_customer_written_by_any_program_becomes_one_contact,
    an_edit_revises_only_what_changed,
    a_value_that_cannot_be_sent_leaves_the_contact_as_it_is_and_is_cleared_later,
    a_vtiger_that_cannot_count_gets_every_customer_once,
);

async fn a_customer_written_by_any_program_becomes_one_contact(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Ng'ang'a").await;

    let contact = world.wait_for_contact(&customer, |_| true).await;

    assert_eq!(contact.value("lastname"), "Ng'ang'a");
    assert_eq!(contact.value("firstname"), "Achieng");
    assert_eq!(contact.value("mobile"), "0712345678");
    assert_eq!(contact.value("birthday"), "1990-04-12");
    assert_eq!(contact.value(&world.field("Gender")), "Female");
    assert_eq!(contact.value(&world.field("ID Type")), "National ID");
    assert_eq!(
        contact.value(&world.field("MicroBima Link")),
        format!("https://agents.example.org/admin/customer/{customer}")
    );
    running.shutdown().await;
}

async fn an_edit_revises_only_what_changed(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;

    program
        .set(&customer, "email", "'achieng@example.co.ke'")
        .await;
    world
        .wait_for_contact(&customer, |contact| {
            contact.value("email") == "achieng@example.co.ke"
        })
        .await;

    let effects = world.crm.journal().effects_on(&contact.id);
    let pugmark_sandbox::JournalKind::Revised { changed, .. } =
        &effects.last().expect("an effect").kind
    else {
        panic!("the last effect is a revise: {effects:?}");
    };
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["email"]);
    running.shutdown().await;
}

async fn a_value_that_cannot_be_sent_leaves_the_contact_as_it_is_and_is_cleared_later(
    world: World,
) {
    let program = world.other_program().await;
    if program.engine() == Engine::Postgres {
        return; // Its column holds nothing but dates.
    }
    let running = world.start().await;
    let customer = program.insert_customer("Otieno").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    let effects = world.crm.journal().effects_on(&contact.id).len();

    program
        .set(&customer, "dateOfBirth", "'somewhen in May'")
        .await;
    program.wait_until_idle().await;
    let warnings = program.link(&customer, "warnings").await.unwrap();
    assert!(warnings.contains("is no date"), "{warnings}");
    assert_eq!(world.crm.journal().effects_on(&contact.id).len(), effects);

    program.set(&customer, "dateOfBirth", "NULL").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("birthday").is_empty())
        .await;
    running.shutdown().await;
}

async fn a_vtiger_that_cannot_count_gets_every_customer_once(world: World) {
    let mut world = world.before(sandbox().release(Release::V8_3)).await;
    // Every create is preceded by the two questions that follow an unclear one.
    world.crm_settings().look_first = true;
    let running = world.start().await;
    let program = world.other_program().await;
    let first = program.insert_customer("Were").await;
    world.wait_for_contact(&first, |_| true).await;
    let pasted = "x\u{b}y \\u0041";
    let second = program.insert_customer(pasted).await;

    let contact = world.wait_for_contact(&second, |_| true).await;
    program.wait_until_idle().await;

    assert_eq!(contact.value("lastname"), pasted);
    assert_eq!(world.crm.records("Contacts").len(), 2);
    assert!(world.contact_of(&first).is_some());
    running.shutdown().await;
}
