//! `GET /user`, `PUT /user` and `POST /logout`.

use pugmark_sandbox::UserSeed;
use serde_json::{Value, json};

use super::{Caller, PASSWORD, refusal, refused, text, with_amina};

#[tokio::test]
async fn a_user_reads_himself() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let user = Caller::user(&sandbox, &token).get("/user").await.json();
    assert_eq!(
        (&user["id"], &user["email"]),
        (&json!(id), &json!("amina@example.com"))
    );
}

#[tokio::test]
async fn a_service_is_no_user() {
    let (sandbox, _) = with_amina().await;
    let answer = Caller::service(&sandbox).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
    assert_eq!(answer.json()["message"], "invalid claim: missing sub claim");
    let answer = Caller::public(&sandbox)
        .with("apikey", sandbox.anon_key())
        .get("/user")
        .await;
    assert_eq!(refusal(&answer), refused(401, "no_authorization"));
}

#[tokio::test]
async fn a_token_whose_session_never_was_is_refused() {
    let (sandbox, id) = with_amina().await;
    let Value::Object(claims) = json!({
        "sub": id, "aud": "authenticated", "role": "authenticated",
        "session_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    }) else {
        unreachable!()
    };
    let token = sandbox.sign_service_token(claims).unwrap();
    let answer = Caller::user(&sandbox, &token).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "session_not_found"));
}

#[tokio::test]
async fn a_user_changes_his_own_metadata_under_another_name() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::user(&sandbox, &token);
    let body = json!({ "data": { "roles": ["admin"] }, "user_metadata": { "ignored": 1 } });
    let user = caller.put("/user", &body).await.json();
    assert_eq!(
        user["user_metadata"],
        json!({ "email_verified": true, "roles": ["admin"] })
    );
    let answer = caller
        .put("/user", &json!({ "app_metadata": { "roles": ["admin"] } }))
        .await;
    assert_eq!(refusal(&answer), refused(403, "not_admin"));
}

#[tokio::test]
async fn a_users_new_password_keeps_this_session_and_ends_the_others() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let other = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::user(&sandbox, &token);
    let answer = caller
        .put("/user", &json!({ "password": "Another-Pass-1" }))
        .await;
    assert_eq!(answer.status, 200);
    assert!(sandbox.password_is(&id, "Another-Pass-1"));
    assert_eq!(caller.get("/user").await.status, 200);
    let answer = Caller::user(&sandbox, &other).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "session_not_found"));
}

#[tokio::test]
async fn a_users_new_password_must_be_strong_and_another_one() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::user(&sandbox, &token);
    let answer = caller.put("/user", &json!({ "password": PASSWORD })).await;
    assert_eq!(refusal(&answer), refused(422, "same_password"));
    let answer = caller.put("/user", &json!({ "password": "short" })).await;
    assert_eq!(refusal(&answer), refused(422, "weak_password"));
    assert!(sandbox.password_is(&id, PASSWORD));
}

#[tokio::test]
async fn a_users_new_address_waits_for_confirmation() {
    let (sandbox, id) = with_amina().await;
    sandbox.seed_user(UserSeed::new("b@example.com")).unwrap();
    let token = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::user(&sandbox, &token);
    let answer = caller
        .put("/user", &json!({ "email": "B@example.com" }))
        .await;
    assert_eq!(refusal(&answer), refused(422, "email_exists"));
    let user = caller
        .put("/user", &json!({ "email": "New@example.com" }))
        .await
        .json();
    assert_eq!(
        (&user["email"], &user["new_email"]),
        (&json!("amina@example.com"), &json!("new@example.com"))
    );
}

#[tokio::test]
async fn leaving_ends_this_session_the_others_or_all() {
    let (sandbox, id) = with_amina().await;
    for (query, left, this_one) in [
        ("?scope=local", 2, 403),
        ("?scope=others", 1, 200),
        ("?scope=global", 0, 403),
        ("", 0, 403),
    ] {
        for user in sandbox.users() {
            let caller = Caller::service(&sandbox);
            caller
                .update(&user.id, &json!({ "password": PASSWORD }))
                .await;
        }
        let token = sandbox.access_token_for(&id).unwrap();
        sandbox.access_token_for(&id).unwrap();
        sandbox.access_token_for(&id).unwrap();
        let caller = Caller::user(&sandbox, &token);
        let answer = caller.send("POST", &format!("/logout{query}"), b"").await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{query}");
        assert_eq!(sandbox.session_count(&id), left, "{query}");
        assert_eq!(caller.get("/user").await.status, this_one, "{query}");
    }
}

#[tokio::test]
async fn an_unknown_scope_of_leaving_is_refused() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::user(&sandbox, &token);
    let answer = caller.send("POST", "/logout?scope=some", b"").await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
    assert_eq!(
        text(&answer.json(), "message"),
        "Unsupported logout scope \"some\""
    );
    assert_eq!(sandbox.session_count(&id), 1);
}
