//! When two answers are alike.

use serde_json::Value;

use super::recording::Recording;
use crate::raw::Answer;

/// Compares status, content type and body; names the first difference.
pub(crate) fn alike(recording: &Recording, answer: &Answer) -> Result<(), String> {
    if recording.status != answer.status {
        return Err(format!(
            "HTTP {} recorded, {} answered: {}",
            recording.status,
            answer.status,
            answer.text()
        ));
    }
    if recording.content_type != answer.content_type() {
        return Err(format!(
            "{:?} recorded, {:?} answered",
            recording.content_type,
            answer.content_type()
        ));
    }
    match &recording.answer {
        Value::String(text) if recording.variant == "display-errors-on" => {
            noisy(text, &answer.text())
        }
        Value::String(text) if *text == answer.text() => Ok(()),
        Value::String(text) => Err(format!("{text:?} recorded, {:?} answered", answer.text())),
        json => match serde_json::from_slice(&answer.body) {
            Ok(answered) => same("", json, &answered),
            Err(error) => Err(format!("no JSON ({error}): {}", answer.text())),
        },
    }
}

/// Which warnings are printed, and how many, is a matter of the installation; that they stand in front, in PHP's
/// form, and that the JSON comes last, is not.
fn noisy(recorded: &str, answered: &str) -> Result<(), String> {
    let start = "<br />\n<b>Warning</b>:  Undefined array key \"format\" in <b>";
    for (whose, text) in [("recorded", recorded), ("answered", answered)] {
        if !text.starts_with(start) {
            return Err(format!("{whose} noise starts otherwise: {text:.80}"));
        }
    }
    match (json_tail(recorded), json_tail(answered)) {
        (Some(recorded), Some(answered)) => same("", &recorded, &answered),
        (None, None) if answered.contains("<b>Fatal error</b>") => Ok(()),
        (recorded, answered) => Err(format!(
            "JSON behind the noise: {recorded:?} recorded, {answered:?} answered"
        )),
    }
}

fn json_tail(text: &str) -> Option<Value> {
    text.find("{\"success\":")
        .and_then(|at| serde_json::from_str(&text[at..]).ok())
}

fn same(at: &str, recorded: &Value, answered: &Value) -> Result<(), String> {
    match (recorded, answered) {
        (Value::Object(recorded), Value::Object(answered)) => {
            let names =
                |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            // The order of the fields counts too: PHP arrays have one.
            if names(recorded) != names(answered) {
                return Err(format!(
                    "{at}: fields {:?} recorded, {:?} answered",
                    names(recorded),
                    names(answered)
                ));
            }
            recorded
                .iter()
                .try_for_each(|(name, value)| same(&format!("{at}.{name}"), value, &answered[name]))
        }
        (Value::Array(recorded), Value::Array(answered)) => {
            if recorded.len() != answered.len() {
                return Err(format!(
                    "{at}: {} items recorded, {} answered",
                    recorded.len(),
                    answered.len()
                ));
            }
            let pairs = recorded.iter().zip(answered).enumerate();
            pairs
                .into_iter()
                .try_for_each(|(n, (one, other))| same(&format!("{at}[{n}]"), one, other))
        }
        _ if recorded == answered => Ok(()),
        _ if normalised(at, recorded)
            .is_some_and(|form| Some(form) == normalised(at, answered)) =>
        {
            Ok(())
        }
        _ if drawn_anew(at, recorded, answered) => Ok(()),
        _ => Err(format!("{at}: {recorded} recorded, {answered} answered")),
    }
}

/// Access keys that the recorded server drew were blanked to such names, password hashes to such letters.
fn drawn_anew(at: &str, recorded: &Value, answered: &Value) -> bool {
    let (Some(recorded), Some(answered)) = (recorded.as_str(), answered.as_str()) else {
        return false;
    };
    match at.rsplit('.').next() {
        Some("accesskey") => {
            recorded.starts_with("RecordedKey")
                && answered.len() == recorded.len()
                && answered.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        Some("user_password" | "confirm_password") => {
            recorded.starts_with("$2y$10$xxx")
                && answered.starts_with("$2y$10$")
                && answered.len() == recorded.len()
        }
        _ => false,
    }
}

/// What the request does not determine is reduced to its form.
fn normalised(at: &str, value: &Value) -> Option<String> {
    let name = at.rsplit('.').next().unwrap_or_default();
    let shape = |text: &str| -> String {
        text.chars()
            .map(|character| match character {
                '0'..='9' => '9',
                other => other,
            })
            .collect()
    };
    let hexadecimal = |text: &str| -> String {
        text.chars()
            .map(|character| {
                if character.is_ascii_hexdigit() {
                    'h'
                } else {
                    character
                }
            })
            .collect()
    };
    match (name, value) {
        ("token" | "sessionName" | "key", Value::String(text)) => Some(hexadecimal(text)),
        ("createdtime" | "modifiedtime", Value::String(text)) => Some(shape(text)),
        // Running numbers: how many records an unrecorded set-up made is not known.
        ("contact_no" | "lead_no", Value::String(text)) => {
            Some(text.chars().filter(|c| !c.is_ascii_digit()).collect())
        }
        ("serverTime" | "expireTime", Value::Number(_)) => Some("a moment".to_owned()),
        _ => None,
    }
}
