//! How a call ended when vTiger itself did not say so properly (open source).

use std::time::Duration;

use serde_json::json;
use vtiger::{CallError, Class, Client, Element, Operation, RecordId, RefusalReason};

use crate::server::{Answer, Reply, Server, refusal, success};

fn contact() -> Element {
    Element::new()
        .with("lastname", "Otieno")
        .with("assigned_user_id", "19x1")
}

fn id() -> RecordId {
    "12x2".parse().unwrap()
}

async fn answering(reply: impl Into<Reply>) -> (Server, Client) {
    let reply = reply.into();
    let server = Server::open_source(move |_| reply.clone()).await;
    let client = server.open_source_client();
    (server, client)
}

/// The classes of a create and of a retrieve that get this answer.
async fn classes(reply: impl Into<Reply>) -> (Class, Class) {
    let (server, client) = answering(reply).await;
    let write = client
        .create("Contacts", &contact())
        .await
        .unwrap_err()
        .class();
    let read = client.retrieve(&id()).await.unwrap_err().class();
    assert_eq!(
        server.requests_of("create").len(),
        1,
        "a write was repeated behind the caller's back"
    );
    (write, read)
}

#[tokio::test]
async fn a_lost_answer_is_unknown_for_a_write_and_unavailable_for_a_read() {
    assert_eq!(
        classes(Reply::Close).await,
        (Class::Unknown, Class::Unavailable)
    );
    let half = Answer::json(&json!({"success": true, "result": {"id": "12x2"}}));
    assert_eq!(
        classes(Reply::CutBody(half)).await,
        (Class::Unknown, Class::Unavailable)
    );
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown_for_a_write() {
    let server = Server::open_source(|_| Reply::Hang).await;
    let mut config = server.open_source_config();
    config.call_timeout = Duration::from_millis(1_500);
    let client = Client::new(config).unwrap();
    let write = client.create("Contacts", &contact()).await.unwrap_err();
    assert_eq!((write.class(), write.code()), (Class::Unknown, "TIMEOUT"));
    let read = client.retrieve(&id()).await.unwrap_err();
    assert_eq!((read.class(), read.code()), (Class::Unavailable, "TIMEOUT"));
}

#[tokio::test]
async fn no_connection_means_that_nothing_happened() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let config =
        vtiger::ClientConfig::open_source(&format!("http://{address}"), "admin", "key".into())
            .unwrap();
    let error = Client::new(config)
        .unwrap()
        .create("Contacts", &contact())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::Unavailable, "CONNECT")
    );
}

#[tokio::test]
async fn a_server_that_vanishes_between_login_and_write_leaves_the_write_undone_not_unknown() {
    let server = Server::open_source(|_| success(json!({"status": "successful"}))).await;
    let client = server.open_source_client();
    client.delete(&id()).await.unwrap();
    drop(server);
    // The kept connection is gone, too, so that the next call has to connect anew.
    let error = loop {
        let error = client.delete(&id()).await.unwrap_err();
        if error.code() == "CONNECT" {
            break error;
        }
        assert_eq!(
            error.class(),
            Class::Unknown,
            "only a broken connection may come before"
        );
    };
    assert_eq!(error.class(), Class::Unavailable);
}

#[tokio::test]
async fn gateway_errors_and_php_fatals_are_unknown_for_a_write() {
    for status in [500, 502, 503, 504, 408] {
        let answer = Answer::new(status, "text/html", "<html>error</html>");
        assert_eq!(
            classes(answer).await,
            (Class::Unknown, Class::Unavailable),
            "HTTP {status}"
        );
    }
    assert_eq!(
        classes(Answer::new(500, "text/html", "")).await,
        (Class::Unknown, Class::Unavailable)
    );
}

#[tokio::test]
async fn what_the_web_server_itself_refuses_was_not_executed() {
    for status in [413, 414, 403] {
        let answer = Answer::new(status, "text/html", "<html>no</html>");
        assert_eq!(
            classes(answer).await,
            (Class::Refused, Class::Refused),
            "HTTP {status}"
        );
    }
    let (_server, client) = answering(Answer::new(413, "text/html", "")).await;
    let error = client.create("Contacts", &contact()).await.unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::TooLarge));
    assert_eq!(
        classes(Answer::new(404, "text/html", "")).await,
        (Class::Unavailable, Class::Unavailable)
    );
    assert_eq!(
        classes(Answer::new(429, "text/html", "")).await,
        (Class::Throttled, Class::Throttled)
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_named_without_its_query() {
    let target = "https://crm.example.com/webservice.php?sessionName=secret";
    let (server, client) =
        answering(Answer::new(302, "text/html", "").header("Location", target)).await;
    let error = client.create("Contacts", &contact()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unknown);
    assert!(
        error
            .to_string()
            .contains("https://crm.example.com/webservice.php"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(server.requests_of("create").len(), 1);
}

#[tokio::test]
async fn text_instead_of_json_after_a_write_is_unknown_and_names_the_likely_owner() {
    let text = "Sorry! Attempt to access restricted file.";
    let (_server, client) = answering(Answer::new(200, "text/html; charset=UTF-8", text)).await;
    let error = client.create("Contacts", &contact()).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Unknown, "GARBLED"));
    let hint = error.refusal().unwrap();
    assert_eq!(
        (hint.reason, hint.field.as_deref()),
        (RefusalReason::BadInput, Some("assigned_user_id"))
    );
    let change = Operation::write("changePassword").param("id", "19x5");
    let error = client.call_operation(&change).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason, RefusalReason::NotAvailable);
    let read = client.retrieve(&id()).await.unwrap_err();
    assert!(matches!(read, CallError::Unreadable(_)), "{read}");
}

#[tokio::test]
async fn success_without_a_record_proves_nothing() {
    for result in [
        json!(null),
        json!({}),
        json!({"id": "not-an-id"}),
        json!([]),
        json!("12x2"),
    ] {
        let (_server, client) = answering(success(result.clone())).await;
        let write = client.create("Contacts", &contact()).await.unwrap_err();
        assert_eq!(
            (write.class(), write.code()),
            (Class::Unknown, "NO_RESULT"),
            "{result}"
        );
        let read = client.retrieve(&id()).await.unwrap_err();
        assert!(matches!(read, CallError::Unreadable(_)), "{result}: {read}");
        assert_eq!(
            client.delete(&id()).await.unwrap_err().class(),
            Class::Unknown,
            "{result}"
        );
    }
}

#[tokio::test]
async fn an_answer_about_another_record_proves_nothing() {
    let (_server, client) = answering(success(json!({"id": "12x3", "lastname": "Otieno"}))).await;
    assert_eq!(
        client.revise(&id(), &contact()).await.unwrap_err().class(),
        Class::Unknown
    );
    assert!(matches!(
        client.retrieve(&id()).await,
        Err(CallError::Unreadable(_))
    ));
}

#[tokio::test]
async fn errors_from_the_middle_of_a_save_are_unknown_but_tell_the_likely_reason() {
    for code in ["INTERNAL_SERVER_ERROR", "DATABASE_QUERY_ERROR"] {
        let (_server, client) =
            answering(refusal(code, "Unknown Error while processing request")).await;
        let error = client.create("Contacts", &contact()).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Unknown, code));
        assert_eq!(error.refusal().unwrap().reason, RefusalReason::BadInput);
    }
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_not_read_to_its_end() {
    let server =
        Server::open_source(|_| success(json!({"id": "12x2", "description": "x".repeat(10_000)})))
            .await;
    let mut config = server.open_source_config();
    config.max_answer_bytes = 5_000;
    let client = Client::new(config).unwrap();
    assert_eq!(
        client
            .create("Contacts", &contact())
            .await
            .unwrap_err()
            .class(),
        Class::Unknown
    );
    assert_eq!(client.retrieve(&id()).await.unwrap_err().code(), "TOO_LONG");
}

#[tokio::test]
async fn a_broken_or_missing_read_operation_says_that_it_is_not_available() {
    let (_server, client) = answering(Answer::new(500, "text/html", "")).await;
    let since = jiff::Timestamp::from_second(1_795_242_704).unwrap();
    let error = client
        .sync("Contacts", since, vtiger::SyncScope::Application)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::NotAvailable));
    let error = client
        .call_operation(&Operation::read("pugmark.changes"))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::NotAvailable));
    let conversion = vtiger::LeadConversion {
        lead: "10x5".parse().unwrap(),
        assigned_to: "19x1".parse().unwrap(),
        transfer_related_to: "Contacts".to_owned(),
        entities: [(
            "Contacts".to_owned(),
            Element::new().with("lastname", "Otieno"),
        )]
        .into(),
    };
    let error = client.convert_lead(&conversion).await.unwrap_err();
    assert_eq!(
        error.class(),
        Class::Unknown,
        "PHP may have broken off half-way"
    );
    assert_eq!(error.refusal().unwrap().reason, RefusalReason::NotAvailable);
}

#[tokio::test]
async fn a_login_without_answer_leaves_the_write_undone() {
    let server = Server::start(|request| match request.operation() {
        "login" => Answer::new(502, "text/html", "").into(),
        _ => crate::server::login_reply(request).unwrap(),
    })
    .await;
    let error = server
        .open_source_client()
        .create("Contacts", &contact())
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert_eq!(server.requests_of("create").len(), 0);
}

#[tokio::test]
async fn errors_never_show_the_access_key_or_the_session() {
    let (_server, client) = answering(Reply::Close).await;
    let error = client.retrieve(&id()).await.unwrap_err();
    let shown = format!("{error} {error:?} {client:?} {:?}", client.config());
    assert!(!shown.contains(crate::server::ACCESS_KEY), "{shown}");
    assert!(!shown.contains("460db5d76b013ad0a9668"), "{shown}");
}
