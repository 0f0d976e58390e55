//! What mapped sources look like on a contact.

use reqwest::Method;
use serde_json::json;

use super::{
    MAPPINGS, PARTNER, PARTNER_NUMBER, REGISTERED_ON, SOMETHING_MISSING, added, mapping, spacious,
};
use crate::harness::{World, new_id, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    every_kind_of_source_arrives_in_its_field_without_a_restart,
    what_cannot_be_converted_is_told_on_the_record_and_costs_no_other_field,
    a_source_without_a_value_clears_its_field_and_one_that_is_not_read_leaves_it,
    a_field_that_is_no_longer_mapped_belongs_to_people,
);

async fn every_kind_of_source_arrives_in_its_field_without_a_restart(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    added(&api, "partnerName", "Partner", "TEXT").await;
    added(&api, "createdByPartnerId", "partner number", "NUMBER").await;
    added(&api, "createdAt", REGISTERED_ON, "DATE").await;
    added(
        &api,
        "hasMissingRequirements",
        "Something Missing",
        "BOOLEAN",
    )
    .await;
    added(&api, "partnerCustomerId", "otherphone", "TEXT").await;
    added(&api, "registrationAgent", "assistant", "TEXT").await;

    let customer = new_id();
    let agent = new_id();
    // Half past ten in the evening in Greenwich is the next day in Nairobi.
    let at = match program.engine() {
        pugmark_queue::db::Engine::Sqlite => "1772404200000000",
        pugmark_queue::db::Engine::Postgres => "'2026-03-01 22:30:00'",
    };
    let number = &customer[..8];
    program
        .sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \"status\", \
             \"createdByPartnerId\", \"hasMissingRequirements\", \"createdAt\", \"updatedAt\") \
             VALUES ('{customer}', 'Achieng', 'Otieno', '0712345678', 'NATIONAL_ID', '{number}', 'PENDING_ACTIVATION', 1, true, {at}, {at}); \
             INSERT INTO partner_customers (\"partnerId\", \"customerId\", \"partnerCustomerId\", \"updatedAt\") VALUES (1, '{customer}', 'P-77', {at}); \
             INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"perRegistrationRateCents\", \"updatedAt\") \
             VALUES ('{agent}', '{agent}', 1, 'Jane Wanjiku', 100, {at}); \
             INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\", \"updatedAt\") \
             VALUES ('{agent}', '{agent}', '{customer}', 1, {at})"
        ))
        .await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    for (field, value) in [
        (PARTNER, "Direct"),
        (PARTNER_NUMBER, "1"),
        (REGISTERED_ON, "2026-03-02"),
        (SOMETHING_MISSING, "1"),
        ("otherphone", "P-77"),
        ("assistant", "Jane Wanjiku"),
    ] {
        assert_eq!(contact.value(field), value, "{field}");
    }
    program.wait_until_idle().await;
    assert_eq!(
        program.link(&customer, "warnings").await.as_deref(),
        Some("[]")
    );

    // What is no update of the customer is brought up to date with the next delivery.
    program
        .sql("UPDATE partners SET \"partnerName\" = 'Maisha Poa' WHERE \"id\" = 1")
        .await;
    program
        .set(&customer, "hasMissingRequirements", "false")
        .await;
    program.wait_until_idle().await;
    let calls = world.traffic();
    program.set(&customer, "lastName", "'Odhiambo'").await;
    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    assert_eq!(contact.value(PARTNER), "Maisha Poa");
    assert_eq!(contact.value(SOMETHING_MISSING), "0");
    assert_eq!((world.traffic() - calls).revise, 1, "all of it in one call");
    running.shutdown().await;
}

async fn what_cannot_be_converted_is_told_on_the_record_and_costs_no_other_field(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    added(&api, "createdBy", "Partner Number", "NUMBER").await;
    added(&api, "updatedBy", "Registered On", "DATE").await;
    added(
        &api,
        "defaultMessagingLanguage",
        "Something Missing",
        "BOOLEAN",
    )
    .await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    program
        .sql(format!(
            "UPDATE customers SET \"createdBy\" = 'agent 7', \"updatedBy\" = '31 February', \"lastName\" = 'Odhiambo' \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    for field in [PARTNER_NUMBER, REGISTERED_ON, SOMETHING_MISSING] {
        assert!(
            ["", "0"].contains(&contact.value(field)),
            "{field}: {}",
            contact.value(field)
        );
    }
    program.wait_until_idle().await;
    let warnings = program.link(&customer, "warnings").await.expect("a link");
    for part in [
        "Partner Number (cf_869): `agent 7` is no number; not sent",
        "Registered On (cf_871): `31 February` is no date (YYYY-MM-DD); not sent",
        "Something Missing (cf_873): `en` is neither yes nor no; not sent",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let status = api
        .get(&format!(
            "/api/internal/vtiger/sync-status/customer/{customer}"
        ))
        .await;
    let told = status.data()["vtigerSyncWarnings"]
        .as_array()
        .expect("a list");
    assert_eq!(told.len(), 3, "{}", status.text);

    // What can be converted again is sent again.
    program
        .sql(format!(
            "UPDATE customers SET \"createdBy\" = '0042', \"lastName\" = 'Onyango' WHERE \"id\" = '{customer}'"
        ))
        .await;
    world
        .wait_for_contact(&customer, |contact| contact.value(PARTNER_NUMBER) == "42")
        .await;
    running.shutdown().await;
}

async fn a_source_without_a_value_clears_its_field_and_one_that_is_not_read_leaves_it(
    world: World,
) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    added(&api, "createdBy", "Partner", "TEXT").await;
    let customer = program.insert_customer("Otieno").await;
    program.set(&customer, "createdBy", "'agent'").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    program.set(&customer, "createdBy", "'agent'").await;
    program.set(&customer, "lastName", "'Odhiambo'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value(PARTNER) == "agent")
        .await;
    program.wait_until_idle().await;

    program
        .sql(format!(
            "UPDATE customers SET \"createdBy\" = NULL, \"lastName\" = 'Onyango' WHERE \"id\" = '{customer}'"
        ))
        .await;
    let cleared = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Onyango")
        .await;
    assert_eq!(cleared.value(PARTNER), "");
    program.wait_until_idle().await;

    // A table that cannot be read costs its own fields only.
    added(&api, "partnerName", "otherphone", "TEXT").await;
    program
        .sql("ALTER TABLE partners RENAME TO partners_elsewhere")
        .await;
    program.set(&customer, "lastName", "'Ouma'").await;
    let contact = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Ouma")
        .await;
    assert_eq!(contact.value("otherphone"), "");
    program.wait_until_idle().await;
    let warnings = program.link(&customer, "warnings").await.expect("a link");
    assert!(
        warnings.contains("`partnerName` could not be read"),
        "{warnings}"
    );
    running.shutdown().await;
}

async fn a_field_that_is_no_longer_mapped_belongs_to_people(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let number = added(&api, "partnerName", "Partner", "TEXT").await;
    let customer = program.insert_customer("Otieno").await;
    let contact = world
        .wait_for_contact(&customer, |contact| contact.value(PARTNER) == "Direct")
        .await;
    program.wait_until_idle().await;
    let path = format!("{MAPPINGS}/{number}");
    assert_eq!(answer(api.request(Method::DELETE, &path)).await.status, 200);
    assert!(world.crm.edit(&contact.id, &[(PARTNER, "by hand")]));
    program.set(&customer, "lastName", "'Odhiambo'").await;
    let after = world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    assert_eq!(after.value(PARTNER), "by hand");
    program.wait_until_idle().await;

    // Mapped again, it is MicroBima's again, although MicroBima's value is the one of before.
    let again = api
        .post(MAPPINGS, &mapping("partnerName", "Partner", "TEXT"))
        .await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(again.data()["direction"], json!("to_crm"));
    program.set(&customer, "lastName", "'Onyango'").await;
    world
        .wait_for_contact(&customer, |contact| contact.value(PARTNER) == "Direct")
        .await;
    running.shutdown().await;
}
