//! From a captured change to the operations it calls for. Pure: data in, operations out.
//!
//! [`events`](super::events) says what happened; here is what has to be done about it. State operations ("bring the contact
//! up to date") merge while they wait; event operations (a note, a task) carry a key by which a second one is never stored.

use std::time::Duration;

use pugmark_queue::{NewOperation, NotBefore, Operation, Priority};
use serde_json::{Value, json};

use super::events::{DomainEvent, Payment, Person, PersonKind, derive};
use super::week::PaymentDays;
use super::wording;
use crate::capture::change::{Change, Event};
use crate::config;

/// Operation kinds of this flow; each is also the name of a queue (`vtiger.<kind>`).
pub mod kind {
    /// A customer who has no contact yet.
    pub const CUSTOMER_CREATE: &str = "customer.create";
    /// A customer whose values or figures changed.
    pub const CUSTOMER_UPDATE: &str = "customer.update";
    /// A customer who was deleted or became a test customer: the contact is marked and kept.
    pub const CUSTOMER_MARK: &str = "customer.mark";
    /// Something that happened to a customer, as a comment on the contact.
    pub const NOTE_CREATE: &str = "note.create";
    /// A missing requirement, as a task; also closes it.
    pub const TASK_CREATE: &str = "task.create";
    /// A customer's payments of one week.
    pub const PAYMENT_SUMMARY: &str = "payment.summary";
    /// A staff account that is to be made.
    pub const USER_CREATE: &str = "user.create";
    /// A staff account that was enabled, disabled or has another phone.
    pub const USER_UPDATE: &str = "user.update";
    /// A password that is to be set in both systems.
    pub const USER_PASSWORD_RESET: &str = "user.password-reset";
    /// An edit of a linked contact in the CRM, merged with the customer's row.
    pub const CONTACT_APPLY: &str = "contact.apply";
    /// A contact that came out of a converted lead becomes a customer.
    pub const LEAD_CONVERT: &str = "lead.convert";
}

/// The kinds that a worker of this flow must be able to run.
pub const KINDS: [&str; 11] = [
    kind::CUSTOMER_CREATE,
    kind::CUSTOMER_UPDATE,
    kind::CUSTOMER_MARK,
    kind::NOTE_CREATE,
    kind::TASK_CREATE,
    kind::PAYMENT_SUMMARY,
    kind::USER_CREATE,
    kind::USER_UPDATE,
    kind::USER_PASSWORD_RESET,
    kind::CONTACT_APPLY,
    kind::LEAD_CONVERT,
];

/// Entity type of customers in the queue and in `crm_links`.
pub const CUSTOMER: &str = "CUSTOMER";
/// Entity type of comments on a contact.
pub const NOTE: &str = "NOTE";
/// Entity type of missing requirements and their tasks.
pub const TASK: &str = "TASK";
/// Entity type of a customer's weekly summary.
pub const PAYMENT_SUMMARY: &str = "PAYMENT_SUMMARY";
/// Entity type of staff accounts.
pub const USER: &str = "USER";

/// The lane of a customer: operations that concern the customer's contact or its notes run in this one, in order.
pub fn customer_lane(id: &str) -> String {
    format!("customer:{id}")
}

/// The lane of a missing requirement.
pub fn requirement_lane(id: &str) -> String {
    format!("requirement:{id}")
}

/// The lane of a staff account.
pub fn user_lane(id: &str) -> String {
    format!("user:{id}")
}

/// What planning needs to know besides the change.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The time a new customer is given before the contact is created, because MicroBima sometimes inserts a row and
    /// deletes it again at once.
    pub settle: Duration,
    /// What the operator has chosen for this flow.
    pub insurance: config::Insurance,
}

/// Operations that a change calls for, in the order in which they are to be queued.
pub fn plan(change: &Change, rules: &Rules) -> Vec<NewOperation> {
    derive(change)
        .iter()
        .flat_map(|event| operations(event, change, rules))
        .collect()
}

/// Brings a contact up to date although nothing of the customer has changed, behind everything else.
pub fn refresh(customer: &str, correlation_id: &str, requested_by: &str) -> NewOperation {
    NewOperation {
        lane: customer_lane(customer),
        coalesce_key: Some(format!("customer:{customer}")),
        priority: Priority::Low,
        correlation_id: correlation_id.to_owned(),
        requested_by: Some(requested_by.to_owned()),
        ..NewOperation::new(kind::CUSTOMER_UPDATE, CUSTOMER, customer, Operation::Update)
    }
}

/// Customers who are in the CRM from now on, or are not any more: what is open about them stands differently although its own
/// rows did not change. A new row has nothing open yet.
pub fn customers_turned(change: &Change) -> Vec<String> {
    let turned = |event| match event {
        DomainEvent::CustomerCreated { customer } if change.event != Event::Insert => {
            Some(customer)
        }
        DomainEvent::CustomerWithdrawn { customer } => Some(customer),
        _ => None,
    };
    derive(change).into_iter().filter_map(turned).collect()
}

/// The operation on a requirement of a customer who has turned.
pub fn requirement_of_turned(
    requirement: &str,
    customer: &str,
    change: &Change,
    rules: &Rules,
) -> Vec<NewOperation> {
    Planned { change, rules }.task(requirement, customer, Operation::Update)
}

fn operations(event: &DomainEvent, change: &Change, rules: &Rules) -> Vec<NewOperation> {
    let planned = Planned { change, rules };
    match event {
        DomainEvent::CustomerCreated { customer } => vec![planned.customer_created(customer)],
        DomainEvent::CustomerUpdated { customer, columns } => {
            let mut operations = vec![planned.customer(kind::CUSTOMER_UPDATE, customer)];
            let told: Vec<_> = columns
                .iter()
                .filter(|column| rules.is_significant(&format!("customer.{}", column.column)))
                .collect();
            if !told.is_empty() {
                let key = format!("customer-changed:{}", change.id);
                operations.push(planned.note(customer, &key, wording::customer_changed(&told)));
            }
            operations
        }
        DomainEvent::CustomerWithdrawn { customer } => {
            vec![planned.customer(kind::CUSTOMER_MARK, customer)]
        }
        DomainEvent::PersonAdded(person) => planned.person(person, "added"),
        DomainEvent::PersonRemoved(person) => planned.person(person, "removed"),
        DomainEvent::PolicyStatusChanged {
            policy: _,
            customer,
            name,
            from,
            to,
        } => match from {
            // A new policy is no change of status.
            Some(from) if rules.is_significant("policy.status") => {
                let key = format!("policy-status:{}", change.id);
                let text = wording::policy_status(name, from, to);
                vec![planned.note(customer, &key, text)]
            }
            _ => Vec::new(),
        },
        DomainEvent::PaymentCompleted(payment) => planned.payment(payment, "completed"),
        DomainEvent::PaymentDetached(payment) => planned.payment(payment, "detached"),
        DomainEvent::FiguresChanged { customer } => vec![planned.figures(customer)],
        DomainEvent::RequirementCreated {
            requirement,
            customer,
        } => planned.task(requirement, customer, Operation::Create),
        DomainEvent::RequirementChanged {
            requirement,
            customer,
        } => planned.task(requirement, customer, Operation::Update),
        DomainEvent::RequirementClosed {
            requirement,
            customer,
        } => planned.task(requirement, customer, Operation::Delete),
        // The password is known to nobody, so nothing can be made of it: Not Synced until somebody syncs the account.
        DomainEvent::UserCreated { .. } => Vec::new(),
        DomainEvent::UserChanged { user } => vec![planned.user(user)],
    }
}

impl Rules {
    /// Whether the operator wants a note about this.
    fn is_significant(&self, what: &str) -> bool {
        self.insurance.notes.significant.contains(what)
    }
}

/// Operations for one change.
struct Planned<'a> {
    change: &'a Change,
    rules: &'a Rules,
}

impl Planned<'_> {
    fn customer_created(&self, customer: &str) -> NewOperation {
        NewOperation {
            not_before: Some(NotBefore::After(self.rules.settle)),
            ..self.customer(kind::CUSTOMER_CREATE, customer)
        }
    }

    /// Brings the figures up to date, for all payments of a while together.
    fn figures(&self, customer: &str) -> NewOperation {
        NewOperation {
            not_before: Some(NotBefore::After(self.rules.insurance.payments.settle)),
            priority: Priority::Normal,
            ..self.customer(kind::CUSTOMER_UPDATE, customer)
        }
    }

    fn customer(&self, kind: &str, id: &str) -> NewOperation {
        let operation = match kind {
            kind::CUSTOMER_CREATE => Operation::Create,
            kind::CUSTOMER_MARK => Operation::Delete,
            _ => Operation::Update,
        };
        NewOperation {
            lane: customer_lane(id),
            // One key for all three: whatever happened, the handler brings the contact to the state the row has then.
            coalesce_key: Some(format!("customer:{id}")),
            priority: Priority::High,
            payload: json!({ "change": self.change.id }),
            ..self.operation(kind, CUSTOMER, id, operation)
        }
    }

    /// A comment on the contact. `key` names what happened, once and for all.
    fn note(&self, customer: &str, key: &str, text: String) -> NewOperation {
        NewOperation {
            lane: customer_lane(customer),
            idempotency_key: Some(format!("note:{key}")),
            payload: self.payload(json!({ "customer": customer, "text": text })),
            ..self.operation(kind::NOTE_CREATE, NOTE, key, Operation::Create)
        }
    }

    fn person(&self, person: &Person, what: &str) -> Vec<NewOperation> {
        let kind = match person.kind {
            PersonKind::Dependant => "dependant",
            PersonKind::Beneficiary => "beneficiary",
        };
        if !self.rules.is_significant(&format!("{kind}.{what}")) {
            return Vec::new();
        }
        let text = wording::person(person, what, &self.rules.insurance.zone);
        let key = format!("{kind}-{what}:{}", person.id);
        vec![self.note(&person.customer, &key, text)]
    }

    fn payment(&self, payment: &Payment, what: &str) -> Vec<NewOperation> {
        let mut operations = vec![self.figures(&payment.customer)];
        if self.rules.is_significant(&format!("payment.{what}")) {
            let key = format!("payment-{what}:{}", payment.id);
            let days = PaymentDays::of(&self.rules.insurance);
            let text = wording::payment(payment, what, &days);
            operations.push(self.note(&payment.customer, &key, text));
        }
        operations
    }

    /// Brings the tasks of a requirement in step with its row. What waits is done together, except for what no trigger saw:
    /// that its tasks may exist already must not be forgotten for a newer change.
    fn task(&self, requirement: &str, customer: &str, operation: Operation) -> Vec<NewOperation> {
        if !self.rules.insurance.tasks.enabled {
            return Vec::new();
        }
        let healed = self.change.healed;
        vec![NewOperation {
            lane: requirement_lane(requirement),
            coalesce_key: (!healed).then(|| format!("requirement:{requirement}")),
            idempotency_key: healed.then(|| format!("task:{requirement}:{}", self.change.id)),
            payload: self.payload(json!({ "customer": customer })),
            ..self.operation(kind::TASK_CREATE, TASK, requirement, operation)
        }]
    }

    fn user(&self, user: &str) -> NewOperation {
        NewOperation {
            lane: user_lane(user),
            coalesce_key: Some(format!("user:{user}")),
            priority: Priority::High,
            payload: json!({ "change": self.change.id }),
            ..self.operation(kind::USER_UPDATE, USER, user, Operation::Update)
        }
    }

    /// What the handler is told in any case: whether what it is to make may exist already.
    fn payload(&self, mut payload: Value) -> Value {
        payload["change"] = json!(self.change.id);
        if self.change.healed {
            payload["lookFirst"] = json!(true);
        }
        payload
    }

    fn operation(
        &self,
        kind: &str,
        entity_type: &str,
        id: &str,
        operation: Operation,
    ) -> NewOperation {
        NewOperation {
            correlation_id: self
                .change
                .correlation_id
                .clone()
                .unwrap_or_else(|| format!("change-{}", self.change.id)),
            ..NewOperation::new(kind, entity_type, id, operation)
        }
    }
}
