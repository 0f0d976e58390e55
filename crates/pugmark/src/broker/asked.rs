//! What a message of another program asks for. Pure: bytes in, an operation's substance out.
//!
//! Only what says "bring this up to date", and notes and tasks as they are planned here too. Operations on accounts that carry a
//! password are never taken from a broker, which would keep the password in clear.

use pugmark_queue::Operation;
use pugmark_queue::broker::{Message, NotTaken};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;
use vtiger::RecordId;

use crate::flows::insurance::plan::{CUSTOMER, USER, kind};
use crate::problem::Code;

/// The longest text of a note, in characters.
const LONGEST_NOTE: usize = 10_000;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Bring a record up to date with the row.
    UpToDate {
        /// Entity type.
        entity_type: &'static str,
        /// The row's id.
        id: String,
        /// What happened to it, as far as the sender says.
        operation: Operation,
    },
    /// Bring the tasks of a requirement up to date with its row.
    Task {
        /// `missing_requirements.id`.
        requirement: String,
        /// `customers.id`.
        customer: String,
    },
    /// Merge a customer's contact with the customer.
    Apply {
        /// `customers.id`.
        customer: String,
    },
    /// Tell something on the contact.
    Note {
        /// `customers.id`.
        customer: String,
        /// What people read.
        text: String,
    },
    /// Look at a contact that is said to have been a lead.
    Lead {
        /// The contact's id in the CRM.
        contact: String,
    },
}

/// Reads what the message asks for.
///
/// # Errors
/// [`NotTaken::Rubbish`] with what is wrong, by the name of the field.
pub fn read(message: &Message, tasks_enabled: bool) -> Result<Asked, NotTaken> {
    let judged = match message.kind.as_str() {
        kind::CUSTOMER_CREATE => customer(message, Operation::Create),
        kind::CUSTOMER_UPDATE => customer(message, Operation::Update),
        kind::CUSTOMER_MARK => customer(message, Operation::Delete),
        kind::CONTACT_APPLY => body::<OfCustomer>(message)
            .and_then(|body| id("customerId", &body.customer_id))
            .map(|customer| Asked::Apply { customer }),
        kind::NOTE_CREATE => note(message),
        kind::TASK_CREATE if tasks_enabled => task(message),
        kind::TASK_CREATE => Err("tasks are switched off (tasks.enabled)".to_owned()),
        kind::USER_UPDATE => body::<OfUser>(message)
            .and_then(|body| id("userId", &body.user_id))
            .map(|id| Asked::UpToDate {
                entity_type: USER,
                id,
                operation: Operation::Update,
            }),
        kind::LEAD_CONVERT => lead(message),
        other => Err(format!(
            "{other} is never taken from a message: it is asked for through the API"
        )),
    };
    let judged = judged.and_then(|asked| named(message).map(|()| asked));
    judged.map_err(|reason| rubbish(message, &reason))
}

/// A message that will never be taken in.
pub fn rubbish(message: &Message, reason: &str) -> NotTaken {
    NotTaken::Rubbish {
        reason: format!("{}: {reason}", Code::MessageNotTaken),
        withhold: may_hold_a_secret(message),
    }
}

/// Messages on accounts, and whatever names a secret.
fn may_hold_a_secret(message: &Message) -> bool {
    fn names_one(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| {
                let name = name.to_lowercase();
                let secret = ["passw", "secret", "token", "key", "iban", "pin"];
                secret.iter().any(|word| name.contains(word)) || names_one(value)
            }),
            Value::Array(values) => values.iter().any(names_one),
            _ => false,
        }
    }
    let of_an_account = message.kind.starts_with("user.");
    of_an_account || serde_json::from_slice(&message.body).is_ok_and(|value| names_one(&value))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfCustomer {
    customer_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfUser {
    user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfNote {
    customer_id: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfTask {
    requirement_id: String,
    customer_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfContact {
    contact_id: String,
}

fn customer(message: &Message, operation: Operation) -> Result<Asked, String> {
    let body: OfCustomer = body(message)?;
    Ok(Asked::UpToDate {
        entity_type: CUSTOMER,
        id: id("customerId", &body.customer_id)?,
        operation,
    })
}

fn note(message: &Message) -> Result<Asked, String> {
    let body: OfNote = body(message)?;
    let text = body.text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_NOTE {
        return Err(format!(
            "text is empty or longer than {LONGEST_NOTE} characters"
        ));
    }
    Ok(Asked::Note {
        customer: id("customerId", &body.customer_id)?,
        text: text.to_owned(),
    })
}

fn task(message: &Message) -> Result<Asked, String> {
    let body: OfTask = body(message)?;
    Ok(Asked::Task {
        requirement: id("requirementId", &body.requirement_id)?,
        customer: id("customerId", &body.customer_id)?,
    })
}

fn lead(message: &Message) -> Result<Asked, String> {
    let body: OfContact = body(message)?;
    let contact: RecordId = body
        .contact_id
        .trim()
        .parse()
        .map_err(|_| "contactId is no vTiger id such as 12x5".to_owned())?;
    Ok(Asked::Lead {
        contact: contact.to_string(),
    })
}

/// The words of the reading library name the field, but may repeat a value.
fn body<T: DeserializeOwned>(message: &Message) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(&message.body);
    let read: T = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| wrong(&error.path().to_string(), error.inner()))?;
    reader
        .end()
        .map_err(|_| "the body goes on behind the JSON".to_owned())?;
    Ok(read)
}

fn wrong(path: &str, error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            let said = error.to_string();
            let what = said.split(" at line ").next().unwrap_or_default();
            // "missing field `x`" and "unknown field `x`" name fields; everything else might quote a value.
            if what.starts_with("missing field") || what.starts_with("unknown field") {
                what.to_owned()
            } else {
                format!("{path} is not of the right type")
            }
        }
        _ => "the body is no JSON".to_owned(),
    }
}

/// MicroBima's keys are UUIDs.
fn id(field: &str, text: &str) -> Result<String, String> {
    let id: Uuid = text
        .trim()
        .parse()
        .map_err(|_| format!("{field} is no UUID"))?;
    Ok(id.to_string())
}

fn named(message: &Message) -> Result<(), String> {
    match &message.message_id {
        Some(id) if !id.contains('\0') => Ok(()),
        Some(_) => Err("message_id contains the character U+0000".to_owned()),
        None => {
            Err("the message has no message_id, by which a second one would be known".to_owned())
        }
    }
}
