//! Finding, making and changing users, through the extension or vTiger's own web service.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vtiger::{CallError, Client, Condition, Element, Failure, Operation, Purpose, Query, RecordId};

use super::{USERS, Way, id_in};

/// A user of the CRM, as far as accounts are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The record id (`19x5`).
    pub id: RecordId,
    /// The login name.
    pub user_name: String,
    /// The first e-mail address.
    pub email: String,
    /// Whether the user may log in.
    pub active: bool,
}

/// A user that is to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The login name and e-mail, in lower case.
    pub email: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Mobile phone.
    pub phone: Option<String>,
    /// Role id (`H5`).
    pub role: String,
    /// The password.
    pub password: SecretString,
    /// Our own id of the person; the extension makes one user for each.
    pub reference: String,
}

/// Users who log in by this name, in whatever case. Inactive ones only where the extension is asked.
///
/// # Errors
/// [`CallError`] as every read.
pub async fn find(
    client: &Client,
    through_extension: bool,
    user_name: &str,
) -> Result<Vec<Account>, CallError> {
    if !through_extension {
        let users = client.active_users_named(user_name).await?;
        return Ok(users
            .into_iter()
            .map(|user| Account {
                id: user.id,
                user_name: user.user_name,
                email: user.email1,
                active: true,
            })
            .collect());
    }
    let operation = Operation::read("pugmark.user_find").param("userName", user_name);
    let answer = client.call_operation(&operation).await?;
    let users = answer.get("users").and_then(Value::as_array);
    let users = users.ok_or_else(|| {
        CallError::Unreadable(senseless(&operation, "the answer has no list of users"))
    })?;
    Ok(users.iter().filter_map(account).collect())
}

fn account(user: &Value) -> Option<Account> {
    let text = |field: &str| user.get(field).and_then(Value::as_str).unwrap_or_default();
    Some(Account {
        id: id_in(user)?,
        user_name: text("user_name").to_owned(),
        email: text("email1").to_owned(),
        active: text("status") == "Active",
    })
}

/// Makes a user and gives its id and what was adapted for vTiger, in words.
///
/// Through the extension a second call with the same reference makes nothing and gives the same user. vTiger's own web
/// service checks nothing, not even that the name is new, and an unclear answer leaves open whether the user exists.
///
/// # Errors
/// [`CallError`] as every write.
pub async fn create(
    client: &Client,
    way: Way,
    new: &NewAccount,
) -> Result<(RecordId, Vec<String>), CallError> {
    let mut element = Element::new()
        .with("user_name", new.email.as_str())
        .with("email1", new.email.as_str())
        .with("first_name", new.first_name.as_str())
        .with("last_name", new.last_name.as_str())
        .with("roleid", new.role.as_str())
        .with("user_password", new.password.expose_secret());
    if let Some(phone) = &new.phone {
        element.set("phone_mobile", phone.as_str());
    }
    match way {
        Way::WebService => {
            element.set("confirm_password", new.password.expose_secret());
            element.set("status", "Active");
            element.set("is_admin", "off");
            let adapted = client
                .describe(USERS)
                .await?
                .adapt(&element, Purpose::Create);
            let made = client.create(USERS, &adapted.element).await?;
            let warnings = adapted.warnings.iter().map(ToString::to_string).collect();
            Ok((made.id, warnings))
        }
        Way::Extension => {
            element.set("reference", new.reference.as_str());
            let operation = Operation::write("pugmark.user_create")
                .param("element", Value::Object(element.to_json()).to_string());
            let answer = client.call_operation(&operation).await?;
            let id = id_in(&answer)
                .ok_or_else(|| CallError::Unknown(senseless(&operation, "the answer has no id")))?;
            Ok((id, Vec::new()))
        }
    }
}

/// Sets fields of a user: `status`, `phone_mobile` and the like. vTiger's own web service reaches active users only.
///
/// # Errors
/// [`CallError`] as every write. Doing it again does no harm.
pub async fn change(
    client: &Client,
    way: Way,
    user: &RecordId,
    fields: &BTreeMap<String, String>,
) -> Result<(), CallError> {
    match way {
        Way::WebService => {
            let element: Element = fields
                .iter()
                .map(|(field, value)| (field.as_str(), value.as_str()))
                .collect();
            let users = client.describe(USERS).await?;
            let adapted = users.adapt(&element, Purpose::Revise);
            client.revise(user, &adapted.element).await.map(drop)
        }
        Way::Extension => {
            let element: Map<String, Value> = fields
                .iter()
                .map(|(field, value)| (field.clone(), Value::from(value.as_str())))
                .collect();
            let operation = Operation::write("pugmark.user_update")
                .param("id", user.as_str())
                .param("element", Value::Object(element).to_string());
            client.call_operation(&operation).await.map(drop)
        }
    }
}

/// Sets a user's password. `false`: there is no such user, or (without the extension) no active one; nothing was set.
///
/// # Errors
/// [`CallError`] as every write. Doing it again does no harm.
pub async fn set_password(
    client: &Client,
    way: Way,
    user: &RecordId,
    password: &SecretString,
) -> Result<bool, CallError> {
    match way {
        Way::WebService => {
            // vTiger reports success for users who do not exist.
            let query = Query::select(USERS)
                .fields(["id"])
                .filter(Condition::eq("id", user.as_str()));
            if client.query(&query).await?.is_empty() {
                return Ok(false);
            }
            client.change_password(user, password).await?;
            Ok(true)
        }
        Way::Extension => {
            let operation = Operation::write("pugmark.user_password")
                .param("id", user.as_str())
                .param("password", password.expose_secret());
            match client.call_operation(&operation).await {
                Ok(_) => Ok(true),
                Err(error) if error.reason() == Some(vtiger::RefusalReason::NotFound) => Ok(false),
                Err(error) => Err(error),
            }
        }
    }
}

fn senseless(operation: &Operation, message: &str) -> Failure {
    Failure {
        operation: operation.name().to_owned(),
        code: "NO_RESULT".to_owned(),
        message: message.to_owned(),
        http_status: Some(200),
        hint: None,
    }
}
