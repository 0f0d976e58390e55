use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_converted_lead_becomes_a_customer_who_is_linked_to_that_very_contact,
    a_lead_that_is_converted_twice_is_one_customer,
    a_contact_that_was_no_lead_becomes_nobody,
    a_conversion_without_a_contact_is_told,
    a_contact_that_is_gone_is_told,
    a_contact_that_shows_where_it_comes_from_needs_no_claim,
    without_the_partner_of_the_settings_it_waits,
);

async fn a_converted_lead_becomes_a_customer_who_is_linked_to_that_very_contact(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    let done = standing(&api, &contact, "DONE").await;
    let customer = assert_became_one(&world, &program, &contact).await;
    assert_eq!(done["customerId"], customer);
    let shown = api
        .get(&format!("/api/internal/customers/{customer}"))
        .await;
    let shown = shown.data();
    for (field, value) in [
        ("firstName", "Achieng"),
        ("lastName", "Otieno"),
        ("email", "achieng@example.co.ke"),
        ("phoneNumber", "0712345678"),
        ("dateOfBirth", "1990-04-12"),
        ("gender", "female"),
        ("idType", "national"),
        ("idNumber", "12345678"),
        ("status", "PENDING_ACTIVATION"),
        ("vtigerContactId", contact.as_str()),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let reference = program
        .one("SELECT \"partnerCustomerId\" FROM partner_customers")
        .await;
    assert_eq!(reference, Some(format!("vtiger-{contact}")));
    assert_eq!(world.calls("create"), 0, "nothing was made in the CRM");
    running.shutdown().await;
}

async fn a_lead_that_is_converted_twice_is_one_customer(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    for which in ["first", "second", "third"] {
        tell_again(&api, &contact, which).await;
    }
    standing(&api, &contact, "DONE").await;
    tell_again(&api, &contact, "much later").await;
    program.count("customers").await;
    assert_eq!(program.count("customers").await, 1);

    // In vTiger it was converted once more, because the first time failed half-way.
    let names = [("firstname", "Achieng"), ("lastname", "Otieno")];
    let lead = world.crm.insert_as_ui("Leads", &names).expect("a lead");
    let twin = world
        .crm
        .convert_lead_halfway(&lead, &[])
        .expect("a contact");
    edit(&world, &twin, &COMPLETE);
    tell(&api, &twin).await;
    let told = standing(&api, &twin, "UNDECIDED").await;
    assert_eq!(told["errorCode"], "PUG-3602");
    let message = told["message"].as_str().unwrap_or_default();
    assert!(message.contains(&contact), "{message}");
    assert_eq!(
        told["candidateCustomerId"],
        Value::Null,
        "nothing to link: that customer has a contact"
    );
    assert_eq!(program.count("customers").await, 1);
    running.shutdown().await;
}

async fn a_contact_that_was_no_lead_becomes_nobody(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let names = [("firstname", "Achieng"), ("lastname", "Otieno")];
    let contact = world
        .crm
        .insert_as_ui("Contacts", &names)
        .expect("a contact");
    edit(&world, &contact, &COMPLETE);
    edit(&world, &contact, &[("isconvertedfromlead", "0")]);
    tell(&api, &contact).await;
    let told = standing(&api, &contact, "REFUSED").await;
    assert_eq!(told["errorCode"], "PUG-3605");
    assert_eq!(program.count("customers").await, 0);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        1,
        "a person is told"
    );
    running.shutdown().await;
}

async fn a_conversion_without_a_contact_is_told(mut world: World) {
    let (running, api, _) = started(&mut world).await;
    let lead = world
        .crm
        .insert_as_ui("Leads", &[("lastname", "Otieno")])
        .expect("a lead");
    let path = "/api/internal/vtiger/webhooks/lead-convert";
    let body = json!({ "lead_id": lead });
    let request = api
        .bare(Method::POST, path)
        .header("X-Webhook-Secret", HEADER_SECRET);
    answer(request.json(&body)).await;
    let told = standing(&api, &lead, "REFUSED").await;
    assert_eq!(told["errorCode"], "PUG-3603");
    let message = told["message"].as_str().unwrap_or_default();
    assert!(message.contains("still a lead"), "{message}");
    running.shutdown().await;
}

async fn a_contact_that_is_gone_is_told(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    world.crm.remove(&contact);
    tell(&api, &contact).await;
    let told = standing(&api, &contact, "REFUSED").await;
    assert_eq!(told["errorCode"], "PUG-3604");
    // Somebody takes it out of the recycle bin, and the workflow tells so.
    world.crm.restore(&contact);
    tell_again(&api, &contact, "restored").await;
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    running.shutdown().await;
}

async fn a_contact_that_shows_where_it_comes_from_needs_no_claim(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    // A workflow on all contacts that maps the field.
    let request = api
        .bare(Method::POST, "/webhooks/vtiger")
        .header("X-Webhook-Secret", HEADER_SECRET)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("isconvertedfromlead=1&id={contact}"));
    assert_eq!(answer(request).await.status, 202);
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    running.shutdown().await;
}

async fn without_the_partner_of_the_settings_it_waits(mut world: World) {
    world.settings.insurance.conversion = config::Conversion {
        partner_id: 7,
        ..world.settings.insurance.conversion.clone()
    };
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    eventually("the reason", || async {
        let found = api.get(&format!("{CONVERSIONS}/{contact}")).await;
        (found.data()["errorCode"] == "PUG-3606").then_some(())
    })
    .await;
    assert_eq!(program.count("customers").await, 0);
    running.shutdown().await;
}
