//! What a change costs and what it leads to in the CRM when nothing goes wrong, and when the data or the installation is odd.

use std::time::Duration;

use pugmark_queue::db::Engine;
use pugmark_queue::{Filter, OperationRecord};
use pugmark_sandbox::{
    CustomField, CustomFieldKind, Fault, FaultPlan, JournalKind, UserSpec, VtigerSandbox,
    VtigerSandboxBuilder,
};
use serde_json::Value;

use crate::harness::{
    FIELDS, PATIENCE, Traffic, World, Writer, eventually, new_id, on_both_databases, sandbox,
};
use crate::http::Api;

on_both_databases!(
    a_create_is_one_call,
    an_edit_is_one_call_that_sends_only_what_differs,
    an_edit_that_was_taken_back_is_no_call,
    what_the_crm_keeps_as_it_is_arrives_as_it_is,
    what_the_crm_cannot_keep_is_adapted_named_and_not_sent_again,
    a_name_that_is_too_long_is_cut_named_and_not_sent_again,
    a_column_that_becomes_empty_clears_its_field,
    a_field_that_a_person_filled_is_left_alone_by_edits_of_others,
    a_change_of_status_is_shown,
    a_deleted_customer_keeps_the_contact_which_is_marked,
    a_mark_whose_answer_was_lost_is_not_reported_as_impossible,
    without_a_status_field_the_contact_is_kept_and_the_missing_mark_is_named,
    a_customer_who_comes_back_is_no_longer_marked,
    a_customer_who_becomes_a_test_customer_is_marked,
    a_test_customer_never_reaches_the_crm,
    a_test_customer_who_becomes_real_is_created,
    a_marked_customer_who_becomes_real_again_is_no_longer_marked,
    a_changed_primary_key_marks_the_old_contact_and_makes_a_new_one,
    without_the_reference_field_creates_are_held_until_it_appears,
    a_contact_that_is_already_there_is_adopted_after_the_link_was_lost,
    a_contact_that_was_deleted_in_the_crm_is_reported_and_not_made_again,
    a_contact_that_belongs_to_another_customer_is_not_taken,
    the_owner_and_the_defaults_that_are_configured_are_used,
    a_mandatory_field_without_a_value_is_a_dead_letter_that_names_it,
    a_refused_record_can_be_mended_and_retried,
);

/// The operations of a customer, newest first.
async fn operations(running: &pugmark::app::Running, customer: &str) -> Vec<OperationRecord> {
    let filter = Filter {
        entity_id: Some(customer.to_owned()),
        limit: 50,
        ..Filter::default()
    };
    running
        .queue
        .list(&filter)
        .await
        .expect("a list")
        .operations
}

/// The fields that the last call of an operation sent, by the attempt that Pugmark keeps.
async fn sent(program: &Writer, operation: &str) -> Vec<String> {
    let text = program
        .one("SELECT CAST(request AS TEXT) FROM vtiger_sync_attempts WHERE crm_calls > 0 ORDER BY started_at DESC, id DESC LIMIT 1")
        .await
        .expect("an attempt");
    let calls: Value = serde_json::from_str(&text).expect("JSON");
    let call = calls
        .as_array()
        .and_then(|calls| {
            calls
                .iter()
                .rev()
                .find(|call| call["operation"] == operation)
        })
        .unwrap_or_else(|| panic!("no {operation} in {calls}"));
    let element = match &call["parameters"]["element"] {
        Value::String(text) => serde_json::from_str(text).expect("an element"),
        element => element.clone(),
    };
    let fields = element
        .as_object()
        .unwrap_or_else(|| panic!("no element in {call}"));
    fields
        .keys()
        .filter(|name| *name != "id")
        .cloned()
        .collect()
}

/// The customer as the API shows it.
async fn shown(running: &pugmark::app::Running, customer: &str) -> Value {
    let answer = Api::of(running)
        .get(&format!("/api/internal/customers/{customer}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.data().clone()
}

async fn warnings(running: &pugmark::app::Running, customer: &str) -> Vec<String> {
    let customer = shown(running, customer).await;
    let list = customer["vtigerWarnings"].as_array().expect("a list");
    list.iter()
        .map(|warning| warning.as_str().expect("text").to_owned())
        .collect()
}

/// A vTiger of an insurer, without one of the custom fields.
fn sandbox_without(label: &str) -> VtigerSandboxBuilder {
    FIELDS.iter().filter(|known| **known != label).fold(
        VtigerSandbox::builder().seed(1),
        |builder, label| {
            let number = 853
                + 2 * FIELDS
                    .iter()
                    .position(|known| known == label)
                    .expect("a known label");
            let field = CustomField::new("Contacts", label, CustomFieldKind::Text)
                .named(&format!("cf_{number}"));
            builder.custom_field(field)
        },
    )
}

/// Edits a column that nothing else depends on, and tells which fields that sent.
async fn after_an_unrelated_edit(world: &World, program: &Writer, customer: &str) -> Vec<String> {
    program.set(customer, "phoneNumber", "'0799999999'").await;
    world
        .wait_for_contact(customer, |contact| contact.value("mobile") == "0799999999")
        .await;
    program.wait_until_idle().await;
    sent(program, "revise").await
}

async fn a_create_is_one_call(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    for name in ["Kamau", "Otieno", "Were"] {
        program.insert_customer(name).await;
    }
    program.wait_until_idle().await;

    assert_eq!(
        world.traffic(),
        Traffic {
            create: 3,
            ..Traffic::default()
        }
    );
    assert_eq!(
        world.calls("describe"),
        1,
        "a description is asked for once"
    );
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn an_edit_is_one_call_that_sends_only_what_differs(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    program
        .sql(format!(
            "UPDATE customers SET \"lastName\" = 'Mutua', \"email\" = 'mutua@example.co.ke', \"firstName\" = 'Achieng' \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    program.wait_until_idle().await;

    assert_eq!(
        world.traffic() - before,
        Traffic {
            revise: 1,
            ..Traffic::default()
        }
    );
    assert_eq!(sent(&program, "revise").await, ["email", "lastname"]);
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    running.shutdown().await;
}

async fn an_edit_that_was_taken_back_is_no_call(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let before = world.traffic();
    running
        .queue
        .pause("customer.update", "test")
        .await
        .expect("paused");
    program.set(&customer, "lastName", "'Mutua'").await;
    program.set(&customer, "lastName", "'Kamau'").await;
    eventually("two planned edits", || async {
        (program
            .count("change_log WHERE event = 'UPDATE' AND processed_at IS NOT NULL")
            .await
            == 2)
            .then_some(())
    })
    .await;
    running
        .queue
        .resume("customer.update")
        .await
        .expect("resumed");
    program.wait_until_idle().await;

    assert_eq!(world.traffic() - before, Traffic::default());
    let operations = operations(&running, &customer).await;
    assert_eq!(
        operations.len(),
        2,
        "the two edits became one operation beside the create"
    );
    assert_eq!(
        operations[0]
            .outcome
            .as_ref()
            .map(|outcome| &outcome.0["result"]),
        Some(&Value::from("unchanged"))
    );
    running.shutdown().await;
}

async fn what_the_crm_keeps_as_it_is_arrives_as_it_is(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let names = [
        "Ng'ang'a",
        "''",
        "O\\Brien",
        "back\\'slash",
        "trailing\\",
        "double \"quoted\"",
        "Wanjikũ Müller-Nyŏng'o",
        "محمد",
        "王小明",
        "Kamau & Sons",
        "Kamau &amp; Sons",
        "&lt;b&gt; &quot; &#39; &nbsp; &eacute;",
        "<b>bold</b>",
        "100%_",
        "{\"a\":1}",
        "null",
        "0",
        "  spaces around  ",
        "select * from Contacts; --",
    ];
    let mut customers = Vec::new();
    for name in names {
        customers.push((program.insert_customer(name).await, name));
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.out_of_step(&program, &[]).await,
        Vec::<String>::new(),
        "created"
    );
    let before = world.traffic();

    // Each gets the name of another one, in a revise.
    for (number, (customer, _)) in customers.iter().enumerate() {
        let name = names[(number + 1) % names.len()].replace('\'', "''");
        program
            .set(customer, "lastName", &format!("'{name}'"))
            .await;
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.out_of_step(&program, &[]).await,
        Vec::<String>::new(),
        "revised"
    );
    let spent = world.traffic() - before;
    assert_eq!(
        spent,
        Traffic {
            revise: names.len() as u64,
            ..Traffic::default()
        }
    );

    for (customer, _) in &customers {
        assert_eq!(warnings(&running, customer).await, Vec::<String>::new());
        assert_eq!(
            after_an_unrelated_edit(&world, &program, customer).await,
            ["mobile"]
        );
    }
    running.shutdown().await;
}

async fn what_the_crm_cannot_keep_is_adapted_named_and_not_sent_again(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    for (name, stored) in [
        ("Kamau 😀", "Kamau \u{fffd}"),
        ("𝒦amau", "\u{fffd}amau"),
        (
            "<script>alert(\"x\")</script>",
            "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;",
        ),
    ] {
        let created = program.insert_customer(name).await;
        world
            .wait_for_contact(&created, |contact| contact.value("lastname") == stored)
            .await;
        let revised = program.insert_customer("Before").await;
        program.wait_until_idle().await;
        program
            .set(&revised, "lastName", &format!("'{name}'"))
            .await;
        world
            .wait_for_contact(&revised, |contact| contact.value("lastname") == stored)
            .await;
        program.wait_until_idle().await;

        for customer in [created, revised] {
            let named = warnings(&running, &customer).await;
            assert!(
                named.len() == 1 && named[0].contains("lastname"),
                "{name}: {named:?}"
            );
            assert_eq!(
                after_an_unrelated_edit(&world, &program, &customer).await,
                ["mobile"],
                "{name}"
            );
            assert_eq!(
                warnings(&running, &customer).await,
                named,
                "the warning stays as long as its reason"
            );
            program.set(&customer, "lastName", "'Kamau'").await;
            world
                .wait_for_contact(&customer, |contact| contact.value("lastname") == "Kamau")
                .await;
            program.wait_until_idle().await;
            assert_eq!(warnings(&running, &customer).await, Vec::<String>::new());
        }
    }
    running.shutdown().await;
}

async fn a_name_that_is_too_long_is_cut_named_and_not_sent_again(world: World) {
    let world = world.before(sandbox_without("Middle Name")).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program.insert_customer_as(&customer, "Kamau", true).await;
    let (first, middle) = (
        "Achieng-Nyambura-Wanjirũ-Adhiambo",
        "Wanjikũ-Njeri-Makena-Akinyi",
    );
    program
        .sql(format!(
            "UPDATE customers SET \"firstName\" = '{first}', \"middleName\" = '{middle}', \"isTestUser\" = FALSE \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    let whole = format!("{first} {middle}");
    assert!(whole.chars().count() >= 60);
    let cut: String = whole.chars().take(40).collect();

    world
        .wait_for_contact(&customer, |contact| contact.value("firstname") == cut)
        .await;
    program.wait_until_idle().await;
    let named = warnings(&running, &customer).await;
    assert!(
        named.len() == 1 && named[0].contains("firstname") && named[0].contains("40"),
        "{named:?}"
    );
    assert_eq!(
        after_an_unrelated_edit(&world, &program, &customer).await,
        ["mobile"]
    );
    // A change behind the cut cannot be seen in the CRM, so it is no call.
    let before = world.traffic();
    program
        .set(&customer, "middleName", &format!("'{middle}-Chebet'"))
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.traffic() - before, Traffic::default());
    running.shutdown().await;
}

async fn a_column_that_becomes_empty_clears_its_field(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program
        .set(&customer, "email", "'kamau@example.co.ke'")
        .await;
    program.set(&customer, "middleName", "'Njoroge'").await;
    program.wait_until_idle().await;
    program
        .sql(format!(
            "UPDATE customers SET \"email\" = NULL, \"middleName\" = NULL, \"dateOfBirth\" = NULL, \"gender\" = NULL \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    program.wait_until_idle().await;

    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(
        after_an_unrelated_edit(&world, &program, &customer).await,
        ["mobile"],
        "an empty field equals an empty column"
    );
    running.shutdown().await;
}

async fn a_field_that_a_person_filled_is_left_alone_by_edits_of_others(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert!(world.crm.edit(
        &contact.id,
        &[("department", "Claims"), ("mobile", "0700111222")]
    ));
    program.set(&customer, "lastName", "'Mutua'").await;

    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Mutua")
        .await;
    assert_eq!(
        (contact.value("department"), contact.value("mobile")),
        ("Claims", "0700111222")
    );
    running.shutdown().await;
}

async fn a_change_of_status_is_shown(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_until_idle().await;
    let status = world.field("MicroBima Status");
    for (label, words) in [
        ("ACTIVE", "Active"),
        ("SUSPENDED", "Suspended"),
        ("PENDING_KYC", "Pending KYC"),
    ] {
        program
            .set(&customer, "status", &format!("'{label}'"))
            .await;
        world
            .wait_for_contact(&customer, |contact| contact.value(&status) == words)
            .await;
        program.wait_until_idle().await;
        assert_eq!(
            sent(&program, "revise").await,
            std::slice::from_ref(&status)
        );
    }
    running.shutdown().await;
}

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

async fn without_the_reference_field_creates_are_held_until_it_appears(world: World) {
    let mut world = world.before(sandbox_without("MicroBima Customer ID")).await;
    world.crm_settings().describe_for = Duration::from_millis(200);
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    program.wait_for_trouble(&customer, "PUG-3006").await;

    let held = operations(&running, &customer).await;
    assert_eq!(held.len(), 1);
    assert!(
        held[0].is_waiting() && held[0].blocked_by.is_some(),
        "{:?}",
        held[0]
    );
    assert_eq!(held[0].retry_count, 0, "holding burns nothing");
    let api = shown(&running, &customer).await;
    assert_eq!(
        (&api["vtigerSyncStatus"], &api["vtigerSyncErrorCode"]),
        (&"PENDING".into(), &"PUG-3006".into())
    );
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
    running.shutdown().await;
}

/// Birth dates that only SQLite lets a program store.
mod birth_dates {
    pub(super) mod sqlite {
        use super::super::*;

        #[tokio::test]
        async fn a_birth_date_that_is_none_is_named_and_nothing_else_is_lost() {
            let world = World::sqlite().await;
            let running = world.start().await;
            let program = world.other_program().await;
            assert_eq!(program.engine(), Engine::Sqlite);
            for odd in [
                "1990-13-45",
                "yesterday",
                "0000-00-00",
                "0004-02-29",
                "12/04/1990",
            ] {
                let customer = new_id();
                program.insert_customer_as(&customer, "Kamau", true).await;
                program
                    .sql(format!("UPDATE customers SET \"dateOfBirth\" = '{odd}', \"isTestUser\" = FALSE WHERE \"id\" = '{customer}'"))
                    .await;
                let contact = world.wait_for_contact(&customer, |_| true).await;
                program.wait_until_idle().await;
                assert_eq!(
                    (contact.value("birthday"), contact.value("lastname")),
                    ("", "Kamau"),
                    "{odd}"
                );
                let named = warnings(&running, &customer).await;
                assert!(
                    named.len() == 1 && named[0].contains("birthday"),
                    "{odd}: {named:?}"
                );
                assert_eq!(
                    after_an_unrelated_edit(&world, &program, &customer).await,
                    ["mobile"],
                    "{odd}"
                );
                assert_eq!(warnings(&running, &customer).await, named);
                program.set(&customer, "dateOfBirth", "'1990-04-12'").await;
                world
                    .wait_for_contact(&customer, |contact| {
                        contact.value("birthday") == "1990-04-12"
                    })
                    .await;
                program.wait_until_idle().await;
                assert_eq!(warnings(&running, &customer).await, Vec::<String>::new());
            }
            running.shutdown().await;
        }

        #[tokio::test]
        async fn a_birth_date_that_becomes_none_leaves_the_contacts_and_costs_no_call() {
            let world = World::sqlite().await;
            let running = world.start().await;
            let program = world.other_program().await;
            let customer = program.insert_customer("Kamau").await;
            program.wait_until_idle().await;
            let before = world.traffic();
            program.set(&customer, "dateOfBirth", "'1990-13-45'").await;
            program.wait_until_idle().await;

            assert_eq!(world.traffic() - before, Traffic::default());
            assert_eq!(
                world
                    .contact_of(&customer)
                    .expect("a contact")
                    .value("birthday"),
                "1990-04-12"
            );
            let named = warnings(&running, &customer).await;
            assert!(
                named.len() == 1 && named[0].contains("1990-13-45"),
                "{named:?}"
            );
            // What the CRM holds is not forgotten meanwhile: the old date again is no difference, another one is.
            program.set(&customer, "dateOfBirth", "'1990-04-12'").await;
            program.wait_until_idle().await;
            assert_eq!(world.traffic() - before, Traffic::default());
            program.set(&customer, "dateOfBirth", "'1991-05-13'").await;
            let journal = world.crm.journal();
            let arrived = |_: &pugmark_sandbox::Journal| {
                world
                    .contact_of(&customer)
                    .is_some_and(|contact| contact.value("birthday") == "1991-05-13")
            };
            assert!(journal.wait_until(arrived, PATIENCE).await);
            let contact = world.contact_of(&customer).expect("a contact");
            let last = journal.effects_on(&contact.id).pop().expect("an effect");
            assert!(
                matches!(&last.kind, JournalKind::Revised { changed, .. } if changed.len() == 1),
                "{last:?}"
            );
            running.shutdown().await;
        }
    }
}
