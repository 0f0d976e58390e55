//! Turns the layered values into typed ones. Every value that does not fit is reported and its default taken instead, so
//! that reading can go on and the next mistake is found too.

use config::{Value, ValueKind};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::ConfigProblem;
use super::sources::{ENVIRONMENT, name_of};

/// The one table whose keys an operator makes up.
const FREE_TABLE: &str = "vtiger.contact_defaults";

/// Keys that people look for here, though secrets never stand in a file: what they wrote, and where it belongs.
const SECRETS: [(&str, &str); 6] = [
    ("vtiger.access_key", "VTIGER_ACCESS_KEY"),
    ("vtiger.password", "VTIGER_ACCESS_KEY"),
    ("server.token", "APP_SECRET_TOKEN"),
    ("server.app_secret_token", "APP_SECRET_TOKEN"),
    ("alerts.webhook_url", "ALERT_WEBHOOK_URL"),
    ("alerts.smtp_password", "SMTP_PASSWORD"),
];

/// Lays `given` over `defaults` and reads a `T` from the result.
///
/// # Errors
/// The library's words when even the defaults do not make a `T`, which only a defect can cause.
pub(super) fn typed<T: DeserializeOwned>(
    given: &Value,
    defaults: &Value,
    file: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Result<T, serde_json::Error> {
    let fallback = merged(defaults, None, "", file, &mut Vec::new());
    let mut values = merged(defaults, Some(given), "", file, problems);
    loop {
        match serde_path_to_error::deserialize(&values) {
            Ok(read) => return Ok(read),
            Err(error) => {
                let path = error.path().to_string();
                let what = in_words(&value_at(&values, &path), &error.inner().to_string());
                // A default that does not fit either would be reported for ever.
                if !replace(&mut values, &fallback, &path) {
                    return Err(error.into_inner());
                }
                problems.push(ConfigProblem::new(name_of(&path), what, LOOK_IT_UP));
            }
        }
    }
}

/// The values of `given` laid over `defaults`, once [`typed`] has found nothing wrong with them.
pub(super) fn laid(given: &Value, defaults: &Value) -> Json {
    merged(defaults, Some(given), "", "", &mut Vec::new())
}

const LOOK_IT_UP: &str = "`pugmark config` prints every setting with its default and its meaning";

/// The tree of `defaults` with the values of `given` where they have the right form.
fn merged(
    defaults: &Value,
    given: Option<&Value>,
    path: &str,
    file: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Json {
    let ValueKind::Table(known) = &defaults.kind else {
        let fallback = plain(defaults);
        return match given {
            None => fallback,
            Some(given) => leaf(&fallback, given).unwrap_or_else(|what| {
                problems.push(ConfigProblem::new(name_of(path), what, LOOK_IT_UP));
                fallback
            }),
        };
    };
    let table = match given.map(|given| (&given.kind, given)) {
        None => None,
        Some((ValueKind::Table(table), _)) => Some(table),
        Some((_, other)) => {
            let what = format!("{} is given where a section is expected", quoted(other));
            problems.push(ConfigProblem::new(name_of(path), what, LOOK_IT_UP));
            None
        }
    };
    let mut all = Map::new();
    for (key, default) in known {
        let given = table.and_then(|table| table.get(key));
        all.insert(
            key.clone(),
            merged(default, given, &below(path, key), file, problems),
        );
    }
    for (key, value) in table.into_iter().flatten() {
        if path == FREE_TABLE {
            match leaf(&Json::String(String::new()), value) {
                Ok(text) => drop(all.insert(key.clone(), text)),
                Err(what) => {
                    problems.push(ConfigProblem::new(below(path, key), what, LOOK_IT_UP));
                }
            }
        } else if !known.contains_key(key) {
            problems.push(unknown(
                &below(path, key),
                &source(value, file),
                known.keys().map(String::as_str),
            ));
        }
    }
    Json::Object(all)
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// A value in the form of its default; strings from the environment stand for numbers and booleans too.
fn leaf(default: &Json, given: &Value) -> Result<Json, String> {
    let refused = |expected: &str| Err(format!("{} is not {expected}", quoted(given)));
    match (default, plain(given)) {
        (Json::String(_), Json::String(text)) => Ok(Json::String(text)),
        (Json::String(_), value @ (Json::Number(_) | Json::Bool(_))) => {
            Ok(Json::String(value.to_string()))
        }
        (Json::String(_), _) => refused("a text"),
        (Json::Number(_), Json::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(Json::Number(number))
        }
        (Json::Number(_), Json::String(text)) => match text.trim().parse::<i64>() {
            Ok(number) => Ok(Json::from(number)),
            Err(_) => refused("a whole number"),
        },
        (Json::Number(_), _) => refused("a whole number"),
        (Json::Bool(_), Json::Bool(value)) => Ok(Json::Bool(value)),
        (Json::Bool(_), Json::String(text)) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Json::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Json::Bool(false)),
            _ => refused("true or false"),
        },
        (Json::Bool(_), _) => refused("true or false"),
        (_, value) => Ok(value),
    }
}

fn plain(value: &Value) -> Json {
    match &value.kind {
        ValueKind::Nil => Json::Null,
        ValueKind::Boolean(value) => Json::Bool(*value),
        ValueKind::I64(number) => Json::from(*number),
        ValueKind::U64(number) => Json::from(*number),
        ValueKind::I128(number) => Json::String(number.to_string()),
        ValueKind::U128(number) => Json::String(number.to_string()),
        ValueKind::Float(number) => Json::from(*number),
        ValueKind::String(text) => Json::String(text.clone()),
        ValueKind::Array(values) => Json::Array(values.iter().map(plain).collect()),
        ValueKind::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// A value for a message. None of the settings read here is a secret, but an address may hold a password.
fn quoted(value: &Value) -> String {
    match &value.kind {
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        _ => match plain(value) {
            Json::String(text) => format!("`{}`", super::mask_url(&text)),
            other => format!("`{other}`"),
        },
    }
}

/// Who sets a value. A section has no origin of its own, but what stands in it has.
fn source(value: &Value, file: &str) -> String {
    let mut innermost = value;
    while let (None, ValueKind::Table(table)) = (innermost.origin(), &innermost.kind) {
        match table.values().next() {
            Some(inner) => innermost = inner,
            None => break,
        }
    }
    match innermost.origin() {
        Some(ENVIRONMENT) => ENVIRONMENT.to_owned(),
        // The library names the file by a way of its own.
        _ => file.to_owned(),
    }
}

fn unknown<'a>(path: &str, source: &str, known: impl Iterator<Item = &'a str>) -> ConfigProblem {
    // The value is not repeated: who writes a key that does not exist may have written a secret.
    if let Some((_, name)) = SECRETS.iter().find(|(key, _)| *key == path) {
        let fix = format!("Secrets never stand in a file of settings: set {name} or {name}_FILE");
        return ConfigProblem::new(path, format!("is no setting, but {source} sets it"), fix);
    }
    let mut near: Vec<&str> = known.collect();
    near.sort_unstable();
    ConfigProblem::new(
        path,
        format!("is no setting, but {source} sets it"),
        format!("In this place there are: {}", near.join(", ")),
    )
}

fn in_words(value: &Json, said: &str) -> String {
    match value {
        Json::Number(number) => format!("`{number}` is outside of what is possible"),
        Json::String(text) => format!("`{}`: {said}", super::mask_url(text)),
        _ => said.to_owned(),
    }
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

fn value_at(values: &Json, path: &str) -> Json {
    values.pointer(&pointer(path)).cloned().unwrap_or_default()
}

/// Puts the default in the place of a value; `false` when it stands there already.
fn replace(values: &mut Json, defaults: &Json, path: &str) -> bool {
    let place = pointer(path);
    match (values.pointer_mut(&place), defaults.pointer(&place)) {
        (Some(value), Some(default)) if value != default => {
            *value = default.clone();
            true
        }
        _ => false,
    }
}
