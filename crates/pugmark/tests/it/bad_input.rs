//! Hostile and broken requests: each is answered with what was wrong and where, and changes nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use pugmark::config;
use pugmark_queue::db::{DbError, Engine};
use pugmark_queue::on;
use reqwest::Method;
use serde_json::json;

use crate::harness::{PATIENCE, TOKEN, World, on_both_databases};
use crate::http::{Answer, Api, answer, keys};

const CUSTOMERS: &str = "/api/internal/customers";

on_both_databases!(
    a_body_that_is_no_json_is_refused_with_the_place_of_the_mistake,
    a_body_of_another_shape_is_refused_with_the_name_of_the_field,
    a_huge_body_is_refused_before_it_is_stored,
    text_that_no_database_keeps_is_refused,
    cursors_that_were_tampered_with_are_refused,
    sql_in_values_is_only_text,
    a_full_store_is_507_and_nothing_is_half_written,
    a_store_that_is_gone_is_503_in_words,
    methods_that_do_not_exist_are_405_with_what_does,
    every_answer_carries_the_security_headers,
    the_console_shows_its_content_without_any_script,
);

async fn quiet(world: &mut World) -> (pugmark::app::Running, Api) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    (running, api)
}

async fn a_body_that_is_no_json_is_refused_with_the_place_of_the_mistake(mut world: World) {
    let (running, api) = quiet(&mut world).await;

    let truncated = api.post_bytes(CUSTOMERS, "{\n  \"firstName\": \"Ach").await;
    truncated.assert_error(400, "INVALID_JSON", CUSTOMERS);
    assert!(
        truncated.message().contains("line 2 column"),
        "{}",
        truncated.message()
    );
    let empty = api.post_bytes(CUSTOMERS, "").await;
    empty.assert_error(400, "INVALID_JSON", CUSTOMERS);
    let twice = api.post_bytes(CUSTOMERS, "{} {}").await;
    twice.assert_error(400, "INVALID_JSON", CUSTOMERS);
    assert!(twice.message().contains("more than one value"));

    let mut latin = b"{\"firstName\": \"Zo".to_vec();
    latin.extend([0xEB, b'"', b'}']);
    let invalid = api.post_bytes(CUSTOMERS, latin).await;
    invalid.assert_error(400, "INVALID_UTF8", CUSTOMERS);
    assert!(
        invalid.message().contains("byte 17"),
        "{}",
        invalid.message()
    );
    let surrogate = api
        .post_bytes(CUSTOMERS, r#"{"firstName": "\ud83d"}"#)
        .await;
    surrogate.assert_error(400, "INVALID_JSON", CUSTOMERS);

    for deep in ["[".repeat(100_000), "{\"firstName\":".repeat(50_000)] {
        let refused = api.post_bytes(CUSTOMERS, deep).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let deep = format!("{{\"firstName\":{}", "[".repeat(100_000));
    assert_eq!(api.post_bytes(CUSTOMERS, deep).await.status, 400);
    assert_eq!(world.other_program().await.count("customers").await, 0);
    running.shutdown().await;
}

async fn a_body_of_another_shape_is_refused_with_the_name_of_the_field(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let cases = [
        (r#"{"firstName": 5}"#, "firstName", "expected a string"),
        (
            r#"{"isTestUser": "yes"}"#,
            "isTestUser",
            "expected a boolean",
        ),
        (r#"{"partnerId": 99999999999}"#, "partnerId", "expected i32"),
        (r#"{"partnerId": 1.5}"#, "partnerId", "expected i32"),
        (r#"{"firstName": null}"#, "firstName", "null"),
        (
            r#"{"firstName": "A", "firstName": "B"}"#,
            "firstName",
            "duplicate field",
        ),
        (r#"{"middleName": {"a": 1}}"#, "middleName", "map"),
        (
            r#"{"vtigerContactId": "12x1"}"#,
            "vtigerContactId",
            "unknown field",
        ),
    ];
    for (body, field, what) in cases {
        let refused = api.post_bytes(CUSTOMERS, body).await;
        refused.assert_error(400, "VALIDATION_ERROR", CUSTOMERS);
        assert_eq!(refused.wrong_fields(), [field], "{body}");
        assert!(
            refused.detail(field).contains(what),
            "{body}: {}",
            refused.text
        );
        assert!(refused.message().contains(field));
    }
    for body in ["[]", "5", "null", "\"text\"", "true"] {
        let refused = api.post_bytes(CUSTOMERS, body).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "VALIDATION_ERROR"),
            "{body}: {}",
            refused.text
        );
        assert!(
            refused.wrong_fields().is_empty(),
            "there is no field to name: {}",
            refused.text
        );
    }
    let path = format!("{CUSTOMERS}/{}", uuid::Uuid::new_v4());
    let patch = answer(
        api.request(Method::PATCH, &path)
            .body(r#"{"surname": "X"}"#),
    )
    .await;
    patch.assert_error(400, "VALIDATION_ERROR", &path);
    assert_eq!(patch.wrong_fields(), ["surname"]);

    // What the body is counts, not what its header says it is.
    let body = r#"{"firstName":"A","lastName":"B","phoneNumber":"0712345678","idType":"national","idNumber":"12345678"}"#;
    let request = api
        .request(Method::POST, CUSTOMERS)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    assert_eq!(answer(request).await.status, 201);
    running.shutdown().await;
}

async fn a_huge_body_is_refused_before_it_is_stored(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let huge = format!("{{\"firstName\": \"{}\"}}", "a".repeat(10 << 20));
    for _ in 0..3 {
        let refused = api.post_bytes(CUSTOMERS, huge.clone()).await;
        refused.assert_error(413, "BODY_TOO_LARGE", CUSTOMERS);
        assert!(refused.message().contains("server.max_body"));
    }
    // A length that is a lie, and no length at all.
    let address = api.address().trim_start_matches("http://").to_owned();
    let text = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(
            stream,
            "POST {CUSTOMERS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 99999999999\r\n\r\n{{}}"
        )
        .expect("sent");
        let mut text = vec![0; 64];
        let read = stream.read(&mut text).expect("an answer");
        String::from_utf8_lossy(&text[..read]).into_owned()
    })
    .await
    .expect("no panic");
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    let deep_path = format!("{CUSTOMERS}/{}", "a".repeat(30_000));
    let long = answer(api.request(Method::GET, &deep_path)).await;
    assert!([414, 422].contains(&long.status), "{}", long.status);
    assert_eq!(api.get(CUSTOMERS).await.status, 200, "it goes on");
    running.shutdown().await;
}

async fn text_that_no_database_keeps_is_refused(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let body = |field: &str, value: &str| {
        let mut body = json!({
            "firstName": "A", "lastName": "B", "phoneNumber": "0712345678", "idType": "national", "idNumber": "12345678",
        });
        body[field] = json!(value);
        body
    };
    for field in [
        "firstName",
        "middleName",
        "lastName",
        "email",
        "phoneNumber",
        "idType",
        "idNumber",
        "gender",
        "dateOfBirth",
    ] {
        let refused = api.post(CUSTOMERS, &body(field, "1234\u{0}56")).await;
        refused.assert_error(422, "VALIDATION_ERROR", CUSTOMERS);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    // Fifty letters are fifty letters, however many bytes they take.
    let long = "\u{1F405}".repeat(50);
    assert_eq!(
        api.post(CUSTOMERS, &body("firstName", &long)).await.status,
        201
    );
    running.shutdown().await;
}

async fn cursors_that_were_tampered_with_are_refused(mut world: World) {
    use base64::Engine as _;
    let (running, api) = quiet(&mut world).await;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let id = uuid::Uuid::new_v4();
    for cursor in [
        "x".to_owned(),
        "%00".to_owned(),
        encode("nonsense"),
        encode(&format!("{id}:i9223372036854775807")),
        encode(&format!("{id}:i-9223372036854775808")),
        encode(&format!("{id}:i1e5")),
        encode(&format!("{id}:x5")),
        encode(&format!("{id}:")),
        encode(":i5"),
        encode(&format!("{id}:t\u{0}")),
        encode("' OR 1=1 --:i5"),
    ] {
        let refused = api.get(&format!("{CUSTOMERS}?cursor={cursor}")).await;
        refused.assert_error(422, "VALIDATION_ERROR", CUSTOMERS);
        assert_eq!(refused.wrong_fields(), ["cursor"], "{cursor}");
    }
    // A time that is text stands only in SQLite.
    let text = api
        .get(&format!(
            "{CUSTOMERS}?cursor={}",
            encode(&format!("{id}:tsoon"))
        ))
        .await;
    let expected = match running.db.engine() {
        Engine::Sqlite => 200,
        Engine::Postgres => 422,
    };
    assert_eq!(text.status, expected, "{}", text.text);
    running.shutdown().await;
}

async fn sql_in_values_is_only_text(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let name = "Robert'); DROP TABLE customers;--";
    let body = json!({
        "firstName": name, "lastName": "\"quoted\" $1 ? :x", "phoneNumber": "0712345678", "idType": "national",
        "idNumber": "1';--x",
    });
    let made = api.post(CUSTOMERS, &body).await;
    assert_eq!(made.data()["firstName"], name);
    let found = answer(
        api.request(Method::GET, CUSTOMERS)
            .query(&[("search", "'); DROP")]),
    )
    .await;
    assert_eq!(found.data()["items"].as_array().map(Vec::len), Some(1));
    running.shutdown().await;
}

async fn a_full_store_is_507_and_nothing_is_half_written(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let body = |number: u32| {
        json!({
            "firstName": "A", "lastName": "B".repeat(50), "phoneNumber": "0712345678", "idType": "national",
            "idNumber": number.to_string(),
        })
    };
    assert_eq!(api.post(CUSTOMERS, &body(10_000)).await.status, 201);
    let program = world.other_program().await;
    // SQLite's own limit of a file is met as a full disk is; PostgreSQL is made to report one.
    let limit = async |sql: &'static str| {
        running
            .db
            .write("limit", move |conn| {
                Box::pin(async move {
                    on!(conn, |c| sqlx::raw_sql(sql).execute(c).await.map(drop))?;
                    Ok::<_, DbError>(())
                })
            })
            .await
            .expect("the limit is set");
    };
    match program.engine() {
        Engine::Sqlite => limit("PRAGMA max_page_count = 1").await,
        Engine::Postgres => {
            program
                .sql(
                    "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; \
                     CREATE TRIGGER full_disk AFTER INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.full()",
                )
                .await;
        }
    }
    let mut stored = 1;
    let mut refused = None;
    // The pages there are may still have room for some rows.
    for number in 10_001..10_200 {
        let answer = api.post(CUSTOMERS, &body(number)).await;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
        stored += 1;
    }
    let refused: Answer = refused.expect("at some time the store is full");
    refused.assert_error(507, "STORE_FULL", CUSTOMERS);
    assert_eq!(
        program.count("customers").await,
        stored,
        "nothing of the refused one"
    );
    assert_eq!(api.get(CUSTOMERS).await.status, 200, "reading goes on");

    match program.engine() {
        Engine::Sqlite => limit("PRAGMA max_page_count = 1000000").await,
        Engine::Postgres => {
            program
                .sql("DROP TRIGGER full_disk ON public.customers")
                .await;
        }
    }
    let after = api.post(CUSTOMERS, &body(20_000)).await;
    assert_eq!(
        after.status, 201,
        "and when there is room again, so does writing: {}",
        after.text
    );
    assert_eq!(program.count("customers").await, stored + 1);
    let missing = "customers c WHERE NOT EXISTS (SELECT 1 FROM change_log g WHERE g.row_key = CAST(c.\"id\" AS TEXT))";
    assert_eq!(
        program.count(missing).await,
        0,
        "every row that was kept was captured"
    );
    running.shutdown().await;
}

async fn a_store_that_is_gone_is_503_in_words(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    running.db.clone().close().await;

    for (method, path) in [
        (Method::GET, CUSTOMERS),
        (Method::GET, "/api/internal/status"),
        (Method::GET, "/api/internal/vtiger/queue"),
    ] {
        let gone = answer(api.request(method, path)).await;
        gone.assert_error(503, "STORE_UNAVAILABLE", path);
        assert!(!gone.header("retry-after").is_empty());
    }
    let write = api
        .post(CUSTOMERS, &json!({"firstName":"A","lastName":"B","phoneNumber":"0712345678","idType":"national","idNumber":"12345678"}))
        .await;
    write.assert_error(503, "STORE_UNAVAILABLE", CUSTOMERS);
    let ready = answer(api.bare(Method::GET, "/health/ready")).await;
    assert_eq!(
        (ready.status, &ready.json["store"]),
        (503, &json!("does not answer"))
    );
    assert_eq!(
        answer(api.bare(Method::GET, "/health/live")).await.status,
        200
    );
    let page = answer(api.bare(Method::GET, "/")).await;
    assert_eq!(page.status, 503);
    assert!(
        page.text.contains("The store does not answer"),
        "{}",
        page.text
    );
    running.shutdown().await;
}

async fn methods_that_do_not_exist_are_405_with_what_does(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let delete = api.delete(CUSTOMERS).await;
    delete.assert_error(405, "METHOD_NOT_ALLOWED", CUSTOMERS);
    for allowed in ["GET", "POST"] {
        assert!(
            delete.header("allow").contains(allowed),
            "{}",
            delete.header("allow")
        );
    }
    let options = answer(api.request(Method::OPTIONS, CUSTOMERS)).await;
    assert_eq!(options.status, 405, "no other origin is invited");
    assert_eq!(options.header("access-control-allow-origin"), "");
    let head = answer(api.request(Method::HEAD, CUSTOMERS)).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let head = answer(api.bare(Method::HEAD, "/")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    running.shutdown().await;
}

async fn every_answer_carries_the_security_headers(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    for path in [
        "/",
        "/assets/console.css",
        "/openapi.json",
        "/health",
        CUSTOMERS,
        "/nothing",
    ] {
        let answer = answer(api.bare(Method::GET, path)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert!(!answer.header("x-correlation-id").is_empty(), "{path}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn the_description_of_the_api_is_complete_and_every_route_answers() {
    let mut world = World::sqlite().await;
    let (running, api) = quiet(&mut world).await;
    let served = answer(api.bare(Method::GET, "/openapi.json")).await;
    assert_eq!(served.status, 200);
    let printed = serde_json::to_value(pugmark::http::openapi()).expect("JSON");
    assert_eq!(served.json, printed);

    let mut routes = Vec::new();
    for (path, methods) in served.json["paths"].as_object().expect("paths") {
        for method in keys(methods) {
            routes.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes.sort();
    insta::assert_snapshot!(routes.join("\n"), @r"
    DELETE /api/internal/beneficiaries/{id}
    DELETE /api/internal/customers/{id}
    DELETE /api/internal/dependants/{id}
    DELETE /api/internal/payments/{id}
    DELETE /api/internal/vtiger/backfill
    DELETE /api/internal/vtiger/field-mappings/apply
    DELETE /api/internal/vtiger/field-mappings/{id}
    DELETE /api/internal/vtiger/grants/{user}/{right}
    DELETE /api/internal/vtiger/reconcile
    DELETE /api/internal/vtiger/users/{userId}/roles/customer_care
    GET /api/internal/beneficiaries/{id}
    GET /api/internal/brand-ambassadors
    GET /api/internal/brand-ambassadors/{id}
    GET /api/internal/customers
    GET /api/internal/customers/{id}
    GET /api/internal/customers/{id}/beneficiaries
    GET /api/internal/customers/{id}/dependants
    GET /api/internal/customers/{id}/missing-requirements
    GET /api/internal/customers/{id}/policies
    GET /api/internal/dependants/{id}
    GET /api/internal/missing-requirements
    GET /api/internal/missing-requirements/{id}
    GET /api/internal/payments/{id}
    GET /api/internal/policies/{id}
    GET /api/internal/policies/{id}/payments
    GET /api/internal/status
    GET /api/internal/vtiger/backfill
    GET /api/internal/vtiger/backfill/matches
    GET /api/internal/vtiger/conflicts
    GET /api/internal/vtiger/conflicts/{id}
    GET /api/internal/vtiger/field-mappings
    GET /api/internal/vtiger/field-mappings/apply
    GET /api/internal/vtiger/field-mappings/sources
    GET /api/internal/vtiger/grants
    GET /api/internal/vtiger/lead-conversions
    GET /api/internal/vtiger/lead-conversions/{recordId}
    GET /api/internal/vtiger/logs
    GET /api/internal/vtiger/payment-summaries
    GET /api/internal/vtiger/payment-summaries/{id}
    GET /api/internal/vtiger/queue
    GET /api/internal/vtiger/queue/dead-letters
    GET /api/internal/vtiger/queue/{id}
    GET /api/internal/vtiger/reconcile
    GET /api/internal/vtiger/reconcile/findings
    GET /api/internal/vtiger/sync-status/{entityType}/{entityId}
    GET /api/internal/vtiger/users
    GET /api/internal/vtiger/users/{userId}
    GET /api/internal/vtiger/webhooks/deliveries
    GET /api/internal/vtiger/webhooks/deliveries/{id}
    GET /api/internal/vtiger/webhooks/refusals
    PATCH /api/internal/beneficiaries/{id}
    PATCH /api/internal/brand-ambassadors/{id}
    PATCH /api/internal/customers/{id}
    PATCH /api/internal/dependants/{id}
    PATCH /api/internal/missing-requirements/{id}
    PATCH /api/internal/payments/{id}
    PATCH /api/internal/policies/{id}
    PATCH /api/internal/vtiger/field-mappings/{id}
    PATCH /api/internal/vtiger/lead-conversions/{recordId}
    PATCH /api/internal/vtiger/users/{userId}/status
    POST /api/internal/brand-ambassadors
    POST /api/internal/customers
    POST /api/internal/customers/{id}/beneficiaries
    POST /api/internal/customers/{id}/dependants
    POST /api/internal/customers/{id}/missing-requirements
    POST /api/internal/customers/{id}/policies
    POST /api/internal/payments/{id}/detach
    POST /api/internal/policies/{id}/payments
    POST /api/internal/vtiger/backfill
    POST /api/internal/vtiger/backfill/confirm
    POST /api/internal/vtiger/backfill/release
    POST /api/internal/vtiger/conflicts/{id}/decision
    POST /api/internal/vtiger/field-mappings
    POST /api/internal/vtiger/field-mappings/apply
    POST /api/internal/vtiger/field-mappings/dry-run
    POST /api/internal/vtiger/grants
    POST /api/internal/vtiger/lead-conversions/{recordId}/link
    POST /api/internal/vtiger/payment-summaries
    POST /api/internal/vtiger/queue/discard
    POST /api/internal/vtiger/queue/retry
    POST /api/internal/vtiger/queue/{id}/discard
    POST /api/internal/vtiger/queue/{id}/retry
    POST /api/internal/vtiger/reconcile
    POST /api/internal/vtiger/users
    POST /api/internal/vtiger/users/{userId}/reset-password
    POST /api/internal/vtiger/users/{userId}/retry
    POST /api/internal/vtiger/users/{userId}/sync
    POST /api/internal/vtiger/webhooks/deliveries/{id}/replay
    POST /api/internal/vtiger/webhooks/lead-convert
    POST /webhooks/vtiger
    POST /webhooks/vtiger/{secret}
    PUT /api/internal/vtiger/users/{userId}/roles/customer_care
    ");
    for route in &routes {
        let (method, path) = route.split_once(' ').expect("two words");
        let path = path.replace("{id}", &uuid::Uuid::new_v4().to_string());
        let method: Method = method.parse().expect("a method");
        let request = api.request(method.clone(), &path);
        let found = answer(if method == Method::GET {
            request
        } else {
            request.body("{}")
        })
        .await;
        assert_ne!(found.status, 405, "{route}");
        assert!(
            !found.message().starts_with("There is nothing at"),
            "{route}: {}",
            found.text
        );
        let closed = answer(api.bare(method, &path)).await;
        assert_eq!(closed.status, 401, "{route} wants a token");
    }
    // Every reference leads somewhere.
    let text = &served.text;
    for part in text.split("\"$ref\":\"#/").skip(1) {
        let target = part.split('"').next().unwrap_or_default();
        assert!(
            served.json.pointer(&format!("/{target}")).is_some(),
            "{target}"
        );
    }
    running.shutdown().await;
}

async fn the_console_shows_its_content_without_any_script(mut world: World) {
    world.crm.set_unique("Contacts", "email", true);
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Other"), ("email", "taken@example.co.ke")],
        )
        .expect("a person makes a contact");
    let running = world.start().await;
    let api = Api::of(&running);
    let empty = answer(api.bare(Method::GET, "/")).await;
    assert_eq!(empty.status, 200);
    assert!(empty.header("content-type").starts_with("text/html"));
    for text in ["<h1>Fine</h1>", "0 of 0", "no dead letters", "Nothing yet"] {
        assert!(empty.text.contains(text), "{text}: {}", empty.text);
    }
    // One script, ours, from a file; no handlers or styles inside the page, which the policy would refuse.
    assert_eq!(empty.text.matches("<script").count(), 1);
    assert!(empty.text.contains("src=\"/assets/console.js\""));
    for inline in ["onclick=", "onload=", " style=", "<style", "javascript:"] {
        assert!(!empty.text.contains(inline), "{inline}");
    }
    let program = world.other_program().await;
    let customer = program.insert_customer("Were").await;
    program
        .set(&customer, "email", "'taken@example.co.ke'")
        .await;
    program.wait_until_idle().await;
    let trouble = answer(api.bare(Method::GET, "/")).await;
    for text in [
        "<h1>Needs a person</h1>",
        "One change could not be delivered",
        "0 of 1",
    ] {
        assert!(trouble.text.contains(text), "{text}: {}", trouble.text);
    }
    assert!(
        !trouble.text.contains("taken@example.co.ke"),
        "no customer's data on a page that asks for no login"
    );
    running.shutdown().await;
    world.crm_settings().enabled = false;
}

#[test]
fn an_address_is_shown_without_what_is_secret_in_it() {
    for (address, shown) in [
        (
            "postgres://u:secret@host:5432/db",
            "postgres://u:***@host:5432/db",
        ),
        (
            "postgres://u@host/db?password=secret&sslmode=require",
            "postgres://u@host/db?password=***&sslmode=require",
        ),
        ("postgres://u:se:cret@@host/db", "postgres://u:***@host/db"),
        ("postgres:u:secret@host/db", "postgres:***"),
        ("mysql://u:secret@[bad/db", "mysql:***"),
        ("sqlite:data/pugmark.db", "sqlite:data/pugmark.db"),
        ("crm.example.org/vcrm", "crm.example.org/vcrm"),
        ("u:secret@crm.example.org", "u:***"),
    ] {
        assert_eq!(config::mask_url(address), shown);
        assert!(!config::mask_url(address).contains("secret"));
    }
}

/// A caller that sends nothing keeps nobody else waiting.
#[tokio::test]
async fn a_caller_that_stalls_does_not_stop_the_others() {
    let mut world = World::sqlite().await;
    let (running, api) = quiet(&mut world).await;
    let address = api.address().trim_start_matches("http://").to_owned();
    let stalled: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            write!(stream, "POST {CUSTOMERS} HTTP/1.1\r\nauthorization: Bearer {TOKEN}\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{")
                .expect("sent");
            stream
        })
        .collect();
    let answered = tokio::time::timeout(Duration::from_secs(20), api.get(CUSTOMERS)).await;
    assert_eq!(answered.expect("in time").status, 200);
    drop(stalled);
    running.shutdown().await;
}

/// No route of ours is known to panic; this one does, behind the same layers.
#[tokio::test]
async fn a_panic_is_500_in_the_envelope_and_stops_nothing() {
    async fn defect() -> &'static str {
        panic!("secret inner words")
    }
    let world = World::sqlite().await;
    let routes = axum::Router::new()
        .route("/api/defect", axum::routing::get(defect))
        .route("/api/fine", axum::routing::get(async || "fine"));
    let router = pugmark::http::layered(routes, &world.settings.server);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let api = Api::at(listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let failed = api.get("/api/defect").await;
    failed.assert_error(500, "INTERNAL_SERVER_ERROR", "/api/defect");
    assert!(
        !failed.text.contains("secret inner words"),
        "{}",
        failed.text
    );
    assert_eq!(api.get("/api/fine").await.text, "fine");
    server.abort();
}
