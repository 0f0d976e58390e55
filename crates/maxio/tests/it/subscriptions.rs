//! Subscriptions: looked up and made.

use maxio::{
    BankDetails, CollectionMethod, CustomerId, CustomerKey, Error, Invalid, NewSubscription,
    Payment, PaymentProfileId, Phase, State, SubscriptionId,
};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::service::{IBAN, Service, body, json_answer, line, parameter, subscription};

fn by_reference() -> NewSubscription {
    let customer = CustomerKey::Reference("10x456".to_owned());
    NewSubscription::new(customer, "default-hr-package")
}

/// What is sent for this subscription.
async fn sent(new: &NewSubscription, token: Option<&str>) -> Value {
    let service = Service::json(201, json!({"subscription": subscription()})).await;
    let made = service.client().create_subscription(new, token).await;
    assert_eq!(made.unwrap().id, SubscriptionId::from(15_236_915));
    let request = service.only_request().await;
    assert_eq!(line(&request), "POST /subscriptions.json");
    body(&request)
}

#[tokio::test]
async fn a_subscription_with_a_bank_account_and_a_token_is_sent_as_documented() {
    let mut new = by_reference();
    new.payment_collection_method = Some(CollectionMethod::Automatic);
    new.reference = Some("lead-10x456".to_owned());
    let mut bank = BankDetails::iban(IBAN.into());
    bank.bank_name = Some("Allied Irish Banks".to_owned());
    bank.billing.address = Some("1 Main Street".to_owned());
    bank.billing.country = Some("IE".to_owned());
    new.payment = bank.into();
    assert_eq!(
        sent(&new, Some("2f1c9f52-0a53-4d41-8d5e-0a0c0f0f7a11")).await,
        json!({
            "subscription": {
                "customer_reference": "10x456", "product_handle": "default-hr-package",
                "payment_collection_method": "automatic", "reference": "lead-10x456",
                "bank_account_attributes": {
                    "payment_type": "bank_account", "bank_iban": IBAN, "bank_name": "Allied Irish Banks",
                    "billing_address": "1 Main Street", "billing_country": "IE"
                }
            },
            "uniqueness_token": "2f1c9f52-0a53-4d41-8d5e-0a0c0f0f7a11"
        })
    );
}

#[tokio::test]
async fn a_subscription_with_everything_else_is_sent_under_the_right_names() {
    let customer = CustomerKey::Id(CustomerId::from(88_833_369));
    let mut new = NewSubscription::new(customer, "default-hr-package");
    new.product_price_point_handle = Some("yearly".to_owned());
    new.payment = Payment::Profile(PaymentProfileId::from(10_089_892));
    new.payment_collection_method = Some(CollectionMethod::Remittance);
    new.next_billing_at = Some("2026-02-01T12:00:00Z".parse().unwrap());
    new.net_terms = Some(30);
    new.coupon_codes = vec!["WELCOME".to_owned()];
    new.metafields = [("lead".to_owned(), "10x456".to_owned())].into();
    assert_eq!(
        sent(&new, None).await,
        json!({"subscription": {
            "customer_id": 88_833_369, "product_handle": "default-hr-package",
            "product_price_point_handle": "yearly", "payment_profile_id": 10_089_892,
            "payment_collection_method": "remittance", "next_billing_at": "2026-02-01T12:00:00Z",
            "net_terms": "30", "coupon_codes": ["WELCOME"], "metafields": {"lead": "10x456"}
        }})
    );
}

#[tokio::test]
async fn a_plain_subscription_sends_nothing_else() {
    assert_eq!(
        sent(&by_reference(), None).await,
        json!({"subscription": {"customer_reference": "10x456", "product_handle": "default-hr-package"}})
    );
}

#[tokio::test]
async fn what_cannot_be_meant_is_not_sent() {
    let service = Service::json(201, json!({"subscription": subscription()})).await;
    let client = service.client();
    let mut no_product = by_reference();
    no_product.product_handle = " ".to_owned();
    let mut no_customer = by_reference();
    no_customer.customer = CustomerKey::Reference(String::new());
    let mut too_long = by_reference();
    too_long.net_terms = Some(181);
    let mut no_number = by_reference();
    no_number.payment = BankDetails::default().into();
    let empty = |field| Invalid::Empty { field };
    for (new, token, expected) in [
        (no_product, None, empty("product_handle")),
        (no_customer, None, empty("customer_reference")),
        (too_long, None, Invalid::NetTerms { days: 181 }),
        (no_number, None, Invalid::NoAccount),
        (by_reference(), Some(""), empty("uniqueness_token")),
    ] {
        let error = client.create_subscription(&new, token).await.unwrap_err();
        assert_eq!(error, Error::Invalid(expected));
        assert_eq!(error.class(), maxio::Class::Refused);
    }
    assert!(service.requests().await.is_empty());
}

#[tokio::test]
async fn a_subscription_is_read_with_what_belongs_to_it() {
    let service = Service::json(200, json!({"subscription": subscription()})).await;
    let id = SubscriptionId::from(15_236_915);
    let found = service.client().subscription(&id).await.unwrap().unwrap();
    assert_eq!(found.state, State::Active);
    assert_eq!(found.state.phase(), Phase::Live);
    assert_eq!(found.previous_state, Some(State::Active));
    assert_eq!(found.reference.as_deref(), Some("lead-10x456"));
    assert_eq!(found.currency.as_deref(), Some("EUR"));
    assert_eq!(
        (
            found.balance_in_cents,
            found.total_revenue_in_cents,
            found.product_price_in_cents
        ),
        (Some(0), Some(29_900), Some(29_900))
    );
    let ends = "2025-06-08T15:39:22Z".parse().unwrap();
    assert_eq!(found.current_period_ends_at, Some(ends));
    assert_eq!(found.canceled_at, None);
    assert_eq!(
        found.payment_collection_method,
        Some(CollectionMethod::Automatic)
    );
    let account = found.payment_profile().unwrap();
    assert_eq!(account.id.as_str(), "10089892");
    let product = found.product.unwrap();
    assert_eq!(product.handle.as_deref(), Some("default-hr-package"));
    let customer = found.customer.unwrap();
    assert_eq!(customer.reference.as_deref(), Some("10x456"));
    assert_eq!(
        line(&service.only_request().await),
        "GET /subscriptions/15236915.json"
    );
}

#[tokio::test]
async fn a_subscription_of_nulls_is_read_too() {
    let mut shown = subscription();
    for (name, value) in shown.as_object_mut().unwrap() {
        if !matches!(name.as_str(), "id" | "state") {
            *value = Value::Null;
        }
    }
    let service = Service::json(200, json!({"subscription": shown})).await;
    let id = SubscriptionId::from(15_236_915);
    let found = service.client().subscription(&id).await.unwrap().unwrap();
    assert_eq!(found.payment_profile(), None);
    assert!(found.coupon_codes.is_empty() && !found.cancel_at_end_of_period);
}

#[tokio::test]
async fn new_words_ids_as_text_and_amounts_as_text_are_kept() {
    let mut shown = subscription();
    shown["id"] = json!("sub_1");
    shown["state"] = json!("dormant");
    shown["payment_collection_method"] = json!("barter");
    shown["balance_in_cents"] = json!("1500");
    shown["net_terms"] = json!("30");
    shown["customer"] = json!({"id": "cus_1"});
    shown["created_at"] = json!("the other day");
    let service = Service::json(201, json!({"subscription": shown})).await;
    let made = service
        .client()
        .create_subscription(&by_reference(), None)
        .await
        .unwrap();
    assert_eq!(made.id.as_str(), "sub_1");
    assert_eq!(made.state, State::Other("dormant".into()));
    assert_eq!(made.state.phase(), Phase::Unclear);
    assert_eq!(
        made.payment_collection_method,
        Some(CollectionMethod::Other("barter".into()))
    );
    assert_eq!(
        (made.balance_in_cents, made.net_terms),
        (Some(1500), Some(30))
    );
    assert_eq!(made.created_at, None);
}

#[tokio::test]
async fn a_reference_finds_a_subscription_or_nothing_and_never_another_one() {
    let service = Service::by(|request| match parameter(request, "reference").as_deref() {
        Some("nothing") => ResponseTemplate::new(404),
        _ => json_answer(200, &json!({"subscription": subscription()})),
    })
    .await;
    let client = service.client();
    let found = client.subscription_by_reference("lead-10x456").await;
    assert_eq!(found.unwrap().unwrap().id.as_str(), "15236915");
    let request = service.only_request().await;
    assert_eq!(line(&request), "GET /subscriptions/lookup.json");
    assert_eq!(
        client.subscription_by_reference("nothing").await.unwrap(),
        None
    );
    let error = client.subscription_by_reference("lead-1").await;
    assert_eq!(error.unwrap_err().class(), maxio::Class::Unavailable);
    let error = client.subscription_by_reference("").await;
    assert_eq!(error.unwrap_err().class(), maxio::Class::Refused);
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_nothing() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let id = SubscriptionId::from(1);
    assert_eq!(service.client().subscription(&id).await.unwrap(), None);
}
