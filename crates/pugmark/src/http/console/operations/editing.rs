//! Editing what an operation carries, and trying it again: first the change is shown, then it is made.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::{OperationId, OperationRecord};
use serde::Deserialize;
use serde_json::Value;

use super::acting::actor;
use super::detail::{is_editable, is_open};
use super::refused;
use crate::desk::{self, Act};
use crate::http::AppState;
use crate::http::console::frame::{Frame, go, not_found, not_taken, show, store_down};
use crate::http::console::person::Person;

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    payload: String,
    reason: String,
    /// The change was shown, and is to be made.
    sure: String,
}

/// A value that would be another one.
#[derive(Debug, PartialEq, Eq)]
struct Changed {
    name: String,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "console/operations/edit.html")]
struct Page {
    frame: Frame,
    id: OperationId,
    kind: String,
    payload: String,
    reason: String,
    wrong: Option<String>,
    changes: Vec<Changed>,
}

/// `GET /operations/{id}/edit`
pub(in crate::http::console) async fn edit_page(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
) -> Response {
    match editable(&state, &frame, &id).await {
        Ok(record) => show(&Page {
            frame,
            id: record.id,
            payload: serde_json::to_string_pretty(&record.payload).unwrap_or_default(),
            kind: record.kind,
            reason: String::new(),
            wrong: None,
            changes: Vec::new(),
        }),
        Err(response) => *response,
    }
}

/// `POST /operations/{id}/edit`
pub(in crate::http::console) async fn edit(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let record = match editable(&state, &frame, &id).await {
        Ok(record) => record,
        Err(response) => return *response,
    };
    let actor = actor(&person, &frame, &typed.reason);
    let judged =
        judge(&record.payload, &typed.payload).and_then(|judged| match actor.reason.is_empty() {
            true => Err("A reason is needed: it is kept in the audit log.".to_owned()),
            false => Ok(judged),
        });
    let (payload, changes, wrong) = match judged {
        Ok((payload, changes)) => (Some(payload), changes, None),
        Err(wrong) => (None, Vec::new(), Some(wrong)),
    };
    let Some(payload) = payload.filter(|_| typed.sure == "yes") else {
        return show(&Page {
            frame,
            id: record.id,
            kind: record.kind,
            payload: typed.payload,
            reason: typed.reason,
            wrong,
            changes,
        });
    };
    match desk::act(
        &state.db,
        &state.queue,
        Act::Edit(payload),
        record.id,
        actor,
    )
    .await
    {
        Ok(id) => go(
            &format!("/operations/{id}"),
            "It is changed, and tried again now.",
        ),
        Err(error) => refused(&frame, &error),
    }
}

async fn editable(
    state: &AppState,
    frame: &Frame,
    id: &str,
) -> Result<OperationRecord, Box<Response>> {
    let unknown = || not_found(frame, &format!("No operation has the id {id}."));
    let id: OperationId = id.parse().map_err(|_| Box::new(unknown()))?;
    let found = state.queue.get(id).await;
    let found = found.map_err(|error| Box::new(store_down(frame, &error)))?;
    let record = found.ok_or_else(|| Box::new(unknown()))?.asked;
    if !is_open(&record) {
        let why = "The operation is being carried out, or has ended; there is nothing to edit.";
        return Err(Box::new(not_taken(frame, why)));
    }
    if !is_editable(&record) {
        let why = "It carries no values of its own: it takes them from the record when it runs. Change the record instead.";
        return Err(Box::new(not_taken(frame, why)));
    }
    Ok(record)
}

/// The payload that was typed, and what it changes. It has the fields of the old one, each with a value of the same sort: what the
/// handler could not read would only be a dead letter again.
fn judge(old: &Value, typed: &str) -> Result<(Value, Vec<Changed>), String> {
    let new: Value = serde_json::from_str(typed).map_err(|error| {
        format!("This is no JSON: {error}. Quotes around texts, commas between fields.")
    })?;
    let (Some(old), Some(fields)) = (old.as_object(), new.as_object()) else {
        return Err("It has to stay an object: {\"field\": value, ...}.".to_owned());
    };
    if let Some(more) = fields.keys().find(|name| !old.contains_key(*name)) {
        return Err(format!(
            "There is no field `{more}`; take it out. Known are {}.",
            names(old)
        ));
    }
    let mut changes = Vec::new();
    for (name, before) in old {
        let Some(after) = fields.get(name) else {
            return Err(format!(
                "The field `{name}` is missing; put it back, or leave it as it was."
            ));
        };
        if sort(before) != sort(after) {
            return Err(format!(
                "The field `{name}` holds {} and has to stay that; it is {} now.",
                sort(before),
                sort(after)
            ));
        }
        if before != after {
            changes.push(Changed {
                name: name.clone(),
                before: shown(before),
                after: shown(after),
            });
        }
    }
    if changes.is_empty() {
        return Err("Nothing is changed. To try it again as it is, use Retry now.".to_owned());
    }
    Ok((new, changes))
}

fn names(fields: &serde_json::Map<String, Value>) -> String {
    fields.keys().cloned().collect::<Vec<_>>().join(", ")
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_values_change_and_each_keeps_its_sort() {
        let old = json!({ "customer": "7", "text": "Ann", "change": 5 });
        let judged = |typed: &str| judge(&old, typed);
        let (new, changes) =
            judged(r#"{"customer": "7", "text": "Anne", "change": 5}"#).expect("it fits");
        assert_eq!(new["text"], "Anne");
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].before.as_str(), changes[0].after.as_str()),
            ("Ann", "Anne")
        );
        for (typed, why) in [
            ("{", "no JSON"),
            ("[]", "has to stay an object"),
            (r#"{"customer": "7", "text": "Ann"}"#, "`change` is missing"),
            (
                r#"{"customer": "7", "text": "Ann", "change": 5, "x": 1}"#,
                "no field `x`",
            ),
            (
                r#"{"customer": "7", "text": null, "change": 5}"#,
                "holds a text",
            ),
            (
                r#"{"customer": "7", "text": "Ann", "change": 5}"#,
                "Nothing is changed",
            ),
        ] {
            let wrong = judged(typed).expect_err(typed);
            assert!(wrong.contains(why), "{typed}: {wrong}");
        }
    }
}
