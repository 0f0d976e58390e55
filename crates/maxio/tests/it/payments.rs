//! Payment profiles: listed page by page, and bank accounts made.

use maxio::{
    BankDetails, BillingAddress, CustomerId, Error, Invalid, NewBankAccount, PaymentProfile,
};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::service::{IBAN, Service, bank_account, body, json_answer, line, parameter};

const OWNER: u64 = 88_833_369;

fn account(bank: BankDetails) -> NewBankAccount {
    NewBankAccount {
        customer_id: CustomerId::from(OWNER),
        bank,
    }
}

/// A list of bank accounts with these ids.
fn accounts(ids: impl IntoIterator<Item = u64>) -> Value {
    ids.into_iter()
        .map(|id| json!({"payment_profile": bank_account(id)}))
        .collect()
}

async fn listed(service: &Service) -> Result<Vec<PaymentProfile>, Error> {
    let id = CustomerId::from(OWNER);
    service.client().payment_profiles(&id).await
}

#[tokio::test]
async fn a_bank_account_says_that_it_is_one() {
    let service = Service::json(201, json!({"payment_profile": bank_account(10_089_892)})).await;
    let mut bank = BankDetails::iban("ie29 AIBK 9311 5212 3456 78".into());
    bank.bank_name = Some("Allied Irish Banks".to_owned());
    bank.billing = BillingAddress {
        address: Some("1 Main Street".to_owned()),
        address_2: Some("Floor 2".to_owned()),
        city: Some("Dublin".to_owned()),
        state: Some("D".to_owned()),
        zip: Some("D02 X285".to_owned()),
        country: Some("IE".to_owned()),
    };
    let made = service.client().create_bank_account(&account(bank)).await;
    let made = made.unwrap();
    assert_eq!(made.id.as_str(), "10089892");
    assert!(made.is_bank_account());
    assert_eq!(made.customer_id, Some(CustomerId::from(OWNER)));
    assert_eq!(made.masked_bank_account_number.as_deref(), Some("XXXX5678"));
    let request = service.only_request().await;
    assert_eq!(line(&request), "POST /payment_profiles.json");
    assert_eq!(
        body(&request),
        json!({"payment_profile": {
            "customer_id": OWNER, "payment_type": "bank_account", "bank_iban": IBAN,
            "bank_name": "Allied Irish Banks", "billing_address": "1 Main Street",
            "billing_address_2": "Floor 2", "billing_city": "Dublin", "billing_state": "D",
            "billing_zip": "D02 X285", "billing_country": "IE"
        }})
    );
}

#[tokio::test]
async fn an_account_without_iban_has_its_numbers() {
    let service = Service::json(201, json!({"payment_profile": bank_account(1)})).await;
    let bank = BankDetails {
        bank_account_number: Some("55779911".into()),
        bank_routing_number: Some("021000021".into()),
        bank_branch_code: Some("200000".into()),
        bank_account_type: Some("savings".to_owned()),
        bank_account_holder_type: Some("business".to_owned()),
        first_name: Some("Orla".to_owned()),
        last_name: Some("Byrne".to_owned()),
        ..BankDetails::default()
    };
    let client = service.client();
    client.create_bank_account(&account(bank)).await.unwrap();
    assert_eq!(
        body(&service.only_request().await)["payment_profile"],
        json!({
            "customer_id": OWNER, "payment_type": "bank_account", "bank_account_number": "55779911",
            "bank_routing_number": "021000021", "bank_branch_code": "200000", "bank_account_type": "savings",
            "bank_account_holder_type": "business", "first_name": "Orla", "last_name": "Byrne"
        })
    );
}

#[tokio::test]
async fn an_account_without_any_number_is_not_sent() {
    let service = Service::json(201, json!({"payment_profile": bank_account(1)})).await;
    for bank in [BankDetails::default(), BankDetails::iban("  ".into())] {
        let error = service.client().create_bank_account(&account(bank)).await;
        assert_eq!(error.unwrap_err(), Error::Invalid(Invalid::NoAccount));
    }
    assert!(service.requests().await.is_empty());
}

#[tokio::test]
async fn an_account_of_nobody_is_not_found() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let new = account(BankDetails::iban(IBAN.into()));
    let error = service.client().create_bank_account(&new).await;
    assert_eq!(error.unwrap_err(), Error::NotFound);
}

#[tokio::test]
async fn a_profile_without_masked_numbers_is_read() {
    let mut shown = bank_account(1);
    shown["masked_bank_account_number"] = Value::Null;
    shown["masked_bank_routing_number"] = Value::Null;
    shown["verified"] = Value::Null;
    let service = Service::json(200, json!([{"payment_profile": shown}])).await;
    let found = listed(&service).await.unwrap();
    assert_eq!(found[0].masked_bank_account_number, None);
    assert_eq!(found[0].shows(&BankDetails::iban(IBAN.into())), None);
}

#[tokio::test]
async fn one_short_page_is_one_call() {
    let service = Service::json(200, accounts([1, 2])).await;
    assert_eq!(listed(&service).await.unwrap().len(), 2);
    let request = service.only_request().await;
    assert_eq!(line(&request), "GET /payment_profiles.json");
    let asked = ["customer_id", "page", "per_page"].map(|name| parameter(&request, name).unwrap());
    assert_eq!(asked, ["88833369", "1", "200"]);
}

#[tokio::test]
async fn pages_are_read_until_one_is_short() {
    for (total, calls) in [(199, 1), (200, 2), (450, 3)] {
        let service = Service::by(move |request| {
            let page: u64 = parameter(request, "page").unwrap().parse().unwrap();
            let ids = (1..=total).skip(200 * (page as usize - 1)).take(200);
            json_answer(200, &accounts(ids))
        })
        .await;
        let found = listed(&service).await.unwrap();
        let ids: Vec<String> = found.iter().map(|one| one.id.to_string()).collect();
        let expected: Vec<String> = (1..=total).map(|id| id.to_string()).collect();
        assert_eq!(ids, expected);
        assert_eq!(service.requests().await.len(), calls, "{total}");
    }
}

#[tokio::test]
async fn what_moves_to_the_next_page_meanwhile_appears_once() {
    let service = Service::by(|request| match parameter(request, "page").as_deref() {
        Some("1") => json_answer(200, &accounts(1..=200)),
        _ => json_answer(200, &accounts(200..=210)),
    })
    .await;
    assert_eq!(listed(&service).await.unwrap().len(), 210);
}

#[tokio::test]
async fn a_list_that_repeats_itself_is_given_up() {
    let service = Service::json(200, accounts(1..=200)).await;
    let error = listed(&service).await.unwrap_err();
    assert_eq!(error.class(), maxio::Class::Unavailable);
    assert_eq!(service.requests().await.len(), 2);
}

#[tokio::test]
async fn accounts_of_others_are_never_listed() {
    let mut others = bank_account(2);
    others["customer_id"] = json!(7);
    let list = json!([{"payment_profile": bank_account(1)}, {"payment_profile": others}]);
    let service = Service::json(200, list).await;
    let found = listed(&service).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["1"]);
}
