//! Random histories of edits on both sides: when both are quiet, they agree, and each has written at most once more.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::{linked, notice, rule};
use crate::harness::{World, on_both_databases, seed};
use crate::http::Api;

on_both_databases!(
    after_any_history_of_edits_both_sides_agree_within_one_write_each,
    what_one_side_changed_last_and_alone_is_never_lost,
);

const HISTORIES: usize = 24;
const PHONES: [&str; 4] = ["0711111111", "0722222222", "0733333333", "0744444444"];
const NAMES: [&str; 4] = ["Otieno", "Wekesa", "Kamau", "Njeri"];
const EMAILS: [&str; 3] = ["", "one@example.co.ke", "two@example.co.ke"];

/// A random edit: the column and the field, and the value for both.
fn any_edit(random: &mut StdRng) -> (&'static str, &'static str, &'static str) {
    match random.random_range(0..3) {
        0 => ("phoneNumber", "mobile", PHONES.choose(random).expect("one")),
        1 => ("lastName", "lastname", NAMES.choose(random).expect("one")),
        _ => ("email", "email", EMAILS.choose(random).expect("one")),
    }
}

fn literal(value: &str) -> String {
    match value {
        "" => "NULL".to_owned(),
        value => format!("'{value}'"),
    }
}

async fn after_any_history_of_edits_both_sides_agree_within_one_write_each(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    for (source, winner) in [
        ("phoneNumber", "microbima"),
        ("lastName", "vtiger"),
        ("email", "vtiger"),
    ] {
        rule(&api, source, "both", winner).await;
    }
    let mut random = StdRng::seed_from_u64(seed());
    for number in 0..HISTORIES {
        let (customer, contact) = linked(&world, &program, "Otieno").await;
        let mut under_way = 0;
        let mut quiet = world.traffic();
        for _ in 0..random.random_range(1..10) {
            let (column, field, value) = any_edit(&mut random);
            match random.random_range(0..4) {
                0 => assert!(world.crm.edit(&contact, &[(field, value)])),
                1 => program.set(&customer, column, &literal(value)).await,
                2 => notice(&running, &contact).await,
                _ => {
                    program.wait_until_idle().await;
                }
            }
            // What is being carried out read both sides before this edit, and may still write what it read.
            under_way = program
                .count("vtiger_sync_queue WHERE status = 'PROCESSING'")
                .await;
            quiet = world.traffic();
        }
        // The last notice: a poll that finds whatever no webhook told of.
        notice(&running, &contact).await;
        program.wait_until_idle().await;
        assert_eq!(
            world.out_of_step(&program, &[]).await,
            Vec::<String>::new(),
            "history {number}"
        );
        let after = world.traffic();
        let settling = (after - quiet).revise;
        assert!(
            i64::try_from(settling).is_ok_and(|writes| writes <= 1 + under_way),
            "history {number}: {settling} writes, {under_way} operations were under way"
        );
        let changes = program.count("change_log").await;
        notice(&running, &contact).await;
        program.wait_until_idle().await;
        assert_eq!(world.traffic().revise, after.revise, "it has settled");
        assert_eq!(program.count("change_log").await, changes, "it has settled");
        program
            .sql(format!(
                "UPDATE customers SET \"email\" = NULL WHERE \"id\" = '{customer}'"
            ))
            .await;
        program.wait_until_idle().await;
    }
    running.shutdown().await;
}

async fn what_one_side_changed_last_and_alone_is_never_lost(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    for source in ["phoneNumber", "lastName"] {
        rule(&api, source, "both", "ask").await;
    }
    let mut random = StdRng::seed_from_u64(seed());
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let (mut phone, mut name) = ("0712345678", "Otieno");
    for round in 0..HISTORIES {
        // One side edits the phone, one side edits the name, perhaps the same; never both one field.
        let (phone_here, name_here) = (random.random_bool(0.5), random.random_bool(0.5));
        phone = PHONES[round % PHONES.len()];
        name = NAMES[(round + 1) % NAMES.len()];
        for (here, column, field, value) in [
            (phone_here, "phoneNumber", "mobile", phone),
            (name_here, "lastName", "lastname", name),
        ] {
            match here {
                true => program.set(&customer, column, &literal(value)).await,
                false => assert!(world.crm.edit(&contact, &[(field, value)])),
            }
            if random.random_bool(0.3) {
                notice(&running, &contact).await;
            }
        }
        notice(&running, &contact).await;
        program.wait_until_idle().await;
        let shown = world.crm.record(&contact).expect("the contact");
        assert_eq!(
            (shown.value("mobile"), shown.value("lastname")),
            (phone, name),
            "round {round}"
        );
        assert_eq!(
            world.out_of_step(&program, &[]).await,
            Vec::<String>::new(),
            "round {round}"
        );
        assert_eq!(program.count("conflicts").await, 0, "nobody is asked");
    }
    assert_ne!((phone, name), ("0712345678", "Otieno"));
    running.shutdown().await;
}
