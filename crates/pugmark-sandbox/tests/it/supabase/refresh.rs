//! `POST /token?grant_type=refresh_token`.

use pugmark_sandbox::SupabaseSandbox;
use serde_json::{Value, json};

use super::tokens::payload;
use super::{Caller, PASSWORD, refusal, refused, text, with_amina};

async fn signed_in(sandbox: &SupabaseSandbox) -> Value {
    let caller = Caller::public(sandbox);
    caller.sign_in("amina@example.com", PASSWORD).await.json()
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_session() {
    let (sandbox, id) = with_amina().await;
    let first = signed_in(&sandbox).await;
    let caller = Caller::public(&sandbox);
    let body = json!({ "user_metadata": { "roles": ["customer_care"] } });
    Caller::service(&sandbox).update(&id, &body).await;
    let answer = caller.refresh(&text(&first, "refresh_token")).await;
    let second = answer.json();
    assert_eq!(answer.status, 200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let (before, after) = (
        payload(&text(&first, "access_token")),
        payload(&text(&second, "access_token")),
    );
    assert_eq!(before["session_id"], after["session_id"]);
    assert!(before["user_metadata"].get("roles").is_none());
    assert_eq!(
        after["user_metadata"]["roles"],
        json!(["customer_care"]),
        "claims are renewed"
    );
    assert_eq!(second["user"]["id"], *id);
    assert_eq!(sandbox.session_count(&id), 1);
}

#[tokio::test]
async fn an_unknown_refresh_token_is_not_found() {
    let (sandbox, _) = with_amina().await;
    let caller = Caller::public(&sandbox);
    let answer = caller.refresh("nonsense").await;
    assert_eq!(refusal(&answer), refused(400, "refresh_token_not_found"));
    assert_eq!(
        answer.json()["message"],
        "Invalid Refresh Token: Refresh Token Not Found"
    );
    let answer = caller.refresh("").await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            400,
            json!({ "error": "invalid_request", "error_description": "refresh_token required" })
        )
    );
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_repeated() {
    let (sandbox, _) = with_amina().await;
    let first = text(&signed_in(&sandbox).await, "refresh_token");
    let caller = Caller::public(&sandbox);
    let lost = caller.refresh(&first).await.json();
    let repeated = caller.refresh(&first).await.json();
    assert_eq!(repeated["refresh_token"], lost["refresh_token"]);
}

#[tokio::test]
async fn an_old_refresh_token_betrays_a_thief_and_ends_the_whole_family() {
    let (sandbox, _) = with_amina().await;
    let first = text(&signed_in(&sandbox).await, "refresh_token");
    let caller = Caller::public(&sandbox);
    let second = text(&caller.refresh(&first).await.json(), "refresh_token");
    let third = text(&caller.refresh(&second).await.json(), "refresh_token");
    for token in [first, third] {
        let answer = caller.refresh(&token).await;
        assert_eq!(refusal(&answer), refused(400, "refresh_token_already_used"));
    }
}
