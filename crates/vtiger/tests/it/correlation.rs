//! The id that ties the CRM's own log lines to ours.

use serde_json::json;

use crate::server::{Request, Server, success};

fn ids(requests: &[Request]) -> Vec<Option<&str>> {
    requests
        .iter()
        .map(|request| request.headers.get("x-correlation-id").map(String::as_str))
        .collect()
}

#[tokio::test]
async fn every_request_of_an_open_source_call_carries_the_id_logins_included() {
    let server = Server::open_source(|_| success(json!({"types": [], "information": []}))).await;
    let client = server.open_source_client();
    let correlated = client.with_correlation_id("0190f3c2-7d1e");
    correlated.list_types().await.unwrap();
    assert_eq!(ids(&server.requests()), [Some("0190f3c2-7d1e"); 3]);
    client.list_types().await.unwrap();
    correlated
        .clone()
        .with_correlation_id("other")
        .list_types()
        .await
        .unwrap();
    assert_eq!(
        ids(&server.requests_of("listtypes")),
        [Some("0190f3c2-7d1e"), None, Some("other")],
        "only the handle that was given the id sends it"
    );
}

#[tokio::test]
async fn a_call_to_cloud_carries_the_id_beside_its_credentials() {
    let server = Server::start(|_| success(json!({"status": "successful"}))).await;
    let client = server.cloud_client().with_correlation_id("sync/42");
    client.delete(&"4x7".parse().unwrap()).await.unwrap();
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.headers["x-correlation-id"], "sync/42");
    assert!(request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn what_cannot_stand_in_a_header_is_left_out_of_the_id() {
    let server = Server::start(|_| success(json!({"types": [], "information": []}))).await;
    let client = server.cloud_client();
    for id in [
        "a\r\nX-Evil: 1 é😀\u{7f}b".to_owned(),
        "x".repeat(300),
        " \n é".to_owned(),
        String::new(),
    ] {
        client.with_correlation_id(&id).list_types().await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(
        ids(&requests),
        [
            Some("aX-Evil:1b"),
            Some("x".repeat(128).as_str()),
            None,
            None
        ]
    );
    assert!(
        requests
            .iter()
            .all(|request| !request.headers.contains_key("x-evil"))
    );
}
