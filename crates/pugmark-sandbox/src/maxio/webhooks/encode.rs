//! How a webhook is written: form fields with raw brackets, and two signatures.

use aws_lc_rs::hmac;
use md5::{Digest, Md5};
use serde_json::Value;

use crate::webhook::WebhookRequest;

/// Stands in an endpoint's address for the signature.
const PLACE_OF_SIGNATURE: &str = "{signature_hmac_sha_256}";

/// The body of a webhook.
pub(super) fn body(id: u64, event: &str, payload: &Value) -> String {
    let mut body = format!("id={id}&event={event}");
    write("payload", payload, &mut body);
    body
}

/// All values are text; null is the empty text, an empty list nothing at all.
fn write(name: &str, value: &Value, body: &mut String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                write(&format!("{name}[{key}]"), value, body);
            }
        }
        Value::Array(items) => {
            for item in items {
                write(&format!("{name}[]"), item, body);
            }
        }
        Value::Null => push(name, "", body),
        Value::String(text) => push(name, text, body),
        Value::Bool(_) | Value::Number(_) => push(name, &value.to_string(), body),
    }
}

/// Brackets stay as they are, a blank is `%20`.
fn push(name: &str, text: &str, body: &mut String) {
    body.push('&');
    body.push_str(name);
    body.push('=');
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                body.push(char::from(byte));
            }
            other => body.push_str(&format!("%{other:02X}")),
        }
    }
}

/// Lower-case hexadecimal HMAC-SHA-256 of the body as it is sent.
pub(super) fn signature(key: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hex::encode(hmac::sign(&key, body.as_bytes()))
}

/// The older signature: MD5 of key and body.
pub(super) fn older_signature(key: &str, body: &str) -> String {
    hex::encode(Md5::digest(format!("{key}{body}")))
}

/// The request as it is sent.
pub(super) fn request(url: &str, key: &str, id: u64, body: &str) -> WebhookRequest {
    let signature = signature(key, body);
    let url = url.replace(PLACE_OF_SIGNATURE, &signature);
    WebhookRequest::post(&url, "application/x-www-form-urlencoded", body)
        .with_header("x-chargify-webhook-id", &id.to_string())
        .with_header("x-chargify-webhook-signature", &older_signature(key, body))
        .with_header("x-chargify-webhook-signature-hmac-sha-256", &signature)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_vendors_test_vector_is_met() {
        let made = signature("123", "payload[chargify]=testing&event=test");
        assert_eq!(
            made,
            "19826d51b9f866b26eda1f154de192593360f8d0bcb63df8a28540a5dcf733f1"
        );
    }

    #[test]
    fn brackets_are_raw_blanks_are_escaped_null_is_empty_and_all_is_text() {
        let payload = json!({
            "event_id": 99,
            "subscription": {
                "state": "past_due", "canceled_at": null, "coupon_codes": [], "cancel_at_end_of_period": false,
                "updated_at": "2025-06-08 11:41:02 -0400", "customer": { "reference": "10x456", "email": "a+b@c.ie" },
            },
        });
        assert_eq!(
            body(141_765_008, "subscription_state_change", &payload),
            "id=141765008&event=subscription_state_change&payload[event_id]=99&payload[subscription][state]=past_due\
             &payload[subscription][canceled_at]=&payload[subscription][cancel_at_end_of_period]=false\
             &payload[subscription][updated_at]=2025-06-08%2011%3A41%3A02%20-0400\
             &payload[subscription][customer][reference]=10x456&payload[subscription][customer][email]=a%2Bb%40c.ie"
        );
    }

    #[test]
    fn the_signature_may_stand_in_the_address() {
        let request = request("http://h/hook?s={signature_hmac_sha_256}", "123", 7, "a=b");
        let signature = signature("123", "a=b");
        assert_eq!(request.url, format!("http://h/hook?s={signature}"));
        assert_eq!(
            request.header("x-chargify-webhook-signature-hmac-sha-256"),
            Some(signature.as_str())
        );
        assert_eq!(request.header("x-chargify-webhook-id"), Some("7"));
    }
}
