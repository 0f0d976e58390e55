//! `POST /admin/users`.

use pugmark_sandbox::{Clock, ManualClock, SupabaseSandbox};
use serde_json::{Value, json};

use super::{Caller, PASSWORD, refusal, refused, sandbox, text, with_amina};

const ID: &str = "11111111-2222-4333-8444-555555555555";

fn new_amina() -> Value {
    json!({
        "email": "Amina@Example.com", "password": PASSWORD, "email_confirm": true,
        "user_metadata": { "roles": ["brand_ambassador"], "display_name": "Amina" },
        "app_metadata": { "tenant": "microbima" },
    })
}

#[tokio::test]
async fn a_new_user_is_answered_with_200_and_without_a_wrapper() {
    let sandbox = sandbox().await;
    let answer = Caller::service(&sandbox).create(&new_amina()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type(), "application/json");
    let user = answer.json();
    assert_eq!(user["email"], "amina@example.com", "in lower case");
    assert_eq!(
        (&user["aud"], &user["role"]),
        (&json!("authenticated"), &json!("authenticated"))
    );
    assert_eq!(
        user["app_metadata"],
        json!({ "provider": "email", "providers": ["email"], "tenant": "microbima" })
    );
    assert_eq!(
        user["user_metadata"],
        json!({ "display_name": "Amina", "email_verified": true, "roles": ["brand_ambassador"] })
    );
    assert_eq!(
        (&user["phone"], &user["is_anonymous"]),
        (&json!(""), &json!(false))
    );
    let identity = &user["identities"][0];
    assert_eq!(
        (&identity["provider"], &identity["id"], &identity["user_id"]),
        (&json!("email"), &user["id"], &user["id"])
    );
    assert_ne!(identity["identity_id"], user["id"]);
    assert_eq!(
        identity["identity_data"],
        json!({ "email": "amina@example.com", "email_verified": false, "phone_verified": false, "sub": user["id"] })
    );
    assert!(
        !answer.text().contains(PASSWORD),
        "an answer never shows the password"
    );
}

#[tokio::test]
async fn what_is_empty_is_left_out() {
    let sandbox = sandbox().await;
    let body = json!({ "email": "b@example.com" });
    let user = Caller::service(&sandbox).create(&body).await.json();
    for key in [
        "email_confirmed_at",
        "last_sign_in_at",
        "banned_until",
        "deleted_at",
        "invited_at",
        "new_email",
        "factors",
    ] {
        assert!(user.get(key).is_none(), "{key}");
    }
    assert_eq!(user["user_metadata"], json!({}));
}

#[tokio::test]
async fn confirmed_at_is_missing_first_and_there_from_the_next_read_on() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let created = caller.create(&new_amina()).await.json();
    assert!(created.get("confirmed_at").is_none());
    assert!(created["email_confirmed_at"].is_string());
    let path = format!("/admin/users/{}", text(&created, "id"));
    let read = caller.get(&path).await.json();
    assert_eq!(read["confirmed_at"], read["email_confirmed_at"]);
    assert!(read["confirmed_at"].is_string());
}

#[tokio::test]
async fn fractions_of_seconds_are_as_long_as_they_must_be() {
    let start: jiff::Timestamp = "2026-01-15T09:30:00.1Z".parse().unwrap();
    let clock = ManualClock::new(start);
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let caller = Caller::service(&sandbox);
    let mut seen = Vec::new();
    for moment in ["09:30:00.1Z", "09:30:01Z", "09:30:02.000125Z"] {
        let moment = format!("2026-01-15T{moment}");
        clock.set(moment.parse().unwrap());
        let body = json!({ "email": format!("u{}@example.com", seen.len()) });
        let created = caller.create(&body).await.json();
        seen.push((text(&created, "created_at"), moment));
    }
    for (shown, moment) in seen {
        assert_eq!(shown, moment);
    }
}

#[tokio::test]
async fn a_new_user_can_choose_his_id_and_a_generated_one_is_a_lower_case_uuid_v4() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let chosen = json!({ "email": "a@example.com", "id": ID.to_uppercase() });
    assert_eq!(caller.create(&chosen).await.json()["id"], ID);
    let generated = caller.create(&json!({ "email": "b@example.com" })).await;
    let id = text(&generated.json(), "id");
    let parsed = uuid::Uuid::parse_str(&id).unwrap();
    assert_eq!((parsed.to_string(), parsed.get_version_num()), (id, 4));
}

#[tokio::test]
async fn an_id_that_is_none_is_refused() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    for (id, message) in [
        ("17", "ID must conform to the uuid v4 format"),
        (
            "00000000-0000-0000-0000-000000000000",
            "ID cannot be a nil uuid",
        ),
    ] {
        let answer = caller
            .create(&json!({ "email": "a@example.com", "id": id }))
            .await;
        assert_eq!(refusal(&answer), refused(400, "validation_failed"));
        assert_eq!(answer.json()["message"], message);
    }
    assert!(sandbox.users().is_empty());
}

#[tokio::test]
async fn a_taken_id_is_a_failure_of_the_server_in_both_forms() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let first = json!({ "email": "a@example.com", "id": ID });
    assert_eq!(caller.create(&first).await.status, 200);
    let second = json!({ "email": "b@example.com", "id": ID });
    let answer = caller.create(&second).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            500,
            json!({ "code": "unexpected_failure", "message": "Database error creating new user" })
        )
    );
    let answer = caller
        .without("X-Supabase-Api-Version")
        .create(&second)
        .await;
    let json = answer.json();
    assert_eq!((answer.status, json["code"].as_str()), (500, Some("23505")));
    assert!(json["message"].as_str().unwrap().contains("users_pkey"));
    assert_eq!(sandbox.users().len(), 1);
}

#[tokio::test]
async fn of_a_repeated_create_the_address_is_noticed_before_the_id() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let body = json!({ "email": "a@example.com", "id": ID });
    caller.create(&body).await;
    let answer = caller.create(&body).await;
    assert_eq!(refusal(&answer), refused(422, "email_exists"));
}

#[tokio::test]
async fn a_taken_address_is_refused_in_any_case_of_its_letters() {
    let (sandbox, _) = with_amina().await;
    let caller = Caller::service(&sandbox);
    for email in ["amina@example.com", "AMINA@Example.COM"] {
        let answer = caller.create(&json!({ "email": email })).await;
        assert_eq!(refusal(&answer), refused(422, "email_exists"));
        assert_eq!(
            answer.json()["message"],
            "A user with this email address has already been registered"
        );
    }
    assert_eq!(sandbox.users().len(), 1);
}

#[tokio::test]
async fn a_taken_phone_is_refused() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let user = caller
        .create(&json!({ "phone": "+254 700 000001", "phone_confirm": true }))
        .await
        .json();
    assert_eq!(user["phone"], "254700000001");
    assert_eq!(user["app_metadata"]["providers"], json!(["phone"]));
    let answer = caller.create(&json!({ "phone": "254700000001" })).await;
    assert_eq!(refusal(&answer), refused(422, "phone_exists"));
    assert_eq!(
        answer.json()["message"],
        "Phone number already registered by another user"
    );
    let answer = caller.create(&json!({ "phone": "0700 12" })).await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
}

#[tokio::test]
async fn a_user_needs_an_address_or_a_phone() {
    let sandbox = sandbox().await;
    let answer = Caller::service(&sandbox)
        .create(&json!({ "password": PASSWORD }))
        .await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
    assert_eq!(
        answer.json()["message"],
        "Cannot create a user without either an email or phone"
    );
}

#[tokio::test]
async fn a_malformed_address_is_refused() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    for email in [
        "amina",
        "@example.com",
        "a@",
        "a@b@example.com",
        "a b@example.com",
        "a@-example.com",
        "a@example..com",
    ] {
        let answer = caller.create(&json!({ "email": email })).await;
        assert_eq!(refusal(&answer), refused(400, "validation_failed"));
        assert_eq!(
            answer.json()["message"],
            "Unable to validate email address: invalid format",
            "{email}"
        );
    }
    let plus = json!({ "email": "a.b+c@mail.example.co.ke" });
    assert_eq!(caller.create(&plus).await.status, 200);
}

#[tokio::test]
async fn the_password_rules_are_not_asked() {
    let sandbox = SupabaseSandbox::builder()
        .min_password_length(12)
        .start()
        .await
        .unwrap();
    let body = json!({ "email": "a@example.com", "password": "1", "email_confirm": true });
    let user = Caller::service(&sandbox).create(&body).await.json();
    assert!(sandbox.password_is(&text(&user, "id"), "1"));
}

#[tokio::test]
async fn without_a_password_nobody_learns_what_it_is() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    for (number, password) in [json!(null), json!("")].into_iter().enumerate() {
        let email = format!("u{number}@example.com");
        let body = json!({ "email": email, "password": password, "email_confirm": true });
        let user = caller.create(&body).await.json();
        assert!(!sandbox.password_is(&text(&user, "id"), ""));
        let answer = Caller::public(&sandbox).sign_in(&email, "").await;
        assert_eq!(refusal(&answer), refused(400, "invalid_credentials"));
    }
}

#[tokio::test]
async fn an_over_long_password_panics_and_its_length_counts_in_bytes() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let of = |length: usize| json!({ "email": "a@example.com", "password": "x".repeat(length) });
    let answer = caller.create(&of(73)).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            500,
            json!({ "code": "unexpected_failure", "message": "Internal Server Error" })
        )
    );
    let answer = caller
        .clone()
        .without("X-Supabase-Api-Version")
        .create(&of(73))
        .await;
    let json = answer.json();
    assert_eq!(
        (&json["code"], &json["error_code"], &json["msg"]),
        (
            &json!(500),
            &json!("unexpected_failure"),
            &json!("Internal Server Error")
        )
    );
    let umlauts = json!({ "email": "a@example.com", "password": "ü".repeat(37) });
    assert_eq!(caller.create(&umlauts).await.status, 500);
    assert!(sandbox.users().is_empty());
    assert_eq!(caller.create(&of(72)).await.status, 200);
}

#[tokio::test]
async fn a_password_and_a_hash_exclude_each_other() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let hash = format!("$2a$10${}", "a".repeat(53));
    let both = json!({ "email": "a@example.com", "password": PASSWORD, "password_hash": hash });
    let answer = caller.create(&both).await;
    assert_eq!(refusal(&answer), refused(400, "validation_failed"));
    let hash_alone = json!({ "email": "a@example.com", "password_hash": hash });
    assert_eq!(caller.create(&hash_alone).await.status, 200);
    let no_hash = json!({ "email": "b@example.com", "password_hash": "md5" });
    let answer = caller.create(&no_hash).await;
    assert_eq!(refusal(&answer), refused(500, "unexpected_failure"));
}

#[tokio::test]
async fn a_body_that_is_no_object_is_bad_json() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    for body in ["", "{", "[]", "\"a\"", "{\"email\":5}"] {
        let answer = caller.send("POST", "/admin/users", body.as_bytes()).await;
        assert_eq!(refusal(&answer), refused(400, "bad_json"), "{body}");
        let message = text(&answer.json(), "message");
        assert!(message.starts_with("Could not parse request body as JSON: "));
    }
}

#[tokio::test]
async fn a_body_over_a_megabyte_is_too_large() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let of = |size: usize| json!({ "email": "a@example.com", "padding": "x".repeat(size) });
    let answer = caller.create(&of(1 << 20)).await;
    assert_eq!(refusal(&answer), refused(413, "request_entity_too_large"));
    assert!(sandbox.users().is_empty());
    assert_eq!(caller.create(&of((1 << 20) - 100)).await.status, 200);
}

#[tokio::test]
async fn unknown_keys_are_ignored_and_null_counts_as_absent() {
    let sandbox = sandbox().await;
    let body = json!({ "email": "a@example.com", "nickname": "Ami", "role": null, "app_metadata": null, "email_confirm": null });
    let user = Caller::service(&sandbox).create(&body).await.json();
    assert_eq!(user["role"], "authenticated");
    assert!(user.get("nickname").is_none());
}

#[tokio::test]
async fn a_new_user_can_be_banned_from_the_start_and_have_a_role_of_his_own() {
    let sandbox = sandbox().await;
    let body = json!({ "email": "a@example.com", "ban_duration": "24h", "role": "auditor" });
    let user = Caller::service(&sandbox).create(&body).await.json();
    assert_eq!(user["role"], "auditor");
    assert!(user["banned_until"].is_string());
}
