//! How subscriptions end, pause and begin anew.

use pugmark_sandbox::{MaxioSandbox, SubscriptionState};
use serde_json::{Value, json};

use super::{Caller, builder, id_of, john_in, messages, signed_up, with_john};
use crate::raw::Answer;

/// A site with one subscription of John's.
async fn with_subscription() -> (MaxioSandbox, Caller, u64) {
    let (sandbox, caller, _) = with_john().await;
    let id = id_of(&signed_up(&caller).await);
    (sandbox, caller, id)
}

async fn act(caller: &Caller, method: &str, id: u64, what: &str) -> Answer {
    let path = format!("/subscriptions/{id}{what}.json");
    caller.send(method, &path, b"").await
}

fn state(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["subscription"]["state"].clone()
}

#[tokio::test]
async fn an_end_takes_a_reason_and_a_second_one_is_refused_by_the_singular_key() {
    let (_sandbox, caller, id) = with_subscription().await;
    let path = format!("/subscriptions/{id}.json");
    let body = json!({ "subscription": { "cancellation_message": "Left", "reason_code": "CH1" } });
    let answer = caller
        .send("DELETE", &path, body.to_string().as_bytes())
        .await;
    let canceled = answer.json()["subscription"].clone();
    assert_eq!(
        (&canceled["state"], &canceled["previous_state"]),
        (&json!("canceled"), &json!("canceled"))
    );
    assert_eq!(
        (
            &canceled["cancellation_message"],
            &canceled["reason_code"],
            &canceled["cancellation_method"]
        ),
        (&json!("Left"), &json!("CH1"), &json!("merchant_api"))
    );
    assert!(canceled["canceled_at"].is_string() && canceled["next_assessment_at"].is_null());
    let again = caller.delete(&path).await;
    assert_eq!(again.status, 422);
    assert_eq!(
        again.json(),
        json!({ "error": "The subscription is already canceled" })
    );
    assert_eq!(caller.delete("/subscriptions/1.json").await.status, 404);
}

#[tokio::test]
async fn an_end_without_a_body_has_the_usual_reason() {
    let (_sandbox, caller, id) = with_subscription().await;
    let answer = act(&caller, "DELETE", id, "").await;
    assert_eq!(answer.json()["subscription"]["reason_code"], "CH:Unknown");
}

#[tokio::test]
async fn an_end_with_the_period_can_be_taken_back() {
    let (sandbox, caller, id) = with_subscription().await;
    let answer = act(&caller, "POST", id, "/delayed_cancel").await;
    assert!(answer.json()["message"].is_string());
    let delayed = &sandbox.subscriptions()[0];
    assert_eq!(
        (
            &delayed["cancel_at_end_of_period"],
            &delayed["delayed_cancel_at"],
            &delayed["state"]
        ),
        (
            &json!(true),
            &delayed["current_period_ends_at"],
            &json!("active")
        )
    );
    act(&caller, "DELETE", id, "/delayed_cancel").await;
    assert_eq!(sandbox.subscriptions()[0]["cancel_at_end_of_period"], false);
}

#[tokio::test]
async fn what_is_on_hold_is_resumed_and_nothing_else() {
    let (_sandbox, caller, id) = with_subscription().await;
    assert_eq!(
        messages(&act(&caller, "POST", id, "/resume").await).len(),
        1
    );
    assert_eq!(state(&act(&caller, "POST", id, "/hold").await), "on_hold");
    assert_eq!(messages(&act(&caller, "POST", id, "/hold").await).len(), 1);
    assert_eq!(state(&act(&caller, "POST", id, "/resume").await), "active");
}

#[tokio::test]
async fn what_was_canceled_begins_anew() {
    let (_sandbox, caller, id) = with_subscription().await;
    assert_eq!(
        messages(&act(&caller, "PUT", id, "/reactivate").await).len(),
        1
    );
    act(&caller, "DELETE", id, "").await;
    let answer = act(&caller, "PUT", id, "/reactivate").await;
    assert_eq!(state(&answer), "active");
    assert!(answer.json()["subscription"]["canceled_at"].is_null());
}

#[tokio::test]
async fn activation_in_a_wrong_state_is_refused_in_a_map_of_lists() {
    let (sandbox, caller, id) = with_subscription().await;
    let refused = act(&caller, "PUT", id, "/activate").await;
    assert_eq!(refused.status, 422);
    assert!(refused.json()["errors"]["base"][0].is_string());
    assert!(sandbox.set_subscription_state(id, SubscriptionState::AwaitingSignup));
    assert_eq!(state(&act(&caller, "PUT", id, "/activate").await), "active");
}

#[tokio::test]
async fn purging_asks_for_the_customer_and_for_a_test_site() {
    let (sandbox, caller, id) = with_subscription().await;
    let customer = id_of(&sandbox.customers()[0]);
    let path = |ack| format!("/subscriptions/{id}/purge.json?ack={ack}");
    let refused = caller.post(&path(1), &json!({})).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        id_of(&refused.json()["subscription"]),
        id,
        "it is still there"
    );
    assert_eq!(caller.post(&path(customer), &json!({})).await.status, 200);
    assert!(sandbox.subscriptions().is_empty());
    let live = builder().live_site().start().await.unwrap();
    let (caller, john) = john_in(&live).await;
    let id = id_of(&signed_up(&caller).await);
    let path = format!("/subscriptions/{id}/purge.json?ack={john}");
    assert_eq!(caller.post(&path, &json!({})).await.status, 400);
}

#[tokio::test]
async fn any_state_can_be_set_and_lists_are_filtered_by_it() {
    let (sandbox, caller, id) = with_subscription().await;
    for wanted in SubscriptionState::ALL {
        assert!(sandbox.set_subscription_state(id, wanted));
        let path = format!("/subscriptions.json?state={}", wanted.name());
        let list = caller.get(&path).await.json();
        assert_eq!(list[0]["subscription"]["state"], wanted.name());
    }
    assert_eq!(
        caller.get("/subscriptions.json?state=active").await.json(),
        json!([])
    );
    assert!(!sandbox.set_subscription_state(1, SubscriptionState::Active));
}

#[tokio::test]
async fn a_debit_sent_back_makes_the_amount_due_until_it_is_paid() {
    let (sandbox, _caller, id) = with_subscription().await;
    let figures = || {
        let one = &sandbox.subscriptions()[0];
        ["state", "balance_in_cents", "total_revenue_in_cents"].map(|name| one[name].to_string())
    };
    assert!(sandbox.direct_debit_rejected(id));
    assert_eq!(figures(), ["\"past_due\"", "29900", "0"]);
    assert!(sandbox.direct_debit_paid(id));
    assert_eq!(figures(), ["\"active\"", "0", "29900"]);
    assert!(!sandbox.direct_debit_paid(1) && !sandbox.direct_debit_rejected(1));
}

#[tokio::test]
async fn a_renewal_moves_the_period_and_bills_it() {
    let (sandbox, _caller, id) = with_subscription().await;
    let before = sandbox.subscriptions()[0].clone();
    assert!(sandbox.renew(id));
    let after = &sandbox.subscriptions()[0];
    assert_eq!(
        after["current_period_started_at"],
        before["current_period_ends_at"]
    );
    assert_eq!(after["total_revenue_in_cents"], 59_800);
}
