//! `POST /token?grant_type=password`.

use std::time::Duration;

use pugmark_sandbox::{Clock, ManualClock, PasswordRules, SupabaseSandbox, UserSeed};
use serde_json::json;

use super::{Caller, PASSWORD, amina, refusal, refused, sandbox, text, with_amina};

#[tokio::test]
async fn a_user_who_knows_his_password_gets_tokens_and_himself() {
    let clock = ManualClock::new("2026-01-15T09:30:00.5Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock))
        .token_lifetime(Duration::from_secs(900))
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    let answer = Caller::public(&sandbox)
        .sign_in("Amina@Example.com", PASSWORD)
        .await;
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["token_type"]),
        (200, &json!("bearer"))
    );
    assert_eq!(
        (&json["expires_in"], &json["expires_at"]),
        (&json!(900), &json!(1_768_470_300))
    );
    assert_eq!(text(&json, "refresh_token").len(), 12);
    let user = &json["user"];
    assert_eq!(
        (&user["id"], &user["last_sign_in_at"]),
        (&json!(id), &json!("2026-01-15T09:30:00.5Z"))
    );
    assert!(user["identities"].is_array(), "the full user");
    assert!(json.get("weak_password").is_none());
    let stored = sandbox.user(&id).unwrap().last_sign_in_at.unwrap();
    assert_eq!(stored.to_string(), "2026-01-15T09:30:00.5Z");
    assert_eq!(sandbox.session_count(&id), 1);
}

#[tokio::test]
async fn any_public_key_will_do() {
    let (sandbox, _) = with_amina().await;
    let anon = format!("Bearer {}", sandbox.anon_key());
    let callers = [
        Caller::public(&sandbox),
        Caller::public(&sandbox).with("apikey", sandbox.anon_key()),
        Caller::public(&sandbox)
            .with("apikey", sandbox.anon_key())
            .with("Authorization", &anon),
    ];
    for caller in callers {
        let answer = caller.sign_in("amina@example.com", PASSWORD).await;
        assert_eq!(answer.status, 200);
    }
    let answer = Caller::nobody(&sandbox)
        .sign_in("amina@example.com", PASSWORD)
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn without_address_and_phone_something_is_missing() {
    let sandbox = sandbox().await;
    let caller = Caller::public(&sandbox);
    let path = "/token?grant_type=password";
    let answer = caller.post(path, &json!({ "password": PASSWORD })).await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
    assert_eq!(answer.json()["message"], "missing email or phone");
    let both = json!({ "email": "a@example.com", "phone": "254700000001" });
    let answer = caller.post(path, &both).await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
}

#[tokio::test]
async fn who_is_unknown_and_who_does_not_know_the_password_hear_the_same() {
    let (sandbox, _) = with_amina().await;
    sandbox
        .seed_user(UserSeed::new("nopass@example.com"))
        .unwrap();
    let caller = Caller::public(&sandbox);
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("nopass@example.com", ""),
        ("amina@example.com", "wrong"),
        ("amina@example.com", ""),
    ] {
        let answer = caller.sign_in(email, password).await;
        assert_eq!(refusal(&answer), refused(400, "invalid_credentials"));
        assert_eq!(answer.json()["message"], "Invalid login credentials");
    }
}

#[tokio::test]
async fn only_who_knows_the_password_hears_that_the_address_is_not_confirmed() {
    let sandbox = sandbox().await;
    let seed = UserSeed::new("amina@example.com")
        .password(PASSWORD)
        .unconfirmed();
    sandbox.seed_user(seed).unwrap();
    let caller = Caller::public(&sandbox);
    let answer = caller.sign_in("amina@example.com", "wrong").await;
    assert_eq!(refusal(&answer), refused(400, "invalid_credentials"));
    let answer = caller.sign_in("amina@example.com", PASSWORD).await;
    assert_eq!(refusal(&answer), refused(400, "email_not_confirmed"));
    assert_eq!(answer.json()["message"], "Email not confirmed");
}

#[tokio::test]
async fn who_is_created_without_confirmation_cannot_sign_in() {
    let sandbox = sandbox().await;
    let body = json!({ "email": "a@example.com", "password": PASSWORD });
    Caller::service(&sandbox).create(&body).await;
    let caller = Caller::public(&sandbox);
    let answer = caller.sign_in("a@example.com", PASSWORD).await;
    assert_eq!(refusal(&answer), refused(400, "email_not_confirmed"));
}

#[tokio::test]
async fn another_grant_is_not_supported() {
    let sandbox = sandbox().await;
    let caller = Caller::public(&sandbox);
    for path in ["/token?grant_type=magic", "/token"] {
        let answer = caller.post(path, &json!({})).await;
        assert_eq!(refusal(&answer), refused(400, "invalid_credentials"));
        assert_eq!(answer.json()["message"], "unsupported_grant_type");
    }
}

#[tokio::test]
async fn signing_in_by_address_can_be_switched_off_and_by_phone_is() {
    let sandbox = SupabaseSandbox::builder()
        .email_sign_in(false)
        .start()
        .await
        .unwrap();
    amina(&sandbox);
    let caller = Caller::public(&sandbox);
    let answer = caller.sign_in("amina@example.com", PASSWORD).await;
    assert_eq!(refusal(&answer), refused(422, "email_provider_disabled"));
    let body = json!({ "phone": "254700000001", "password": PASSWORD });
    let answer = caller.post("/token?grant_type=password", &body).await;
    assert_eq!(refusal(&answer), refused(422, "phone_provider_disabled"));
}

#[tokio::test]
async fn a_password_that_has_become_too_weak_still_opens_and_the_answer_says_so() {
    let rules = PasswordRules {
        min_length: 20,
        ..PasswordRules::default()
    };
    let sandbox = SupabaseSandbox::builder()
        .password_rules(rules)
        .start()
        .await
        .unwrap();
    amina(&sandbox);
    let answer = Caller::public(&sandbox)
        .sign_in("amina@example.com", PASSWORD)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["weak_password"],
        json!({ "message": "Password should be at least 20 characters.", "reasons": ["length"] })
    );
}
