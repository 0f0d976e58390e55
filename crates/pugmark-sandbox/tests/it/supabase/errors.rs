//! The two forms of an error.

use serde_json::json;

use super::{Caller, PASSWORD, with_amina};

const TAKEN: &str = "A user with this email address has already been registered";

#[tokio::test]
async fn without_a_version_the_code_is_the_status() {
    let (sandbox, _) = with_amina().await;
    let caller = Caller::service(&sandbox).without("X-Supabase-Api-Version");
    let answer = caller
        .create(&json!({ "email": "amina@example.com" }))
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            422,
            json!({ "code": 422, "error_code": "email_exists", "msg": TAKEN })
        )
    );
    assert_eq!(answer.headers["x-sb-error-code"], "email_exists");
    assert!(!answer.headers.contains_key("x-supabase-api-version"));
}

#[tokio::test]
async fn with_the_version_the_code_is_a_text_and_the_version_is_echoed() {
    let (sandbox, _) = with_amina().await;
    for version in ["2024-01-01", "2025-12-31"] {
        let caller = Caller::service(&sandbox).with("X-Supabase-Api-Version", version);
        let answer = caller
            .create(&json!({ "email": "amina@example.com" }))
            .await;
        assert_eq!(
            (answer.status, answer.json()),
            (422, json!({ "code": "email_exists", "message": TAKEN }))
        );
        assert_eq!(answer.headers["x-sb-error-code"], "email_exists");
        assert_eq!(answer.headers["x-supabase-api-version"], "2024-01-01");
    }
}

#[tokio::test]
async fn a_version_that_is_none_or_too_old_is_ignored() {
    let (sandbox, _) = with_amina().await;
    for version in ["newest", "2023-12-31", "2024-13-01"] {
        let caller = Caller::service(&sandbox).with("X-Supabase-Api-Version", version);
        let answer = caller
            .create(&json!({ "email": "amina@example.com" }))
            .await;
        assert_eq!(answer.json()["code"], 422, "{version}");
        assert!(!answer.headers.contains_key("x-supabase-api-version"));
    }
}

#[tokio::test]
async fn a_failure_of_the_server_names_the_request_in_the_older_form_alone() {
    let (sandbox, _) = with_amina().await;
    let caller = Caller::service(&sandbox);
    let body = json!({ "email": "b@example.com", "password": PASSWORD.repeat(10) });
    let older = caller.clone().without("X-Supabase-Api-Version");
    let (first, second) = (older.create(&body).await, older.create(&body).await);
    let id = |answer: &crate::raw::Answer| answer.json()["error_id"].as_str().map(str::to_owned);
    assert!(id(&first).is_some());
    assert_ne!(id(&first), id(&second));
    assert!(!first.headers.contains_key("x-sb-error-code"), "a panic");
    assert_eq!(id(&caller.create(&body).await), None);
}
