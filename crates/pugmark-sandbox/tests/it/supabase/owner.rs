//! What the sandbox's owner can do and see without a call.

use std::time::Duration;

use pugmark_sandbox::{SupabaseSandbox, UserSeed};
use serde_json::json;

use super::{Caller, PASSWORD, sandbox};

#[tokio::test]
async fn a_seeded_user_is_like_a_created_one() {
    let sandbox = sandbox().await;
    let id = "11111111-2222-4333-8444-555555555555";
    let until = "2126-01-01T00:00:00Z".parse().unwrap();
    let seed = UserSeed::new("Amina@Example.com")
        .id(id)
        .password("1")
        .user_metadata("roles", json!(["customer_care"]))
        .app_metadata("tenant", json!("microbima"))
        .banned_until(until);
    assert_eq!(sandbox.seed_user(seed).as_deref(), Some(id));
    let user = Caller::service(&sandbox)
        .get(&format!("/admin/users/{id}"))
        .await
        .json();
    assert_eq!(user["email"], "amina@example.com");
    assert_eq!(user["user_metadata"]["roles"], json!(["customer_care"]));
    assert_eq!(
        user["app_metadata"],
        json!({ "provider": "email", "providers": ["email"], "tenant": "microbima" })
    );
    assert_eq!(user["banned_until"], "2126-01-01T00:00:00Z");
    let seen = sandbox.user_by_email("AMINA@example.com").unwrap();
    assert_eq!((seen.id.as_str(), seen.banned_until), (id, Some(until)));
    assert!(sandbox.password_is(id, "1") && !sandbox.password_is(id, "2"));
}

#[tokio::test]
async fn what_is_taken_or_malformed_cannot_be_seeded() {
    let sandbox = sandbox().await;
    let id = sandbox.seed_user(UserSeed::new("a@example.com")).unwrap();
    for seed in [
        UserSeed::new("A@example.com"),
        UserSeed::new("b@example.com").id(&id),
        UserSeed::new("b@example.com").id("17"),
        UserSeed::new("b"),
        UserSeed::new(""),
    ] {
        assert_eq!(sandbox.seed_user(seed), None);
    }
    assert_eq!(sandbox.users().len(), 1);
}

#[tokio::test]
async fn users_are_seen_in_the_order_of_their_creation() {
    let sandbox = sandbox().await;
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        sandbox.seed_user(UserSeed::new(email)).unwrap();
    }
    let emails: Vec<String> = sandbox.users().into_iter().map(|user| user.email).collect();
    assert_eq!(emails, ["a@example.com", "b@example.com", "c@example.com"]);
    assert!(sandbox.user("17").is_none());
    assert!(sandbox.access_token_for("17").is_none());
    assert!(!sandbox.password_is("17", PASSWORD));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_keys_and_ids() {
    let mut seen = Vec::new();
    for seed in [5, 5, 6] {
        let sandbox = SupabaseSandbox::builder().seed(seed).start().await.unwrap();
        let id = sandbox.seed_user(UserSeed::new("a@example.com")).unwrap();
        seen.push((sandbox.jwt_secret().to_owned(), id));
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0].0, seen[2].0);
    assert_ne!(seen[0].1, seen[2].1);
}

#[tokio::test]
async fn every_call_takes_as_long_as_the_latency_says() {
    let latency = Duration::from_millis(30);
    let sandbox = SupabaseSandbox::builder()
        .latency(latency)
        .start()
        .await
        .unwrap();
    let started = std::time::Instant::now();
    Caller::service(&sandbox).get("/admin/users").await;
    assert!(started.elapsed() >= latency);
}
