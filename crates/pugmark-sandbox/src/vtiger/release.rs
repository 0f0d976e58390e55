//! What differs between releases of the open-source edition: counting, and reading and writing JSON.

use serde_json::{Map, Value};

use super::failure::Failure;
use crate::wire::{Params, php_json};

/// Which release of the open-source edition answers. The hosted edition is the same with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// 8.0.0. So far as the differences named here go, 8.1 and 8.2 are like it.
    #[default]
    V8_0,
    /// 8.3.0, and 8.4.0 with it: every count of records or users is answered with an empty list, and JSON is read and
    /// written by the program's own decoder and encoder.
    V8_3,
}

/// Entities with code of their own, which does count in every release.
const COUNTED_BY_THEMSELVES: [&str; 3] = ["Groups", "Currency", "DocumentFolders"];

impl Release {
    /// The version that a login tells.
    pub(super) fn version(self) -> &'static str {
        match self {
            Release::V8_0 => "8.0.0",
            Release::V8_3 => "8.3.0",
        }
    }

    /// Whether `select count(*)` of this module is answered with a number.
    pub(super) fn counts(self, module: &str) -> bool {
        self == Release::V8_0 || COUNTED_BY_THEMSELVES.contains(&module)
    }

    /// Whether an empty reference is shown as null, as is an empty date in a query.
    pub(super) fn shows_null(self) -> bool {
        self == Release::V8_3
    }

    /// An answer as text.
    pub(super) fn json(self, value: &Value) -> String {
        match self {
            Release::V8_0 => php_json(value),
            Release::V8_3 => {
                let mut out = String::new();
                encode(value, &mut out);
                out
            }
        }
    }

    /// The JSON in `element`. What cannot be read is null for 8.0 and an exception for 8.3.
    pub(super) fn element(self, params: &Params) -> Result<Value, Failure> {
        let text = params.text("element");
        match self {
            Release::V8_0 => Ok(text
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default()),
            // An absent parameter is read as empty text, which its decoder reads as null, and on null PHP dies.
            Release::V8_3 => match text.map(decode) {
                None | Some(Some(Value::Null)) => Err(Failure::Fatal),
                Some(Some(value)) => Ok(value),
                Some(None) => Err(Failure::refused(
                    "INTERNAL_SERVER_ERROR",
                    "Unknown Error while processing request",
                )),
            },
        }
    }
}

/// Writes text as it is, but for quotes, backslashes and the control characters that have a letter.
fn encode(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => encode_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                encode(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => encode_object(map, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn encode_object(map: &Map<String, Value>, out: &mut String) {
    out.push('{');
    for (position, (key, item)) in map.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        encode_text(key, out);
        out.push(':');
        encode(item, out);
    }
    out.push('}');
}

fn encode_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Reads JSON in two passes: bare control characters go and `\uXXXX` becomes its character wherever it stands, even
/// behind a backslash; only then is the text taken apart.
fn decode(text: &str) -> Option<Value> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(unit) = escaped_unit(rest) {
            push_unit(unit, &mut plain);
            rest = &rest[6..];
        } else {
            if character >= ' ' {
                plain.push(character);
            }
            rest = &rest[character.len_utf8()..];
        }
    }
    if plain.is_empty() {
        return Some(Value::Null);
    }
    serde_json::from_str(&plain).ok()
}

/// The number behind a leading `\u`.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| all)
}

fn push_unit(unit: u16, out: &mut String) {
    match char::from_u32(u32::from(unit)) {
        // Taken for a byte order mark.
        Some('\u{feff}') => {}
        // A bare control character is fine for that decoder; here another one reads the text.
        Some(control) if control < ' ' => out.push_str(&format!("\\u{unit:04x}")),
        Some(character) => out.push(character),
        // Half of a pair.
        None => out.push('?'),
    }
}
