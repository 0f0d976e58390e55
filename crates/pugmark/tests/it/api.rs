//! The REST API, over HTTP, as a caller meets it.

use std::collections::BTreeSet;

use pugmark_queue::db::Engine;
use pugmark_sandbox::{Fault, FaultPlan};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TOKEN, World, eventually, on_both_databases};
use crate::http::{Api, answer, keys};

const CUSTOMERS: &str = "/api/internal/customers";
const QUEUE: &str = "/api/internal/vtiger/queue";

on_both_databases!(
    every_answer_has_the_envelope_of_microbima,
    the_callers_correlation_id_is_returned_and_one_that_could_break_a_log_is_replaced,
    the_correlation_id_of_a_request_reaches_the_operation_it_causes,
    without_the_token_nothing_is_answered,
    without_a_configured_token_the_api_is_closed,
    a_customer_is_registered_with_trimmed_names_and_read_again,
    a_patch_changes_what_it_names_and_null_clears,
    all_wrong_fields_are_told_at_once,
    a_second_customer_with_the_same_email_or_document_is_refused_by_name,
    a_partner_that_does_not_exist_is_refused_by_name,
    a_legacy_row_can_be_changed_in_another_field,
    what_does_not_exist_is_404_and_what_is_no_id_is_422,
    paging_shows_each_of_many_customers_of_one_instant_exactly_once,
    paging_shows_rows_whose_time_another_program_wrote_in_its_own_way,
    search_takes_every_letter_literally_and_in_any_case,
    the_sync_status_follows_the_customer_from_waiting_to_synced,
    a_refused_customer_is_failed_with_the_reason_and_waits_again_after_a_retry,
    attempts_are_shown_without_keys_and_sessions,
    a_discarded_operation_is_over_and_both_acts_are_in_the_audit_log,
    the_queue_is_listed_page_by_page_and_filtered,
    the_status_says_how_things_stand,
);

async fn started(world: &World) -> (pugmark::app::Running, Api) {
    let running = world.start().await;
    let api = Api::of(&running);
    (running, api)
}

/// Starts with sending switched off: operations stay where they are.
async fn started_quiet(world: &mut World) -> (pugmark::app::Running, Api) {
    world.crm_settings().enabled = false;
    started(world).await
}

fn customer(number: u32) -> Value {
    json!({
        "firstName": "Achieng",
        "lastName": "O'Brien-Otieno",
        "phoneNumber": "0712 345 678",
        "idType": "national",
        "idNumber": format!("{:08}", 10_000_000 + number),
        "gender": "female",
        "dateOfBirth": "1990-04-12",
        "email": format!("achieng{number}@example.co.ke"),
    })
}

async fn register(api: &Api, body: &Value) -> String {
    let answer = api.post(CUSTOMERS, body).await;
    answer.data()["id"].as_str().expect("an id").to_owned()
}

async fn operations_of(api: &Api, customer: &str) -> Vec<Value> {
    let answer = api.get(&format!("{QUEUE}?entityId={customer}")).await;
    answer.data()["items"].as_array().cloned().expect("a list")
}

async fn the_operation(api: &Api, customer: &str) -> Value {
    eventually("an operation", || async {
        operations_of(api, customer).await.into_iter().next()
    })
    .await
}

async fn dead_letter(world: &World, api: &Api) -> (String, Value) {
    world.crm.faults().set(FaultPlan::new(1));
    let customer = register(api, &customer(1)).await;
    let operation = eventually("a dead letter", || async {
        let operations = operations_of(api, &customer).await;
        operations.into_iter().find(|found| found["dead"] == true)
    })
    .await;
    (customer, operation)
}

/// A vTiger in which a record of this kind cannot be stored: a field is unique and another record has the value.
async fn refusing(world: World) -> World {
    world.crm.set_unique("Contacts", "email", true);
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Other"), ("email", "achieng1@example.co.ke")],
        )
        .expect("a person makes a contact");
    world
}

async fn every_answer_has_the_envelope_of_microbima(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;

    let made = api.post(CUSTOMERS, &customer(1)).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        keys(&made.json),
        ["status", "correlationId", "message", "data"]
    );
    assert_eq!(made.json["status"], 201);
    assert_eq!(made.json["correlationId"], made.header("x-correlation-id"));
    assert_eq!(made.header("content-type"), "application/json");

    let list = api.get(CUSTOMERS).await;
    assert_eq!(keys(list.data()), ["items", "pagination"]);
    assert_eq!(
        list.data()["pagination"],
        json!({ "pageSize": 50, "hasNextPage": false, "nextCursor": null })
    );

    let missing = api.get("/api/internal/nothing?x=1").await;
    missing.assert_error(404, "NOT_FOUND", "/api/internal/nothing");
    running.shutdown().await;
}

async fn the_callers_correlation_id_is_returned_and_one_that_could_break_a_log_is_replaced(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let with = |id: &str| {
        answer(
            api.request(Method::GET, CUSTOMERS)
                .header("x-correlation-id", id),
        )
    };

    assert_eq!(with("abc-1").await.header("x-correlation-id"), "abc-1");
    let longest = "a".repeat(128);
    assert_eq!(with(&longest).await.header("x-correlation-id"), longest);
    for bad in ["", "a b", &"a".repeat(129), "naïve", "tab\there"] {
        let made = with(bad).await.header("x-correlation-id").to_owned();
        assert!(
            uuid::Uuid::parse_str(&made).is_ok(),
            "{bad:?} gave {made:?}"
        );
    }
    let unauthorised = answer(
        api.bare(Method::GET, CUSTOMERS)
            .header("x-correlation-id", "abc-2"),
    )
    .await;
    unauthorised.assert_error(401, "UNAUTHORIZED", CUSTOMERS);
    assert_eq!(unauthorised.header("x-correlation-id"), "abc-2");
    running.shutdown().await;
}

async fn the_correlation_id_of_a_request_reaches_the_operation_it_causes(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let with = |method: Method, path: &str, id: &str, body: &Value| {
        let request = api.request(method, path).header("x-correlation-id", id);
        answer(request.json(body))
    };
    let made = with(
        Method::POST,
        CUSTOMERS,
        "request-of-registration",
        &customer(1),
    )
    .await;
    let id = made.data()["id"].as_str().expect("an id").to_owned();

    let found = eventually("the operation of the request", || async {
        let list = api
            .get(&format!("{QUEUE}?search=request-of-registration"))
            .await;
        list.data()["items"]
            .as_array()
            .expect("a list")
            .first()
            .cloned()
    })
    .await;
    assert_eq!(found["entityId"], id);
    assert_eq!(found["correlationId"], "request-of-registration");
    assert_eq!(found["status"], "PENDING");

    // A second request before anything was sent joins the waiting operation; its id leads there too.
    let path = format!("{CUSTOMERS}/{id}");
    with(
        Method::PATCH,
        &path,
        "request-of-change",
        &json!({ "lastName": "Were" }),
    )
    .await;
    let joined = eventually("the operation of the second request", || async {
        let list = api.get(&format!("{QUEUE}?search=request-of-change")).await;
        list.data()["items"]
            .as_array()
            .expect("a list")
            .first()
            .cloned()
    })
    .await;
    assert_eq!(joined["id"], found["id"]);
    running.shutdown().await;
}

async fn without_the_token_nothing_is_answered(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    for path in [CUSTOMERS, QUEUE, "/api/internal/status"] {
        let none = answer(api.bare(Method::GET, path)).await;
        none.assert_error(401, "UNAUTHORIZED", path);
        assert_eq!(none.header("www-authenticate"), "Bearer");
        for wrong in [
            "Bearer wrong",
            "Bearer",
            &format!("Basic {TOKEN}"),
            TOKEN,
            "Bearer  ",
        ] {
            let wrong = answer(api.bare(Method::GET, path).header("authorization", wrong)).await;
            assert_eq!(wrong.status, 401);
        }
    }
    // A body is not even read.
    let post = answer(api.bare(Method::POST, CUSTOMERS).body("{")).await;
    post.assert_error(401, "UNAUTHORIZED", CUSTOMERS);
    let lower = format!("bearer {TOKEN}");
    let right = answer(
        api.bare(Method::GET, CUSTOMERS)
            .header("authorization", lower),
    )
    .await;
    assert_eq!(right.status, 200, "the scheme's letters may have any case");
    running.shutdown().await;
}

async fn without_a_configured_token_the_api_is_closed(mut world: World) {
    world.settings.server.token = None;
    let (running, api) = started_quiet(&mut world).await;
    let closed = api.get(CUSTOMERS).await;
    closed.assert_error(401, "API_CLOSED", CUSTOMERS);
    assert!(closed.message().contains("APP_SECRET_TOKEN"));
    assert_eq!(api.get("/health").await.status, 200);
    running.shutdown().await;
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
            "CREATE TABLE public.partners (id INTEGER PRIMARY KEY); INSERT INTO public.partners VALUES (1); \
             ALTER TABLE public.customers ADD FOREIGN KEY (\"createdByPartnerId\") REFERENCES public.partners (id)",
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

async fn what_does_not_exist_is_404_and_what_is_no_id_is_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = uuid::Uuid::new_v4();
    for path in [format!("{CUSTOMERS}/{nobody}"), format!("{QUEUE}/{nobody}")] {
        let missing = api.get(&path).await;
        missing.assert_error(404, "NOT_FOUND", &path);
        assert!(missing.message().contains(&nobody.to_string()));
    }
    let patch = api
        .patch(
            &format!("{CUSTOMERS}/{nobody}"),
            &json!({ "lastName": "X" }),
        )
        .await;
    assert_eq!(patch.status, 404);
    for act in ["retry", "discard"] {
        let missing = api
            .post(
                &format!("{QUEUE}/{nobody}/{act}"),
                &json!({ "reason": "because" }),
            )
            .await;
        assert_eq!((missing.status, missing.code()), (404, "NOT_FOUND"));
    }
    for id in ["1", "'; DROP TABLE customers", "%FF%FE", "..%2F..%2Fetc"] {
        for root in [CUSTOMERS, QUEUE] {
            let path = format!("{root}/{id}");
            let refused = api.get(&path).await;
            assert_eq!(
                (refused.status, refused.code()),
                (422, "VALIDATION_ERROR"),
                "{path}: {}",
                refused.text
            );
            assert_eq!(refused.wrong_fields(), ["id"]);
        }
    }
    running.shutdown().await;
}

/// Rows that one statement writes, all with the same time, as a bulk import does.
async fn import(world: &World, rows: u32, created: &str) {
    let program = world.other_program().await;
    let sql = match program.engine() {
        Engine::Sqlite => format!(
            "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {rows}) \
             INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \"createdAt\") \
             SELECT printf('%08x-0000-4000-8000-%012x', abs(random()) % 4294967296, n), 'A', 'N' || n, '0712345678', 'PASSPORT', \
             CAST(n AS TEXT), {created} FROM g"
        ),
        Engine::Postgres => format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \"createdAt\") \
             SELECT gen_random_uuid(), 'A', 'N' || n, '0712345678', 'PASSPORT', n::text, {created} \
             FROM generate_series(1, {rows}) AS n"
        ),
    };
    program.sql(sql).await;
}

/// Every id that paging shows, in its order.
async fn page_through(api: &Api, parameters: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{CUSTOMERS}?{parameters}{cursor}")).await;
        for item in page.data()["items"].as_array().expect("a list") {
            seen.push(item["id"].as_str().expect("an id").to_owned());
        }
        let pagination = &page.data()["pagination"];
        match pagination["nextCursor"].as_str() {
            Some(next) => {
                assert_eq!(pagination["hasNextPage"], true);
                cursor = format!("&cursor={next}");
            }
            None => {
                assert_eq!(pagination["hasNextPage"], false);
                return seen;
            }
        }
    }
}

async fn paging_shows_each_of_many_customers_of_one_instant_exactly_once(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let created = match world.other_program().await.engine() {
        Engine::Sqlite => "1700000000123456",
        Engine::Postgres => "TIMESTAMP '2023-11-14 22:13:20.123'",
    };
    import(&world, 450, created).await;
    register(&api, &customer(1)).await;

    for limit in [7, 50, 200] {
        let seen = page_through(&api, &format!("limit={limit}")).await;
        assert_eq!(seen.len(), 451, "limit {limit}");
        assert_eq!(
            seen.iter().collect::<BTreeSet<_>>().len(),
            451,
            "limit {limit}"
        );
    }
    let most = api.get(&format!("{CUSTOMERS}?limit=100000")).await;
    assert_eq!(most.data()["items"].as_array().map(Vec::len), Some(200));
    running.shutdown().await;
}

async fn paging_shows_rows_whose_time_another_program_wrote_in_its_own_way(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (text, last) = match world.other_program().await.engine() {
        Engine::Sqlite => (
            "CASE n % 2 WHEN 0 THEN '2023-11-14 22:13:20' ELSE 1700000000123456 END",
            "'2024-01-01T00:00:00Z'",
        ),
        Engine::Postgres => (
            "TIMESTAMP '1969-12-31 23:59:59.999'",
            "TIMESTAMP '0044-03-15 12:00:00'",
        ),
    };
    import(&world, 60, text).await;
    let odd = world.other_program().await.insert_customer("Caesar").await;
    world
        .other_program()
        .await
        .set(&odd, "createdAt", last)
        .await;

    let seen = page_through(&api, "limit=9").await;
    assert_eq!(seen.len(), 61);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 61);
    running.shutdown().await;
}

async fn search_takes_every_letter_literally_and_in_any_case(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let names = [
        "Ng'ang'a",
        "Élodie",
        "100% Sure",
        "Under_Score",
        "back\\slash",
        "Star*Q?[x]^$.|",
        "Ωmega",
        "ЖУКОВ",
        "plain",
    ];
    for (number, name) in names.iter().enumerate() {
        let mut body = customer(number as u32);
        body["lastName"] = json!(name);
        register(&api, &body).await;
    }
    let found = async |text: &str| {
        let request = api
            .request(Method::GET, CUSTOMERS)
            .query(&[("search", text)]);
        let answer = answer(request).await;
        let mut names: Vec<String> = answer.data()["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| item["lastName"].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        names
    };
    for name in names {
        assert_eq!(found(name).await, [name]);
        assert_eq!(found(&name.to_uppercase()).await, [name], "in capitals");
        assert_eq!(
            found(&name.to_lowercase()).await,
            [name],
            "in small letters"
        );
    }
    assert_eq!(found("%").await, ["100% Sure"]);
    assert_eq!(found("_").await, ["Under_Score"]);
    assert_eq!(found("*q?[X]^$.|").await, ["Star*Q?[x]^$.|"]);
    assert_eq!(found("g'A").await, ["Ng'ang'a"]);
    assert!(
        found("***:.*").await.is_empty(),
        "no pattern of any database"
    );
    assert_eq!(found("ACHIENG5@example").await.len(), 1, "e-mail");
    assert_eq!(found("10000007").await.len(), 1, "document");
    assert_eq!(
        found("   ").await.len(),
        names.len(),
        "nothing to search for"
    );

    for bad in [&"x".repeat(101), "a\0b"] {
        let request = api
            .request(Method::GET, CUSTOMERS)
            .query(&[("search", bad)]);
        let refused = answer(request).await;
        refused.assert_error(422, "VALIDATION_ERROR", CUSTOMERS);
        assert_eq!(refused.wrong_fields(), ["search"]);
    }
    running.shutdown().await;
}

async fn ids_with(api: &Api, status: &str) -> Vec<String> {
    page_through(api, &format!("syncStatus={status}")).await
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

async fn attempts_are_shown_without_keys_and_sessions(world: World) {
    let (running, api) = started(&world).await;
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::Http(503)));
    let id = register(&api, &customer(1)).await;
    world.wait_for_contact(&id, |_| true).await;
    let operation = eventually("the end of the operation", || async {
        let operations = operations_of(&api, &id).await;
        operations
            .into_iter()
            .find(|found| found["status"] == "COMPLETED")
    })
    .await;

    let shown = api
        .get(&format!(
            "{QUEUE}/{}",
            operation["id"].as_str().expect("an id")
        ))
        .await;
    let attempts = shown.data()["attemptList"].as_array().expect("a list");
    assert!(attempts.len() >= 2, "{}", shown.text);
    let text = shown.text.to_lowercase();
    assert!(text.contains("create"), "the requests are there");
    assert!(
        !shown.text.contains(world.crm.access_key()),
        "the access key"
    );
    assert!(!shown.text.contains(TOKEN), "the token");
    assert!(
        attempts
            .iter()
            .any(|attempt| attempt["crmCalls"].as_u64() > Some(0))
    );
    for forbidden in [
        "sessionname\":\"",
        "sessionname=",
        "accesskey\":\"",
        "accesskey=",
    ] {
        let mut rest = text.as_str();
        while let Some(at) = rest.find(forbidden) {
            rest = &rest[at + forbidden.len()..];
            assert!(
                rest.starts_with("***"),
                "{forbidden}{}",
                &rest[..rest.len().min(30)]
            );
        }
    }
    running.shutdown().await;
}

async fn a_discarded_operation_is_over_and_both_acts_are_in_the_audit_log(world: World) {
    let world = refusing(world).await;
    let (running, api) = started(&world).await;
    let (customer, operation) = dead_letter(&world, &api).await;
    let path = format!("{QUEUE}/{}", operation["id"].as_str().expect("an id"));

    // Without a body a retry is possible, a discard is not: it needs a reason.
    let retried = answer(api.request(Method::POST, &format!("{path}/retry"))).await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    eventually("the second death", || async {
        let read = api.get(&path).await;
        (read.data()["dead"] == true).then_some(())
    })
    .await;
    for body in [
        json!({}),
        json!({ "reason": "  " }),
        json!({ "reason": null }),
    ] {
        let refused = api.post(&format!("{path}/discard"), &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &format!("{path}/discard"));
        assert_eq!(refused.wrong_fields(), ["reason"]);
    }
    let request = api
        .request(Method::POST, &format!("{path}/discard"))
        .header("x-correlation-id", "by-hand")
        .json(&json!({ "reason": "a double" }));
    let discarded = answer(request).await;
    assert_eq!(discarded.data()["dead"], false);
    assert_eq!(discarded.data()["status"], "COMPLETED");
    let again = api.post(&format!("{path}/retry"), &json!({})).await;
    again.assert_error(409, "CONFLICT", &format!("{path}/retry"));

    let program = world.other_program().await;
    let entries = program
        .one(
            "SELECT CAST(count(*) AS TEXT) || ' ' || min(actor) || ' ' || min(action) || ' ' || max(action) || ' ' || max(reason) \
             || ' ' || max(CASE WHEN action = 'queue.discard' THEN correlation_id END) FROM audit_log",
        )
        .await;
    assert_eq!(
        entries.as_deref(),
        Some("2 token:APP_SECRET_TOKEN queue.discard queue.retry a double by-hand"),
        "what was refused leaves no entry"
    );
    assert!(world.contact_of(&customer).is_none());
    running.shutdown().await;
}

async fn the_queue_is_listed_page_by_page_and_filtered(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let mut customers = BTreeSet::new();
    for number in 0..23 {
        customers.insert(register(&api, &customer(number)).await);
    }
    eventually("an operation each", || async {
        let list = api.get(&format!("{QUEUE}?limit=200")).await;
        (list.data()["items"].as_array().map(Vec::len) == Some(23)).then_some(())
    })
    .await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api
            .get(&format!("{QUEUE}?limit=5&status=pending{cursor}"))
            .await;
        for item in page.data()["items"].as_array().expect("a list") {
            seen.push(item["entityId"].as_str().expect("an id").to_owned());
        }
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 23);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), customers);
    for (parameters, expected) in [
        ("kind=customer.create", 23),
        ("kind=note.create", 0),
        ("entityType=CUSTOMER", 23),
        ("dead=true", 0),
        ("status=COMPLETED", 0),
        ("search=%25", 0),
        ("search=_", 0),
    ] {
        let list = api.get(&format!("{QUEUE}?limit=200&{parameters}")).await;
        assert_eq!(
            list.data()["items"].as_array().map(Vec::len),
            Some(expected),
            "{parameters}"
        );
    }
    for (parameters, field) in [
        ("status=BLUE", "status"),
        ("cursor=x", "cursor"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("dead=maybe", "dead"),
        ("colour=blue", "colour"),
        ("search=a%00b", "search"),
    ] {
        let refused = api.get(&format!("{QUEUE}?{parameters}")).await;
        assert!(
            [400, 422].contains(&refused.status),
            "{parameters}: {}",
            refused.text
        );
        assert_eq!(refused.code(), "VALIDATION_ERROR");
        assert_eq!(
            refused.wrong_fields(),
            [field],
            "{parameters}: {}",
            refused.text
        );
    }
    // NUL in a text that is only compared finds nothing or is refused, but breaks nothing.
    let nul = api.get(&format!("{QUEUE}?kind=a%00b")).await;
    assert!([200, 422].contains(&nul.status), "{}", nul.text);
    running.shutdown().await;
}

async fn the_status_says_how_things_stand(world: World) {
    let mut world = refusing(world).await;
    let (running, api) = started(&world).await;
    let empty = api.get("/api/internal/status").await;
    let status = empty.data();
    assert_eq!(
        (
            &status["fine"],
            &status["crm"],
            &status["mode"],
            &status["dead"]
        ),
        (&json!(true), &json!("ok"), &json!("live"), &json!(0))
    );
    assert_eq!(status["oldestWaitingSince"], Value::Null);
    dead_letter(&world, &api).await;
    let other = register(&api, &customer(2)).await;
    world.wait_for_contact(&other, |_| true).await;
    let status = eventually("the end of the work", || async {
        let answer = api.get("/api/internal/status").await;
        (answer.data()["waiting"] == 0
            && answer.data()["delivering"] == 0
            && answer.data()["completedLastDay"] == 1)
            .then(|| answer.data().clone())
    })
    .await;
    assert_eq!(status["fine"], false);
    assert_eq!(status["dead"], 1);
    assert_eq!(status["customers"], json!({ "FAILED": 1, "SYNCED": 1 }));
    assert!(
        status["summary"]
            .as_str()
            .unwrap_or_default()
            .contains("One change"),
        "{status}"
    );
    running.shutdown().await;

    let (quiet, api) = started_quiet(&mut world).await;
    let status = api.get("/api/internal/status").await;
    assert_eq!(status.data()["crm"], "disabled");
    assert!(status.text.contains("VTIGER_ENABLED=false"));
    quiet.shutdown().await;
}
