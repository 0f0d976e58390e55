//! Who gets in, and what is no path of the service.

use super::{Caller, basic, john, sandbox};

#[tokio::test]
async fn without_the_key_all_is_denied_in_plain_text() {
    let sandbox = sandbox().await;
    let right = Caller::of(&sandbox);
    let wrong = [
        right.clone().without("Authorization"),
        right.clone().with("Authorization", &basic("stranger", "x")),
        right
            .clone()
            .with("Authorization", &basic(sandbox.api_key(), "secret")),
        right.clone().with("Authorization", "Basic ???"),
        right
            .clone()
            .with("Authorization", &format!("Bearer {}", sandbox.api_key())),
    ];
    for caller in wrong {
        let answer = caller.create_customer(&john()).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (401, "HTTP Basic: Access denied.\n")
        );
        assert!(answer.content_type().starts_with("text/plain"));
    }
    assert!(sandbox.customers().is_empty());
}

#[tokio::test]
async fn the_password_is_the_letter_x_in_either_case() {
    let sandbox = sandbox().await;
    for password in ["x", "X"] {
        let header = basic(sandbox.api_key(), password);
        let caller = Caller::of(&sandbox).with("Authorization", &header);
        assert_eq!(caller.get("/customers.json").await.status, 200);
    }
}

#[tokio::test]
async fn the_format_is_named_by_the_path_or_by_accept() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    assert_eq!(caller.get("/customers").await.status, 200);
    let silent = caller.without("Accept");
    assert_eq!(silent.get("/customers").await.status, 404);
    assert_eq!(silent.get("/customers.json").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_404_without_a_body() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    for (method, path) in [
        ("GET", "/v1/customers.json"),
        ("GET", "/Customers.json"),
        ("PATCH", "/customers/1.json"),
        ("GET", "/customers/1/2/3.json"),
    ] {
        let answer = caller.send(method, path, b"").await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (404, 0),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_bad_request_and_a_form_is_no_body_at_all() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let answer = caller
        .send("POST", "/customers.json", b"{\"customer\":")
        .await;
    assert_eq!(answer.status, 400);
    let form = caller.with("Content-Type", "application/x-www-form-urlencoded");
    let answer = form
        .send("POST", "/customers.json", b"customer[first_name]=John")
        .await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["errors"]["customer"], "can't be blank");
}
