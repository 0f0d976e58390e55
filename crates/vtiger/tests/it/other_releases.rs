//! What vTiger 8.3 and 8.4 do differently on the wire: they read and write JSON by a parser and an encoder of their own.

use serde_json::{Value as Json, json};
use vtiger::{Element, Envelope};

use crate::server::{Answer, Server, success};

#[test]
fn bare_control_characters_inside_a_value_are_read() {
    let body = b"{\"success\":true,\"result\":{\"firstname\":\"bel\x07l\",\"note\":\"a\x0bb \\\"quoted\x01\\\" \\\\\",\"nul\":\"\x00\"}}";
    let expected =
        json!({"firstname": "bel\u{7}l", "note": "a\u{b}b \"quoted\u{1}\" \\", "nul": "\u{0}"});
    assert_eq!(Envelope::find(body), Some(Envelope::Success(expected)));
}

#[test]
fn bare_control_characters_are_read_behind_noise_and_half_an_answer_stays_none() {
    let noise = b"<br />\n<b>Warning</b> \"x\n";
    let answer = b"{\"success\":true,\"result\":[{\"id\":\"12x1\",\"note\":\"\x0b\"}]}";
    let body = [noise.as_slice(), answer].concat();
    let expected = json!([{"id": "12x1", "note": "\u{b}"}]);
    assert_eq!(Envelope::find(&body), Some(Envelope::Success(expected)));
    for end in 0..answer.len() {
        assert_eq!(Envelope::find(&answer[..end]), None, "{end} bytes");
    }
}

#[tokio::test]
async fn a_record_with_a_null_and_a_control_character_is_a_record() {
    let body = b"{\"success\":true,\"result\":{\"account_id\":null,\"firstname\":\"a\x0bb\",\"id\":\"12x7\"}}";
    let server =
        Server::open_source(|_| Answer::new(200, "application/json", body.as_slice()).into()).await;
    let record = server
        .open_source_client()
        .retrieve(&"12x7".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(record.get("firstname"), Some("a\u{b}b"));
    assert_eq!(record.get("account_id"), Some(""));
}

/// Reads `\uXXXX` before anything else, as vTiger 8.3 does; `None` for what its parser then refuses.
fn read_unicode_first(text: &str) -> Option<Json> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let code = rest
            .strip_prefix("\\u")
            .and_then(|hex| hex.get(..4))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.and_then(char::from_u32) {
            Some(decoded) => {
                // A bare control character passes there; serde wants it escaped.
                let plain = !decoded.is_control();
                replaced.push_str(&if plain {
                    decoded.to_string()
                } else {
                    rest[..6].to_owned()
                });
                rest = &rest[6..];
            }
            None => {
                replaced.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    serde_json::from_str(&replaced).ok()
}

#[tokio::test]
async fn backslashes_in_front_of_a_u_are_read_alike_by_every_release() {
    let server =
        Server::open_source(|_| success(json!({"id": "12x7", "lastname": "whatever"}))).await;
    let client = server.open_source_client();
    let texts = [
        r"\u0041bc",
        r"\\u0041",
        r"\\\u00e9",
        r"C:\users\u1234",
        "\\\u{b}u0041",
        "\\\u{7}",
        r#"\"u0041"#,
        r"u0041 \ é \uffff",
    ];
    for text in texts {
        let element = Element::new().with("lastname", text);
        client.create("Contacts", &element).await.unwrap();
        client
            .revise(&"12x7".parse().unwrap(), &element)
            .await
            .unwrap();
    }
    for operation in ["create", "revise"] {
        for (request, text) in server.requests_of(operation).iter().zip(texts) {
            let sent = request.param("element").unwrap();
            let strict: Json = serde_json::from_str(sent).unwrap();
            assert_eq!(strict["lastname"], text, "{operation} {sent}");
            let unicode_first = read_unicode_first(sent);
            assert_eq!(
                unicode_first.as_ref().map(|value| &value["lastname"]),
                Some(&json!(text)),
                "{operation} {sent}"
            );
        }
    }
}
