//! `contact.apply` and the delivery of fields that people may edit on both sides.

use std::collections::BTreeSet;
use std::time::Duration;

use pugmark::store::customer_edits::{self, Edit};
use pugmark_queue::db::Ts;
use pugmark_sandbox::{Clock, Fault, FaultPlan, Journal, JournalKind, ManualClock};

use super::{column, linked, notice, outcome, rule};
use crate::harness::{PATIENCE, Traffic, World, on_both_databases, sandbox};
use crate::http::Api;

on_both_databases!(
    an_edit_in_the_crm_reaches_the_row_and_comes_back_as_no_write,
    words_dates_and_names_are_turned_back_into_what_microbima_keeps,
    edits_of_both_sides_in_different_fields_reach_each_other,
    an_edit_nobody_has_seen_yet_is_not_overwritten_by_a_delivery,
    a_field_of_microbimas_alone_costs_one_call_and_is_put_right_once,
    a_field_of_the_crms_is_filled_when_the_contact_is_made_and_never_sent_again,
    the_echo_of_a_lost_answer_is_no_edit_of_theirs,
    the_newest_edit_wins_where_the_mapping_says_so,
    a_row_that_moved_is_not_overwritten,
    an_edit_of_the_row_while_the_contact_is_read_is_not_overwritten,
);

async fn an_edit_in_the_crm_reaches_the_row_and_comes_back_as_no_write(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let before = world.traffic();
    let written = column(&program, &customer, "updatedAt").await;

    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;

    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    assert_ne!(column(&program, &customer, "updatedAt").await, written);
    let calls = world.traffic() - before;
    let read_once = Traffic {
        retrieve: 1,
        ..Traffic::default()
    };
    assert_eq!(calls, read_once, "its own write costs no call");
    assert_eq!(
        program.link(&customer, "sync_status").await.as_deref(),
        Some("SYNCED")
    );
    assert_eq!(
        outcome(&program, "contact.apply").await["toMicrobima"],
        serde_json::json!(["phoneNumber"])
    );

    // Told again, nothing happens.
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(
        outcome(&program, "contact.apply").await["result"],
        "unchanged"
    );
    assert_eq!((world.traffic() - before).revise, 0);
    running.shutdown().await;
}

async fn words_dates_and_names_are_turned_back_into_what_microbima_keeps(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    for source in [
        "firstName",
        "middleName",
        "email",
        "dateOfBirth",
        "gender",
        "idType",
        "idNumber",
    ] {
        rule(&api, source, "both", "ask").await;
    }
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let edits = [
        ("firstname", "Atieno"),
        (&*world.field("Middle Name"), "Akinyi"),
        ("email", "atieno@example.co.ke"),
        ("birthday", "1991-05-13"),
        (&*world.field("Gender"), "prefer not to say"),
        (&*world.field("ID Type"), "Passport"),
        (&*world.field("ID Number"), "A1234567"),
    ];
    assert!(world.crm.edit(&contact, &edits));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    for (name, value) in [
        ("firstName", "Atieno"),
        ("middleName", "Akinyi"),
        ("email", "atieno@example.co.ke"),
        ("dateOfBirth", "1991-05-13"),
        ("gender", "PREFER_NOT_TO_SAY"),
        ("idType", "PASSPORT"),
        ("idNumber", "A1234567"),
    ] {
        assert_eq!(
            column(&program, &customer, name).await.as_deref(),
            Some(value),
            "{name}"
        );
    }
    // What was typed in other words than MicroBima's is shown in MicroBima's, once.
    let shown = world.crm.record(&contact).expect("the contact");
    assert_eq!(shown.value(&world.field("Gender")), "Prefer not to say");

    assert!(world.crm.edit(&contact, &[("email", ""), ("birthday", "")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(column(&program, &customer, "email").await, None);
    assert_eq!(column(&program, &customer, "dateOfBirth").await, None);
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn edits_of_both_sides_in_different_fields_reach_each_other(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    for source in ["phoneNumber", "lastName", "email"] {
        rule(&api, source, "both", "ask").await;
    }
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let before = world.traffic();
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    program.set(&customer, "lastName", "'Odhiambo'").await;
    notice(&running, &contact).await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!((world.traffic() - before).revise, 1, "one write per side");
    running.shutdown().await;
}

async fn an_edit_nobody_has_seen_yet_is_not_overwritten_by_a_delivery(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    rule(&api, "lastName", "both", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let before = world.traffic();
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    // Nobody is told of the edit; the delivery of another field, and of this one, meets it.
    program
        .sql(format!(
            "UPDATE customers SET \"lastName\" = 'Odhiambo', \"phoneNumber\" = '0700000009' WHERE \"id\" = '{customer}'"
        ))
        .await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    program.wait_until_idle().await;
    let after = world.crm.record(&contact).expect("the contact");
    assert_eq!(after.value("mobile"), "0799000111", "vTiger wins");
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    let calls = world.traffic() - before;
    assert_eq!((calls.revise, calls.retrieve), (1, 2), "{calls:?}");
    running.shutdown().await;
}

async fn a_field_of_microbimas_alone_costs_one_call_and_is_put_right_once(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let before = world.traffic();
    program.set(&customer, "lastName", "'Odhiambo'").await;
    program.wait_until_idle().await;
    let one = Traffic {
        revise: 1,
        ..Traffic::default()
    };
    assert_eq!(world.traffic() - before, one, "one call");

    // An edit in vTiger of what is MicroBima's is put right ...
    assert!(world.crm.edit(&contact, &[("lastname", "Onyango")]));
    notice(&running, &contact).await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "lastName").await.as_deref(),
        Some("Odhiambo")
    );
    // ... and where vTiger changes it back by itself, left and told, so that it does not go on for ever.
    assert!(world.crm.edit(&contact, &[("lastname", "Onyango")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    let left = world.crm.record(&contact).expect("the contact");
    assert_eq!(left.value("lastname"), "Onyango");
    let outcome = outcome(&program, "contact.apply").await;
    assert!(
        outcome["warnings"].to_string().contains("by itself"),
        "{outcome}"
    );

    // The next change of MicroBima's is sent all the same.
    program.set(&customer, "lastName", "'Wekesa'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Wekesa")
        .await;
    running.shutdown().await;
}

async fn a_field_of_the_crms_is_filled_when_the_contact_is_made_and_never_sent_again(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "from_crm", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let made = world.crm.record(&contact).expect("the contact");
    assert_eq!(made.value("mobile"), "0712345678");
    program.set(&customer, "phoneNumber", "'0700000009'").await;
    program.wait_until_idle().await;
    assert_eq!(world.traffic().revise, 0, "it is not MicroBima's to send");
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    assert_eq!(world.traffic().revise, 0);
    running.shutdown().await;
}

async fn the_echo_of_a_lost_answer_is_no_edit_of_theirs(world: World) {
    let clock = ManualClock::new(jiff::Timestamp::now());
    let builder = sandbox().clock(Clock::Manual(clock.clone()));
    let world = world.before(builder).await;
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    // The write arrives, its answer does not; meanwhile the row changes once more. The contact shows that it was edited since
    // it was made, and not by whom.
    clock.advance(Duration::from_secs(3_600));
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("revise", 1, Fault::HttpAfterEffect(502)));
    program.set(&customer, "phoneNumber", "'0700000001'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value("mobile") == "0700000001")
        .await;
    program.set(&customer, "phoneNumber", "'0700000002'").await;
    let after = world
        .wait_for_contact(&customer, |contact| contact.value("mobile") == "0700000002")
        .await;
    program.wait_until_idle().await;
    assert_eq!(after.id, contact);
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0700000002"),
        "our own echo is not taken for an edit in vTiger"
    );
    running.shutdown().await;
}

async fn the_newest_edit_wins_where_the_mapping_says_so(mut world: World) {
    // The CRM's clock is two hours ahead of its own words, so what its people do is newer, or older, by far.
    world.crm_settings().time_zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(-2));
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "newest").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    program.set(&customer, "phoneNumber", "'0700000009'").await;
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0799000111")
    );
    let shown = world.crm.record(&contact).expect("the contact");
    assert_eq!(shown.value("mobile"), "0799000111");
    running.shutdown().await;

    world.crm_settings().time_zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let running = world.start().await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000222")]));
    program.set(&customer, "phoneNumber", "'0700000010'").await;
    notice(&running, &contact).await;
    world
        .wait_for_contact(&customer, |contact| contact.value("mobile") == "0700000010")
        .await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0700000010")
    );
    running.shutdown().await;
}

async fn a_row_that_moved_is_not_overwritten(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let try_from = async |before: &str| {
        let edits = vec![
            Edit {
                column: "phoneNumber",
                before: Some(before.to_owned()),
                after: Some("0799000111".to_owned()),
            },
            Edit {
                column: "gender",
                before: Some("FEMALE".to_owned()),
                after: None,
            },
            Edit {
                column: "email",
                before: None,
                after: Some("hers@example.co.ke".to_owned()),
            },
        ];
        let id = customer.clone();
        running
            .db
            .write("edit", move |conn| {
                Box::pin(async move {
                    let now = Ts::now();
                    customer_edits::apply(conn, &id, &edits, now).await
                })
            })
            .await
            .expect("the statement runs")
    };
    assert!(!try_from("0700000000").await, "it holds another number");
    assert_eq!(column(&program, &customer, "email").await, None);
    assert!(try_from("0712345678").await);
    assert!(!try_from("0712345678").await, "it has moved by then");
    let names: BTreeSet<Option<String>> = [
        column(&program, &customer, "phoneNumber").await,
        column(&program, &customer, "gender").await,
        column(&program, &customer, "email").await,
    ]
    .into();
    let expected: BTreeSet<Option<String>> = [
        Some("0799000111".to_owned()),
        None,
        Some("hers@example.co.ke".to_owned()),
    ]
    .into();
    assert_eq!(names, expected);
    running.shutdown().await;
}

async fn an_edit_of_the_row_while_the_contact_is_read_is_not_overwritten(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    let slowly = Fault::Slow(Duration::from_millis(1_500));
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("retrieve", 1, slowly));
    notice(&running, &contact).await;
    let being_read = |journal: &Journal| {
        journal
            .entries()
            .iter()
            .any(|entry| matches!(entry.kind, JournalKind::FaultInjected { .. }))
    };
    let journal = world.crm.journal();
    assert!(journal.wait_until(being_read, PATIENCE).await);
    program.set(&customer, "phoneNumber", "'0700000009'").await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0700000009"),
        "what was decided about another value is not written"
    );
    assert_eq!(program.count("conflicts WHERE status = 'OPEN'").await, 1);
    running.shutdown().await;
}
