//! What an observer is told, and what it is never told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use vtiger::{CallObserver, CallReport, Class, Client, Effect, Element, Operation, Record};

use crate::contract::recordings;
use crate::server::{ACCESS_KEY, Answer, Reply, Server, login_reply, success};

#[derive(Default)]
struct Notes(Mutex<Vec<CallReport>>);

impl CallObserver for Notes {
    fn call_finished(&self, report: &CallReport) {
        self.0.lock().unwrap().push(report.clone());
    }
}

fn observed(server: &Server) -> (Client, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (
        server.open_source_client().with_observer(notes.clone()),
        notes,
    )
}

#[tokio::test]
async fn every_http_call_is_reported_logins_included_with_its_class() {
    let server =
        Server::open_source(|_| Answer::new(502, "text/html", "<html>bad gateway</html>").into())
            .await;
    let (client, notes) = observed(&server);
    let element = Element::new().with("lastname", "Otieno");
    client.create("Contacts", &element).await.unwrap_err();
    let reports = notes.0.lock().unwrap().clone();
    let seen: Vec<_> = reports
        .iter()
        .map(|report| (report.operation.as_str(), report.class))
        .collect();
    assert_eq!(
        seen,
        [
            ("getchallenge", Class::Done),
            ("login", Class::Done),
            ("create", Class::Unknown)
        ]
    );
    let create = &reports[2];
    assert_eq!(
        (create.module.as_deref(), create.effect),
        (Some("Contacts"), Effect::Write)
    );
    assert_eq!(
        (create.code.as_deref(), create.http_status),
        (Some("HTTP_502"), Some(502))
    );
    assert_eq!(
        create.request,
        r#"{"elementType":"Contacts","element":{"lastname":"Otieno"}}"#
    );
    assert_eq!(create.answer.as_deref(), Some("<html>bad gateway</html>"));
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_stand() {
    let server = Server::open_source(|request| match request.operation() {
        "query" => success(json!([{
            "id": "19x5", "user_name": "amina", "user_password": "$2y$10$hash", "confirm_password": "$2y$10$hash",
            "accesskey": "OtherUsersKey01", "user_hash": "abc"
        }])),
        // PHP's noise may quote anything, here the session and the access key.
        _ => Answer::new(200, "text/html", format!("<b>Warning</b> 460db5d76b013ad0a9668 {ACCESS_KEY} at line 1")).into(),
    })
    .await;
    let (client, notes) = observed(&server);
    let element =
        r#"{"user_name":"amina","user_password":"Passw0rd!","confirm_password":"Passw0rd!"}"#;
    let _ = client
        .call_operation(&Operation::write("probe_create_user").param("element", element))
        .await;
    let _ = client
        .call_operation(&Operation::read("query").param("query", "select * from Users;"))
        .await;
    let change = Operation::write("changePassword")
        .param("id", "19x5")
        .param("newPassword", "N3w!pass");
    let _ = client.call_operation(&change).await;
    let shown = format!("{:?}", notes.0.lock().unwrap());
    let secrets = [
        "Passw0rd!",
        "N3w!pass",
        "$2y$10$hash",
        "OtherUsersKey01",
        "460db5d76b013ad0a9668",
        ACCESS_KEY,
        "6b013ad0a43d3",
    ];
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("amina") && shown.contains("***"), "{shown}");
}

#[tokio::test]
async fn the_session_named_in_noisy_login_answers_is_masked() {
    let noisy = recordings()
        .iter()
        .find(|recording| recording.name.starts_with("037-noise-login"))
        .unwrap();
    let reply = noisy.reply();
    let body = noisy.response.body.as_str().unwrap();
    let session = body
        .split(r#""sessionName":""#)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let server = Server::start(move |request| match request.operation() {
        "login" => reply.clone(),
        _ => login_reply(request).unwrap(),
    })
    .await;
    let (client, notes) = observed(&server);
    client.identify().await.unwrap();
    let shown = format!("{:?}", notes.0.lock().unwrap());
    assert!(!shown.contains(&session), "{shown}");
    assert!(
        shown.contains("Undefined array key"),
        "the noise itself is worth seeing: {shown}"
    );
}

#[tokio::test]
async fn a_call_given_up_by_its_caller_is_reported_as_abandoned() {
    struct Sender(mpsc::UnboundedSender<CallReport>);
    impl CallObserver for Sender {
        fn call_finished(&self, report: &CallReport) {
            let _ = self.0.send(report.clone());
        }
    }
    let server = Server::open_source(|_| Reply::Hang).await;
    let (sender, mut reports) = mpsc::unbounded_channel();
    let client = server
        .open_source_client()
        .with_observer(Arc::new(Sender(sender)));
    let call = tokio::spawn(async move { client.delete(&"12x1".parse().unwrap()).await });
    let wait = Duration::from_secs(20);
    tokio::time::timeout(wait, reports.recv())
        .await
        .unwrap()
        .unwrap();
    tokio::time::timeout(wait, reports.recv())
        .await
        .unwrap()
        .unwrap();
    while server.requests_of("delete").is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    let report = tokio::time::timeout(wait, reports.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (report.operation.as_str(), report.class),
        ("delete", Class::Unknown)
    );
    assert_eq!(report.code.as_deref(), Some("ABANDONED"));
}

#[tokio::test]
async fn long_requests_and_answers_are_shortened() {
    let server =
        Server::open_source(|_| success(json!({"id": "12x1", "description": "é".repeat(50_000)})))
            .await;
    let (client, notes) = observed(&server);
    client
        .create(
            "Contacts",
            &Element::new().with("description", "é".repeat(50_000)),
        )
        .await
        .unwrap();
    let reports = notes.0.lock().unwrap();
    let create = reports.last().unwrap();
    assert!(create.request.len() < 17_000 && create.answer.as_ref().unwrap().len() < 17_000);
}

#[test]
fn elements_records_and_operations_do_not_show_secrets_when_debugged() {
    let element = Element::new()
        .with("user_name", "amina")
        .with("user_password", "Passw0rd!");
    let record = Record {
        id: "19x5".parse().unwrap(),
        fields: [("accesskey", "OtherUsersKey01"), ("user_name", "amina")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    let operation = Operation::write("changePassword")
        .param("newPassword", "N3w!pass")
        .param("user_name", "amina");
    for shown in [
        format!("{element:?}"),
        format!("{record:?}"),
        format!("{operation:?}"),
    ] {
        assert!(shown.contains("amina") && shown.contains("***"), "{shown}");
        for secret in ["Passw0rd!", "OtherUsersKey01", "N3w!pass"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
