//! Words and colours of deliveries, and their bodies as somebody may see them. Pure.

use serde_json::{Map, Value};

use crate::http::console::masking;
use crate::http::console::operations::readable;

/// Where deliveries come in, with what each place is called.
pub(super) const ENDPOINTS: [(&str, &str); 4] = [
    ("vtiger", "vTiger"),
    ("lead-convert", "Lead conversions"),
    ("lead-status-change", "Leads for Maxio"),
    ("maxio", "Maxio"),
];

/// What a place is called.
pub(super) fn place(endpoint: &str) -> &str {
    let found = ENDPOINTS.iter().find(|(word, _)| *word == endpoint);
    found.map_or(endpoint, |(_, label)| label)
}

/// What became of a delivery, by colour and by word.
pub(super) fn badge(status: &str) -> (&'static str, &'static str) {
    match status {
        "ACCEPTED" => ("good", "Accepted"),
        "IGNORED" => ("", "Ignored"),
        _ => ("bad", "Unusable"),
    }
}

/// How the sender proved itself.
pub(super) fn proof(word: &str, secret: i64) -> String {
    let how = match word {
        "hmac" => "a signature over the body",
        "standard" => "a signature over id, time and body (Standard Webhooks)",
        "header" => "a secret in a header",
        "path" => "a secret in the address",
        other => other,
    };
    match secret {
        1 => format!("Verified by {how}"),
        number => format!("Verified by {how}, with secret number {number}"),
    }
}

/// Why deliveries are refused, in full, and what to do: for each word that is counted.
pub(super) fn refusal(word: &str) -> (&'static str, &'static str) {
    match word {
        "no secret is configured" => (
            "No way to prove anything is switched on here for this address.",
            "Set one of VTIGER_WEBHOOK_SECRET, VTIGER_WEBHOOK_SIGNING_KEY, VTIGER_WEBHOOK_HEADER_SECRET, VTIGER_WEBHOOK_PATH_SECRET or \
             MAXIO_WEBHOOK_SECRET, give the sender the same one, and start again.",
        ),
        "no proof" => (
            "It showed neither a signature nor a secret of a kind that is switched on here.",
            "Look whether the sender sends the header or the address that was agreed on.",
        ),
        "bad signature" => (
            "Its signature does not fit its body under any of the secrets here.",
            "Compare the secret on both sides. A sender that signs other bytes than it sends needs webhooks.reserialised.",
        ),
        "bad time" => (
            "The time that it is signed with is too far from the time here, or is none.",
            "Set the clocks of both machines. It may also be an old delivery that somebody sends again.",
        ),
        "bad secret" => (
            "The secret in its header or address is none of those here.",
            "Compare the secret on both sides. Many of these mean that somebody tries secrets out.",
        ),
        "too many" => (
            "More came within a minute than webhooks.per_minute or webhooks.per_peer allows.",
            "Behind a proxy all come from one address: raise webhooks.per_peer. The sender was told to come again later.",
        ),
        "too large, or cut off" => (
            "Its body was larger than webhooks.max_body, or the connection ended in the middle.",
            "Send less, or raise webhooks.max_body.",
        ),
        _ => ("It did not prove itself.", "Look at the log."),
    }
}

/// A body, or what stood behind the question mark of the address, as somebody may see it. What cannot be read is shown to nobody
/// who may not see personal data.
pub(super) fn readable_body(text: &str, personal: bool) -> Option<String> {
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
        return Some(readable(&value, personal));
    }
    if let Some(fields) = pairs(text) {
        let lines = fields.into_iter().map(|(name, value)| {
            let value = match (&value, personal) {
                (Value::String(text), true) => text.clone(),
                (value, _) => plain(&masking::value(&one(&name, value))[&name]),
            };
            format!("{name}: {value}")
        });
        return Some(lines.collect::<Vec<_>>().join("\n"));
    }
    personal.then(|| text.to_owned())
}

/// The fields of a form; none for what looks like none.
fn pairs(text: &str) -> Option<Vec<(String, Value)>> {
    let looks = text.contains('=') && !text.contains(['{', '<', '\n']);
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    let pairs = pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
    looks.then(|| pairs.collect())
}

fn one(name: &str, value: &Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value.clone())]))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_masked_whether_json_or_form_and_what_cannot_be_read_is_not_shown() {
        let json = r#"{"id":"12x5","firstname":"Achieng","mobile":"0712345678"}"#;
        let form = "id=12x5&firstname=Achieng&mobile=0712345678";
        for body in [json, form] {
            let shown = readable_body(body, false).expect("it can be read");
            assert!(shown.contains("12x5"), "{shown}");
            for personal in ["Achieng", "0712345678"] {
                assert!(!shown.contains(personal), "{shown}");
                let whole = readable_body(body, true).expect("it can be read");
                assert!(whole.contains(personal), "{whole}");
            }
        }
        assert_eq!(readable_body("<xml>Achieng</xml>", false), None);
        assert_eq!(
            readable_body("<xml>Achieng</xml>", true).as_deref(),
            Some("<xml>Achieng</xml>")
        );
    }

    #[test]
    fn every_reason_to_refuse_a_delivery_is_told_in_full() {
        use crate::http::webhooks::proof::Unproven;
        let unproven = [
            Unproven::NothingConfigured,
            Unproven::NothingShown,
            Unproven::BadSignature,
            Unproven::BadTime,
            Unproven::BadSecret,
        ];
        let words = unproven.map(Unproven::as_str);
        for word in words
            .into_iter()
            .chain(["too many", "too large, or cut off"])
        {
            assert_ne!(refusal(word), refusal("anything else"), "{word}");
        }
    }
}
