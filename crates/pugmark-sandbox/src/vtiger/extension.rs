//! The operations that Pugmark's own vTiger extension adds, for what the stock web service cannot do with users.
//!
//! All of them demand an administrator. Errors are vTiger's usual ones.

use serde_json::{Map, Value, json};

use super::collation;
use super::failure::{Answer, Failure};
use super::principals;
use super::records::{Call, after_x};
use super::registry::Source;
use super::roles;
use super::users;
use super::values::Input;
use crate::wire::Params;

/// Version of the extension.
const VERSION: &str = "1.0.0";

/// The operations, and from where each reads its parameters.
const OPERATIONS: [(&str, Source); 5] = [
    ("pugmark.info", Source::Get),
    ("pugmark.user_find", Source::Get),
    ("pugmark.user_create", Source::Post),
    ("pugmark.user_update", Source::Post),
    ("pugmark.user_password", Source::Post),
];

/// What a new user must have. The reference is the caller's own id of the user.
const MANDATORY: [&str; 7] = [
    "user_name",
    "user_password",
    "first_name",
    "last_name",
    "email1",
    "roleid",
    "reference",
];

/// What a new user's element may hold besides.
const OPTIONAL: [&str; 1] = ["phone_mobile"];

/// What can be changed.
const CHANGEABLE: [&str; 6] = [
    "status",
    "first_name",
    "last_name",
    "email1",
    "phone_mobile",
    "roleid",
];

/// What is shown of a user: neither hashes nor keys.
const SHOWN: [&str; 6] = [
    "user_name",
    "email1",
    "status",
    "roleid",
    "first_name",
    "last_name",
];

/// From where an operation of the extension reads its parameters; none for one that it does not have.
pub(super) fn source(name: &str) -> Option<Source> {
    let found = OPERATIONS.iter().find(|(own, _)| *own == name);
    found.map(|(_, source)| *source)
}

/// Executes an operation of the extension.
pub(super) fn dispatch(
    call: &mut Call<'_>,
    name: &str,
    params: &Params,
    element: impl Fn() -> Answer,
    shortest_password: usize,
) -> Answer {
    call.administrators_only()?;
    let text = |parameter: &str| params.text(parameter).unwrap_or_default();
    match name {
        "pugmark.info" => Ok(info()),
        "pugmark.user_find" => find(call, text("userName")),
        "pugmark.user_create" => create(call, &texts(&element()?)),
        "pugmark.user_update" => update(call, text("id"), &texts(&element()?)),
        "pugmark.user_password" => {
            set_password(call, text("id"), text("password"), shortest_password)
        }
        _ => Err(Failure::Fatal),
    }
}

fn info() -> Value {
    let names: Vec<&str> = OPERATIONS.iter().map(|(name, _)| *name).collect();
    json!({ "version": VERSION, "operations": names })
}

/// Active and inactive users of this login name, whatever its case.
fn find(call: &mut Call<'_>, user_name: &str) -> Answer {
    let numbers = users::named(call.state, user_name);
    let found: Result<Vec<Value>, Failure> =
        numbers.iter().map(|number| shown(call, *number)).collect();
    Ok(json!({ "users": found? }))
}

/// Creates a user, once for each reference.
fn create(call: &mut Call<'_>, element: &Map<String, Value>) -> Answer {
    if let Some(missing) = MANDATORY.iter().find(|name| text(element, name).is_empty()) {
        return Err(Failure::mandatory(missing));
    }
    let reference = text(element, "reference").to_owned();
    if let Some(number) = users::of_reference(call.state, &reference) {
        return shown(call, number);
    }
    let user_name = text(element, "user_name");
    if !users::named(call.state, user_name).is_empty() {
        let message = format!("A user named {user_name} exists");
        return Err(Failure::refused("DUPLICATE_USER_NAME", message));
    }
    check_role(call, element)?;
    let known =
        |name: &String| MANDATORY.contains(&name.as_str()) || OPTIONAL.contains(&name.as_str());
    let mut fields = element.clone();
    fields.retain(|name, _| known(name));
    let number = call.store_user(principals::user_fields(call.state, &fields))?;
    call.state.references.insert(reference, number);
    shown(call, number)
}

/// Changes a user, also an inactive one.
fn update(call: &mut Call<'_>, id: &str, element: &Map<String, Value>) -> Answer {
    let number = existing(call, id)?;
    check_role(call, element)?;
    let status = text(element, "status");
    if !matches!(status, "" | "Active" | "Inactive") {
        let message = format!("No status {status}");
        return Err(Failure::refused("INVALID_STATUS", message));
    }
    let mut changes = element.clone();
    changes.retain(|name, _| CHANGEABLE.contains(&name.as_str()));
    call.change_user(number, &principals::user_fields(call.state, &changes))?;
    shown(call, number)
}

/// Sets a password; the access key stays as it is.
fn set_password(call: &mut Call<'_>, id: &str, password: &str, shortest: usize) -> Answer {
    let number = existing(call, id)?;
    if password.chars().count() < shortest {
        let message = format!("The password is shorter than {shortest} characters");
        return Err(Failure::refused("WEAK_PASSWORD", message));
    }
    let users = call.users()?;
    call.set_password(users, number, password);
    Ok(json!({ "id": call.dialect.id("Users", number) }))
}

/// A role that is sent must exist.
fn check_role(call: &Call<'_>, element: &Map<String, Value>) -> Result<(), Failure> {
    let Some(role) = element.get("roleid").map(Input::read) else {
        return Ok(());
    };
    if roles::exists(call.state, role.text()) {
        return Ok(());
    }
    let message = format!("No role {}", role.text());
    Err(Failure::refused("ROLE_NOT_FOUND", message))
}

/// The number of an undeleted user, active or not.
fn existing(call: &Call<'_>, id: &str) -> Result<u64, Failure> {
    let number = after_x(id).parse().unwrap_or(0);
    let there = call.state.store.row(call.users()?, number).is_some();
    // The id must be the user's, to the letter: 19x5abc is not 19x5 here.
    if there && call.dialect.id("Users", number) == id {
        Ok(number)
    } else {
        Err(Failure::not_found())
    }
}

fn shown(call: &Call<'_>, number: u64) -> Answer {
    let users = call.users()?;
    let mut record = Map::new();
    record.insert("id".into(), json!(call.dialect.id("Users", number)));
    for field in SHOWN {
        record.insert(field.into(), json!(call.state.cell(users, number, field)));
    }
    Ok(Value::Object(record))
}

/// The element's fields; none where it is no object.
fn texts(element: &Value) -> Map<String, Value> {
    element.as_object().cloned().unwrap_or_default()
}

fn text<'a>(element: &'a Map<String, Value>, name: &str) -> &'a str {
    let text = element
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default();
    // What the database would take for empty is empty.
    if collation::key(text).is_empty() {
        ""
    } else {
        text
    }
}
