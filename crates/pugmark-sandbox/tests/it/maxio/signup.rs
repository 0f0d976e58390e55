//! `POST /subscriptions.json`.

use pugmark_sandbox::{Clock, ManualClock, ProductSeed};
use serde_json::{Value, json};

use super::{
    Caller, bank_account, builder, id_of, john, john_in, johns_signup, messages, sandbox,
    signed_up, with_john,
};

#[tokio::test]
async fn a_signup_with_a_bank_account_is_active_and_paid_and_makes_its_customer_verified() {
    let (sandbox, caller, john) = with_john().await;
    let subscription = signed_up(&caller).await;
    assert_eq!(
        (
            &subscription["state"],
            &subscription["previous_state"],
            &subscription["payment_type"]
        ),
        (&json!("active"), &json!("active"), &json!("bank_account"))
    );
    assert_eq!(
        (
            &subscription["signup_revenue"],
            &subscription["total_revenue_in_cents"],
            &subscription["balance_in_cents"]
        ),
        (&json!("299.00"), &json!(29_900), &json!(0))
    );
    assert!(subscription.get("credit_card").is_none());
    assert_eq!(subscription["customer"]["verified"], true);
    assert_eq!(
        sandbox.customer_by_reference("10x456").unwrap()["verified"],
        true
    );
    let found = caller
        .get("/subscriptions/lookup.json?reference=lead-10x456")
        .await;
    assert_eq!(found.json()["subscription"], subscription);
    assert_eq!(id_of(&subscription["customer"]), john);
    assert_eq!(
        caller
            .get("/subscriptions/lookup.json?reference=lead")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn only_the_read_by_id_shows_the_next_bill() {
    let (_sandbox, caller, _) = with_john().await;
    let mut subscription = signed_up(&caller).await;
    let path = format!("/subscriptions/{}.json", id_of(&subscription));
    let read = caller.get(&path).await.json()["subscription"].clone();
    subscription["current_billing_amount_in_cents"] = json!(29_900);
    assert_eq!(read, subscription);
    assert_eq!(caller.get("/subscriptions/1.json").await.status, 404);
}

#[tokio::test]
async fn automatic_collection_without_a_profile_is_refused_with_the_balance() {
    for (currency, amount) in [("EUR", "€299.00"), ("USD", "$299.00")] {
        let sandbox = builder().currency(currency).start().await.unwrap();
        let (caller, _) = john_in(&sandbox).await;
        let mut signup = johns_signup();
        signup["bank_account_attributes"] = Value::Null;
        assert_eq!(
            messages(&caller.sign_up(&signup).await),
            [format!(
                "No payment method was on file for the {amount} balance"
            )]
        );
        assert!(sandbox.subscriptions().is_empty());
    }
}

#[tokio::test]
async fn an_invoice_a_later_bill_and_a_free_product_need_no_profile() {
    let sandbox = builder()
        .product(ProductSeed::monthly("paid", 29_900))
        .product(ProductSeed::monthly("free", 0))
        .product(ProductSeed::monthly("trial", 29_900).trial_days(14))
        .start()
        .await
        .unwrap();
    let (caller, _) = john_in(&sandbox).await;
    let sign_up = async |product: &str, extra: Value| {
        let mut signup = json!({ "customer_reference": "10x456", "product_handle": product });
        for (name, value) in extra.as_object().unwrap() {
            signup[name] = value.clone();
        }
        let answer = caller.sign_up(&signup).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["subscription"].clone()
    };
    let invoiced = sign_up("paid", json!({ "payment_collection_method": "remittance" })).await;
    assert_eq!(
        (
            &invoiced["state"],
            &invoiced["balance_in_cents"],
            &invoiced["payment_type"]
        ),
        (&json!("active"), &json!(29_900), &Value::Null)
    );
    let later = sign_up("paid", json!({ "next_billing_at": "2099-01-31" })).await;
    assert_eq!(
        later["current_period_ends_at"], "2099-01-31T12:00:00-05:00",
        "noon"
    );
    assert!(later.get("next_billing_at").is_none());
    assert_eq!(
        (&later["state"], &later["signup_revenue"]),
        (&json!("active"), &json!("0.00"))
    );
    assert_eq!(sign_up("free", json!({})).await["state"], "active");
    let trial = sign_up("trial", json!({})).await;
    assert_eq!(
        (&trial["state"], &trial["trial_ended_at"]),
        (&json!("trialing"), &trial["current_period_ends_at"])
    );
}

#[tokio::test]
async fn the_older_name_of_invoices_is_answered_by_the_newer_one() {
    let (_sandbox, caller, _) = with_john().await;
    let mut signup = johns_signup();
    signup["payment_collection_method"] = json!("invoice");
    let answer = caller.sign_up(&signup).await;
    assert_eq!(
        answer.json()["subscription"]["payment_collection_method"],
        "remittance"
    );
    signup["payment_collection_method"] = json!("sometime");
    assert_eq!(messages(&caller.sign_up(&signup).await).len(), 1);
}

#[tokio::test]
async fn unknown_and_archived_products_are_refused() {
    let sandbox = builder()
        .product(ProductSeed::monthly("old", 100).archived())
        .start()
        .await
        .unwrap();
    let (caller, _) = john_in(&sandbox).await;
    let mut signup = johns_signup();
    assert_eq!(
        messages(&caller.sign_up(&signup).await),
        ["Product with API Handle 'default-hr-package' does not exist for this site."]
    );
    for product in [json!("old"), Value::Null] {
        signup["product_handle"] = product;
        assert_eq!(
            messages(&caller.sign_up(&signup).await),
            ["Product must be specified and be a valid product provided by the seller."]
        );
    }
}

#[tokio::test]
async fn a_price_point_or_a_price_of_ones_own_decides_what_is_paid() {
    let sandbox = builder()
        .product(ProductSeed::monthly("default-hr-package", 29_900).price_point("small", 9_900))
        .start()
        .await
        .unwrap();
    let (caller, _) = john_in(&sandbox).await;
    let price = async |name: &str, value: Value| {
        let mut signup = johns_signup();
        signup["reference"] = Value::Null;
        signup[name] = value;
        caller.sign_up(&signup).await
    };
    let small = price("product_price_point_handle", json!("small"))
        .await
        .json();
    assert_eq!(small["subscription"]["product_price_in_cents"], 9_900);
    assert_eq!(small["subscription"]["product_price_point_type"], "catalog");
    let custom = price(
        "custom_price",
        json!({ "price_in_cents": "500", "interval": 1 }),
    )
    .await
    .json();
    assert_eq!(custom["subscription"]["signup_revenue"], "5.00");
    let unknown = price("product_price_point_handle", json!("large")).await;
    assert_eq!(
        messages(&unknown),
        ["Product price point must belong to product."]
    );
}

#[tokio::test]
async fn somebody_must_sign_up() {
    let (_sandbox, caller, _) = with_john().await;
    for (name, value) in [
        ("customer_reference", json!("nobody")),
        ("customer_id", json!(1)),
        ("note", json!(1)),
    ] {
        let mut signup = johns_signup();
        signup.as_object_mut().unwrap().remove("customer_reference");
        signup[name] = value;
        assert_eq!(
            messages(&caller.sign_up(&signup).await),
            ["A Customer must be specified for the subscription to be valid."]
        );
    }
    let empty = caller.post("/subscriptions.json", &json!({})).await;
    assert_eq!(
        empty.json(),
        json!({ "errors": { "subscription": "can't be blank" } })
    );
}

#[tokio::test]
async fn a_customer_made_inline_stays_only_with_the_subscription() {
    let sandbox = sandbox().await;
    let caller = Caller::of(&sandbox);
    let mut signup = johns_signup();
    signup.as_object_mut().unwrap().remove("customer_reference");
    signup["customer_attributes"] = john();
    signup["bank_account_attributes"] = Value::Null;
    assert_eq!(messages(&caller.sign_up(&signup).await).len(), 1);
    assert!(sandbox.customers().is_empty(), "rolled back");
    assert!(sandbox.journal().created("customers").is_empty());
    signup["bank_account_attributes"] = bank_account();
    assert_eq!(caller.sign_up(&signup).await.status, 201);
    assert_eq!(sandbox.customers()[0]["verified"], true);
    signup["customer_attributes"]["email"] = Value::Null;
    signup["reference"] = Value::Null;
    assert_eq!(
        messages(&caller.sign_up(&signup).await),
        [
            "Email address: cannot be blank.",
            "Reference: must be unique - that value has been taken."
        ]
    );
}

#[tokio::test]
async fn payment_data_that_is_empty_or_anothers_is_refused() {
    let (_sandbox, caller, _) = with_john().await;
    for name in ["credit_card_attributes", "bank_account_attributes"] {
        let mut signup = johns_signup();
        signup
            .as_object_mut()
            .unwrap()
            .remove("bank_account_attributes");
        signup[name] = json!({});
        assert_eq!(
            messages(&caller.sign_up(&signup).await),
            ["Payment profile: cannot be blank."]
        );
    }
    let mut signup = johns_signup();
    signup["payment_profile_id"] = json!(1);
    assert_eq!(messages(&caller.sign_up(&signup).await).len(), 1);
}

#[tokio::test]
async fn a_stored_profile_pays_too() {
    let (sandbox, caller, john) = with_john().await;
    let mut profile = bank_account();
    profile["customer_id"] = json!(john);
    let profile = caller.create_profile(&profile).await.json()["payment_profile"]["id"].clone();
    let signup = json!({
        "customer_id": john, "product_handle": "default-hr-package", "payment_profile_id": profile,
    });
    let subscription = caller.sign_up(&signup).await.json()["subscription"].clone();
    assert_eq!(subscription["bank_account"]["id"], profile);
    assert_eq!(sandbox.payment_profiles().len(), 1);
}

#[tokio::test]
async fn a_reference_cannot_be_taken_twice_unless_the_sandbox_is_told_otherwise() {
    let (sandbox, caller, _) = with_john().await;
    signed_up(&caller).await;
    assert_eq!(
        messages(&caller.sign_up(&johns_signup()).await),
        ["Reference: must be unique - that value has been taken."]
    );
    assert_eq!(
        (
            sandbox.subscriptions().len(),
            sandbox.payment_profiles().len()
        ),
        (1, 1)
    );
    let lenient = builder().unique_subscription_references(false);
    let lenient = lenient.start().await.unwrap();
    let (caller, _) = john_in(&lenient).await;
    let oldest = signed_up(&caller).await;
    signed_up(&caller).await;
    let found = lenient.subscription_by_reference("lead-10x456").unwrap();
    assert_eq!(found["id"], oldest["id"]);
}

#[tokio::test]
async fn a_declined_payment_leaves_nothing() {
    let (sandbox, caller, _) = with_john().await;
    sandbox.decline_payments(true);
    assert_eq!(
        messages(&caller.sign_up(&johns_signup()).await),
        ["Bogus Gateway: Forced failure"]
    );
    assert!(sandbox.subscriptions().is_empty() && sandbox.payment_profiles().is_empty());
    sandbox.decline_payments(false);
    let mut by_card = johns_signup();
    by_card["bank_account_attributes"] = Value::Null;
    by_card["credit_card_attributes"] =
        json!({ "full_number": "2", "expiration_month": 1, "expiration_year": 2031 });
    let declined = caller.sign_up(&by_card).await;
    assert_eq!(messages(&declined), ["Bogus Gateway: Forced failure"]);
    signed_up(&caller).await;
}

#[tokio::test]
async fn what_is_null_was_not_said() {
    let (_sandbox, caller, _) = with_john().await;
    let mut signup = johns_signup();
    for name in [
        "customer_id",
        "customer_attributes",
        "payment_profile_id",
        "product_id",
        "coupon_code",
    ] {
        signup[name] = Value::Null;
    }
    assert_eq!(caller.sign_up(&signup).await.status, 201);
}

#[tokio::test]
async fn coupons_and_components_are_unknown() {
    let (_sandbox, caller, _) = with_john().await;
    let mut signup = johns_signup();
    signup["components"] = json!([{ "component_id": 1, "allocated_quantity": 2 }]);
    assert!(messages(&caller.sign_up(&signup).await)[0].starts_with("Component"));
    signup["components"] = json!([]);
    signup["coupon_codes"] = json!(["SPRING"]);
    assert!(messages(&caller.sign_up(&signup).await)[0].contains("'SPRING'"));
}

#[tokio::test]
async fn what_begins_later_waits_for_it_unpaid() {
    let (_sandbox, caller, _) = with_john().await;
    let signup = json!({
        "customer_reference": "10x456", "product_handle": "default-hr-package", "initial_billing_at": "2099-01-31",
    });
    let answer = caller.sign_up(&signup).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let subscription = answer.json()["subscription"].clone();
    assert_eq!(
        (
            &subscription["state"],
            &subscription["activated_at"],
            &subscription["signup_revenue"]
        ),
        (&json!("awaiting_signup"), &Value::Null, &json!("0.00"))
    );
}

#[tokio::test]
async fn a_period_lasts_until_the_same_day_of_the_next_month() {
    let clock = ManualClock::new("2025-05-08T15:39:22Z".parse().unwrap());
    let sandbox = builder().clock(Clock::Manual(clock)).start().await.unwrap();
    let (caller, _) = john_in(&sandbox).await;
    let subscription = signed_up(&caller).await;
    assert_eq!(
        subscription["current_period_ends_at"],
        "2025-06-08T11:39:22-04:00"
    );
    assert_eq!(
        subscription["next_assessment_at"],
        subscription["current_period_ends_at"]
    );
}
