//! The raw answers: which keys there are, in their order, and which JSON types their values have.

use pugmark_sandbox::{Clock, ManualClock, MaxioSandbox};
use serde_json::{Value, json};

use super::{Caller, bank_account, builder, id_of, john_in, signed_up};

const CUSTOMER: &str = "id first_name last_name email cc_emails organization reference created_at updated_at address address_2 \
    city state state_name zip country country_name phone verified portal_customer_created_at portal_invite_last_sent_at \
    portal_invite_last_accepted_at tax_exempt vat_number parent_id locale salesforce_id default_auto_renewal_profile_id";

const BANK_ACCOUNT: &str = "id first_name last_name created_at updated_at customer_id current_vault vault_token billing_address \
    billing_city billing_state billing_zip billing_country customer_vault_token billing_address_2 bank_name \
    masked_bank_routing_number masked_bank_account_number bank_account_type bank_account_holder_type payment_type verified \
    site_gateway_setting_id gateway_handle";

const SUBSCRIPTION: &str = "id state previous_state balance_in_cents total_revenue_in_cents product_price_in_cents \
    product_version_number current_period_started_at current_period_ends_at next_assessment_at trial_started_at trial_ended_at \
    activated_at expires_at created_at updated_at cancellation_message cancellation_method cancel_at_end_of_period canceled_at \
    delayed_cancel_at signup_payment_id signup_revenue coupon_code coupon_codes payment_collection_method snap_day reason_code \
    receives_invoice_emails net_terms payment_type referral_code reference currency next_product_id next_product_handle \
    product_price_point_id product_price_point_type group customer product bank_account";

async fn site() -> (MaxioSandbox, Caller, u64) {
    let clock = ManualClock::new("2025-05-08T15:39:18Z".parse().unwrap());
    let sandbox = builder().clock(Clock::Manual(clock)).start().await.unwrap();
    let (caller, john) = john_in(&sandbox).await;
    (sandbox, caller, john)
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn assert_keys(value: &Value, expected: &str) {
    assert_eq!(keys(value), expected.split_whitespace().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_customer() {
    let (_sandbox, caller, john) = site().await;
    let answer = caller.get(&format!("/customers/{john}.json")).await;
    assert_eq!(answer.content_type(), "application/json; charset=utf-8");
    let answer = answer.json();
    assert_eq!(keys(&answer), ["customer"]);
    let customer = &answer["customer"];
    assert_keys(customer, CUSTOMER);
    assert_eq!(
        customer,
        &json!({
            "id": john, "first_name": "John", "last_name": "Doe", "email": "contact@acmecorp.example", "cc_emails": null,
            "organization": "Acme Corp Ltd", "reference": "10x456", "created_at": "2025-05-08T11:39:18-04:00",
            "updated_at": "2025-05-08T11:39:18-04:00", "address": "1 Main Street", "address_2": null, "city": "Dublin",
            "state": null, "state_name": null, "zip": "D02 X285", "country": "IE", "country_name": "Ireland",
            "phone": "+353 1 555 0100", "verified": false, "portal_customer_created_at": null,
            "portal_invite_last_sent_at": null, "portal_invite_last_accepted_at": null, "tax_exempt": false,
            "vat_number": null, "parent_id": null, "locale": null, "salesforce_id": null,
            "default_auto_renewal_profile_id": null,
        })
    );
}

#[tokio::test]
async fn a_bank_account() {
    let (_sandbox, caller, john) = site().await;
    let mut profile = bank_account();
    profile["customer_id"] = json!(john);
    let answer = caller.create_profile(&profile).await.json();
    assert_eq!(keys(&answer), ["payment_profile"]);
    let profile = &answer["payment_profile"];
    assert_keys(profile, BANK_ACCOUNT);
    assert!(profile["id"].is_u64() && profile["customer_id"].is_u64());
    assert_eq!(profile["masked_bank_routing_number"], "XXXX0000");
    assert_eq!(
        (
            &profile["bank_account_type"],
            &profile["bank_account_holder_type"],
            &profile["verified"]
        ),
        (&json!("checking"), &json!("personal"), &json!(false))
    );
}

#[tokio::test]
async fn a_subscription() {
    let (_sandbox, caller, john) = site().await;
    let subscription = signed_up(&caller).await;
    assert_keys(&subscription, SUBSCRIPTION);
    assert_keys(&subscription["customer"], CUSTOMER);
    assert_keys(&subscription["bank_account"], BANK_ACCOUNT);
    for number in [
        "id",
        "balance_in_cents",
        "product_price_in_cents",
        "signup_payment_id",
        "product_price_point_id",
    ] {
        assert!(
            subscription[number].is_i64(),
            "{number}: {}",
            subscription[number]
        );
    }
    assert_eq!(subscription["signup_revenue"], "299.00");
    assert_eq!(subscription["coupon_codes"], json!([]));
    assert_eq!(subscription["activated_at"], "2025-05-08T11:39:18-04:00");
    let handle = "/products/handle/default-hr-package.json";
    let product = caller.get(handle).await.json()["product"].clone();
    assert_eq!(subscription["product"], product);
    assert_eq!(id_of(&subscription["customer"]), john);
}

#[tokio::test]
async fn what_does_not_pay_is_absent_and_without_a_profile_nothing_is_there() {
    let (_sandbox, caller, john) = site().await;
    let signup = json!({
        "customer_id": john, "product_handle": "default-hr-package", "payment_collection_method": "remittance",
    });
    let subscription = caller.sign_up(&signup).await.json()["subscription"].clone();
    assert_keys(
        &subscription,
        SUBSCRIPTION.trim_end_matches(" bank_account"),
    );
    assert!(subscription["payment_type"].is_null());
}

#[tokio::test]
async fn ids_only_grow() {
    let (sandbox, caller, john) = site().await;
    let subscription = signed_up(&caller).await;
    let profile = id_of(&sandbox.payment_profiles()[0]);
    assert!(john < profile && john < id_of(&subscription));
}
