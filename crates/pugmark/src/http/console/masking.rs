//! Personal data as people see it who may not see it. Pure.
//!
//! Of structured data everything is masked that is not known to be technical: a field nobody thought of is covered, too. In
//! sentences (errors, log lines) it is what looks like an address or a number, and what stands in quotes.

use serde_json::Value;

/// Keys whose values say how a call was made, and nothing of whom it concerns.
const TECHNICAL: [&str; 36] = [
    "action",
    "api_call",
    "assigned_user_id",
    "attempt",
    "call",
    "change",
    "code",
    "correlation_id",
    "customer",
    "elementType",
    "element_type",
    "errorCode",
    "error_code",
    "id",
    "job",
    "job_id",
    "kind",
    "lane",
    "lookFirst",
    "method",
    "module",
    "op",
    "operation",
    "outcome",
    "record",
    "related_to",
    "requirement",
    "result",
    "run",
    "status",
    "step",
    "success",
    "url_template",
    "user",
    "vtigerId",
    "week",
];

/// A structured value with everything personal masked.
pub(super) fn value(value: &Value) -> Value {
    masked("", value)
}

fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), masked(key, value)))
                .collect(),
        ),
        Value::Array(entries) => {
            Value::Array(entries.iter().map(|entry| masked(key, entry)).collect())
        }
        Value::String(text)
            if TECHNICAL.contains(&key) && is_plain(text) || is_identifier(text) =>
        {
            value.clone()
        }
        Value::String(text) => Value::String(word(text)),
        Value::Number(number) if !TECHNICAL.contains(&key) && number.to_string().len() > 4 => {
            Value::String(word(&number.to_string()))
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    }
}

/// A word, a name of ours or an id: nothing of it was typed by a customer.
fn is_plain(text: &str) -> bool {
    !text.contains(['@', ' ', '+'])
}

/// An id of the CRM (`12x345`) or a UUID.
fn is_identifier(text: &str) -> bool {
    let of_crm = text.split_once('x').is_some_and(|(module, record)| {
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(module) && digits(record)
    });
    of_crm || uuid::Uuid::parse_str(text).is_ok()
}

/// One value: its first letter and how long it is at most.
pub(super) fn word(text: &str) -> String {
    match text.chars().next() {
        None => String::new(),
        Some(first) if first.is_alphabetic() => format!("{first}•••"),
        Some(_) => "•••".to_owned(),
    }
}

/// A sentence in which whatever looks personal is masked: e-mail addresses, numbers of six digits and more, and what stands in
/// quotes.
pub(super) fn sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((open, inside, after)) = quoted(rest) {
            out.push(open);
            out.push_str(&if is_code(inside) {
                inside.to_owned()
            } else {
                word(inside)
            });
            out.push(if open == '“' { '”' } else { open });
            rest = after;
        } else if "(),;".contains(first) || first.is_whitespace() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let begun = first.len_utf8();
            let ends = |letter: char| letter.is_whitespace() || "(),;\"`“".contains(letter);
            let end = rest[begun..]
                .find(ends)
                .map_or(rest.len(), |end| begun + end);
            let (token, after) = rest.split_at(end);
            out.push_str(&piece(token));
            rest = after;
        }
    }
    out
}

/// A sentence as somebody may see it: as it is with `personal`, else masked.
pub(super) fn told(text: &str, personal: bool) -> String {
    match personal {
        true => text.to_owned(),
        false => sentence(text),
    }
}

/// What the text begins with, if that is something in quotes.
fn quoted(text: &str) -> Option<(char, &str, &str)> {
    let open = text
        .chars()
        .next()
        .filter(|first| "\"`'“".contains(*first))?;
    let close = if open == '“' { '”' } else { open };
    let inside = &text[open.len_utf8()..];
    let end = inside.find(close)?;
    Some((open, &inside[..end], &inside[end + close.len_utf8()..]))
}

/// Names of fields, modules and commands are quoted, too.
fn is_code(text: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || b"_.- ".contains(&byte);
    is_identifier(text)
        || text.starts_with("pugmark ")
        || text.starts_with("cf_")
        || (text.contains('_')
            && text
                .bytes()
                .all(|byte| lower(byte) || byte.is_ascii_digit()))
}

/// A piece of a sentence without blanks.
fn piece(token: &str) -> String {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let id = token.trim_matches(|letter: char| !letter.is_alphanumeric());
    let address = token.contains('@') && !token.starts_with('@');
    let is_time = id.contains('T') && id.ends_with('Z') && id.parse::<jiff::Timestamp>().is_ok();
    if is_identifier(id) || token.contains("PUG-") || is_time {
        return token.to_owned();
    }
    if address || (digits >= 6) {
        return word(token);
    }
    token.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_structured_data_only_what_is_technical_stays() {
        let given = json!({
            "operation": "create", "elementType": "Contacts", "id": "12x345", "lastname": "Otieno", "mobile": "0712345678",
            "fields": { "cf_853": "4be0643f-1d98-573b-97cd-ca98a65347dd", "anything new": "Achieng" },
            "list": [{ "email": "achieng@example.co.ke" }], "idNumber": 12_345_678, "count": 3, "done": true, "none": null,
            "operation of": { "operation": "somebody@example.org" }
        });
        let shown = value(&given);
        assert_eq!(shown["operation"], "create");
        assert_eq!(shown["id"], "12x345");
        assert_eq!(shown["fields"]["cf_853"], given["fields"]["cf_853"]);
        assert_eq!((&shown["count"], &shown["done"]), (&json!(3), &json!(true)));
        let text = shown.to_string();
        for personal in [
            "Otieno",
            "0712345678",
            "Achieng",
            "achieng",
            "example",
            "12345678",
        ] {
            assert!(!text.contains(personal), "{personal}: {text}");
        }
    }

    #[test]
    fn in_sentences_what_looks_personal_is_masked_and_the_rest_can_be_read() {
        let cases = [
            (
                "PUG-2006: vTiger refuses the record",
                "PUG-2006: vTiger refuses the record",
            ),
            (
                "duplicate value achieng@example.co.ke",
                "duplicate value a•••",
            ),
            ("a phone +254712345678, again", "a phone •••, again"),
            (
                "last name \"Otieno\" is taken",
                "last name \"O•••\" is taken",
            ),
            (
                "`cf_853` of 12x345 is mandatory",
                "`cf_853` of 12x345 is mandatory",
            ),
            (
                "since 2026-03-01T10:00:00Z: x",
                "since 2026-03-01T10:00:00Z: x",
            ),
            ("it's fine", "it's fine"),
            ("(0712345678)", "(•••)"),
            ("", ""),
        ];
        for (given, shown) in cases {
            assert_eq!(sentence(given), shown, "{given}");
        }
    }

    #[test]
    fn no_text_makes_masking_fail() {
        for text in ["\"", "``", "é\"ü", "(((", "'", "“x", "  ", "),;", ")", "•"] {
            let _ = sentence(text);
        }
    }
}
