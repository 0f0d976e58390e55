//! Deliveries without bank data: what is stored of them shows neither the field of the IBAN nor anything that looks like one.

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::http::webhooks::reading::{Letter, is_json, object_of};

/// What stands in the place of what is not shown.
pub(super) const MASK: &str = "***";
/// The shortest IBAN there is has so many letters and digits (Norway).
const SHORTEST: usize = 15;
/// An IBAN has more digits than a word that merely begins like one.
const FEWEST_DIGITS: usize = 6;

/// The body as it is stored: as it was read, so that nothing is kept that nobody saw, such as the first of two values of one
/// name. One that cannot be read is stored without its digits, because nobody knows what they are.
pub(in crate::http) fn body(letter: &Letter<'_>, iban_field: &str) -> String {
    let text = String::from_utf8_lossy(letter.body);
    match object_of(letter) {
        Ok(read) if is_json(letter) => Value::Object(object(&read, iban_field)).to_string(),
        Ok(_) => form(&text, iban_field),
        Err(_) => without_digits(&text),
    }
}

/// What stands behind the question mark of the address, or a body written as a form.
pub(in crate::http) fn form(text: &str, iban_field: &str) -> String {
    let mut changed = false;
    let mut masked = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let shown = match is_bank_data(&name, iban_field) {
            true if !value.is_empty() => MASK.to_owned(),
            _ => plain(&value),
        };
        let shown_name = plain(&name);
        changed |= shown != value || shown_name != name;
        masked.append_pair(&shown_name, &shown);
    }
    if changed {
        masked.finish()
    } else {
        text.to_owned()
    }
}

fn object(entries: &Map<String, Value>, iban_field: &str) -> Map<String, Value> {
    entries
        .iter()
        .map(|(name, value)| {
            let shown = match value {
                Value::Null => Value::Null,
                Value::String(text) if text.is_empty() => value.clone(),
                _ if is_bank_data(name, iban_field) => Value::from(MASK),
                _ => anything(value, iban_field),
            };
            (plain(name), shown)
        })
        .collect()
}

fn anything(value: &Value, iban_field: &str) -> Value {
    match value {
        Value::Object(entries) => Value::Object(object(entries, iban_field)),
        Value::Array(items) => items
            .iter()
            .map(|item| anything(item, iban_field))
            .collect(),
        Value::String(text) => Value::from(plain(text)),
        other => other.clone(),
    }
}

/// Whether a parameter carries the account by its name: the configured one, or one that says so.
fn is_bank_data(name: &str, iban_field: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars()
            .filter(|letter| letter.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let (name, field) = (letters(name), letters(iban_field));
    let field = field.strip_prefix("cf").unwrap_or(&field);
    (!field.is_empty() && name.ends_with(field))
        || [
            "iban",
            "accountnumber",
            "accountno",
            "bankaccount",
            "kontonummer",
        ]
        .iter()
        .any(|word| name.contains(word))
}

/// A text without what looks like an IBAN, however it is grouped. Check digits are not looked at: a mistyped account is one, too.
pub(super) fn plain(text: &str) -> String {
    // Most texts have too few digits for one.
    if text.bytes().filter(u8::is_ascii_digit).count() < FEWEST_DIGITS {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        match iban_at(&letters, at) {
            Some(end) => {
                shown.push_str(MASK);
                at = end;
            }
            None => {
                shown.push(*letter);
                at += 1;
            }
        }
    }
    shown
}

/// Where the IBAN ends that begins here.
fn iban_at(letters: &[char], start: usize) -> Option<usize> {
    let head = letters.get(start..start + 4)?;
    let begins = head[..2].iter().all(char::is_ascii_alphabetic)
        && head[2..].iter().all(char::is_ascii_digit);
    if !begins {
        return None;
    }
    let mut end = run_end(letters, start);
    let mut length = end - start;
    let mut digits = digits_in(letters, start, end);
    while let Some(next) = next_group(letters, end) {
        length += run_end(letters, next) - next;
        digits += digits_in(letters, next, run_end(letters, next));
        end = run_end(letters, next);
    }
    (length >= SHORTEST && digits >= FEWEST_DIGITS).then_some(end)
}

/// A group that may go on with the number: behind one mark, with a digit in it or of four letters.
fn next_group(letters: &[char], end: usize) -> Option<usize> {
    let mark = letters.get(end)?;
    if !matches!(mark, ' ' | '\u{a0}' | '-' | '.' | '/' | '_') {
        return None;
    }
    let (next, stop) = (end + 1, run_end(letters, end + 1));
    let goes_on = digits_in(letters, next, stop) > 0 || stop - next == 4;
    (stop > next && goes_on).then_some(next)
}

fn run_end(letters: &[char], start: usize) -> usize {
    let run = letters.iter().skip(start);
    start
        + run
            .take_while(|letter| letter.is_ascii_alphanumeric())
            .count()
}

fn digits_in(letters: &[char], start: usize, end: usize) -> usize {
    let run = letters.iter().take(end).skip(start);
    run.filter(|letter| letter.is_ascii_digit()).count()
}

fn without_digits(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_numeric() { '*' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{body, form};
    use crate::http::webhooks::reading::Letter;

    fn masked(text: &str) -> String {
        let letter = Letter {
            body: text.as_bytes(),
            content_type: None,
            parameters: None,
            conversion: false,
            max_depth: 32,
        };
        body(&letter, "cf_iban")
    }

    #[test]
    fn the_field_of_the_iban_is_masked_whatever_it_holds() {
        assert_eq!(
            masked(
                r#"{"data":{"cf_iban":"12 34","cf_leads_iban":7,"iban":null,"company":"Acme"}}"#
            ),
            r#"{"data":{"cf_iban":"***","cf_leads_iban":"***","iban":null,"company":"Acme"}}"#
        );
        assert_eq!(form("id=2x5&cf_iban=x", "Konto"), "id=2x5&cf_iban=***");
        assert_eq!(form("id=2x5&konto=x", "cf_konto"), "id=2x5&konto=***");
    }

    #[test]
    fn what_looks_like_an_iban_is_masked_wherever_it_stands() {
        for text in [
            "IE12BOFI90000112345678",
            "ie12bofi90000112345678",
            "IE12 BOFI 9000 0112 3456 78",
            "IE12-BOFI-9000-0112-3456-78",
            "DE89\u{a0}3704 0044 0532 0130 00",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
        ] {
            let told = format!("pay from {text}, please");
            let given = serde_json::json!({ "a": [{ "note": told }] }).to_string();
            assert_eq!(
                masked(&given),
                r#"{"a":[{"note":"pay from ***, please"}]}"#,
                "{text}"
            );
            assert_eq!(form(&format!("n={}", text.replace(' ', "+")), ""), "n=***");
        }
        assert_eq!(
            masked(r#"{"note":"\u0049E12BOFI9000011234567\u0038"}"#),
            r#"{"note":"***"}"#,
            "escapes hide nothing"
        );
        assert_eq!(masked(r#"{"IE12BOFI90000112345678":1}"#), r#"{"***":1}"#);
    }

    #[test]
    fn everything_else_stays_as_it_came() {
        for text in [
            r#"{"id":"2x2179843","amount":"150.00000000","at":"2024-01-05 20:44:40"}"#,
            r#"{"company":"Acme 2000 Ltd","email":"john12smith@acme.example","phone":"+353 1 234 5678"}"#,
            "id=2x5&company=Acme+Ltd",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn a_value_that_another_one_covers_is_not_kept() {
        assert_eq!(
            masked(r#"{"cf_iban":"12345","cf_iban":""}"#),
            r#"{"cf_iban":""}"#
        );
    }

    #[test]
    fn a_body_that_cannot_be_read_is_kept_without_digits() {
        assert_eq!(
            masked(r#"{"cf_iban":"IE12 BOFI 9000"#),
            r#"{"cf_iban":"IE** BOFI ****"#
        );
    }
}
