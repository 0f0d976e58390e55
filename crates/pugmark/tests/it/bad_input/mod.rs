//! Hostile and broken requests: each is answered with what was wrong and where, and changes nothing.

mod store;
mod surface;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use pugmark_queue::db::Engine;
use reqwest::Method;
use serde_json::json;

use crate::harness::{PATIENCE, TOKEN, World, on_both_databases};
use crate::http::{Api, answer};

const CUSTOMERS: &str = "/api/internal/customers";

on_both_databases!(
    a_body_that_is_no_json_is_refused_with_the_place_of_the_mistake,
    a_body_of_another_shape_is_refused_with_the_name_of_the_field,
    a_huge_body_is_refused_before_it_is_stored,
    text_that_no_database_keeps_is_refused,
    cursors_that_were_tampered_with_are_refused,
    sql_in_values_is_only_text,
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
