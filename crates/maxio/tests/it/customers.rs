//! Customers: looked up, made, changed, and what they subscribed to.

use maxio::{Customer, CustomerChange, CustomerId, Error, Invalid, NewCustomer};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::service::{Service, body, customer, line, parameter, subscription};

fn john() -> NewCustomer {
    let mut john = NewCustomer::new("John", "Doe", "contact@acmecorp.example");
    john.organization = Some("Acme Corp Ltd".to_owned());
    john.reference = Some("10x456".to_owned());
    john
}

#[tokio::test]
async fn a_customer_is_made_wrapped_and_without_what_is_not_set() {
    let service = Service::json(201, json!({"customer": customer()})).await;
    let made = service.client().create_customer(&john()).await.unwrap();
    assert_eq!(made.id, CustomerId::from(88_833_369));
    let request = service.only_request().await;
    assert_eq!(line(&request), "POST /customers.json");
    assert_eq!(
        body(&request),
        json!({"customer": {
            "first_name": "John", "last_name": "Doe", "email": "contact@acmecorp.example",
            "organization": "Acme Corp Ltd", "reference": "10x456"
        }})
    );
}

#[tokio::test]
async fn every_field_of_a_new_customer_is_sent_under_its_name() {
    let service = Service::json(201, json!({"customer": customer()})).await;
    let text = |text: &str| Some(text.to_owned());
    let all = NewCustomer {
        first_name: "John".to_owned(),
        last_name: "Doe".to_owned(),
        email: "a@b.example".to_owned(),
        reference: text("10x456"),
        cc_emails: text("c@d.example,e@f.example"),
        organization: text("Acme"),
        address: text("1 Main Street"),
        address_2: text("Floor 2"),
        city: text("Dublin"),
        state: text("D"),
        zip: text("D02 X285"),
        country: text("IE"),
        phone: text("+353"),
        locale: text("en-IE"),
        vat_number: text("IE1"),
        tax_exempt: Some(true),
        tax_exempt_reason: text("charity"),
        parent_id: Some(CustomerId::from(7)),
        metafields: [("lead".to_owned(), "10x456".to_owned())].into(),
    };
    service.client().create_customer(&all).await.unwrap();
    let expected = json!({
        "first_name": "John", "last_name": "Doe", "email": "a@b.example", "reference": "10x456",
        "cc_emails": "c@d.example,e@f.example", "organization": "Acme", "address": "1 Main Street",
        "address_2": "Floor 2", "city": "Dublin", "state": "D", "zip": "D02 X285", "country": "IE",
        "phone": "+353", "locale": "en-IE", "vat_number": "IE1", "tax_exempt": true,
        "tax_exempt_reason": "charity", "parent_id": 7, "metafields": {"lead": "10x456"}
    });
    assert_eq!(body(&service.only_request().await)["customer"], expected);
}

#[tokio::test]
async fn a_customer_is_read_with_nulls_and_unknown_fields() {
    let mut shown = customer();
    shown["something_new"] = json!({"deep": [1]});
    let service = Service::json(200, json!({"customer": shown})).await;
    let found = service.client().customer_by_reference("10x456").await;
    let found = found.unwrap().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let moment = Some("2025-05-08T15:39:18Z".parse().unwrap());
    let expected = Customer {
        id: CustomerId::from(88_833_369),
        reference: text("10x456"),
        first_name: text("John"),
        last_name: text("Doe"),
        email: text("contact@acmecorp.example"),
        cc_emails: None,
        organization: text("Acme Corp Ltd"),
        address: text("1 Main Street"),
        address_2: None,
        city: text("Dublin"),
        state: None,
        zip: text("D02 X285"),
        country: text("IE"),
        phone: text("+353 1 555 0100"),
        locale: None,
        vat_number: None,
        tax_exempt: false,
        verified: false,
        parent_id: None,
        created_at: moment,
        updated_at: moment,
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_customer_of_whom_only_the_id_is_known_is_read_too() {
    for (status, id) in [(201, json!(5)), (200, json!("5"))] {
        let service = Service::json(status, json!({"customer": {"id": id}})).await;
        let made = service.client().create_customer(&john()).await.unwrap();
        assert_eq!(made.id.as_str(), "5");
        assert_eq!(made.reference, None);
    }
}

#[tokio::test]
async fn a_reference_is_looked_up_exactly_whatever_stands_in_it() {
    let reference = "lead 7&page=2/ä+%41#x";
    let mut shown = customer();
    shown["reference"] = json!(reference);
    let service = Service::json(200, json!({"customer": shown})).await;
    let found = service.client().customer_by_reference(reference).await;
    assert!(found.unwrap().is_some());
    let request = service.only_request().await;
    assert_eq!(line(&request), "GET /customers/lookup.json");
    assert_eq!(parameter(&request, "reference").as_deref(), Some(reference));
    assert_eq!(request.url.query_pairs().count(), 1);
}

#[tokio::test]
async fn an_unknown_reference_is_nobody() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let found = service.client().customer_by_reference("10x456").await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn somebody_else_than_asked_for_is_not_taken() {
    let service = Service::json(200, json!({"customer": customer()})).await;
    let client = service.client();
    let error = client.customer_by_reference("10x45").await.unwrap_err();
    assert_eq!(error.class(), maxio::Class::Unavailable, "{error:?}");
    // The service may compare without case.
    assert!(
        client
            .customer_by_reference("10X456")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_empty_reference_is_not_looked_up() {
    let service = Service::json(200, json!({"customer": customer()})).await;
    for reference in ["", " "] {
        let error = service.client().customer_by_reference(reference).await;
        assert_eq!(
            error.unwrap_err(),
            Error::Invalid(Invalid::Empty { field: "reference" })
        );
    }
    assert!(service.requests().await.is_empty());
}

#[tokio::test]
async fn a_change_sends_what_is_set_and_nothing_else() {
    let service = Service::json(200, json!({"customer": customer()})).await;
    let change = CustomerChange {
        organization: Some("Acme Two".to_owned()),
        phone: Some(String::new()),
        ..CustomerChange::default()
    };
    let id = CustomerId::from(88_833_369);
    service
        .client()
        .update_customer(&id, &change)
        .await
        .unwrap();
    let request = service.only_request().await;
    assert_eq!(line(&request), "PUT /customers/88833369.json");
    assert_eq!(
        body(&request),
        json!({"customer": {"organization": "Acme Two", "phone": ""}})
    );
}

#[tokio::test]
async fn a_change_of_nothing_is_not_sent() {
    let service = Service::json(200, json!({"customer": customer()})).await;
    let id = CustomerId::from(1);
    let error = service
        .client()
        .update_customer(&id, &CustomerChange::default())
        .await
        .unwrap_err();
    assert_eq!(error, Error::Invalid(Invalid::NoChange));
    assert!(service.requests().await.is_empty());
}

#[tokio::test]
async fn the_subscriptions_of_a_customer_are_listed() {
    let list = json!([{"subscription": subscription()}, {"subscription": {"id": "6", "state": "canceled"}}]);
    let service = Service::json(200, list).await;
    let id = CustomerId::from(88_833_369);
    let found = service.client().customer_subscriptions(&id).await.unwrap();
    let states: Vec<_> = found
        .iter()
        .map(|one| (one.id.as_str(), one.state.as_str()))
        .collect();
    assert_eq!(states, [("15236915", "active"), ("6", "canceled")]);
    assert_eq!(
        line(&service.only_request().await),
        "GET /customers/88833369/subscriptions.json"
    );
}

#[tokio::test]
async fn a_customer_without_subscriptions_is_not_an_unknown_one() {
    let id = CustomerId::from(5);
    let service = Service::json(200, Value::Array(Vec::new())).await;
    let found = service.client().customer_subscriptions(&id).await.unwrap();
    assert!(found.is_empty());
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let error = service.client().customer_subscriptions(&id).await;
    assert_eq!(error.unwrap_err(), Error::NotFound);
}
