//! Webhooks, as the service sends them.

use maxio::State;
use maxio::webhook::{Event, Unreadable, verify};
use proptest::prelude::*;

/// A change of state, in the form the service sends it: raw brackets, blanks as `%20`, null as nothing.
const PAST_DUE: &str = "id=141765008&event=subscription_state_change&payload[event_id]=99&payload[site][id]=31615\
    &payload[site][subdomain]=acme-test&payload[subscription][id]=15236915&payload[subscription][state]=past_due\
    &payload[subscription][previous_state]=active&payload[subscription][canceled_at]=\
    &payload[subscription][reference]=lead-10x456&payload[subscription][customer][id]=88833369\
    &payload[subscription][customer][reference]=10x456&payload[subscription][product][handle]=default-hr-package\
    &payload[subscription][updated_at]=2025-06-08%2011%3A41%3A02%20-0400";

#[test]
fn a_change_of_state_is_read() {
    let event = Event::parse(PAST_DUE.as_bytes()).unwrap();
    assert_eq!(event.id.as_deref(), Some("141765008"));
    assert_eq!(event.event, "subscription_state_change");
    assert!(!event.is_test());
    assert_eq!(event.subscription_id().unwrap().as_str(), "15236915");
    assert_eq!(event.subscription_reference(), Some("lead-10x456"));
    assert_eq!(event.state(), Some(State::PastDue));
    assert_eq!(event.customer_id().unwrap().as_str(), "88833369");
    assert_eq!(event.customer_reference(), Some("10x456"));
    assert_eq!(event.text(&["site", "subdomain"]), Some("acme-test"));
    let product = ["subscription", "product", "handle"];
    assert_eq!(event.text(&product), Some("default-hr-package"));
    let moment = "2025-06-08T15:41:02Z".parse().unwrap();
    assert_eq!(event.moment(&["subscription", "updated_at"]), Some(moment));
}

#[test]
fn null_and_absent_are_the_same() {
    let event = Event::parse(PAST_DUE.as_bytes()).unwrap();
    for path in [
        &["subscription", "canceled_at"][..],
        &["nothing"],
        &["subscription"],
        &[],
    ] {
        assert_eq!(event.text(path), None, "{path:?}");
        assert_eq!(event.moment(path), None);
    }
}

#[test]
fn escaped_brackets_mean_the_same_as_raw_ones() {
    let escaped = PAST_DUE.replace('[', "%5B").replace(']', "%5d");
    let raw = Event::parse(PAST_DUE.as_bytes()).unwrap();
    assert_eq!(Event::parse(escaped.as_bytes()).unwrap(), raw);
}

#[test]
fn the_customer_of_a_customers_event_is_found() {
    let body =
        "id=1&event=customer_update&payload[customer][id]=5&payload[customer][reference]=10x456";
    let event = Event::parse(body.as_bytes()).unwrap();
    assert_eq!(event.customer_id().unwrap().as_str(), "5");
    assert_eq!(event.customer_reference(), Some("10x456"));
    assert_eq!(event.subscription_id(), None);
}

#[test]
fn lists_are_read_in_their_order() {
    let body = "id=1&event=x&payload[ids][]=7&payload[ids][]=&payload[ids][]=8";
    let event = Event::parse(body.as_bytes()).unwrap();
    assert_eq!(event.texts(&["ids", ""]), ["7", "8"]);
    assert_eq!(event.text(&["ids", ""]), Some("7"));
}

#[test]
fn the_test_event_is_read_and_genuine() {
    let body = b"payload[chargify]=testing&event=test";
    let signature = "19826d51b9f866b26eda1f154de192593360f8d0bcb63df8a28540a5dcf733f1";
    assert!(verify(&"123".into(), body, signature));
    let event = Event::parse(body).unwrap();
    assert!(event.is_test());
    assert_eq!(event.id, None);
    assert_eq!(event.text(&["chargify"]), Some("testing"));
}

#[test]
fn what_is_no_delivery_says_why() {
    for (body, expected) in [
        ("", Unreadable::NoEvent),
        ("{\"event\":\"x\"}", Unreadable::NoEvent),
        ("id=1&event=", Unreadable::NoEvent),
        ("id=1&event=x&event=y", Unreadable::Ambiguous("event")),
        ("id=1&event=x&id=2", Unreadable::Ambiguous("id")),
        ("event=payment_success", Unreadable::NoId),
        ("id=&event=payment_success", Unreadable::NoId),
    ] {
        assert_eq!(
            Event::parse(body.as_bytes()).unwrap_err(),
            expected,
            "{body}"
        );
    }
    let twice = Event::parse(b"id=1&event=x&id=1").unwrap();
    assert_eq!(twice.id.as_deref(), Some("1"));
}

#[test]
fn debug_shows_nothing_of_people() {
    let body = "id=1&event=x&payload[customer][email]=a%40b.example";
    let event = Event::parse(body.as_bytes()).unwrap();
    assert!(!format!("{event:?}").contains("b.example"));
    assert!(format!("{event:?}").contains('1'));
}

proptest! {
    #[test]
    fn no_delivery_is_too_odd(body in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(event) = Event::parse(&body) {
            prop_assert!(event.id.is_some() || event.is_test());
        }
    }

    #[test]
    fn no_nest_is_too_odd(nest in "[\\[\\]a-c=&]{0,100}") {
        let body = format!("id=1&event=x&payload{nest}");
        if let Ok(event) = Event::parse(body.as_bytes()) {
            prop_assert_eq!(event.text(&["never", "there"]), None);
        }
    }

    #[test]
    fn no_signature_of_another_body_is_genuine(body in prop::collection::vec(any::<u8>(), 0..100)) {
        let of_the_test = "19826d51b9f866b26eda1f154de192593360f8d0bcb63df8a28540a5dcf733f1";
        prop_assume!(body != b"payload[chargify]=testing&event=test");
        prop_assert!(!verify(&"123".into(), &body, of_the_test));
    }
}
