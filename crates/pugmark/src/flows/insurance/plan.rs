//! From a captured change to the operations it calls for. Pure: data in, operations out.
//!
//! The rules are those of `docs/capture.md`: a customer exists for the CRM from its INSERT on unless it is a test
//! customer; an edit counts when a column that the CRM shows really changed; a delete, or becoming a test customer,
//! withdraws the contact without removing it.

use std::time::Duration;

use pugmark_queue::{NewOperation, NotBefore, Operation, Priority};
use serde_json::{Map, Value, json};

/// A row of `change_log`: what a capture trigger saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Position in the log, for the correlation id of changes that came without one.
    pub id: i64,
    /// Table the row belongs to, for example `customers`.
    pub table: String,
    /// Primary key of the row, as text.
    pub key: String,
    /// What happened to it.
    pub event: Event,
    /// The watched columns before, for UPDATE and DELETE.
    pub old: Option<Map<String, Value>>,
    /// The watched columns after, for INSERT and UPDATE.
    pub new: Option<Map<String, Value>>,
    /// Correlation id of the request that made the change, when it came through our own API.
    pub correlation_id: Option<String>,
}

impl Change {
    /// Whether no trigger saw it: the gap sweep writes a change without images of the row. Such a row may be older than
    /// Pugmark, or come from a restored backup, and its record may exist.
    pub fn was_found_late(&self) -> bool {
        self.old.is_none() && self.new.is_none()
    }
}

/// What a statement did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The row is new.
    Insert,
    /// The row was there before.
    Update,
    /// The row is gone.
    Delete,
}

impl Event {
    /// Reads the word that the capture triggers write.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "INSERT" => Some(Event::Insert),
            "UPDATE" => Some(Event::Update),
            "DELETE" => Some(Event::Delete),
            _ => None,
        }
    }
}

/// Operation kinds of this flow; each is also the name of a queue (`vtiger.<kind>`).
pub mod kind {
    /// A customer who has no contact yet.
    pub const CUSTOMER_CREATE: &str = "customer.create";
    /// A customer whose values changed.
    pub const CUSTOMER_UPDATE: &str = "customer.update";
    /// A customer who was deleted or became a test customer: the contact is marked and kept.
    pub const CUSTOMER_MARK: &str = "customer.mark";
}

/// The kinds that a worker of this flow must be able to run.
pub const KINDS: [&str; 3] = [
    kind::CUSTOMER_CREATE,
    kind::CUSTOMER_UPDATE,
    kind::CUSTOMER_MARK,
];

/// Columns of `customers` whose change the CRM must see. `updatedAt` and the columns that MicroBima rewrites with the
/// same value (`hasMissingRequirements`) are not among them.
pub const WATCHED_CUSTOMER_COLUMNS: [&str; 11] = [
    "firstName",
    "middleName",
    "lastName",
    "email",
    "phoneNumber",
    "dateOfBirth",
    "gender",
    "idType",
    "idNumber",
    "status",
    "isTestUser",
];

/// Name of the entity type customers have in the queue and in `crm_links`.
pub const CUSTOMER: &str = "CUSTOMER";

/// The lane of a customer: every operation that concerns the customer or what belongs to it runs in this one, in order.
pub fn customer_lane(id: &str) -> String {
    format!("customer:{id}")
}

/// Operations that a change calls for, in the order in which they are to be queued.
///
/// `settle` is the time a new customer is given before the contact is created, because MicroBima sometimes inserts a
/// row and deletes it again at once.
pub fn plan(change: &Change, settle: Duration) -> Vec<NewOperation> {
    match change.table.as_str() {
        "customers" => plan_customer(change, settle),
        _ => Vec::new(),
    }
}

fn plan_customer(change: &Change, settle: Duration) -> Vec<NewOperation> {
    let was_test = is_test(change.old.as_ref());
    let is_test = is_test(change.new.as_ref());
    let created = || NewOperation {
        not_before: Some(NotBefore::After(settle)),
        ..customer_operation(
            change,
            kind::CUSTOMER_CREATE,
            Operation::Create,
            &change.key,
        )
    };
    let updated = || {
        customer_operation(
            change,
            kind::CUSTOMER_UPDATE,
            Operation::Update,
            &change.key,
        )
    };
    let marked = |id: &str| customer_operation(change, kind::CUSTOMER_MARK, Operation::Delete, id);

    match change.event {
        Event::Insert if is_test => Vec::new(),
        Event::Insert => vec![created()],
        Event::Delete if was_test => Vec::new(),
        Event::Delete => vec![marked(&change.key)],
        Event::Update => match previous_key(change) {
            // The primary key itself was changed: for the CRM that is another customer.
            Some(previous) => {
                let mut operations = Vec::new();
                if !was_test {
                    operations.push(marked(&previous));
                }
                if !is_test {
                    operations.push(created());
                }
                operations
            }
            None => match (was_test, is_test) {
                (true, true) => Vec::new(),
                (false, true) => vec![marked(&change.key)],
                (true, false) => vec![created()],
                (false, false) if !watched_columns_differ(change) => Vec::new(),
                (false, false) => vec![updated()],
            },
        },
    }
}

fn customer_operation(change: &Change, kind: &str, operation: Operation, id: &str) -> NewOperation {
    NewOperation {
        lane: customer_lane(id),
        // One key for all three: whatever happened, the handler brings the contact to the state the row has then.
        coalesce_key: Some(format!("customer:{id}")),
        priority: Priority::High,
        payload: json!({ "change": change.id }),
        correlation_id: change
            .correlation_id
            .clone()
            .unwrap_or_else(|| format!("change-{}", change.id)),
        ..NewOperation::new(kind, CUSTOMER, id, operation)
    }
}

/// The key the row had before, when an UPDATE changed it.
fn previous_key(change: &Change) -> Option<String> {
    let old = text(change.old.as_ref()?.get("id")?)?;
    (old != change.key).then_some(old)
}

fn watched_columns_differ(change: &Change) -> bool {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => WATCHED_CUSTOMER_COLUMNS.iter().any(|column| {
            old.get(*column).unwrap_or(&Value::Null) != new.get(*column).unwrap_or(&Value::Null)
        }),
        // Without both sides nothing can be ruled out; an operation that finds no difference makes no call.
        _ => true,
    }
}

/// SQLite has no boolean type: its triggers write 0 and 1.
fn is_test(row: Option<&Map<String, Value>>) -> bool {
    match row.and_then(|row| row.get("isTestUser")) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        _ => false,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
