use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use pugmark::http::webhooks::proof::{Shown, judge};
use pugmark::http::webhooks::reading::{Letter, read};
use pugmark::http::webhooks::stringify::stringified;

use super::*;

/// Bytes of any kind, and texts that look more and more like a delivery.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let near = prop_oneof![
        Just("{\"id\":\"12x5\",\"event\":\"lead.converted\"}".to_owned()),
        Just("id=12x5&event=lead.converted&data.firstname=A%20B".to_owned()),
        Just("{\"type\":\"lead.converted\",\"data\":{\"module\":\"Leads\",\"id\":\"10x5\",\"contact\":\"12x9\"}}".to_owned()),
    ];
    let broken =
        (near, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, place, byte)| {
            let mut bytes = text.into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes
        });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\[{\":,}\\]a-z0-9\\\\ ]{0,200}".prop_map(String::into_bytes),
        broken,
        (0usize..5000).prop_map(|depth| "[".repeat(depth).into_bytes()),
        (0usize..5000).prop_map(|depth| "{\"a\":".repeat(depth).into_bytes()),
    ]
}

fn header_texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![32u8..127, 128u8..=255], 0..80),
        "(sha256=)?[0-9a-fA-F]{0,70}".prop_map(String::into_bytes),
        "(v1,[A-Za-z0-9+/=]{0,50} ?){0,20}".prop_map(String::into_bytes),
        "[0-9-]{0,25}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_body_makes_reading_panic_and_what_is_read_has_ids_of_vtiger(
        body in bodies(),
        kind in prop::option::of("(application/json|application/x-www-form-urlencoded|text/plain|[a-z/;= ]{0,30})"),
        conversion: bool,
    ) {
        let letter = Letter {
            body: &body,
            content_type: kind.as_deref(),
            parameters: std::str::from_utf8(&body).ok(),
            conversion,
            max_depth: 32,
        };
        if let Ok(said) = read(&letter) {
            for id in [said.contact, said.lead].into_iter().flatten() {
                prop_assert!(id.parse::<vtiger::RecordId>().is_ok(), "{id}");
            }
        }
        drop(stringified(&body));
    }

    #[test]
    fn nothing_is_believed_without_a_secret(
        body in bodies(),
        texts in prop::collection::vec(header_texts(), 5),
        path in prop::option::of("[ -~]{0,40}"),
    ) {
        let names = ["x-vtiger-signature", "webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-secret"];
        let mut headers = HeaderMap::new();
        for (name, text) in names.into_iter().zip(&texts) {
            if let Ok(value) = HeaderValue::from_bytes(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let shown = Shown {
            headers: &headers,
            path: path.as_deref(),
            body: &body,
            reserialised: true,
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        prop_assert!(judge(&settings(), &shown).is_err());
    }

    #[test]
    fn one_changed_byte_of_a_signed_body_is_noticed(
        body in prop::collection::vec(any::<u8>(), 1..300),
        place: prop::sample::Index,
        flip in 1u8..=255,
    ) {
        let mut headers = HeaderMap::new();
        let signed = signature(SECRET, &body);
        headers.insert("x-vtiger-signature", HeaderValue::from_str(&signed).expect("hex"));
        let judge_of = |body: &[u8]| {
            let now = jiff::Timestamp::UNIX_EPOCH;
            judge(&settings(), &Shown { headers: &headers, path: None, body, reserialised: false, now }).is_ok()
        };
        prop_assert!(judge_of(&body));
        let mut changed = body.clone();
        let place = place.index(changed.len());
        changed[place] ^= flip;
        prop_assert!(!judge_of(&changed));
    }
}
