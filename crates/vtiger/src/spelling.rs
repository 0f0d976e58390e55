//! How secrets look in text that is no JSON: the forms of a known value, and what gives an unknown one away.

use url::form_urlencoded;

use crate::redact::{MASK, beginning, is_secret};

/// Every form in which the server may write a value: as it is, as JSON (also inside a JSON text), in PHP's own JSON, as
/// HTML, in a URL, with slashes.
pub(crate) fn spellings(value: &str) -> Vec<String> {
    let in_json = json_form(value);
    let mut forms = vec![
        value.to_owned(),
        json_form(&in_json),
        php_json_form(value),
        html_form(value, "&#039;"),
        html_form(value, "&#39;"),
        html_form(value, "'"),
        form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        value
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('"', "\\\""),
        in_json,
    ];
    // PHP's stack traces show the beginning of long arguments.
    let argument = beginning(value, PHP_ARGUMENT);
    if argument.len() < value.len() {
        forms.push(argument + "...");
    }
    forms.sort();
    forms.dedup();
    forms
}

/// `zend.exception_string_param_max_len` as PHP comes, in bytes.
const PHP_ARGUMENT: usize = 15;

fn json_form(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let bare = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    bare.unwrap_or(&quoted).to_owned()
}

/// PHP's `json_encode` escapes `/` and everything outside ASCII.
fn php_json_form(value: &str) -> String {
    let mut units = [0; 2];
    let mut form = String::with_capacity(value.len() + 8);
    for character in json_form(value).chars() {
        match character {
            '/' => form.push_str("\\/"),
            ascii if ascii.is_ascii() => form.push(ascii),
            other => {
                for unit in other.encode_utf16(&mut units) {
                    form.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    form
}

fn html_form(value: &str, apostrophe: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', apostrophe)
}

/// The shortest text behind `$2y$` that is taken for a hash.
const SHORTEST_HASH: usize = 16;

/// Text without password hashes in the form of `crypt` (`$2y$10$…`, `$1$…`).
pub(crate) fn without_hashes(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let (before, from) = rest.split_at(start);
        shown.push_str(before);
        let length = hash_length(from);
        shown.push_str(if length > 1 { MASK } else { "$" });
        rest = from.get(length..).unwrap_or_default();
    }
    shown + rest
}

/// How long the hash is that a text beginning with `$` begins with; 1 when it is none.
fn hash_length(text: &str) -> usize {
    let scheme = text
        .bytes()
        .skip(1)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"./$=,+-".contains(byte);
    let behind = text.bytes().skip(1 + scheme);
    let digest = behind.take_while(is_part).count();
    let begins_like_one =
        (1..=12).contains(&scheme) && text.as_bytes().get(1 + scheme) == Some(&b'$');
    if begins_like_one && digest > SHORTEST_HASH {
        1 + scheme + digest
    } else {
        1
    }
}

/// Text without the values that follow secret names: `[accesskey] => x`, `"user_password":"x"`, `password=x`.
pub(crate) fn without_named_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = end_of_secret_name(rest) {
        let (name, behind) = rest.split_at(end);
        shown.push_str(name);
        rest = behind;
        if let Some((gap, value)) = value_behind(behind) {
            shown.push_str(behind.get(..gap).unwrap_or_default());
            shown.push_str(MASK);
            rest = behind.get(gap + value..).unwrap_or_default();
        }
    }
    shown + rest
}

/// Where the first word ends that is a secret name.
fn end_of_secret_name(text: &str) -> Option<usize> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut position = 0;
    loop {
        let rest = text.get(position..)?;
        let start = position + rest.find(is_word)?;
        let word = text.get(start..)?;
        let length = word
            .find(|character| !is_word(character))
            .unwrap_or(word.len());
        position = start + length;
        if is_secret(word.get(..length)?) {
            return Some(position);
        }
    }
}

/// What may open a value, and closes it again.
const QUOTES: [&str; 7] = ["\\\"", "\\'", "&quot;", "&#039;", "&#39;", "\"", "'"];

/// How far a value is from its name, and how long it is; `None` when no value follows.
fn value_behind(text: &str) -> Option<(usize, usize)> {
    let mut gap = 0;
    let mut assigns = false;
    let mut quote = None;
    loop {
        let rest = text.get(gap..)?;
        if let Some(opened) = QUOTES.iter().find(|quote| rest.starts_with(**quote)) {
            gap += opened.len();
            quote = Some(*opened);
            if assigns {
                break;
            }
            continue;
        }
        if let Some(arrow) = ["=&gt;", "=>"]
            .iter()
            .find(|arrow| rest.starts_with(**arrow))
        {
            gap += arrow.len();
            (assigns, quote) = (true, None);
            continue;
        }
        let next = rest.chars().next()?;
        match next {
            '=' | ':' => (assigns, quote) = (true, None),
            ' ' | '\t' | '\r' | '\n' | ']' => {}
            _ => break,
        }
        gap += next.len_utf8();
    }
    let value = text.get(gap..)?;
    let length = match quote {
        Some(quote) => value.find(quote),
        None => value.find(|end: char| end.is_whitespace() || "<>&,;)}]".contains(end)),
    };
    (assigns && !value.is_empty()).then_some((gap, length.unwrap_or(value.len())))
}
