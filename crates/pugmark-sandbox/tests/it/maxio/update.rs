//! `PUT /subscriptions/{id}.json`.

use pugmark_sandbox::{MaxioSandbox, ProductSeed};
use serde_json::{Value, json};

use super::{Caller, builder, id_of, john_in, messages, signed_up};
use crate::raw::Answer;

async fn site() -> (MaxioSandbox, Caller, u64) {
    let sandbox = builder()
        .product(ProductSeed::monthly("default-hr-package", 29_900))
        .product(ProductSeed::monthly("large-hr-package", 59_900))
        .start()
        .await
        .unwrap();
    let (caller, _) = john_in(&sandbox).await;
    let id = id_of(&signed_up(&caller).await);
    (sandbox, caller, id)
}

async fn update(caller: &Caller, id: u64, fields: &Value) -> Answer {
    let path = format!("/subscriptions/{id}.json");
    caller.put(&path, &json!({ "subscription": fields })).await
}

#[tokio::test]
async fn a_product_is_changed_at_once_or_with_the_period() {
    let (_sandbox, caller, id) = site().await;
    let later = json!({ "product_handle": "large-hr-package", "product_change_delayed": true });
    let delayed = update(&caller, id, &later).await.json()["subscription"].clone();
    assert_eq!(
        (
            &delayed["product"]["handle"],
            &delayed["next_product_handle"]
        ),
        (&json!("default-hr-package"), &json!("large-hr-package"))
    );
    let now = json!({ "product_handle": "large-hr-package" });
    let changed = update(&caller, id, &now).await.json()["subscription"].clone();
    assert_eq!(
        (
            &changed["product"]["handle"],
            &changed["product_price_in_cents"],
            &changed["next_product_id"]
        ),
        (&json!("large-hr-package"), &json!(59_900), &Value::Null)
    );
}

#[tokio::test]
async fn an_unknown_product_is_refused_with_two_messages() {
    let (_sandbox, caller, id) = site().await;
    let answer = update(&caller, id, &json!({ "product_id": 1 })).await;
    assert_eq!(
        messages(&answer),
        [
            "Product must be specified and be a valid product provided by the seller.",
            "Product price point must belong to product."
        ]
    );
}

#[tokio::test]
async fn the_next_bill_is_write_only_and_shows_as_the_end_of_the_period() {
    let (_sandbox, caller, id) = site().await;
    let fields = json!({ "next_billing_at": "2099-06-30T08:00:00Z" });
    let answer = update(&caller, id, &fields).await.json()["subscription"].clone();
    assert_eq!(
        answer["current_period_ends_at"],
        "2099-06-30T04:00:00-04:00"
    );
    assert!(answer.get("next_billing_at").is_none());
    let wrong = update(&caller, id, &json!({ "next_billing_at": "soon" })).await;
    assert_eq!(messages(&wrong), ["Next billing at: is not a valid date."]);
}

#[tokio::test]
async fn other_fields_change_and_those_not_sent_stay() {
    let (_sandbox, caller, id) = site().await;
    let fields = json!({ "payment_collection_method": "remittance", "net_terms": 30, "receives_invoice_emails": true });
    let changed = update(&caller, id, &fields).await.json()["subscription"].clone();
    assert_eq!(
        (
            &changed["payment_collection_method"],
            &changed["net_terms"],
            &changed["receives_invoice_emails"]
        ),
        (&json!("remittance"), &json!("30"), &json!(true))
    );
    assert_eq!(changed["reference"], "lead-10x456");
    let renamed = update(&caller, id, &json!({ "reference": "new" })).await;
    assert_eq!(renamed.json()["subscription"]["reference"], "new");
    assert_eq!(
        caller
            .get("/subscriptions/lookup.json?reference=lead-10x456")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_card_takes_the_place_of_the_bank_account() {
    let (sandbox, caller, id) = site().await;
    let card = json!({ "full_number": "1", "expiration_month": 1, "expiration_year": 2031 });
    let fields = json!({ "credit_card_attributes": card });
    let changed = update(&caller, id, &fields).await.json()["subscription"].clone();
    assert_eq!(changed["payment_type"], "credit_card");
    assert!(changed["credit_card"].is_object() && changed.get("bank_account").is_none());
    assert_eq!(sandbox.payment_profiles().len(), 2);
}

#[tokio::test]
async fn an_unknown_id_comes_before_a_missing_body() {
    let (_sandbox, caller, id) = site().await;
    assert_eq!(
        caller.put("/subscriptions/1.json", &json!({})).await.status,
        404
    );
    let path = format!("/subscriptions/{id}.json");
    let empty = caller.put(&path, &json!({})).await;
    assert_eq!(
        empty.json(),
        json!({ "errors": { "subscription": "can't be blank" } })
    );
}
