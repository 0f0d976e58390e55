//! `uniqueness_token`.

use std::time::Duration;

use pugmark_sandbox::{Clock, ManualClock, MaxioSandbox};
use serde_json::{Value, json};

use super::{Caller, builder, john, messages};
use crate::raw::Answer;

async fn site() -> (MaxioSandbox, Caller, ManualClock) {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = builder().clock(Clock::Manual(clock.clone()));
    let sandbox = sandbox.start().await.unwrap();
    let caller = Caller::of(&sandbox);
    (sandbox, caller, clock)
}

async fn create(caller: &Caller, customer: Value, token: &str) -> Answer {
    let body = json!({ "customer": customer, "uniqueness_token": token });
    caller.post("/customers.json", &body).await
}

#[tokio::test]
async fn a_second_use_is_a_conflict_and_does_not_replay_the_first_answer() {
    let (sandbox, caller, _) = site().await;
    assert_eq!(create(&caller, john(), "one").await.status, 201);
    let again = create(&caller, john(), "one").await;
    assert_eq!(again.status, 409);
    assert_eq!(
        again.json(),
        json!({ "errors": ["DuplicatePrevention::DuplicateSubmissionError"] })
    );
    assert_eq!(sandbox.customers().len(), 1);
}

#[tokio::test]
async fn it_is_used_up_by_a_refusal_too() {
    let (sandbox, caller, _) = site().await;
    let refused = create(&caller, json!({ "first_name": "John" }), "one").await;
    assert_eq!(messages(&refused).len(), 2);
    assert_eq!(create(&caller, john(), "one").await.status, 409);
    assert!(sandbox.customers().is_empty());
    assert_eq!(create(&caller, john(), "two").await.status, 201);
}

#[tokio::test]
async fn it_is_remembered_for_an_hour() {
    let (_sandbox, caller, clock) = site().await;
    assert_eq!(create(&caller, john(), "one").await.status, 201);
    clock.advance(Duration::from_secs(3599));
    assert_eq!(create(&caller, john(), "one").await.status, 409);
    clock.advance(Duration::from_secs(1));
    let reused = create(&caller, john(), "one").await;
    assert_eq!(
        reused.status, 422,
        "the reference is taken, but the token is free"
    );
}

#[tokio::test]
async fn updates_are_guarded_and_a_call_without_a_key_uses_nothing_up() {
    let (sandbox, caller, _) = site().await;
    let stranger = caller.clone().without("Authorization");
    assert_eq!(create(&stranger, john(), "one").await.status, 401);
    let created = create(&caller, john(), "one").await;
    let path = format!("/customers/{}.json", created.json()["customer"]["id"]);
    let change = json!({ "customer": { "city": "Cork" }, "uniqueness_token": "one" });
    assert_eq!(caller.put(&path, &change).await.status, 409);
    assert_eq!(sandbox.customers()[0]["city"], "Dublin");
}
