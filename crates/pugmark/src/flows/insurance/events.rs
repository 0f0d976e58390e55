//! From a captured change of a row to what happened in the business. Pure.
//!
//! The rules are those of `docs/capture.md`: which columns matter, what counts as paid, and which writes of MicroBima are no
//! event at all, however often they come.

use jiff::Timestamp;
use pugmark_queue::db::Ts;
use serde_json::{Map, Value};

use crate::capture::change::{Change, Event, flag, instant, text};

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

/// Labels of `PaymentStatus` that count as paid, as everywhere in MicroBima, as long as the row is not detached.
pub const PAID: [&str; 2] = ["COMPLETED", "COMPLETED_PENDING_RECEIPT"];

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum DomainEvent {
    /// A customer exists for the CRM from now on: a new row, or a test customer who became a real one.
    CustomerCreated {
        /// `customers.id`.
        customer: String,
    },
    /// Values that the contact shows changed.
    CustomerUpdated {
        /// `customers.id`.
        customer: String,
        /// The columns, with their values before and after; empty when they are not known.
        columns: Vec<ColumnChange>,
    },
    /// The customer must not be in the CRM any more: the row was deleted or turned into a test customer.
    CustomerWithdrawn {
        /// `customers.id`.
        customer: String,
    },
    /// A dependant or a beneficiary was added.
    PersonAdded(Person),
    /// A dependant or a beneficiary was removed (marked as deleted; the row stays).
    PersonRemoved(Person),
    /// A policy's status changed.
    PolicyStatusChanged {
        /// `policies.id`.
        policy: String,
        /// `customers.id`.
        customer: String,
        /// The policy's number, or its product where it has none.
        name: String,
        /// Label before; `None` for a new policy.
        from: Option<String>,
        /// Label after.
        to: String,
    },
    /// A payment became paid, for the first time of this row.
    PaymentCompleted(Payment),
    /// A paid payment was taken off.
    PaymentDetached(Payment),
    /// Figures of a customer may have changed without a payment having been made or taken off.
    FiguresChanged {
        /// `customers.id`.
        customer: String,
    },
    /// A field of a person turned out to be blank.
    RequirementCreated {
        /// `missing_requirements.id`.
        requirement: String,
        /// `customers.id`.
        customer: String,
    },
    /// An open requirement changed: it got the person it belongs to.
    RequirementChanged {
        /// `missing_requirements.id`.
        requirement: String,
        /// `customers.id`.
        customer: String,
    },
    /// It was resolved, expired or deleted.
    RequirementClosed {
        /// `missing_requirements.id`.
        requirement: String,
        /// `customers.id`.
        customer: String,
    },
    /// A brand ambassador exists.
    UserCreated {
        /// `brand_ambassadors.userId`, the id of the login.
        user: String,
    },
    /// A brand ambassador was enabled or disabled, or has another phone.
    UserChanged {
        /// `brand_ambassadors.userId`, the id of the login.
        user: String,
    },
}

/// A column that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnChange {
    /// Name of the column.
    pub column: &'static str,
    /// Value before.
    pub from: Option<String>,
    /// Value after.
    pub to: Option<String>,
}

/// Whether somebody is insured or inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonKind {
    /// A row of `dependants`.
    Dependant,
    /// A row of `beneficiaries`.
    Beneficiary,
}

/// A dependant or a beneficiary.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Which of the two.
    pub kind: PersonKind,
    /// Primary key.
    pub id: String,
    /// `customers.id`.
    pub customer: String,
    /// First, middle and last name, trimmed.
    pub name: String,
    /// When it was added or removed.
    pub at: Option<Timestamp>,
}

/// A payment, as a note tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    /// `policy_payments.id`, the only stable key of a payment.
    pub id: String,
    /// `customers.id`.
    pub customer: String,
    /// Kenyan shillings as the row holds them.
    pub amount: String,
    /// When it was paid, as stored: `actualPaymentDate`, or `expectedPaymentDate` where that is NULL.
    /// [`PaymentDays`](super::week::PaymentDays) says which day that is.
    pub paid_at: Option<Ts>,
    /// Receipt or other reference.
    pub reference: String,
}

/// What a change means.
pub fn derive(change: &Change) -> Vec<DomainEvent> {
    match change.table.as_str() {
        "customers" => customer(change),
        "dependants" => person(change, PersonKind::Dependant),
        "beneficiaries" => person(change, PersonKind::Beneficiary),
        "policies" => policy(change),
        "policy_payments" => payment(change),
        "missing_requirements" => requirement(change).into_iter().collect(),
        "brand_ambassadors" => user(change),
        _ => Vec::new(),
    }
}

fn customer(change: &Change) -> Vec<DomainEvent> {
    let (was_test, is_test) = {
        let (old, new) = change.both("isTestUser");
        (flag(old), flag(new))
    };
    let id = change.key.clone();
    let created = |customer: &str| DomainEvent::CustomerCreated {
        customer: customer.to_owned(),
    };
    let withdrawn = |customer: &str| DomainEvent::CustomerWithdrawn {
        customer: customer.to_owned(),
    };
    match change.event {
        Event::Insert if is_test => Vec::new(),
        Event::Insert => vec![created(&id)],
        Event::Delete if was_test => Vec::new(),
        Event::Delete => vec![withdrawn(&id)],
        Event::Update => match change.previous_key() {
            // The primary key itself was changed: for the CRM that is another customer.
            Some(previous) => {
                let mut events = Vec::new();
                if !was_test {
                    events.push(withdrawn(&previous));
                }
                if !is_test {
                    events.push(created(&id));
                }
                events
            }
            None => match (was_test, is_test) {
                (true, true) => Vec::new(),
                (false, true) => vec![withdrawn(&id)],
                (true, false) => vec![created(&id)],
                (false, false) => customer_updated(change).into_iter().collect(),
            },
        },
    }
}

fn customer_updated(change: &Change) -> Option<DomainEvent> {
    let seen_both = change.old.is_some() && change.new.is_some();
    let columns: Vec<ColumnChange> = WATCHED_CUSTOMER_COLUMNS
        .into_iter()
        .filter(|column| seen_both && change.differs(column))
        .map(|column| {
            let (from, to) = change.both(column);
            ColumnChange {
                column,
                from: text(from),
                to: text(to),
            }
        })
        .collect();
    // Without both images nothing can be ruled out; an operation that finds no difference makes no call.
    (!seen_both || !columns.is_empty()).then(|| DomainEvent::CustomerUpdated {
        customer: change.key.clone(),
        columns,
    })
}

/// Edits of a living person are no event, nor is a row that vanishes: MicroBima removes people by `deletedAt`, and deletes
/// rows only together with their customer.
fn person(change: &Change, kind: PersonKind) -> Vec<DomainEvent> {
    let (old_deleted, new_deleted) = change.both("deletedAt");
    let told = |at: &str| {
        Some(Person {
            kind,
            id: change.key.clone(),
            customer: text(change.latest("customerId")?)?,
            name: full_name(change),
            at: change.latest(at).and_then(instant),
        })
    };
    let event = match change.event {
        Event::Insert if new_deleted.is_null() => told("createdAt").map(DomainEvent::PersonAdded),
        Event::Update if old_deleted.is_null() && !new_deleted.is_null() => {
            told("deletedAt").map(DomainEvent::PersonRemoved)
        }
        _ => None,
    };
    event.into_iter().collect()
}

/// Names are not trimmed when they are added through MicroBima's API.
fn full_name(change: &Change) -> String {
    let parts: Vec<String> = ["firstName", "middleName", "lastName"]
        .into_iter()
        .filter_map(|column| text(change.latest(column)?))
        .flat_map(|part| {
            part.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    parts.join(" ")
}

fn policy(change: &Change) -> Vec<DomainEvent> {
    let mut events: Vec<DomainEvent> = policy_moved(change);
    events.extend(policy_status(change));
    events
}

/// A policy that went to another customer took its payments with it.
fn policy_moved(change: &Change) -> Vec<DomainEvent> {
    if change.event != Event::Update || !change.differs("customerId") {
        return Vec::new();
    }
    let (old, new) = change.both("customerId");
    [old, new].into_iter().filter_map(figures).collect()
}

fn figures(customer: &Value) -> Option<DomainEvent> {
    text(customer).map(|customer| DomainEvent::FiguresChanged { customer })
}

fn policy_status(change: &Change) -> Option<DomainEvent> {
    let (from, to) = change.both("status");
    if change.event == Event::Delete || from == to {
        return None;
    }
    let named = |column| change.latest(column).and_then(text);
    Some(DomainEvent::PolicyStatusChanged {
        policy: change.key.clone(),
        customer: named("customerId")?,
        name: named("policyNumber")
            .or_else(|| named("productName"))
            .unwrap_or_else(|| change.key.clone()),
        from: text(from),
        to: text(to)?,
    })
}

/// What happened is told of the customer whose payment it is or was; the figures of whoever else has or had it are looked at.
fn payment(change: &Change) -> Vec<DomainEvent> {
    let paid = |row: &Option<Map<String, Value>>| row.as_ref().is_some_and(is_paid_row);
    let (was_paid, is_paid) = (paid(&change.old), paid(&change.new));
    let (old_customer, new_customer) = change.both("customerId");
    match (was_paid, is_paid) {
        (false, false) => Vec::new(),
        (false, true) => told_payment(change, change.new.as_ref())
            .map(DomainEvent::PaymentCompleted)
            .into_iter()
            .collect(),
        // Its reference is rewritten while it is taken off: people know it by the old one.
        (true, false) if is_detached(change) => told_payment(change, change.old.as_ref())
            .map(DomainEvent::PaymentDetached)
            .into_iter()
            .collect(),
        // A row that is gone, or is no longer paid, leaves figures behind, not an event.
        (true, false) => figures(old_customer).into_iter().collect(),
        // The receipt comes later, the clock shifts by seconds, a product change moves the row to another policy: no new
        // payment.
        (true, true) if old_customer == new_customer => figures(new_customer).into_iter().collect(),
        (true, true) => [old_customer, new_customer]
            .into_iter()
            .filter_map(figures)
            .collect(),
    }
}

fn is_paid_row(row: &Map<String, Value>) -> bool {
    let status = row.get("paymentStatus").and_then(Value::as_str);
    let detached = row.get("detachedAt").is_some_and(|value| !value.is_null());
    !detached && status.is_some_and(|status| PAID.contains(&status))
}

/// A row that was deleted is not.
fn is_detached(change: &Change) -> bool {
    let (_, status) = change.both("paymentStatus");
    let (_, detached) = change.both("detachedAt");
    status.as_str() == Some("DETACHED") || !detached.is_null()
}

fn told_payment(change: &Change, row: Option<&Map<String, Value>>) -> Option<Payment> {
    let of = |column| row?.get(column).filter(|value| !value.is_null());
    Some(Payment {
        id: change.key.clone(),
        customer: text(of("customerId")?)?,
        amount: of("amount").and_then(text).unwrap_or_default(),
        paid_at: of("actualPaymentDate")
            .or_else(|| of("expectedPaymentDate"))
            .and_then(instant)
            .map(Ts::from),
        reference: of("transactionReference")
            .and_then(text)
            .unwrap_or_default(),
    })
}

fn requirement(change: &Change) -> Option<DomainEvent> {
    let open = |value: &Value| value.as_str() == Some("PENDING");
    let (was_open, is_open) = {
        let (old, new) = change.both("status");
        (open(old), open(new))
    };
    let requirement = change.key.clone();
    let customer = text(change.latest("customerId")?)?;
    match (was_open, is_open) {
        (false, false) => None,
        (false, true) => Some(DomainEvent::RequirementCreated {
            requirement,
            customer,
        }),
        (true, true) => Some(DomainEvent::RequirementChanged {
            requirement,
            customer,
        }),
        (true, false) => Some(DomainEvent::RequirementClosed {
            requirement,
            customer,
        }),
    }
}

/// Ambassadors are never deleted by MicroBima; a row that vanishes all the same counts as disabled.
fn user(change: &Change) -> Vec<DomainEvent> {
    let Some(user) = change.latest("userId").and_then(text) else {
        return Vec::new();
    };
    match change.event {
        Event::Insert => vec![DomainEvent::UserCreated { user }],
        Event::Update | Event::Delete => vec![DomainEvent::UserChanged { user }],
    }
}
