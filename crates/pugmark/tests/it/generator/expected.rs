//! What has to come of the stories.

use std::collections::{BTreeMap, BTreeSet};

use pugmark::flows::insurance::events::{DomainEvent, PersonKind};

/// How often each event has to be derived.
pub(crate) type Counted = BTreeMap<&'static str, u64>;

/// A task that has to be in the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedTask {
    pub(crate) customer: String,
    pub(crate) open: bool,
}

/// What has to come of everything told so far.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Derived events by name.
    pub(crate) events: Counted,
    /// The first line of every note, by customer. Several notes may say the same.
    pub(crate) notes: BTreeMap<String, Vec<String>>,
    /// Tasks by requirement.
    pub(crate) tasks: BTreeMap<String, ExpectedTask>,
    /// Customers whose contact, if there is one, is marked.
    pub(crate) withdrawn: BTreeSet<String>,
}

impl Expected {
    pub(super) fn happens(&mut self, event: &'static str) {
        self.happen(event, 1);
    }

    pub(super) fn happen(&mut self, event: &'static str, times: u64) {
        *self.events.entry(event).or_default() += times;
    }

    pub(super) fn note(&mut self, customer: &str, line: String) {
        self.notes
            .entry(customer.to_owned())
            .or_default()
            .push(line);
    }
}

/// The name under which an event is counted; `None` for what is no event of its own.
pub(crate) fn event_name(event: &DomainEvent) -> Option<&'static str> {
    Some(match event {
        DomainEvent::CustomerCreated { .. } => "customer created",
        DomainEvent::CustomerUpdated { .. } => "customer updated",
        DomainEvent::CustomerWithdrawn { .. } => "customer withdrawn",
        DomainEvent::PersonAdded(person) => match person.kind {
            PersonKind::Dependant => "dependant added",
            PersonKind::Beneficiary => "beneficiary added",
        },
        DomainEvent::PersonRemoved(person) => match person.kind {
            PersonKind::Dependant => "dependant removed",
            PersonKind::Beneficiary => "beneficiary removed",
        },
        DomainEvent::PolicyStatusChanged { from, .. } => {
            from.as_ref()?;
            "policy status changed"
        }
        DomainEvent::PaymentCompleted(_) => "payment completed",
        DomainEvent::PaymentDetached(_) => "payment detached",
        DomainEvent::FiguresChanged { .. } => return None,
        DomainEvent::RequirementCreated { .. } => "requirement created",
        DomainEvent::RequirementChanged { .. } => "requirement changed",
        DomainEvent::RequirementClosed { .. } => "requirement closed",
        DomainEvent::UserCreated { .. } => "user created",
        DomainEvent::UserChanged { .. } => "user changed",
    })
}
