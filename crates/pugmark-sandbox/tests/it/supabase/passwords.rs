//! Passwords set by administrators, and the rules.

use pugmark_sandbox::{PasswordRules, RequiredCharacters, SupabaseSandbox};
use serde_json::json;

use super::{Caller, PASSWORD, amina, refusal, refused, text, with_amina};

async fn with_rules(rules: PasswordRules) -> (SupabaseSandbox, String) {
    let sandbox = SupabaseSandbox::builder()
        .password_rules(rules)
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    (sandbox, id)
}

#[tokio::test]
async fn a_short_password_is_weak_in_both_forms_of_the_answer() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    for password in ["12345", ""] {
        let body = json!({ "password": password });
        let answer = caller.update(&id, &body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (
                422,
                json!({ "code": "weak_password", "message": "Password should be at least 6 characters.",
                    "weak_password": { "reasons": ["length"] } })
            )
        );
        assert!(
            !answer.headers.contains_key("x-sb-error-code"),
            "the newer form goes without it"
        );
        let answer = caller
            .clone()
            .without("X-Supabase-Api-Version")
            .update(&id, &body)
            .await;
        assert_eq!(
            (answer.status, answer.json()),
            (
                422,
                json!({ "code": 422, "error_code": "weak_password",
                    "msg": "Password should be at least 6 characters.",
                    "weak_password": { "reasons": ["length"] } })
            )
        );
        assert_eq!(answer.headers["x-sb-error-code"], "weak_password");
    }
    assert!(sandbox.password_is(&id, PASSWORD));
}

#[tokio::test]
async fn the_least_length_can_be_set_and_counts_in_bytes() {
    let sandbox = SupabaseSandbox::builder()
        .min_password_length(8)
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    let caller = Caller::service(&sandbox);
    let answer = caller.update(&id, &json!({ "password": "1234567" })).await;
    assert_eq!(
        answer.json()["message"],
        "Password should be at least 8 characters."
    );
    let umlauts = json!({ "password": "üüüü" });
    assert_eq!(caller.update(&id, &umlauts).await.status, 200);
    assert!(sandbox.password_is(&id, "üüüü"));
}

#[tokio::test]
async fn demanded_characters_are_named_in_the_refusal() {
    let rules = |required| PasswordRules {
        required,
        ..PasswordRules::default()
    };
    for (required, refused_one, accepted) in [
        (RequiredCharacters::LettersAndDigits, "abcdefg", "abcdef1"),
        (RequiredCharacters::CasesAndDigits, "abcdef1", "Abcdef1"),
        (
            RequiredCharacters::CasesDigitsAndSymbols,
            "Abcdef1",
            "Abcdef1!",
        ),
    ] {
        let (sandbox, id) = with_rules(rules(required)).await;
        let caller = Caller::service(&sandbox);
        let answer = caller
            .update(&id, &json!({ "password": refused_one }))
            .await;
        let json = answer.json();
        assert_eq!(json["weak_password"]["reasons"], json!(["characters"]));
        let message = text(&json, "message");
        let start = "Password should contain at least one character of each: ";
        assert!(message.starts_with(start), "{message}");
        let answer = caller.update(&id, &json!({ "password": accepted })).await;
        assert_eq!(answer.status, 200, "{accepted}");
    }
}

#[tokio::test]
async fn several_weaknesses_are_told_together() {
    let (sandbox, id) = with_rules(PasswordRules {
        min_length: 8,
        required: RequiredCharacters::CasesAndDigits,
        leaked: vec!["qwerty".to_owned()],
    })
    .await;
    let answer = Caller::service(&sandbox)
        .update(&id, &json!({ "password": "qwerty" }))
        .await
        .json();
    assert_eq!(
        answer["weak_password"]["reasons"],
        json!(["length", "characters", "pwned"])
    );
    assert_eq!(
        answer["message"],
        "Password should be at least 8 characters. Password should contain at least one character of each: \
         abcdefghijklmnopqrstuvwxyz, ABCDEFGHIJKLMNOPQRSTUVWXYZ, 0123456789. Password is known to be weak and easy to \
         guess, please choose a different one."
    );
}

#[tokio::test]
async fn an_over_long_password_is_refused_by_an_update() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    let answer = caller
        .update(&id, &json!({ "password": "x".repeat(73) }))
        .await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
    assert_eq!(
        answer.json()["message"],
        "Password cannot be longer than 72 characters"
    );
    let longest = "x".repeat(72);
    let answer = caller.update(&id, &json!({ "password": longest })).await;
    assert_eq!(answer.status, 200);
    assert!(sandbox.password_is(&id, &longest));
}

#[tokio::test]
async fn a_new_password_takes_the_place_of_the_old_one() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    let body = json!({ "password": "Another-Pass-1" });
    let answer = caller.update(&id, &body).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("Another-Pass-1"));
    let public = Caller::public(&sandbox);
    let old = public.sign_in("amina@example.com", PASSWORD).await;
    assert_eq!(refusal(&old), refused(400, "invalid_credentials"));
    let new = public.sign_in("amina@example.com", "Another-Pass-1").await;
    assert_eq!(new.status, 200);
}

#[tokio::test]
async fn every_session_ends_with_a_password_set_by_an_administrator_even_with_the_same_one() {
    let (sandbox, id) = with_amina().await;
    let signed_in = Caller::public(&sandbox)
        .sign_in("amina@example.com", PASSWORD)
        .await
        .json();
    sandbox.access_token_for(&id).unwrap();
    assert_eq!(sandbox.session_count(&id), 2);
    let answer = Caller::service(&sandbox)
        .update(&id, &json!({ "password": PASSWORD }))
        .await;
    assert_eq!(answer.status, 200, "the same password again is accepted");
    assert_eq!(sandbox.session_count(&id), 0);
    let user = Caller::user(&sandbox, &text(&signed_in, "access_token"));
    let answer = user.get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "session_not_found"));
    let answer = user.refresh(&text(&signed_in, "refresh_token")).await;
    assert_eq!(refusal(&answer), refused(400, "refresh_token_not_found"));
}

#[tokio::test]
async fn a_change_of_something_else_ends_no_session() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let body = json!({ "user_metadata": { "a": 1 }, "email": "new@example.com" });
    Caller::service(&sandbox).update(&id, &body).await;
    let user = Caller::user(&sandbox, &token).get("/user").await;
    assert_eq!(user.json()["email"], "new@example.com");
}
