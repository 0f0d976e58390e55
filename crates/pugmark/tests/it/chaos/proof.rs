//! The oracle sees what it is there to see: each kind of harm, done by hand to a world that is in step, is found and called by its
//! name.

use super::load::Load;
use super::oracle::{self, Verdict};
use crate::harness::{World, Writer, on_both_databases};

on_both_databases!(
    a_world_in_step_is_found_in_step,
    a_contact_that_is_gone_is_lost,
    a_value_that_did_not_arrive_is_lost,
    an_older_name_after_a_newer_one_is_out_of_order,
    a_second_contact_is_there_twice_also_when_it_was_removed,
    a_note_that_was_written_again_is_there_twice,
    a_note_that_is_gone_is_lost,
    a_customer_whose_row_is_gone_was_lost_unless_somebody_deleted_it,
    an_operation_that_was_given_up_is_left_over,
);

/// Customers with notes that have all arrived; nothing runs any more.
async fn in_step(world: &World) -> (Writer, Load) {
    let running = world.start().await;
    let program = world.other_program().await;
    let mut load = Load::new(1);
    load.family(&program).await;
    load.family(&program).await;
    program.wait_until_idle().await;
    running.shutdown().await;
    (program, load)
}

async fn judged(world: &World, program: &Writer, load: &Load) -> Verdict {
    oracle::judge(world, program, load).await
}

fn contact(world: &World) -> pugmark_sandbox::StoredRecord {
    let contacts = world.crm.records("Contacts");
    contacts.into_iter().next().expect("a contact")
}

fn note(world: &World) -> pugmark_sandbox::StoredRecord {
    let notes = world.crm.records("ModComments");
    notes.into_iter().next().expect("a note")
}

async fn a_world_in_step_is_found_in_step(world: World) {
    let (program, load) = in_step(&world).await;
    let verdict = judged(&world, &program, &load).await;
    assert_eq!(verdict.findings(), Vec::<String>::new());
    assert_eq!(
        world.crm.records("ModComments").len(),
        4,
        "or it shows nothing"
    );
}

async fn a_contact_that_is_gone_is_lost(world: World) {
    let (program, load) = in_step(&world).await;
    assert!(world.crm.remove(&contact(&world).id));
    let verdict = judged(&world, &program, &load).await;
    assert!(!verdict.lost.is_empty());
}

async fn a_value_that_did_not_arrive_is_lost(world: World) {
    let (program, load) = in_step(&world).await;
    let contact = contact(&world);
    let customer = contact.value(&world.reference()).to_owned();
    program.set(&customer, "phoneNumber", "'0799999999'").await;
    let verdict = judged(&world, &program, &load).await;
    assert_eq!(verdict.lost.len(), 1, "{verdict:?}");
    assert!(verdict.lost[0].contains("mobile"), "{verdict:?}");
    assert_eq!(verdict.left_over.len(), 1, "nobody planned it: {verdict:?}");
}

async fn an_older_name_after_a_newer_one_is_out_of_order(world: World) {
    let (program, load) = in_step(&world).await;
    let contact = contact(&world);
    let newest = contact.value("lastname").to_owned();
    for name in ["Otieno 0000000", newest.as_str()] {
        assert!(world.crm.edit(&contact.id, &[("lastname", name)]));
    }
    let verdict = judged(&world, &program, &load).await;
    assert_eq!(verdict.out_of_order.len(), 1, "{verdict:?}");
    assert!(verdict.lost.is_empty(), "in the end it is right");
}

async fn a_second_contact_is_there_twice_also_when_it_was_removed(world: World) {
    let (program, load) = in_step(&world).await;
    let reference = world.reference();
    let customer = contact(&world).value(&reference).to_owned();
    let twin = [
        ("lastname", "Otieno"),
        (reference.as_str(), customer.as_str()),
    ];
    let twin = world.crm.insert_as_ui("Contacts", &twin).expect("made");
    assert!(world.crm.remove(&twin));
    let verdict = judged(&world, &program, &load).await;
    assert_eq!(verdict.twice.len(), 1, "{verdict:?}");
}

async fn a_note_that_was_written_again_is_there_twice(world: World) {
    let (program, load) = in_step(&world).await;
    let note = note(&world);
    let again = [
        ("commentcontent", note.value("commentcontent")),
        ("related_to", note.value("related_to")),
    ];
    let made = world.crm.insert_as_ui("ModComments", &again);
    assert!(made.is_some());
    let verdict = judged(&world, &program, &load).await;
    assert!(!verdict.twice.is_empty(), "{verdict:?}");
}

async fn a_note_that_is_gone_is_lost(world: World) {
    let (program, load) = in_step(&world).await;
    assert!(world.crm.remove(&note(&world).id));
    let verdict = judged(&world, &program, &load).await;
    assert_eq!(verdict.lost.len(), 1, "{verdict:?}");
}

async fn a_customer_whose_row_is_gone_was_lost_unless_somebody_deleted_it(world: World) {
    let (program, mut load) = in_step(&world).await;
    let customer = contact(&world).value(&world.reference()).to_owned();
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    let lost = |verdict: &Verdict| verdict.lost.iter().any(|what| what.starts_with("the row"));
    assert!(lost(&judged(&world, &program, &load).await));
    load.gone.insert(customer);
    assert!(!lost(&judged(&world, &program, &load).await));
}

async fn an_operation_that_was_given_up_is_left_over(world: World) {
    let (program, load) = in_step(&world).await;
    program
        .sql("UPDATE vtiger_sync_queue SET status = 'FAILED', dead_at = processed_at WHERE kind = 'note.create'")
        .await;
    let verdict = judged(&world, &program, &load).await;
    assert_eq!(verdict.left_over.len(), 4, "{verdict:?}");
}
