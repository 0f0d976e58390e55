//! Dependants and beneficiaries who are added and removed.

use pugmark_sandbox::JournalKind;

use super::{all_notes, assert_nothing_died};
use crate::harness::{Session, Traffic, World, insert_statement, new_id, on_both_databases};
use crate::rows::insert_dependants;

on_both_databases!(
    dependants_who_come_with_the_registration_are_told_after_the_contact_is_there,
    dependants_written_in_the_transaction_of_the_customer_are_told_too,
    a_dependant_added_later_is_one_call,
    a_removed_dependant_is_told_once,
    edits_of_a_dependant_are_not_told,
    rows_that_vanish_are_not_told,
    names_come_as_people_write_them,
    people_of_test_customers_are_not_told,
    beneficiaries_are_told_if_the_operator_wants_it,
    the_day_is_that_of_the_insurers_zone,
);

async fn dependants_who_come_with_the_registration_are_told_after_the_contact_is_there(
    world: World,
) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let ids = [new_id(), new_id(), new_id()];
    let people = [
        (ids[0].as_str(), "Zuri", "Otieno"),
        (ids[1].as_str(), "Baraka", "Otieno"),
        (ids[2].as_str(), "Imani", "Otieno"),
    ];
    program.sql(insert_dependants(&customer, &people)).await;
    program.wait_until_idle().await;
    let notes = all_notes(&world);
    assert_eq!(notes.len(), 3, "{notes:?}");
    for (note, name) in notes.iter().zip(["Baraka", "Imani", "Zuri"]) {
        assert!(
            note.starts_with(&format!("Dependant {name} Otieno added on ")),
            "{note}"
        );
    }
    let contact = world.contact_of(&customer).expect("a contact");
    let journal = world.crm.journal();
    let made: Vec<(String, String)> = journal
        .entries()
        .iter()
        .filter_map(|entry| match &entry.kind {
            JournalKind::Created { module, fields, .. } => {
                let related = fields.get("related_to").cloned().unwrap_or_default();
                Some((module.clone(), related))
            }
            _ => None,
        })
        .collect();
    assert_eq!(made[0].0, "Contacts", "nothing comes before the contact");
    for (module, related) in &made[1..] {
        assert_eq!((module.as_str(), related), ("ModComments", &contact.id));
    }
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn dependants_written_in_the_transaction_of_the_customer_are_told_too(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let mut session = Session::open(&world).await;
    let (customer, child) = (new_id(), new_id());
    session.run("BEGIN").await;
    session.run(&insert_statement(&customer, "Kamau")).await;
    session
        .run(&insert_dependants(&customer, &[(&child, "Zuri", "Kamau")]))
        .await;
    session.run("COMMIT").await;
    program.wait_until_idle().await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1);
    running.shutdown().await;
}

async fn a_dependant_added_later_is_one_call(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.wait_until_idle().await;
    assert_eq!(
        world.traffic() - before,
        Traffic {
            create: 1,
            ..Traffic::default()
        }
    );
    assert_eq!(all_notes(&world).len(), 1);
    running.shutdown().await;
}

async fn a_removed_dependant_is_told_once(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let child = program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.mark_deleted("dependants", &child).await;
    // The same once more, and another time of the same removal.
    program.mark_deleted("dependants", &child).await;
    program
        .sql(format!(
            "UPDATE dependants SET \"deletedAt\" = '2026-05-06 07:08:09' WHERE \"id\" = '{child}'"
        ))
        .await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    let notes = all_notes(&world);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("Dependant Zuri Otieno added on "));
    assert_eq!(notes[1], "Dependant Zuri Otieno removed on 4 Mar 2026");
    running.shutdown().await;
}

async fn edits_of_a_dependant_are_not_told(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let child = program.add_dependant(&customer, "Zuri", "Otieno").await;
    for column in ["firstName", "lastName", "middleName", "idNumber"] {
        program
            .sql(format!(
                "UPDATE dependants SET \"{column}\" = 'Edited', \"updatedAt\" = '2026-03-04 05:06:07' WHERE \"id\" = '{child}'"
            ))
            .await;
    }
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1, "only that it was added");
    running.shutdown().await;
}

async fn rows_that_vanish_are_not_told(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let child = program.add_dependant(&customer, "Zuri", "Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    program
        .sql(format!("DELETE FROM dependants WHERE \"id\" = '{child}'"))
        .await;
    program.wait_until_idle().await;
    assert_eq!(all_notes(&world).len(), 1, "only that it was added");
    running.shutdown().await;
}

async fn names_come_as_people_write_them(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    for (first, last) in [
        ("  Zuri ", "  O'Brien   Otieno "),
        ("<b>Ng'ang'a</b>", "& \"Sons\""),
        ("Ümit", "Ndũng'ũ 李"),
        ("Joy \u{1F600}", "%_\\"),
    ] {
        program.add_dependant(&customer, first, last).await;
        program.wait_until_idle().await;
    }
    let names: Vec<String> = super::notes(&world)
        .iter()
        .map(|note| {
            let name = note.strip_prefix("Dependant ").expect(note);
            name.split(" added on ").next().expect(note).to_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "Zuri O'Brien Otieno",
            "<b>Ng'ang'a</b> & \"Sons\"",
            "Ümit Ndũng'ũ 李",
            // vTiger's database keeps no emoji.
            "Joy \u{FFFD} %_\\",
        ]
    );
    assert_eq!(all_notes(&world).len(), 4);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn people_of_test_customers_are_not_told(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program.insert_customer_as(&customer, "Test", true).await;
    let child = program.add_dependant(&customer, "Zuri", "Test").await;
    program.mark_deleted("dependants", &child).await;
    program.wait_until_idle().await;
    assert_eq!(world.traffic(), Traffic::default());
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

async fn beneficiaries_are_told_if_the_operator_wants_it(mut world: World) {
    let significant = &mut world.settings.insurance.notes.significant;
    significant.insert("beneficiary.added".to_owned());
    significant.remove("dependant.added");
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    let heir = new_id();
    program
        .sql(format!(
            "INSERT INTO beneficiaries (\"id\", \"customerId\", \"firstName\", \"lastName\", \"createdAt\") \
             VALUES ('{heir}', '{customer}', 'Imani', 'Otieno', '2026-03-04 05:06:07')"
        ))
        .await;
    program.mark_deleted("beneficiaries", &heir).await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(
        all_notes(&world),
        ["Beneficiary Imani Otieno added on 4 Mar 2026"]
    );
    running.shutdown().await;
}

async fn the_day_is_that_of_the_insurers_zone(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let child = new_id();
    let sql = insert_dependants(&customer, &[(&child, "Zuri", "Otieno")])
        .replace(
            "\"createdByPartnerId\")",
            "\"createdByPartnerId\", \"createdAt\")",
        )
        .replace("'CHILD', 1)", "'CHILD', 1, '2026-11-20 22:30:00')");
    program.sql(sql).await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(
        all_notes(&world),
        ["Dependant Zuri Otieno added on 21 Nov 2026"],
        "half past one at night in Nairobi"
    );
    running.shutdown().await;
}
