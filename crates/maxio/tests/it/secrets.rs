//! Neither the key nor bank data appear in any text, whatever the service says.

use base64::Engine;
use maxio::{BankDetails, Client, CustomerId, CustomerKey, NewBankAccount, NewSubscription};
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::service::{API_KEY, IBAN, Service, json_answer};

const NUMBER: &str = "0055779911";

fn bank() -> BankDetails {
    BankDetails {
        bank_account_number: Some(NUMBER.into()),
        ..BankDetails::iban(IBAN.into())
    }
}

fn account() -> NewBankAccount {
    NewBankAccount {
        customer_id: CustomerId::from(1),
        bank: bank(),
    }
}

fn subscription() -> NewSubscription {
    let mut new = NewSubscription::new(CustomerKey::Id(CustomerId::from(1)), "product");
    new.payment = bank().into();
    new
}

fn encoded_key() -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{API_KEY}:x"))
}

fn assert_clean(shown: &str) {
    let lower = shown.to_lowercase();
    for secret in [API_KEY, IBAN, NUMBER, "IE29 AIBK", &encoded_key()] {
        assert!(!lower.contains(&secret.to_lowercase()), "{shown}");
    }
}

async fn assert_errors_clean(client: &Client, expected: &str) {
    let first = client.create_bank_account(&account()).await.unwrap_err();
    let second = client
        .create_subscription(&subscription(), None)
        .await
        .unwrap_err();
    for error in [first, second] {
        let shown = format!("{error} {error:?}");
        assert_clean(&shown);
        assert!(shown.contains(expected), "{shown}");
    }
}

#[tokio::test]
async fn errors_repeat_no_secret_even_if_the_answer_does() {
    let echo = format!(
        "Gateway: IE29 AIBK 9311 5212 3456 78 ({IBAN}) and {NUMBER} with {API_KEY} or {} are wrong",
        encoded_key()
    );
    let expected = "Gateway: *** (***) and *** with *** or *** are wrong";
    for status in [400, 401, 422, 429, 500] {
        for body in [
            json!({"errors": [echo]}),
            json!({"errors": {"bank_account": {"base": [echo]}}}),
        ] {
            let service = Service::answering(json_answer(status, &body)).await;
            assert_errors_clean(&service.client(), expected).await;
        }
        let plain = ResponseTemplate::new(status).set_body_raw(echo.clone(), "text/plain");
        let service = Service::answering(plain).await;
        assert_errors_clean(&service.client(), "Gateway: ***").await;
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_repeats_no_secret() {
    for body in [
        json!({"payment_profile": {"id": {"x": IBAN}}, "subscription": {"id": {"x": IBAN}}}),
        json!(IBAN),
    ] {
        let service = Service::json(201, body).await;
        assert_errors_clean(&service.client(), "Unreadable").await;
    }
}

#[tokio::test]
async fn what_is_to_be_sent_shows_no_secret() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        service.client(),
        service.settings(),
        account(),
        subscription()
    );
    assert_clean(&shown);
}

#[tokio::test]
async fn a_profile_that_was_read_shows_no_vault_token() {
    let shown = json!({"payment_profile": {
        "id": 1, "payment_type": "bank_account", "vault_token": NUMBER, "customer_vault_token": IBAN
    }});
    let service = Service::json(201, shown).await;
    let made = service.client().create_bank_account(&account()).await;
    assert_clean(&format!("{:?}", made.unwrap()));
}

#[tokio::test]
async fn the_key_goes_where_it_belongs_and_nowhere_else() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let client = service.client();
    client.customer_by_reference("10x456").await.unwrap();
    client.create_bank_account(&account()).await.unwrap_err();
    for request in service.requests().await {
        let header = |name: &str| request.headers[name].to_str().unwrap();
        assert_eq!(header("authorization"), format!("Basic {}", encoded_key()));
        assert_eq!(header("accept"), "application/json");
        assert!(header("user-agent").starts_with("maxio/"));
        assert_clean(request.url.as_str());
        if !request.body.is_empty() {
            assert_eq!(header("content-type"), "application/json");
        }
    }
}
