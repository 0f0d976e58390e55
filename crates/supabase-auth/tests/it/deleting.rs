//! Deleting users, wholly or not quite.

use serde_json::{Value, json};
use supabase_auth::{Class, Deletion, RefusalReason};

use crate::server::{AMINA, Answer, Reply, Server};

#[tokio::test]
async fn a_hard_deletion_sends_no_body_and_a_soft_one_says_so() {
    let server = Server::always(Answer::ok(&json!({}))).await;
    let client = server.client();
    client.delete_user(AMINA, Deletion::Hard).await.unwrap();
    client.delete_user(AMINA, Deletion::Soft).await.unwrap();
    let requests = server.requests();
    assert_eq!(
        requests[0].line(),
        "DELETE /auth/v1/admin/users/11111111-2222-4333-8444-555555555555"
    );
    assert_eq!(requests[0].body, Value::Null);
    assert_eq!(requests[1].body, json!({"should_soft_delete": true}));
}

#[tokio::test]
async fn deleting_twice_is_refused_as_not_found() {
    let server = Server::always(Answer::error(404, "user_not_found", "User not found")).await;
    let error = server
        .client()
        .delete_user(AMINA, Deletion::Hard)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::NotFound));
}

#[tokio::test]
async fn a_page_of_html_is_no_proof_of_a_deletion() {
    let answers: [Reply; 3] = [
        Answer::new(200, "text/html", "<html>hello</html>").into(),
        Answer::new(200, "application/json", "").into(),
        Reply::Close,
    ];
    for answer in answers {
        let server = Server::always(answer).await;
        let error = server
            .client()
            .delete_user(AMINA, Deletion::Hard)
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{error}");
    }
}

#[tokio::test]
async fn no_content_is_an_answer() {
    let server = Server::always(Answer::new(204, "application/json", "")).await;
    server
        .client()
        .delete_user(AMINA, Deletion::Hard)
        .await
        .unwrap();
}
