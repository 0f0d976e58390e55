//! A JSON text as JavaScript's `JSON.stringify(JSON.parse(text))` writes it: what simple senders sign.

use serde_json::{Map, Number, Value};

/// The text written again, or `None` when it is no JSON.
pub fn stringified(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut text = String::with_capacity(body.len());
    write(&value, &mut text);
    Some(text)
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(entries) => write_object(entries, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Number(number) => text.push_str(&number_text(number)),
        // The same escapes on both sides.
        plain => text.push_str(&plain.to_string()),
    }
}

/// JavaScript puts keys that are array indexes first, in the order of their numbers.
fn write_object(entries: &Map<String, Value>, text: &mut String) {
    let mut sorted: Vec<(Option<u32>, &String, &Value)> = entries
        .iter()
        .map(|(key, value)| (index_of(key), key, value))
        .collect();
    sorted.sort_by_key(|(index, _, _)| index.map_or(u64::MAX, u64::from));
    text.push('{');
    for (place, (_, key, value)) in sorted.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&Value::String(key.clone()).to_string());
        text.push(':');
        write(value, text);
    }
    text.push('}');
}

fn index_of(key: &str) -> Option<u32> {
    let number: u32 = key.parse().ok()?;
    (number < u32::MAX && number.to_string() == *key).then_some(number)
}

/// As `Number::toString` of ECMAScript: the shortest digits that read back as the same number.
fn number_text(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|value| value.is_finite()) else {
        return "null".to_owned();
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", placed(&digits, point))
}

/// Digits with the decimal point behind the first `point` of them.
fn placed(digits: &str, point: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |many: i32| "0".repeat(usize::try_from(many).unwrap_or(0));
    match point {
        point if (count..=21).contains(&point) => format!("{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            format!("{whole}.{fraction}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        point => {
            let exponent = point - 1;
            let sign = if exponent < 0 { '-' } else { '+' };
            let (first, rest) = digits.split_at(1);
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!(".{rest}")
            };
            format!("{first}{rest}e{sign}{}", exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stringified;

    #[test]
    fn json_is_written_as_javascript_writes_it() {
        for (given, wanted) in [
            (
                "{ \"a\" : 1.0, \"b\": [ true , null ] }",
                r#"{"a":1,"b":[true,null]}"#,
            ),
            (
                r#"{"b":1,"10":2,"9":3,"a":4,"01":5}"#,
                r#"{"9":3,"10":2,"b":1,"a":4,"01":5}"#,
            ),
            (
                r#"["\u00e9\/\u2028\u0001\n\u007f"]"#,
                "[\"é/\u{2028}\\u0001\\n\u{7f}\"]",
            ),
            (
                "[1e21,1e20,123456789012345680000,1e-6,1e-7,1.5e-9,-0,-2.50,1e300]",
                "[1e+21,100000000000000000000,123456789012345680000,0.000001,1e-7,1.5e-9,0,-2.5,1e+300]",
            ),
            (
                "[9007199254740993,0.1,100,1234.5]",
                "[9007199254740992,0.1,100,1234.5]",
            ),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(stringified(given.as_bytes()).as_deref(), Some(wanted));
        }
        assert_eq!(stringified(b"{"), None);
        assert_eq!(stringified(b"a=1"), None);
    }
}
