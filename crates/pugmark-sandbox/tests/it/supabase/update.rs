//! `PUT /admin/users/{id}`, passwords and bans apart.

use std::time::Duration;

use pugmark_sandbox::{Clock, ManualClock, SupabaseSandbox, UserSeed};
use serde_json::{Value, json};

use super::{Caller, PASSWORD, amina, refusal, refused, text, with_amina};

#[tokio::test]
async fn metadata_is_merged_on_the_top_level_only_and_null_removes() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    for key in ["user_metadata", "app_metadata"] {
        let first = json!({ key: { "display_name": "Amina", "roles": ["brand_ambassador"], "n": { "a": 1 }, "kept": 7 } });
        assert_eq!(caller.update(&id, &first).await.status, 200);
        let second = json!({ key: { "roles": ["brand_ambassador", "customer_care"], "n": { "b": 2 }, "display_name": null } });
        let answer = caller.update(&id, &second).await.json();
        let read = caller.get(&format!("/admin/users/{id}")).await.json();
        for user in [answer, read] {
            let mut merged = user[key].as_object().unwrap().clone();
            for other in ["email_verified", "provider", "providers"] {
                merged.remove(other);
            }
            assert_eq!(
                Value::Object(merged),
                json!({ "kept": 7, "n": { "b": 2 }, "roles": ["brand_ambassador", "customer_care"] }),
                "{key}"
            );
        }
    }
}

#[tokio::test]
async fn the_providers_survive_unless_they_are_overwritten() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    let added = json!({ "app_metadata": { "tenant": "microbima" } });
    let user = caller.update(&id, &added).await.json();
    assert_eq!(
        user["app_metadata"],
        json!({ "provider": "email", "providers": ["email"], "tenant": "microbima" })
    );
    let overwritten = json!({ "app_metadata": { "provider": "none" } });
    let user = caller.update(&id, &overwritten).await.json();
    assert_eq!(user["app_metadata"]["provider"], "none");
}

#[tokio::test]
async fn keys_of_metadata_are_shown_in_order_on_every_level() {
    let (sandbox, id) = with_amina().await;
    let body = json!({ "user_metadata": { "z": 1, "a": [{ "y": 1, "b": 2 }] } });
    let answer = Caller::service(&sandbox).update(&id, &body).await;
    assert!(
        answer
            .text()
            .contains(r#""user_metadata":{"a":[{"b":2,"y":1}],"email_verified":true,"z":1}"#),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn what_is_not_given_stays_as_it_is() {
    let (sandbox, id) = with_amina().await;
    let before = sandbox.user(&id).unwrap();
    let caller = Caller::service(&sandbox);
    assert_eq!(caller.update(&id, &json!({})).await.status, 200);
    let id_and_aud = json!({ "id": "11111111-2222-4333-8444-555555555555", "aud": "other" });
    assert_eq!(caller.update(&id, &id_and_aud).await.json()["id"], *id);
    let mut after = sandbox.user(&id).unwrap();
    assert!(after.updated_at >= before.updated_at);
    after.updated_at = before.updated_at;
    assert_eq!(after, before);
    assert!(sandbox.password_is(&id, PASSWORD));
}

#[tokio::test]
async fn a_new_address_counts_at_once_and_stays_confirmed_since_the_old_one_was() {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    clock.advance(Duration::from_secs(60));
    let caller = Caller::service(&sandbox);
    let body = json!({ "email": "Amina.New@example.com" });
    let user = caller.update(&id, &body).await.json();
    assert_eq!(user["email"], "amina.new@example.com");
    assert_eq!(user["email_confirmed_at"], "2026-01-15T09:30:00Z");
    assert_eq!(user["updated_at"], "2026-01-15T09:31:00Z");
    let read = caller.get(&format!("/admin/users/{id}")).await.json();
    assert_eq!(read["identities"][0]["email"], "amina.new@example.com");
    let public = Caller::public(&sandbox);
    assert_eq!(
        public
            .sign_in("amina.new@example.com", PASSWORD)
            .await
            .status,
        200
    );
    assert_eq!(
        public.sign_in("amina@example.com", PASSWORD).await.status,
        400
    );
    assert!(sandbox.user_by_email("amina@example.com").is_none());
}

#[tokio::test]
async fn an_identity_just_changed_is_shown_as_it_was() {
    let (sandbox, id) = with_amina().await;
    let body = json!({ "email": "new@example.com" });
    let user = Caller::service(&sandbox).update(&id, &body).await.json();
    assert_eq!(user["identities"][0]["email"], "amina@example.com");
}

#[tokio::test]
async fn taking_over_another_users_address_is_a_failure_of_the_server_in_both_forms() {
    let (sandbox, id) = with_amina().await;
    let other = sandbox.seed_user(UserSeed::new("b@example.com")).unwrap();
    let caller = Caller::service(&sandbox);
    let body = json!({ "email": "B@example.com", "user_metadata": { "seen": true } });
    let answer = caller.update(&id, &body).await;
    assert_eq!(
        (answer.status, answer.json()),
        (
            500,
            json!({ "code": "unexpected_failure", "message": "Error updating user" })
        )
    );
    let answer = caller
        .clone()
        .without("X-Supabase-Api-Version")
        .update(&id, &body)
        .await;
    let json = answer.json();
    assert_eq!((answer.status, json["code"].as_str()), (500, Some("23505")));
    assert_eq!(
        json["message"],
        "duplicate key value violates unique constraint \"users_email_partial_key\""
    );
    assert!(text(&json, "detail").contains("b@example.com"));
    let unchanged = sandbox.user(&id).unwrap();
    assert_eq!(unchanged.email, "amina@example.com");
    assert!(
        !unchanged.user_metadata.contains_key("seen"),
        "all or nothing"
    );
    let own = json!({ "email": "b@example.com" });
    assert_eq!(caller.update(&other, &own).await.status, 200);
}

#[tokio::test]
async fn everything_is_checked_before_anything_is_written() {
    let (sandbox, id) = with_amina().await;
    let before = sandbox.user(&id).unwrap();
    let caller = Caller::service(&sandbox);
    for wrong in [
        json!({ "email": "none", "role": "r" }),
        json!({ "phone": "none", "role": "r" }),
        json!({ "ban_duration": "1d", "role": "r" }),
        json!({ "password": "x".repeat(73), "role": "r" }),
    ] {
        let answer = caller.update(&id, &wrong).await;
        assert_eq!(refusal(&answer), refused(400, "validation_failed"));
    }
    let weak = json!({ "password": "short", "role": "r", "user_metadata": { "a": 1 } });
    let answer = caller.update(&id, &weak).await;
    assert_eq!(refusal(&answer), refused(422, "weak_password"));
    assert_eq!(sandbox.user(&id).unwrap(), before);
}

#[tokio::test]
async fn an_address_can_be_confirmed_later() {
    let (sandbox, _) = with_amina().await;
    let seed = UserSeed::new("b@example.com").unconfirmed();
    let id = sandbox.seed_user(seed).unwrap();
    let caller = Caller::service(&sandbox);
    let user = caller
        .update(&id, &json!({ "email_confirm": true }))
        .await
        .json();
    assert!(user["email_confirmed_at"].is_string());
    assert!(
        user.get("confirmed_at").is_none(),
        "not known before the next read"
    );
    assert_eq!(user["user_metadata"]["email_verified"], true);
}

#[tokio::test]
async fn a_phone_can_be_added_and_is_unique() {
    let (sandbox, id) = with_amina().await;
    let caller = Caller::service(&sandbox);
    let body = json!({ "phone": "+254700000001", "phone_confirm": true, "role": "auditor" });
    let user = caller.update(&id, &body).await.json();
    assert_eq!(user["phone"], "254700000001");
    assert_eq!(user["role"], "auditor");
    assert_eq!(user["identities"].as_array().unwrap().len(), 2);
    let other = sandbox.seed_user(UserSeed::new("b@example.com")).unwrap();
    let answer = caller
        .update(&other, &json!({ "phone": "254700000001" }))
        .await;
    assert_eq!(refusal(&answer), refused(500, "unexpected_failure"));
}

#[tokio::test]
async fn an_unknown_user_cannot_be_changed() {
    let (sandbox, _) = with_amina().await;
    let caller = Caller::service(&sandbox);
    let id = "11111111-2222-4333-8444-555555555555";
    let answer = caller.update(id, &json!({})).await;
    assert_eq!(refusal(&answer), refused(404, "user_not_found"));
    let answer = caller.update("17", &json!({})).await;
    assert_eq!(refusal(&answer), refused(404, "validation_failed"));
}
