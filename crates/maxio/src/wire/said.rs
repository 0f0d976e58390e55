//! What the service says is wrong, from any of the forms it says it in, as plain sentences.

use serde_json::{Map, Value as Json};

use super::mask::Secrets;

/// The longest sentence that is repeated, in characters.
const LONGEST: usize = 500;
/// The most sentences that are repeated.
const MOST: usize = 50;
/// How deep lists and maps of errors are followed.
const DEEPEST: usize = 8;

/// The sentences of an error answer, secrets masked:
///
/// - `{"errors":["…","…"]}`, the usual form;
/// - `{"errors":{"customer":"can't be blank"}}` and `{"errors":{"base":["…"]}}`: by field, `base` meaning the record;
/// - `{"error":"…"}`;
/// - `{"errors":[{"title":"…","detail":"…"}]}`, as JSON:API has it;
/// - a JSON string, or plain text.
///
/// Web pages are not repeated, nor is JSON of another form.
pub(crate) fn sentences(body: &[u8], secrets: &Secrets<'_>) -> Vec<String> {
    let mut found = Vec::new();
    match serde_json::from_slice(body) {
        Ok(Json::Object(object)) => {
            for name in ["errors", "error"] {
                if let Some(said) = object.get(name) {
                    collect(&mut found, "", said, DEEPEST);
                }
            }
        }
        Ok(Json::String(text)) => push(&mut found, "", &text),
        Ok(_) => {}
        Err(_no_json) => plain(&mut found, body),
    }
    found.truncate(MOST);
    found
        .into_iter()
        .map(|sentence| beginning(&secrets.scrub(&sentence)))
        .collect()
}

/// Whether the body is a web page, which the service itself never answers with.
pub(crate) fn is_web_page(content_type: Option<&str>, body: &[u8]) -> bool {
    let html_type = content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    // Rails calls an empty answer text/html where nothing else was said.
    let blank = body.iter().all(u8::is_ascii_whitespace);
    (html_type && !blank) || body.trim_ascii_start().starts_with(b"<")
}

fn collect(found: &mut Vec<String>, field: &str, said: &Json, depth: usize) {
    if depth == 0 || found.len() >= MOST {
        return;
    }
    match said {
        Json::String(text) => push(found, field, text),
        Json::Array(list) => {
            for item in list {
                collect(found, field, item, depth - 1);
            }
        }
        Json::Object(object) if is_json_api(object) => {
            push(found, field, &title_and_detail(object))
        }
        Json::Object(object) => {
            for (name, item) in object {
                collect(found, &inside(field, name), item, depth - 1);
            }
        }
        Json::Number(_) | Json::Bool(_) | Json::Null => {}
    }
}

fn is_json_api(object: &Map<String, Json>) -> bool {
    let text = |name| object.get(name).is_some_and(Json::is_string);
    text("title") || text("detail")
}

fn title_and_detail(object: &Map<String, Json>) -> String {
    let parts: Vec<&str> = ["title", "detail"]
        .into_iter()
        .filter_map(|name| object.get(name)?.as_str())
        .collect();
    parts.join(": ")
}

/// `base` is the record itself, not one of its fields.
fn inside(field: &str, name: &str) -> String {
    match (field, name) {
        (field, "base") => field.to_owned(),
        ("", name) => name.to_owned(),
        (field, name) => format!("{field}.{name}"),
    }
}

fn push(found: &mut Vec<String>, field: &str, text: &str) {
    let text = one_line(text);
    if text.is_empty() {
        return;
    }
    found.push(match field {
        "" => text,
        field => format!("{}: {text}", one_line(field)),
    });
}

fn plain(found: &mut Vec<String>, body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    // Broken JSON is no sentence.
    if !is_web_page(None, body) && !text.trim_start().starts_with(['{', '[', '"']) {
        push(found, "", &text);
    }
}

/// On one line, so that nobody writes lines of their own into a log.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

fn beginning(text: &str) -> String {
    if text.chars().nth(LONGEST).is_none() {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Vec<String> {
        sentences(body.as_bytes(), &Secrets::new([]))
    }

    #[test]
    fn every_form_of_an_error_becomes_sentences() {
        let forms: [(&str, &[&str]); 11] = [
            (
                r#"{"errors":["First name: cannot be blank.","Reference: must be unique - that value has been taken."]}"#,
                &[
                    "First name: cannot be blank.",
                    "Reference: must be unique - that value has been taken.",
                ],
            ),
            (
                r#"{"errors":{"customer":"can't be blank"}}"#,
                &["customer: can't be blank"],
            ),
            (
                r#"{"errors":{"base":["is not ready","is closed"]}}"#,
                &["is not ready", "is closed"],
            ),
            (
                r#"{"error":"The subscription is already canceled"}"#,
                &["The subscription is already canceled"],
            ),
            (
                r#"{"errors":["Pay here"],"gateway_payment_id":"pi_1","description":"d","action_link":"https://x"}"#,
                &["Pay here"],
            ),
            (
                r#"{"errors":[{"title":"Action needed","detail":"3-D Secure","links":{"action_link":"https://x"}}]}"#,
                &["Action needed: 3-D Secure"],
            ),
            (
                r#"{"errors":{"customer":{"email":["is odd"],"base":["is gone"]}}}"#,
                &["customer.email: is odd", "customer: is gone"],
            ),
            (r#"{"errors":"plainly no"}"#, &["plainly no"]),
            (r#""Not here""#, &["Not here"]),
            (
                "HTTP Basic: Access denied.\n",
                &["HTTP Basic: Access denied."],
            ),
            ("two\nlines\u{7}", &["two lines"]),
        ];
        for (body, expected) in forms {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_sentence_is_not_repeated() {
        for body in [
            "",
            " ",
            "<html><body>Bad Gateway</body></html>",
            r#"{"errors":["#,
            r#"{"errors":null}"#,
            r#"{"customer":{"id":1}}"#,
            "[1,2]",
            "null",
        ] {
            assert!(read(body).is_empty(), "{body}");
        }
    }

    #[test]
    fn long_answers_are_cut() {
        let long = "é".repeat(LONGEST + 1);
        let found = read(&serde_json::json!({"errors": vec![long; MOST + 1]}).to_string());
        assert_eq!(found.len(), MOST);
        assert_eq!(found[0].chars().count(), LONGEST + 1);
        assert!(found[0].ends_with('…'));
    }

    #[test]
    fn a_secret_is_masked_before_the_text_is_cut() {
        let secret = secrecy::SecretString::from("IE29AIBK93115212345678");
        let body = format!("{} IE29AIBK93115212345678", "x".repeat(LONGEST - 10));
        let found = sentences(body.as_bytes(), &Secrets::new([&secret]));
        assert!(!found[0].contains("IE29"), "{found:?}");
        assert!(found[0].ends_with("***"), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let found = sentences(&body, &Secrets::new([]));
            prop_assert!(found.len() <= MOST);
        }
    }
}
