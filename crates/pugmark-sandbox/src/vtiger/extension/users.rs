//! What the stock web service cannot do with users: find inactive ones, make, change, set a password.

use serde_json::{Map, Value, json};

use crate::vtiger::collation;
use crate::vtiger::failure::{Answer, Failure};
use crate::vtiger::principals;
use crate::vtiger::records::{Call, after_x};
use crate::vtiger::roles;
use crate::vtiger::users;
use crate::vtiger::values::Input;

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

/// Active and inactive users of this login name, whatever its case.
pub(super) fn find(call: &mut Call<'_>, user_name: &str) -> Answer {
    let numbers = users::named(call.state, user_name);
    let found: Result<Vec<Value>, Failure> =
        numbers.iter().map(|number| shown(call, *number)).collect();
    Ok(json!({ "users": found? }))
}

/// Creates a user, once for each reference.
pub(super) fn create(call: &mut Call<'_>, element: &Map<String, Value>, shortest: usize) -> Answer {
    if let Some(missing) = MANDATORY.iter().find(|name| text(element, name).is_empty()) {
        return Err(Failure::mandatory(missing));
    }
    let reference = text(element, "reference").to_owned();
    if let Some(number) = users::of_reference(call.state, &reference) {
        return shown(call, number);
    }
    if let Some(number) = call.state.references.get(&reference) {
        let id = call.dialect.id("Users", *number);
        let message = format!("The user {id} of this reference was deleted");
        return Err(Failure::refused("RECORD_DELETED", message));
    }
    check_password(text(element, "user_password"), shortest)?;
    let mut fields = element.clone();
    settle_role(call, &mut fields)?;
    let user_name = text(element, "user_name");
    if !users::named(call.state, user_name).is_empty() {
        let message = format!("A user named {user_name} exists");
        return Err(Failure::refused("DUPLICATE_USER_NAME", message));
    }
    let known =
        |name: &String| MANDATORY.contains(&name.as_str()) || OPTIONAL.contains(&name.as_str());
    fields.retain(|name, _| known(name));
    let number = call.store_user(principals::user_fields(call.state, &fields))?;
    call.state.references.insert(reference, number);
    shown(call, number)
}

/// Changes a user, also an inactive one.
pub(super) fn update(call: &mut Call<'_>, id: &str, element: &Map<String, Value>) -> Answer {
    let number = existing(call, id)?;
    let mut changes = element.clone();
    settle_role(call, &mut changes)?;
    let status = text(element, "status");
    if !matches!(status, "" | "Active" | "Inactive") {
        let message = format!("No status {status}");
        return Err(Failure::refused("INVALID_STATUS", message));
    }
    changes.retain(|name, _| CHANGEABLE.contains(&name.as_str()));
    call.change_user(number, &principals::user_fields(call.state, &changes))?;
    shown(call, number)
}

/// Sets a password; the access key stays as it is.
pub(super) fn set_password(
    call: &mut Call<'_>,
    id: &str,
    password: &str,
    shortest: usize,
) -> Answer {
    let number = existing(call, id)?;
    check_password(password, shortest)?;
    let users = call.users()?;
    call.set_password(users, number, password);
    Ok(json!({ "id": call.dialect.id("Users", number) }))
}

fn check_password(password: &str, shortest: usize) -> Result<(), Failure> {
    if password.chars().count() >= shortest {
        return Ok(());
    }
    let message = format!("The password is shorter than {shortest} characters");
    Err(Failure::refused("WEAK_PASSWORD", message))
}

/// A role that is sent must exist; it may be named by its id or its name, and the id takes the name's place.
fn settle_role(call: &Call<'_>, element: &mut Map<String, Value>) -> Result<(), Failure> {
    let Some(sent) = element.get("roleid").map(Input::read) else {
        return Ok(());
    };
    let sent = sent.text();
    let known = roles::all(call.state);
    let named = || {
        let mut named = known.iter().filter(|(_, name)| name == sent);
        named.next().filter(|_| named.next().is_none())
    };
    let found = known.iter().find(|(id, _)| id == sent).or_else(named);
    let Some((id, _)) = found else {
        let message = format!("No role {sent}, or several of this name");
        return Err(Failure::refused("ROLE_NOT_FOUND", message));
    };
    element.insert("roleid".into(), json!(id));
    Ok(())
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
pub(super) fn texts(element: &Value) -> Map<String, Value> {
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
