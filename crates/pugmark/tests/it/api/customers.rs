//! Registering, reading and changing customers, and whether they are in step.

use pugmark_queue::db::Engine;
use serde_json::{Value, json};

use super::lists::page_through;
use super::{
    CUSTOMERS, QUEUE, customer, dead_letter, refusing, register, started, started_quiet,
    the_operation,
};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_customer_is_registered_with_trimmed_names_and_read_again,
    a_patch_changes_what_it_names_and_null_clears,
    all_wrong_fields_are_told_at_once,
    a_second_customer_with_the_same_email_or_document_is_refused_by_name,
    a_partner_that_does_not_exist_is_refused_by_name,
    a_legacy_row_can_be_changed_in_another_field,
    the_sync_status_follows_the_customer_from_waiting_to_synced,
    a_refused_customer_is_failed_with_the_reason_and_waits_again_after_a_retry,
);

async fn ids_with(api: &Api, status: &str) -> Vec<String> {
    page_through(api, &format!("syncStatus={status}")).await
}

async fn a_customer_is_registered_with_trimmed_names_and_read_again(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let mut body = customer(1);
    body["firstName"] = json!("  Zoë ");
    body["middleName"] = json!("   ");
    body["gender"] = json!("FEMALE");
    body["idType"] = json!("birth_certificate");
    let id = register(&api, &body).await;

    let read = api.get(&format!("{CUSTOMERS}/{}", id.to_uppercase())).await;
    let found = read.data();
    assert_eq!(found["id"], id);
    assert_eq!(found["firstName"], "Zoë");
    assert_eq!(found["middleName"], Value::Null);
    assert_eq!(found["lastName"], "O'Brien-Otieno");
    assert_eq!(found["phoneNumber"], "0712 345 678", "kept as typed");
    assert_eq!(found["gender"], "female");
    assert_eq!(found["idType"], "birth_certificate");
    assert_eq!(found["dateOfBirth"], "1990-04-12");
    assert_eq!(found["status"], "PENDING_ACTIVATION");
    assert_eq!(found["isTestUser"], false);
    let created: Result<jiff::Timestamp, _> = found["createdAt"].as_str().unwrap_or("").parse();
    let age = jiff::Timestamp::now().duration_since(created.expect("RFC 3339"));
    assert!(age.unsigned_abs().as_secs() < 60, "{found}");
    let program = world.other_program().await;
    let by = program.one("SELECT \"createdBy\" FROM customers").await;
    assert_eq!(by.as_deref(), Some("token:APP_SECRET_TOKEN"));
    running.shutdown().await;
}

async fn a_patch_changes_what_it_names_and_null_clears(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let mut body = customer(1);
    body["middleName"] = json!("Akinyi");
    let path = format!("{CUSTOMERS}/{}", register(&api, &body).await);

    let nothing = api.patch(&path, &json!({})).await;
    assert_eq!(nothing.data()["middleName"], "Akinyi");
    let cleared = api
        .patch(
            &path,
            &json!({ "middleName": null, "email": null, "dateOfBirth": null, "gender": null }),
        )
        .await;
    for field in ["middleName", "email", "dateOfBirth", "gender"] {
        assert_eq!(cleared.data()[field], Value::Null, "{field}");
    }
    assert_eq!(cleared.data()["lastName"], "O'Brien-Otieno");
    let changed = api
        .patch(
            &path,
            &json!({ "lastName": " Ng'ang'a ", "status": "ACTIVE", "isTestUser": true }),
        )
        .await;
    assert_eq!(changed.data()["lastName"], "Ng'ang'a");
    assert_eq!(changed.data()["status"], "ACTIVE");
    assert_eq!(changed.data()["isTestUser"], true);
    let refused = api.patch(&path, &json!({ "lastName": null })).await;
    refused.assert_error(400, "VALIDATION_ERROR", &path);
    assert_eq!(
        refused.wrong_fields(),
        ["lastName"],
        "a name cannot be cleared"
    );
    let blank = api
        .patch(&path, &json!({ "lastName": " ", "phoneNumber": "" }))
        .await;
    blank.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(blank.wrong_fields(), ["lastName", "phoneNumber"]);
    running.shutdown().await;
}

async fn all_wrong_fields_are_told_at_once(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let wrong = json!({
        "firstName": "A".repeat(51),
        "middleName": "line\nbreak",
        "email": "no address",
        "phoneNumber": "call me",
        "dateOfBirth": "1990-02-30",
        "gender": "robot",
        "idType": "library card",
        "idNumber": "1234",
    });
    let answer = api.post(CUSTOMERS, &wrong).await;
    answer.assert_error(422, "VALIDATION_ERROR", CUSTOMERS);
    assert_eq!(
        answer.wrong_fields(),
        [
            "dateOfBirth",
            "email",
            "firstName",
            "gender",
            "idNumber",
            "idType",
            "lastName",
            "middleName",
            "phoneNumber",
        ]
    );
    assert_eq!(answer.detail("lastName"), "is required");
    assert!(answer.detail("firstName").contains("50"));
    assert!(
        answer.detail("gender").contains("female"),
        "says what is possible"
    );
    assert!(answer.detail("idType").contains("passport"));
    let future = (jiff::Zoned::now().date() + jiff::Span::new().days(3)).to_string();
    let mut unborn = customer(1);
    unborn["dateOfBirth"] = json!(future);
    assert_eq!(
        api.post(CUSTOMERS, &unborn).await.wrong_fields(),
        ["dateOfBirth"]
    );
    let program = world.other_program().await;
    assert_eq!(program.count("customers").await, 0);
    running.shutdown().await;
}

async fn a_second_customer_with_the_same_email_or_document_is_refused_by_name(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    register(&api, &customer(1)).await;
    let second = register(&api, &customer(2)).await;

    let mut email = customer(3);
    email["email"] = json!("achieng1@example.co.ke");
    let refused = api.post(CUSTOMERS, &email).await;
    refused.assert_error(422, "DUPLICATE_EMAIL", CUSTOMERS);
    assert_eq!(refused.wrong_fields(), ["email"]);
    let mut document = customer(4);
    document["idNumber"] = json!("10000001");
    let refused = api.post(CUSTOMERS, &document).await;
    refused.assert_error(422, "DUPLICATE_ID_NUMBER", CUSTOMERS);
    assert_eq!(refused.wrong_fields(), ["idNumber"]);
    let path = format!("{CUSTOMERS}/{second}");
    let refused = api
        .patch(&path, &json!({ "email": "achieng1@example.co.ke" }))
        .await;
    refused.assert_error(422, "DUPLICATE_EMAIL", &path);
    // The same number on another kind of document is another document.
    document["idType"] = json!("passport");
    assert_eq!(api.post(CUSTOMERS, &document).await.status, 201);
    running.shutdown().await;
}

async fn a_partner_that_does_not_exist_is_refused_by_name(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    if program.engine() == Engine::Sqlite {
        // Standalone there are no partners, so any number will do.
        running.shutdown().await;
        return;
    }
    program
        .sql(
            "ALTER TABLE public.customers ADD FOREIGN KEY (\"createdByPartnerId\") REFERENCES public.partners (id)",
        )
        .await;
    let mut body = customer(1);
    body["partnerId"] = json!(77);
    let refused = api.post(CUSTOMERS, &body).await;
    refused.assert_error(422, "VALIDATION_ERROR", CUSTOMERS);
    assert_eq!(refused.wrong_fields(), ["partnerId"]);
    running.shutdown().await;
}

async fn a_legacy_row_can_be_changed_in_another_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let id = program.insert_customer("Were").await;
    for (column, value) in [
        ("phoneNumber", "'n/a'"),
        ("email", "'not an address'"),
        ("dateOfBirth", "'1200-01-01'"),
        ("idNumber", "'1'"),
        ("gender", "'OTHER'"),
    ] {
        program.set(&id, column, value).await;
    }
    let path = format!("{CUSTOMERS}/{id}");

    let changed = api.patch(&path, &json!({ "lastName": "Otieno" })).await;
    assert_eq!(changed.data()["lastName"], "Otieno");
    assert_eq!(changed.data()["phoneNumber"], "n/a", "left as it was");
    assert_eq!(changed.data()["gender"], "OTHER");
    let both = api
        .patch(&path, &json!({ "lastName": "Abdi", "idNumber": "2" }))
        .await;
    both.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(both.wrong_fields(), ["idNumber"]);
    assert_eq!(
        api.get(&path).await.data()["lastName"],
        "Otieno",
        "all or nothing"
    );
    running.shutdown().await;
}

async fn the_sync_status_follows_the_customer_from_waiting_to_synced(mut world: World) {
    let (quiet, api) = started_quiet(&mut world).await;
    let id = register(&api, &customer(1)).await;
    the_operation(&api, &id).await;
    let path = format!("{CUSTOMERS}/{id}");
    let waiting = api.get(&path).await;
    assert_eq!(waiting.data()["vtigerSyncStatus"], "PENDING");
    assert_eq!(waiting.data()["vtigerContactId"], Value::Null);
    assert_eq!(ids_with(&api, "pending").await, std::slice::from_ref(&id));
    assert!(ids_with(&api, "SYNCED").await.is_empty());
    let mut test = customer(2);
    test["isTestUser"] = json!(true);
    let test = register(&api, &test).await;
    quiet.shutdown().await;

    world.crm_settings().enabled = true;
    let (running, api) = started(&world).await;
    let contact = world.wait_for_contact(&id, |_| true).await;
    let synced = eventually("SYNCED", || async {
        let read = api.get(&path).await;
        (read.data()["vtigerSyncStatus"] == "SYNCED").then_some(read)
    })
    .await;
    let data = synced.data();
    assert_eq!(data["vtigerContactId"], contact.id.as_str());
    let record = contact.id.split('x').nth(1).expect("an id with a number");
    assert_eq!(
        data["vtigerContactUrl"],
        format!(
            "{}/index.php?module=Contacts&view=Detail&record={record}",
            world.crm.url()
        )
    );
    let at: Result<jiff::Timestamp, _> = data["vtigerLastSyncedAt"].as_str().unwrap_or("").parse();
    assert!(at.is_ok());
    assert_eq!(data["vtigerSyncError"], Value::Null);
    assert_eq!(data["vtigerWarnings"], json!([]));
    assert_eq!(ids_with(&api, "SYNCED").await, [id]);
    let test = api.get(&format!("{CUSTOMERS}/{test}")).await;
    assert_eq!(test.data()["vtigerSyncStatus"], Value::Null);
    let wrong = api.get(&format!("{CUSTOMERS}?syncStatus=BLUE")).await;
    assert_eq!(wrong.wrong_fields(), ["syncStatus"]);
    running.shutdown().await;
}

async fn a_refused_customer_is_failed_with_the_reason_and_waits_again_after_a_retry(world: World) {
    let mut world = refusing(world).await;
    let (running, api) = started(&world).await;
    let (id, operation) = dead_letter(&world, &api).await;
    let path = format!("{CUSTOMERS}/{id}");

    let failed = api.get(&path).await;
    assert_eq!(failed.data()["vtigerSyncStatus"], "FAILED");
    assert_eq!(failed.data()["vtigerSyncErrorCode"], "PUG-2006");
    assert!(
        !failed.data()["vtigerSyncError"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );
    assert_eq!(ids_with(&api, "FAILED").await, std::slice::from_ref(&id));
    assert_eq!(operation["status"], "FAILED");
    assert_eq!(operation["errorCode"], "PUG-2006");
    let listed = api.get(&format!("{QUEUE}?dead=true")).await;
    assert_eq!(listed.data()["items"].as_array().map(Vec::len), Some(1));
    running.shutdown().await;

    // With sending off, a retried operation stays visible as waiting.
    let (quiet, api) = started_quiet(&mut world).await;
    let retried = api
        .post(
            &format!("{QUEUE}/{}/retry", operation["id"].as_str().expect("an id")),
            &json!({ "reason": "mended" }),
        )
        .await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    assert_eq!(api.get(&path).await.data()["vtigerSyncStatus"], "PENDING");
    quiet.shutdown().await;

    world.crm.set_unique("Contacts", "email", false);
    world.crm_settings().enabled = true;
    let (running, api) = started(&world).await;
    world.wait_for_contact(&id, |_| true).await;
    eventually("SYNCED", || async {
        (api.get(&path).await.data()["vtigerSyncStatus"] == "SYNCED").then_some(())
    })
    .await;
    running.shutdown().await;
}
