//! Edits that are not taken over: values that MicroBima would refuse, and records of which one side is gone.

use super::{column, linked, notice, outcome, rule};
use crate::harness::{World, on_both_databases};
use crate::http::Api;

on_both_databases!(
    what_microbima_cannot_take_is_told_and_costs_no_other_field,
    an_email_of_another_customer_is_not_taken_over,
    a_contact_that_is_gone_is_told_and_deletes_nothing,
    an_edit_of_a_contact_whose_customer_is_gone_changes_nothing,
    in_shadow_mode_an_edit_is_reported_and_not_taken_over,
);

async fn what_microbima_cannot_take_is_told_and_costs_no_other_field(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    for source in ["phoneNumber", "email", "lastName", "gender", "idNumber"] {
        rule(&api, source, "both", "vtiger").await;
    }
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let edits = [
        ("mobile", "call her brother"),
        ("email", "no address"),
        ("lastname", "Odhiambo"),
        (&*world.field("Gender"), "unknown"),
        (&*world.field("ID Number"), ""),
    ];
    assert!(world.crm.edit(&contact, &edits));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "lastName").await.as_deref(),
        Some("Odhiambo")
    );
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0712345678")
    );
    let said = program
        .link(&customer, "sync_error_code || ': ' || sync_error")
        .await
        .expect("it is told");
    assert!(said.starts_with("PUG-5102: "), "{said}");
    for part in [
        "Mobile",
        "phone number of 9 to 15 digits",
        "e-mail address",
        "Prefer not to say",
        "is required",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(
        program
            .count("conflicts WHERE status = 'OPEN' AND kind = 'not_accepted'")
            .await,
        4
    );
    let untouched = world.crm.record(&contact).expect("the contact");
    assert_eq!(untouched.value("mobile"), "call her brother");

    // Mended in vTiger, it is taken and nobody is asked any more.
    let mended = [
        ("mobile", "0799000111"),
        ("email", "otieno@example.co.ke"),
        (&*world.field("Gender"), "Male"),
        (&*world.field("ID Number"), "12345678"),
    ];
    assert!(world.crm.edit(&contact, &mended));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "gender").await.as_deref(),
        Some("MALE")
    );
    assert_eq!(
        program.count("conflicts WHERE status <> 'RESOLVED'").await,
        0
    );
    assert_eq!(program.link(&customer, "sync_error").await, None);
    running.shutdown().await;
}

async fn an_email_of_another_customer_is_not_taken_over(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "email", "both", "vtiger").await;
    rule(&api, "lastName", "both", "vtiger").await;
    let (other, _) = linked(&world, &program, "Wekesa").await;
    program.set(&other, "email", "'hers@example.co.ke'").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    let edits = [("email", "hers@example.co.ke"), ("lastname", "Odhiambo")];
    assert!(world.crm.edit(&contact, &edits));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    assert_eq!(column(&program, &customer, "email").await, None);
    assert_eq!(
        column(&program, &customer, "lastName").await.as_deref(),
        Some("Odhiambo")
    );
    let said = program
        .link(&customer, "sync_error")
        .await
        .expect("it is told");
    assert!(said.contains("another customer has it"), "{said}");
    running.shutdown().await;
}

async fn a_contact_that_is_gone_is_told_and_deletes_nothing(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    assert!(world.crm.remove(&contact));
    notice(&running, &contact).await;
    program.wait_for_trouble(&customer, "PUG-3004").await;
    program.wait_until_idle().await;
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0712345678")
    );
    assert!(program.link(&customer, "gone_at").await.is_some());
    assert_eq!(
        program.link(&customer, "vtiger_id").await.as_deref(),
        Some(&*contact)
    );
    assert_eq!(
        world.crm.records("Contacts").len(),
        0,
        "none is made instead"
    );
    running.shutdown().await;
}

async fn an_edit_of_a_contact_whose_customer_is_gone_changes_nothing(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
        .await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    notice(&running, &contact).await;
    let marked = world
        .wait_for_contact(&customer, |contact| {
            contact.value(&world.field("MicroBima Status")) == "Deleted"
        })
        .await;
    program.wait_until_idle().await;
    assert_eq!(marked.value("mobile"), "0799000111", "it is kept as it is");
    assert_eq!(program.count("customers").await, 0);
    assert_eq!(
        outcome(&program, "contact.apply").await["result"],
        "nothing to do"
    );
    running.shutdown().await;
}

async fn in_shadow_mode_an_edit_is_reported_and_not_taken_over(mut world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let (customer, contact) = linked(&world, &program, "Otieno").await;
    running.shutdown().await;
    world.settings.mode = pugmark::config::Mode::Shadow;
    let running = world.start().await;
    let before = program.link(&customer, "snapshot").await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    notice(&running, &contact).await;
    program.wait_until_idle().await;
    let said = outcome(&program, "contact.apply").await;
    assert_eq!(said["result"], "shadow", "{said}");
    assert_eq!(said["toMicrobima"], serde_json::json!(["phoneNumber"]));
    assert_eq!(
        column(&program, &customer, "phoneNumber").await.as_deref(),
        Some("0712345678")
    );
    assert_eq!(program.link(&customer, "snapshot").await, before);
    running.shutdown().await;
}
