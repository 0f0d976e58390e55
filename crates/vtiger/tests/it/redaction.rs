//! Secrets are followed through every path a call can take: none may reach a report, an error or a `Debug`.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use vtiger::{CallObserver, CallReport, Client, Element, Operation, Query};

use crate::contract::recording_named;
use crate::server::{Answer, Reply, Server, refusal, success};

/// What every secret of these tests begins and ends with.
const MARK: &str = "Can4ry";
/// With everything that JSON, HTML, URLs and PHP write differently.
const PASSWORD: &str = "Can4ry\"p\\ä/s's <&w> 1Can4ry";
/// What only the server knows.
const HASH: &str = "$2y$10$Can4ryCan4ryCan4ryCan4ryCan4ryCan4ryCan4ryCan4ryCan4ryCan4";
const OTHERS_KEY: &str = "Can4ryKeyCan4ry";

#[derive(Default)]
struct Notes(Mutex<Vec<CallReport>>);

impl CallObserver for Notes {
    fn call_finished(&self, report: &CallReport) {
        self.0.lock().unwrap().push(report.clone());
    }
}

/// All that is shown of these calls, answered so.
async fn shown(reply: Reply, cloud: bool, operations: &[Operation]) -> String {
    let server = if cloud {
        Server::start(move |_| reply.clone()).await
    } else {
        Server::open_source(move |_| reply.clone()).await
    };
    let notes = Arc::new(Notes::default());
    let client = if cloud {
        server.cloud_client()
    } else {
        server.open_source_client()
    }
    .with_observer(notes.clone());
    let mut shown = String::new();
    for operation in operations {
        shown.push_str(&format!("{operation:?}\n"));
        if let Err(error) = client.call_operation(operation).await {
            shown.push_str(&format!("{error}\n{error:?}\n"));
        }
    }
    shown + &texts(&notes)
}

fn texts(notes: &Notes) -> String {
    let reports = notes.0.lock().unwrap();
    assert!(!reports.is_empty());
    reports
        .iter()
        .map(|report| {
            format!(
                "{} {:?} {} {}\n",
                report.operation,
                report.code,
                report.request,
                report.answer.as_deref().unwrap_or("-")
            )
        })
        .collect()
}

fn user() -> Json {
    json!({"user_name": "amina", "user_password": PASSWORD, "confirm_password": PASSWORD, "last_name": "Otieno"})
}

/// The password in every parameter that may hold one.
fn requests() -> Vec<Operation> {
    let broken = format!("{{\"user_name\":\"amina\",\"user_password\":\"{MARK}\", ");
    vec![
        Operation::write("changePassword")
            .param("id", "19x5")
            .param("oldPassword", PASSWORD)
            .param("newPassword", PASSWORD)
            .param("confirmPassword", PASSWORD),
        Operation::write("own_user_password").param("password", PASSWORD),
        Operation::write("create").param("element", user().to_string()),
        Operation::write("own_user_create").param("element", json!([user()]).to_string()),
        Operation::write("own_import")
            .param("data", json!({"rows": [user().to_string()]}).to_string()),
        // The same value in a harmless place.
        Operation::write("own_user_create")
            .param("element", user().to_string())
            .param("comment", format!("amina wants {PASSWORD}")),
        Operation::write("create").param("element", broken),
        Operation::read("query").param(
            "query",
            format!("select id from Users where accesskey='{OTHERS_KEY}' or user_hash in ('{OTHERS_KEY}','x');"),
        ),
    ]
}

#[track_caller]
fn assert_clean(shown: &str) {
    assert!(!shown.contains(MARK), "{shown}");
}

#[tokio::test]
async fn no_parameter_of_a_request_shows_a_password_or_a_key() {
    let shown = shown(success(json!(null)), false, &requests()).await;
    assert_clean(&shown);
    assert!(
        shown.contains("amina") && shown.contains("***") && shown.contains("Otieno"),
        "what is no secret is worth seeing: {shown}"
    );
}

#[tokio::test]
async fn no_answer_that_repeats_what_was_sent_shows_it() {
    let quoted = json!(PASSWORD).to_string();
    let php = quoted.replace('/', "\\/").replace('ä', "\\u00e4");
    let html = PASSWORD
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#039;");
    let url: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let answers: [Reply; 12] = [
        success(user()),
        success(json!({"message": format!("{PASSWORD} is set"), "sent": user().to_string()})),
        success(json!({"list": [[user()]], PASSWORD: 1})),
        refusal("WEAK_PASSWORD", &format!("'{PASSWORD}' is too weak")),
        refusal(PASSWORD, "no"),
        refusal("INTERNAL_SERVER_ERROR", &user().to_string()),
        refusal(
            "ACCESS_DENIED",
            &format!("Permission to access {PASSWORD} attribute denied."),
        ),
        Answer::new(
            200,
            "text/html",
            format!("<b>Warning</b>: {PASSWORD} {quoted} {php}"),
        )
        .into(),
        Answer::new(
            500,
            "text/html",
            format!("<b>Fatal error</b>: {html} in {url}"),
        )
        .into(),
        Answer::new(
            200,
            "text/html",
            format!(
                "<b>Warning</b> {html}<br>{{\"success\":true,\"result\":{}}}",
                user()
            ),
        )
        .into(),
        // PHP's stack traces cut the arguments of functions.
        Answer::new(
            200,
            "text/html",
            format!(
                "#1 own_user_create(Array, '{}...', Object(Users))",
                &PASSWORD[..15]
            ),
        )
        .into(),
        Answer::new(
            200,
            "application/json",
            format!("{{\"success\":false,\"error\":{{\"message\":{php}"),
        )
        .into(),
    ];
    for reply in answers {
        let shown = shown(reply, false, &requests()[..6]).await;
        assert_clean(&shown);
    }
}

#[tokio::test]
async fn no_status_line_of_cloud_shows_what_was_sent() {
    let password = "Can4ry=p%ss:Can4ry";
    let operation = Operation::write("own_user_password").param("password", password);
    for answer in [
        Answer::new(400, "text/html", "").reason(&format!("WEAK_PASSWORD:{password} is too weak")),
        Answer::new(400, "text/html", "").reason(password),
        Answer::new(401, "text/html", password).reason(&format!("password={password}")),
        Answer::new(503, "text/html", password).reason(&format!("No {password}")),
        Answer::new(429, "text/html", password).reason(&format!("No {password}")),
    ] {
        let shown = shown(answer.into(), true, std::slice::from_ref(&operation)).await;
        assert_clean(&shown);
    }
}

#[tokio::test]
async fn no_answer_about_users_shows_their_hashes_and_keys() {
    let row = json!({
        "id": "19x5", "user_name": "amina", "user_password": HASH, "confirm_password": HASH,
        "accesskey": OTHERS_KEY, "user_hash": OTHERS_KEY, "label": format!("Amina {OTHERS_KEY}"), "note": HASH
    });
    let dump = format!(
        "Array ( [user_name] => amina [user_password] => {HASH} [accesskey] => {OTHERS_KEY} )"
    );
    let cut = format!("{{\"accesskey\":\"{OTHERS_KEY}\",\"confirm_password\":\"{HASH}\",\"x");
    let escaped =
        format!("&quot;accesskey&quot; =&gt; &quot;{OTHERS_KEY} {MARK}&quot;, password: {MARK}");
    let answers: [Reply; 7] = [
        Answer::new(200, "text/html", format!("amina is {HASH} here")).into(),
        success(row.clone()),
        success(json!([row])),
        success(json!({"dump": dump, "cut": cut, "escaped": escaped})),
        Answer::new(200, "text/html", format!("<pre>{dump}</pre>{cut}")).into(),
        Answer::new(
            200,
            "text/html",
            format!("{dump}{{\"success\":true,\"result\":[]}}"),
        )
        .into(),
        refusal("OTHER", &format!("{escaped} {dump}")),
    ];
    let reads = [
        Operation::read("retrieve").param("id", "19x5"),
        Operation::read("query").param("query", "select * from Users;"),
    ];
    for reply in answers {
        let shown = shown(reply, false, &reads).await;
        assert_clean(&shown);
        assert!(!shown.contains("$2y$"), "{shown}");
        assert!(
            shown.contains("amina") || shown.contains("OTHER"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_secret_on_the_edge_of_what_is_shown_is_not_cut_into_view() {
    for length in 280..310 {
        let noise = format!("{}{PASSWORD}", "x".repeat(length));
        let body = format!("{noise}{{\"success\":true,\"result\":null}}");
        let reply: Reply = Answer::new(200, "text/html", body).into();
        assert_clean(&shown(reply, false, &requests()[..1]).await);
    }
}

#[tokio::test]
async fn typed_calls_about_users_show_no_secret_either() {
    let describe = recording_named("230-users-fix-describe").reply();
    let user = json!({
        "id": "19x5", "user_name": "amina", "user_password": HASH, "confirm_password": HASH,
        "accesskey": OTHERS_KEY
    });
    let server = Server::open_source(move |request| match request.operation() {
        "describe" => describe.clone(),
        "query" => success(json!([user])),
        _ => success(user.clone()),
    })
    .await;
    let notes = Arc::new(Notes::default());
    let client: Client = server.open_source_client().with_observer(notes.clone());
    let element = Element::new()
        .with("user_name", "amina")
        .with("user_password", PASSWORD)
        .with("confirm_password", PASSWORD);
    let id = "19x5".parse().unwrap();
    let records = [
        client.create("Users", &element).await.unwrap(),
        client.revise(&id, &element).await.unwrap(),
        client.retrieve(&id).await.unwrap(),
        client.query(&Query::select("Users")).await.unwrap()[0].clone(),
    ];
    let shown = format!("{element:?} {records:?} {}", texts(&notes));
    assert_clean(&shown);
    assert!(shown.contains("amina"), "{shown}");
    assert_eq!(
        records[3].get("accesskey"),
        Some(OTHERS_KEY),
        "the caller itself is told"
    );
}
