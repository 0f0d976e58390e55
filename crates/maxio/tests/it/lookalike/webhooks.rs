//! Webhooks, from the look-alike's post to the client's reading.

use std::time::Duration;

use maxio::webhook::{Event, ID_HEADER, SIGNATURE_HEADER, verify};
use maxio::{CustomerKey, NewSubscription, State};
use pugmark_sandbox::SubscriptionState;
use secrecy::SecretString;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{PATIENCE, PRODUCT, REFERENCE, bank, builder, client, orla};

/// A receiver that refuses so many deliveries and takes the others.
async fn receiver(refusals: u64) -> MockServer {
    let server = MockServer::start().await;
    if refusals > 0 {
        let refuse = Mock::given(any()).respond_with(ResponseTemplate::new(503));
        refuse.up_to_n_times(refusals).mount(&server).await;
    }
    let accept = Mock::given(any()).respond_with(ResponseTemplate::new(200));
    accept.mount(&server).await;
    server
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers[name].to_str().unwrap()
}

#[tokio::test]
async fn every_delivery_is_genuine_and_says_which_subscription() {
    let waits = [1, 2, 3, 4].map(Duration::from_millis);
    let sandbox = builder().webhook_waits(waits).start().await.unwrap();
    let client = client(&sandbox);
    let receiver = receiver(1).await;
    sandbox.add_webhook_endpoint(
        &receiver.uri(),
        &["signup_success", "subscription_state_change"],
    );
    let customer = client.create_customer(&orla()).await.unwrap();
    let mut new = NewSubscription::new(CustomerKey::Id(customer.id.clone()), PRODUCT);
    new.reference = Some(REFERENCE.to_owned());
    new.payment = bank().into();
    let made = client.create_subscription(&new, None).await.unwrap();
    assert!(sandbox.webhooks_settled(PATIENCE).await);
    let number = made.id.as_str().parse().unwrap();
    assert!(sandbox.set_subscription_state(number, SubscriptionState::PastDue));
    assert!(sandbox.webhooks_settled(PATIENCE).await);

    let key = SecretString::from(sandbox.webhook_key());
    let mut events = Vec::new();
    for request in receiver.received_requests().await.unwrap() {
        let signature = header(&request, SIGNATURE_HEADER);
        assert!(verify(&key, &request.body, signature));
        assert!(!verify(&"another".into(), &request.body, signature));
        let event = Event::parse(&request.body).unwrap();
        assert_eq!(event.id.as_deref(), Some(header(&request, ID_HEADER)));
        assert_eq!(event.subscription_id().as_ref(), Some(&made.id));
        assert_eq!(event.subscription_reference(), Some(REFERENCE));
        assert_eq!(event.customer_id().as_ref(), Some(&customer.id));
        assert_eq!(event.customer_reference(), Some(REFERENCE));
        assert!(event.moment(&["subscription", "updated_at"]).is_some());
        events.push((
            event.event.clone(),
            event.id.clone(),
            event.state().unwrap(),
        ));
    }
    let names: Vec<&str> = events.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "signup_success",
            "signup_success",
            "subscription_state_change"
        ]
    );
    assert_eq!(events[0].1, events[1].1, "a repetition has the same id");
    assert_ne!(events[1].1, events[2].1);
    assert_eq!(events[2].2, State::PastDue);
}

#[tokio::test]
async fn the_test_of_the_connection_is_read() {
    let sandbox = builder().start().await.unwrap();
    let receiver = receiver(0).await;
    sandbox.add_webhook_endpoint(&receiver.uri(), &["signup_success"]);
    sandbox.send_test_webhook();
    assert!(sandbox.webhooks_settled(PATIENCE).await);
    let requests = receiver.received_requests().await.unwrap();
    let event = Event::parse(&requests[0].body).unwrap();
    assert!(event.is_test());
    let key = SecretString::from(sandbox.webhook_key());
    assert!(verify(
        &key,
        &requests[0].body,
        header(&requests[0], SIGNATURE_HEADER)
    ));
}
