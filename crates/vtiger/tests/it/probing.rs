//! Whether an installation has an operation.

use serde_json::json;
use vtiger::{CallError, Class, Client, Operation, RefusalReason};

use crate::contract::recording_named;
use crate::server::{Answer, Reply, Server, success};

const OWN: &str = "own.info";

/// A server that answers the own operation so, and everything else as a vTiger in good health.
async fn server(reply: impl Into<Reply>) -> Server {
    let reply = reply.into();
    Server::start(move |request| match request.operation() {
        OWN | "own_write" => reply.clone(),
        "listtypes" => success(json!({"types": ["Contacts"], "information": {}})),
        _ => crate::server::login_reply(request).unwrap(),
    })
    .await
}

fn both(server: &Server) -> [Client; 2] {
    [server.open_source_client(), server.cloud_client()]
}

#[tokio::test]
async fn the_result_of_an_operation_that_exists_is_handed_on() {
    let server = server(success(json!({"version": "1.0.0"}))).await;
    for client in both(&server) {
        let found = client.probe(&Operation::read(OWN)).await.unwrap();
        assert_eq!(found, Some(json!({"version": "1.0.0"})));
    }
    assert_eq!(
        server.requests_of("listtypes").len(),
        0,
        "one call is enough"
    );
}

#[tokio::test]
async fn an_operation_that_is_missing_or_broken_is_none() {
    let restricted = "Sorry! Attempt to access restricted file.";
    let printed = recording_named("040-noise-unknown-operation");
    for reply in [
        Answer::new(500, "text/html", "").into(),
        Answer::new(200, "text/html", restricted).into(),
        printed.reply(),
        crate::server::refusal("UNKNOWN_OPERATION", "Unknown operation requested"),
    ] {
        let server = server(reply.clone()).await;
        let found = server
            .open_source_client()
            .probe(&Operation::read(OWN))
            .await;
        assert_eq!(found, Ok(None), "{reply:?}");
    }
    for reply in [
        Answer::new(404, "text/html", ""),
        Answer::new(404, "text/html", "").reason("NOT_FOUND:Unknown operation"),
        Answer::new(405, "text/html", ""),
        Answer::new(500, "text/html", ""),
        Answer::new(400, "text/html", "").reason("OPERATION_NOT_SUPPORTED:no"),
    ] {
        let server = server(reply.clone()).await;
        let found = server.cloud_client().probe(&Operation::read(OWN)).await;
        assert_eq!(found, Ok(None), "{reply:?}");
    }
}

#[tokio::test]
async fn a_server_that_answers_nothing_at_all_proves_nothing() {
    for status in [500, 404] {
        let server = Server::start(move |_| Answer::new(status, "text/html", "").into()).await;
        let error = server
            .cloud_client()
            .probe(&Operation::read(OWN))
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Unavailable, "HTTP {status}");
    }
    let dying = Server::open_source(|_| Answer::new(500, "text/html", "").into()).await;
    let error = dying
        .open_source_client()
        .probe(&Operation::read(OWN))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
}

#[tokio::test]
async fn trouble_and_missing_rights_are_told_from_absence() {
    let server = server(Answer::new(502, "text/html", "<html>bad gateway</html>")).await;
    for client in both(&server) {
        let error = client.probe(&Operation::read(OWN)).await.unwrap_err();
        assert_eq!(error.class(), Class::Unavailable);
    }
    let denied = crate::server::refusal(
        "ACCESS_DENIED",
        "Permission to perform the operation is denied",
    );
    let server = self::server(denied).await;
    for client in both(&server) {
        let error = client.probe(&Operation::read(OWN)).await.unwrap_err();
        assert_eq!(error.reason(), Some(RefusalReason::AccessDenied));
    }
}

#[tokio::test]
async fn what_writes_is_not_probed_and_its_silence_stays_unknown_with_a_hint() {
    let server = server(Answer::new(500, "text/html", "")).await;
    for client in both(&server) {
        let write = Operation::write("own_write");
        let refused = client.probe(&write).await.unwrap_err();
        assert!(matches!(refused, CallError::Invalid(_)), "{refused}");
        let silent = client.call_operation(&write).await.unwrap_err();
        assert_eq!(silent.class(), Class::Unknown);
        assert_eq!(
            silent.refusal().unwrap().reason,
            RefusalReason::NotAvailable
        );
    }
    assert_eq!(server.requests_of("own_write").len(), 2);
}
