//! Text: characters, lengths and entities.

use crate::adapt::{Fitted, WarningKind};
use crate::config::Edition;
use crate::element::Value;

/// What takes the place of a character the database cannot store.
const REPLACEMENT: char = '\u{FFFD}';

/// Fits text into a column of `length` characters.
pub(super) fn fit(edition: Edition, length: Option<u32>, given: &str) -> Fitted {
    let mut warnings = Vec::new();
    let storable = match edition {
        Edition::OpenSource => without_4_byte_characters(given, &mut warnings),
        // Nobody has seen what Cloud does to them.
        Edition::Cloud => given.to_owned(),
    };
    let sent = cut(storable, length, &mut warnings);
    let stored = match edition {
        Edition::OpenSource if triggers_script_rule(&sent) => {
            warnings.push(WarningKind::ScriptEscaped);
            cut(with_escaped_tags(&sent), length, &mut warnings)
        }
        _ => sent.clone(),
    };
    Fitted {
        sent: Value::Text(sent),
        stored,
        warnings,
    }
}

/// `revise`, and only it, decodes HTML entities in what it is sent.
pub(super) fn escaped_for_revise(value: Value) -> Value {
    match value {
        Value::Text(text) if text.contains('&') => Value::Text(text.replace('&', "&amp;")),
        other => other,
    }
}

fn without_4_byte_characters(text: &str, warnings: &mut Vec<WarningKind>) -> String {
    let characters = text
        .chars()
        .filter(|character| character.len_utf8() == 4)
        .count();
    if characters == 0 {
        return text.to_owned();
    }
    warnings.push(WarningKind::Replaced4Byte { characters });
    text.chars()
        .map(|character| {
            if character.len_utf8() == 4 {
                REPLACEMENT
            } else {
                character
            }
        })
        .collect()
}

fn cut(text: String, length: Option<u32>, warnings: &mut Vec<WarningKind>) -> String {
    let Some(to) = length.and_then(|length| usize::try_from(length).ok()) else {
        return text;
    };
    match text.char_indices().nth(to) {
        None => text,
        Some((end, _)) => {
            warnings.push(WarningKind::Cut {
                from: text.chars().count(),
                to,
            });
            text.get(..end).unwrap_or_default().to_owned()
        }
    }
}

/// Whether vTiger takes the text for an attempt to inject a script: `script` and later on the same line `/script`.
fn triggers_script_rule(text: &str) -> bool {
    text.split('\n').any(|line| {
        let line = line.to_ascii_lowercase();
        line.split_once("script")
            .is_some_and(|(_, rest)| rest.contains("/script"))
    })
}

fn with_escaped_tags(text: &str) -> String {
    text.replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
