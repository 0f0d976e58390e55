use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    what_is_missing_is_named_and_it_goes_on_when_an_operator_fills_it_in,
    it_goes_on_when_the_contact_is_completed_in_the_crm,
    a_customer_with_the_same_document_is_offered_and_linked_by_a_persons_decision,
    a_customer_of_the_lead_who_has_another_contact_is_told,
    a_shared_phone_or_email_is_told_and_never_merged,
    conversions_are_listed_by_state_and_by_pages,
);

async fn what_is_missing_is_named_and_it_goes_on_when_an_operator_fills_it_in(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(
        &world,
        "Otieno",
        &[
            ("mobile", "0712345678"),
            ("birthday", "2020-01-01"),
            ("Gender", "unknown"),
            ("firstname", "????"),
        ],
    );
    tell(&api, &contact).await;
    let parked = standing(&api, &contact, "INCOMPLETE").await;
    let missing = parked["missing"].as_object().expect("an object");
    let names: Vec<&str> = missing.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["dateOfBirth", "firstName", "gender", "idNumber", "idType"]
    );
    assert_eq!(missing["dateOfBirth"], "must be 18 years ago or more");
    assert_eq!(missing["idNumber"], "is missing");
    assert_eq!(
        missing["firstName"], "is missing",
        "vTiger's question marks are no name"
    );
    assert_eq!(parked["errorCode"], "PUG-3601");
    let blocked = program
        .one("SELECT blocked_by FROM vtiger_sync_queue WHERE kind = 'lead.convert'")
        .await;
    assert_eq!(blocked, Some(format!("lead:{contact}")));

    let path = format!("{CONVERSIONS}/{contact}");
    let wrong = api.patch(&path, &json!({ "idNumber": "" })).await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["idNumber".to_owned()])
    );
    let some = json!({ "dateOfBirth": "1990-04-12", "gender": "female", "idType": "national", "firstName": "Achieng" });
    assert_eq!(api.patch(&path, &some).await.status, 202);
    let parked = eventually("the rest", || async {
        let found = api.get(&path).await.data().clone();
        (found["missing"]
            .as_object()
            .is_some_and(|missing| missing.len() == 1))
        .then_some(found)
    })
    .await;
    assert_eq!(
        parked["given"]["gender"], "female",
        "what was filled in is kept"
    );
    assert_eq!(
        api.patch(&path, &json!({ "idNumber": "12345678" }))
            .await
            .status,
        202
    );
    standing(&api, &contact, "DONE").await;
    let customer = assert_became_one(&world, &program, &contact).await;
    assert_eq!(
        world.crm.record(&contact).expect("it").value("birthday"),
        "1990-04-12"
    );
    let again = api.patch(&path, &json!({ "idNumber": "87654321" })).await;
    assert_eq!(again.status, 409);
    assert!(again.message().contains(&customer), "{}", again.text);
    assert_eq!(
        program
            .count("audit_log WHERE action = 'lead-conversion.fill-in'")
            .await,
        2
    );
    running.shutdown().await;
}

async fn it_goes_on_when_the_contact_is_completed_in_the_crm(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE[..4]);
    tell(&api, &contact).await;
    standing(&api, &contact, "INCOMPLETE").await;
    edit(&world, &contact, &COMPLETE[4..]);
    // The workflow on changes knows nothing of conversions.
    let request = api
        .bare(Method::POST, "/webhooks/vtiger")
        .header("X-Webhook-Secret", HEADER_SECRET);
    assert_eq!(
        answer(request.json(&json!({ "id": contact }))).await.status,
        202
    );
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    running.shutdown().await;
}

/// A customer of MicroBima who has no contact (yet).
async fn without_contact(program: &Writer, columns: &str, values: &str) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    program
        .sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"createdByPartnerId\", \"status\", {columns}) \
             VALUES ('{id}', 'Achieng', 'Otieno', 1, {values})"
        ))
        .await;
    program.sql("DELETE FROM change_log").await;
    id
}

async fn a_customer_with_the_same_document_is_offered_and_linked_by_a_persons_decision(
    mut world: World,
) {
    let contact = convert(&world, "Otieno-Were", &COMPLETE);
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let program = world.other_program().await;
    let columns = "\"phoneNumber\", \"idType\", \"idNumber\", \"dateOfBirth\"";
    let customer = without_contact(
        &program,
        columns,
        "'PENDING_ACTIVATION', '0799999999', 'NATIONAL_ID', '12345678', '1990-04-12'",
    )
    .await;
    // The sweep finds the customer; long before a contact would be made for it, a person has decided.
    world.settings.capture.settle = std::time::Duration::from_secs(3600);
    let (running, api, program) = started(&mut world).await;
    tell(&api, &contact).await;
    let told = standing(&api, &contact, "UNDECIDED").await;
    assert_eq!(told["candidateCustomerId"], customer);
    assert_eq!(told["errorCode"], "PUG-3602");
    assert_eq!(
        program.count("crm_links WHERE vtiger_id IS NOT NULL").await,
        0,
        "nothing is linked by itself"
    );

    let path = format!("{CONVERSIONS}/{contact}/link");
    let nobody = api
        .post(&path, &json!({ "customerId": uuid::Uuid::new_v4() }))
        .await;
    assert_eq!(nobody.status, 404);
    let body = json!({ "customerId": customer, "reason": "the same person" });
    assert_eq!(api.post(&path, &body).await.status, 202);
    standing(&api, &contact, "DONE").await;
    let linked = assert_became_one(&world, &program, &contact).await;
    assert_eq!(linked, customer);
    let held = world.crm.record(&contact).expect("the contact");
    assert_eq!(
        (held.value("lastname"), held.value("mobile")),
        ("Otieno", "0799999999")
    );
    assert_eq!(program.count("customers").await, 1);
    running.shutdown().await;
}

async fn a_customer_of_the_lead_who_has_another_contact_is_told(mut world: World) {
    let contact = convert(&world, "Otieno", &COMPLETE);
    let (running, api, program) = started(&mut world).await;
    let columns = "\"phoneNumber\", \"idType\", \"idNumber\", \"dateOfBirth\"";
    let values = "'ACTIVE', '0799999999', 'NATIONAL_ID', '87654321', '1990-04-12'";
    let customer = without_contact(&program, columns, values).await;
    let refresh = json!({ "lastName": "Otieno-Were" });
    api.patch(&format!("/api/internal/customers/{customer}"), &refresh)
        .await;
    let other = world.wait_for_contact(&customer, |_| true).await;
    program
        .sql(format!(
            "INSERT INTO partner_customers (\"customerId\", \"partnerId\", \"partnerCustomerId\") \
             VALUES ('{customer}', 1, 'vtiger-{contact}')"
        ))
        .await;
    program.wait_until_idle().await;
    tell(&api, &contact).await;
    let told = standing(&api, &contact, "UNDECIDED").await;
    let message = told["message"].as_str().unwrap_or_default();
    assert!(
        message.contains(&other.id) && message.contains(&customer),
        "{message}"
    );
    assert_eq!(program.count("customers").await, 1);
    running.shutdown().await;
}

async fn a_shared_phone_or_email_is_told_and_never_merged(mut world: World) {
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let program = world.other_program().await;
    let columns = "\"phoneNumber\", \"email\", \"idType\", \"idNumber\"";
    for values in [
        "'ACTIVE', '0711111111', 'a@example.co.ke', 'PASSPORT', 'A0000001'",
        "'TERMINATED', '+254722222222', 'b@example.co.ke', 'PASSPORT', 'A0000002'",
    ] {
        without_contact(&program, columns, values).await;
    }
    let contacts = [
        ("0711111111", "c@example.co.ke", "phoneNumber"),
        // Another spelling of the number of somebody who was terminated.
        ("0722222222", "d@example.co.ke", "phoneNumber"),
        ("0733333333", "a@example.co.ke", "email"),
    ];
    let (running, api, program) = started(&mut world).await;
    for (number, (phone, email, field)) in contacts.into_iter().enumerate() {
        let contact = convert(&world, "Were", &COMPLETE);
        let document = format!("2000000{number}");
        edit(
            &world,
            &contact,
            &[
                ("mobile", phone),
                ("email", email),
                ("ID Number", &document),
            ],
        );
        tell(&api, &contact).await;
        let told = standing(&api, &contact, "UNDECIDED").await;
        let missing = told["missing"].as_object().expect("an object");
        assert_eq!(missing.keys().collect::<Vec<_>>(), [field]);
        assert_eq!(told["candidateCustomerId"], Value::Null);
    }
    assert_eq!(program.count("customers").await, 2);
    // Another spelling of the number of somebody who is a customer: two people may share a phone.
    let contact = convert(&world, "Were", &COMPLETE);
    edit(
        &world,
        &contact,
        &[("mobile", "+254711111111"), ("ID Number", "30000001")],
    );
    tell(&api, &contact).await;
    standing(&api, &contact, "DONE").await;
    running.shutdown().await;
}

async fn conversions_are_listed_by_state_and_by_pages(mut world: World) {
    let (running, api, _) = started(&mut world).await;
    let mut contacts = Vec::new();
    for number in 0..3 {
        let contact = convert(&world, "Were", &COMPLETE[..number]);
        tell(&api, &contact).await;
        standing(&api, &contact, "INCOMPLETE").await;
        contacts.push(contact);
    }
    let first = api
        .get(&format!("{CONVERSIONS}?state=incomplete&limit=2"))
        .await;
    let cursor = first.data()["pagination"]["nextCursor"]
        .as_str()
        .expect("more");
    let second = api
        .get(&format!(
            "{CONVERSIONS}?state=incomplete&limit=2&cursor={cursor}"
        ))
        .await;
    let of = |page: &Answer| -> Vec<String> {
        let items = page.data()["items"].as_array().expect("a list").clone();
        items
            .iter()
            .filter_map(|item| item["recordId"].as_str().map(str::to_owned))
            .collect()
    };
    let mut listed = of(&first);
    listed.extend(of(&second));
    contacts.reverse();
    assert_eq!(listed, contacts);
    let none = api.get(&format!("{CONVERSIONS}?state=DONE")).await;
    assert_eq!(of(&none), Vec::<String>::new());
    assert_eq!(
        api.get(&format!("{CONVERSIONS}?state=GONE")).await.status,
        422
    );
    assert_eq!(
        api.get(&format!("{CONVERSIONS}/12x999999")).await.status,
        404
    );
    running.shutdown().await;
}
