//! `pugmark.upsert`: up to a hundred records in one call, each once for our reference.

use serde_json::{Map, Value, json};

use super::{flag, invalid, object};
use crate::vtiger::catalogue::{Kind, ModuleIndex};
use crate::vtiger::failure::{Answer, Failure};
use crate::vtiger::records::{Call, Mode};
use crate::vtiger::values::{Input, leading_number};

/// Most elements of a call.
const MOST: usize = 100;

/// Most characters of a reference.
const LONGEST: usize = 128;

/// Where a record comes from: taken when it is made, and never again.
const ORIGIN: &str = "source";

/// What is wanted of one record.
struct Wish {
    reference: String,
    fields: Map<String, Value>,
    expect: Map<String, Value>,
    create_only: Map<String, Value>,
}

/// Where the references of a call belong.
#[derive(Clone, Copy)]
struct Target<'a> {
    module: ModuleIndex,
    name: &'a str,
    field: &'a str,
}

pub(super) fn run(
    call: &mut Call<'_>,
    module: &str,
    field: &str,
    elements: &Value,
    options: &Value,
) -> Answer {
    let list = elements.as_array();
    let elements = list.ok_or_else(|| invalid("elements must be a JSON list".to_owned()))?;
    if elements.len() > MOST {
        let message = format!("At most {MOST} elements in one call");
        return Err(Failure::refused("TOO_MANY", message));
    }
    let options = match options {
        Value::Null => Map::new(),
        given => object(given, "options")?,
    };
    call.bulk = flag(&options, "bulk", false)?;
    let target = target(call, module, field)?;
    let breaks = call.state.extension.break_upsert_after.take();
    let mut results = Vec::new();
    for (position, element) in elements.iter().enumerate() {
        let dies = breaks == Some(position + 1);
        results.push(answer(call, target, element, dies)?);
    }
    Ok(json!({ "results": results }))
}

fn target<'a>(call: &Call<'_>, name: &'a str, field: &'a str) -> Result<Target<'a>, Failure> {
    let module = call.module_named(name).ok_or_else(Failure::denied)?;
    let about = call.state.catalogue.module(module);
    if !about.is_entity || name == "Users" {
        return Err(Failure::denied());
    }
    let known = about.field(field).is_some();
    known
        .then_some(Target {
            module,
            name,
            field,
        })
        .ok_or_else(|| invalid(format!("{name} has no field {field} for the reference")))
}

/// One element's answer. When PHP dies on it, the record is there, but its number was not noted, and there is no answer.
fn answer(call: &mut Call<'_>, target: Target<'_>, element: &Value, dies: bool) -> Answer {
    let reference = element["reference"].as_str().unwrap_or_default().to_owned();
    let settled = read(call, target, element).and_then(|wish| settle(call, target, &wish));
    if dies {
        let key = (target.module, reference);
        if let Some(noted) = call.state.extension.references.get_mut(&key) {
            *noted = None;
        }
        return Err(Failure::Fatal);
    }
    let mut shown = Map::new();
    shown.insert("reference".into(), json!(reference));
    match settled {
        Ok(Settled::Is(status, id)) => {
            shown.insert("status".into(), json!(status));
            shown.insert("id".into(), json!(id));
        }
        Ok(Settled::Conflict(id, current)) => {
            shown.insert("status".into(), json!("conflict"));
            shown.insert("id".into(), json!(id));
            shown.insert("current".into(), Value::Object(current));
        }
        Ok(Settled::Gone(id)) => {
            let message = format!("The record {id} of this reference was deleted");
            refuse(&mut shown, &json!("RECORD_DELETED"), &message);
            shown.insert("id".into(), json!(id));
        }
        // PHP stops itself, past everything that could catch it.
        Err(Failure::Restricted) => return Err(Failure::Restricted),
        Err(Failure::Refused { code, message }) => refuse(&mut shown, &code, &message),
        Err(Failure::Fatal | Failure::Noise(_)) => refuse(
            &mut shown,
            &json!("INTERNAL_SERVER_ERROR"),
            "The record could not be saved (TypeError)",
        ),
    }
    Ok(Value::Object(shown))
}

fn refuse(shown: &mut Map<String, Value>, code: &Value, message: &str) {
    // Duplicates have the number 0 for a code elsewhere.
    let code = code.as_str().unwrap_or("DUPLICATE_VALUE");
    shown.insert("status".into(), json!("refused"));
    shown.insert("code".into(), json!(code));
    shown.insert("message".into(), json!(message));
}

enum Settled {
    /// `created`, `updated` or `unchanged`, and the record's id.
    Is(&'static str, String),
    Conflict(String, Map<String, Value>),
    Gone(String),
}

fn read(call: &Call<'_>, target: Target<'_>, element: &Value) -> Result<Wish, Failure> {
    let element = object(element, "An element")?;
    let reference = element.get("reference").map(Input::read);
    let reference = reference.as_ref().map_or("", Input::text).to_owned();
    if reference.is_empty() || reference.trim() != reference || reference.chars().count() > LONGEST
    {
        let message =
            format!("reference must be 1 to {LONGEST} characters without blanks around them");
        return Err(invalid(message));
    }
    let about = call.state.catalogue.module(target.module);
    let held = about.field(target.field).map(|at| &about.fields[at].kind);
    if let Some(Kind::Text(Some(width))) = held
        && reference.chars().count() > *width
    {
        let field = target.field;
        let message = format!("{field} cannot keep this reference: it holds {width} characters");
        return Err(invalid(message));
    }
    let part = |name: &str| -> Result<Map<String, Value>, Failure> {
        let given = element.get(name).cloned().unwrap_or_else(|| json!({}));
        let part = object(&given, name)?;
        let wrong = |message: String| Failure::refused("INVALID_FIELD", message);
        for (field, value) in &part {
            if about.field(field).is_none() || field == "id" {
                return Err(wrong(format!("There is no field {field}")));
            }
            if value.is_array() || value.is_object() {
                return Err(wrong(format!("{field} must be a single value")));
            }
            if name != "expect" {
                check_written(call, target, &reference, (field, value))?;
            }
        }
        Ok(part)
    };
    Ok(Wish {
        fields: part("fields")?,
        expect: part("expect")?,
        create_only: part("createOnly")?,
        reference,
    })
}

/// What vTiger would leave out without a word, or die of, is refused.
fn check_written(
    call: &Call<'_>,
    target: Target<'_>,
    reference: &str,
    (name, value): (&String, &Value),
) -> Result<(), Failure> {
    let about = call.state.catalogue.module(target.module);
    let Some(field) = about.field(name).map(|at| &about.fields[at]) else {
        return Ok(());
    };
    let wrong = |message: String| Failure::refused("INVALID_FIELD", message);
    let text = Input::read(value).text().to_owned();
    if name == target.field && text != reference {
        return Err(wrong(format!("{name} must hold the reference")));
    }
    if !field.editable && name != ORIGIN {
        return Err(wrong(format!("{name} cannot be written")));
    }
    let what = match &field.kind {
        _ if text.is_empty() => return Ok(()),
        Kind::Owner if !is_owner(call, &text) => "names no user or group",
        Kind::Reference(_) if !is_id(&text) => "must be an id",
        _ => return Ok(()),
    };
    Err(Failure::refused(
        "REFERENCE_INVALID",
        format!("{name} {what}"),
    ))
}

fn is_owner(call: &Call<'_>, id: &str) -> bool {
    let Some((module, number)) = call.state.locate(call.dialect, id) else {
        return false;
    };
    let name = &call.state.catalogue.module(module).name;
    matches!(name.as_str(), "Users" | "Groups") && call.dialect.id(name, number) == id
}

fn is_id(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('x')
        .is_some_and(|(prefix, number)| digits(prefix) && digits(number))
}

fn settle(call: &mut Call<'_>, target: Target<'_>, wish: &Wish) -> Result<Settled, Failure> {
    let key = (target.module, wish.reference.clone());
    let noted = call.state.extension.references.get(&key).copied();
    if let Some(Some(number)) = noted {
        if call.state.store.row(target.module, number).is_none() {
            return Ok(Settled::Gone(call.dialect.id(target.name, number)));
        }
        return revise(call, target, number, (wish, false));
    }
    let holder = holder(call, target, &wish.reference)?;
    call.state.extension.references.insert(key.clone(), holder);
    match holder {
        // Where a making was cut off, everything is written once more.
        Some(number) => revise(call, target, number, (wish, noted.is_some())),
        None => {
            let number = create(call, target, wish)?;
            call.state.extension.references.insert(key, Some(number));
            Ok(Settled::Is("created", call.dialect.id(target.name, number)))
        }
    }
}

/// The one record that holds the reference, to the letter.
fn holder(
    call: &mut Call<'_>,
    target: Target<'_>,
    reference: &str,
) -> Result<Option<u64>, Failure> {
    let field = call
        .state
        .catalogue
        .module(target.module)
        .field(target.field);
    let Some(field) = field else {
        return Ok(None);
    };
    let alike = call.state.store.equal_text(target.module, field, reference);
    let cell = |number: &u64| call.state.cell(target.module, *number, target.field) == reference;
    let holders: Vec<u64> = alike.into_iter().filter(cell).collect();
    match holders.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(Failure::refused(
            "AMBIGUOUS_REFERENCE",
            "More than one record holds this reference",
        )),
    }
}

fn create(call: &mut Call<'_>, target: Target<'_>, wish: &Wish) -> Result<u64, Failure> {
    let mut fields = wish.create_only.clone();
    fields.extend(wish.fields.clone());
    fields.insert(target.field.to_owned(), json!(wish.reference));
    let made = call.create(target.name, &Value::Object(fields))?;
    let id = made["id"].as_str().unwrap_or_default();
    let number = id
        .split_once('x')
        .and_then(|(_, number)| number.parse().ok());
    number.ok_or(Failure::Fatal)
}

fn revise(
    call: &mut Call<'_>,
    target: Target<'_>,
    number: u64,
    (wish, unfinished): (&Wish, bool),
) -> Result<Settled, Failure> {
    let id = call.dialect.id(target.name, number);
    let module = target.module;
    if !wish
        .expect
        .iter()
        .all(|(name, value)| holds(call, module, number, name, value))
    {
        let shown = |name: &String| {
            let value = shown(call, module, number, name);
            (name.clone(), json!(value))
        };
        return Ok(Settled::Conflict(
            id,
            wish.expect.keys().map(shown).collect(),
        ));
    }
    let mut changes = wish.fields.clone();
    changes.insert(target.field.to_owned(), json!(wish.reference));
    changes.retain(|name, value| {
        name != ORIGIN && (unfinished || !holds(call, module, number, name, value))
    });
    if changes.is_empty() {
        return Ok(Settled::Is("unchanged", id));
    }
    call.check_references(module, &mut changes, false)?;
    call.check_mandatory(module, &changes, false)?;
    let cells = call.convert(module, &changes, |field, _| field.editable, false)?;
    call.check_unique(module, Some(number), &cells)?;
    call.store_changes(module, number, cells, Mode::Revise);
    call.dangling_owner(module, number)?;
    Ok(Settled::Is("updated", id))
}

fn shown(call: &Call<'_>, module: ModuleIndex, number: u64, name: &str) -> String {
    let at = call.state.catalogue.module(module).field(name);
    at.map_or_else(String::new, |at| {
        call.state.shown(call.dialect, module, number, at)
    })
}

/// Whether a field holds this value already, as the web service shows it.
fn holds(call: &Call<'_>, module: ModuleIndex, number: u64, name: &str, wanted: &Value) -> bool {
    let about = call.state.catalogue.module(module);
    let kind = about.field(name).map(|at| &about.fields[at].kind);
    let stored = shown(call, module, number, name);
    let wanted = Input::read(wanted).text().to_owned();
    match kind {
        Some(Kind::Integer | Kind::Decimal { .. }) => {
            let numeric = |text: &str| text.trim().parse::<f64>().is_ok();
            stored == wanted
                || numeric(&wanted) && leading_number(&stored) == leading_number(&wanted)
        }
        Some(Kind::Boolean) => {
            let yes =
                |text: &str| matches!(text.to_lowercase().as_str(), "1" | "true" | "on" | "yes");
            yes(&stored) == yes(&wanted)
        }
        Some(Kind::MultiPicklist) => chosen(&stored) == chosen(&wanted),
        _ => lines(&stored) == lines(&wanted),
    }
}

fn chosen(text: &str) -> Vec<&str> {
    let mut values: Vec<&str> = text.split("|##|").map(str::trim).collect();
    values.sort_unstable();
    values
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
