//! One task of the calendar, as a record to be brought in step.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::{Date, DateTime};
use pugmark_queue::db::{Conn, DbError};
use vtiger::{Client, Condition, Element, FieldType, Filter, Module, RecordId};

use super::super::plan::TASK;
use super::super::reference;
use super::words::About;
use crate::config;
use crate::crm::{CALENDAR, Crm, MapError};
use crate::delivery::protocol::Desired;
use crate::delivery::{Shape, Subject, Target, WhenGone};
use crate::store::links;
use crate::store::task_assignments::TaskAssignment;

const STATUS: &str = "taskstatus";
/// Set where the installation knows the word.
const PRIORITY: (&str, &str) = ("taskpriority", "Medium");

/// The task of one assignee.
pub(super) struct Task {
    target: Target,
    assignee: String,
    /// Whether vTiger may have been told that the task is done.
    was_closed: bool,
    contact: Option<RecordId>,
    settings: Arc<config::Tasks>,
    wanted: Wanted,
}

/// The state the task should have.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// It should be there. Its status is people's business, unless it was closed before: then it is opened again.
    Open(Arc<Plan>),
    /// It should be done if it is there.
    Closed,
}

/// What an open task says.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The words.
    pub(super) about: About,
    /// When the requirement came up, in the zone of vTiger's server.
    pub(super) start: DateTime,
    /// Until when it should be dealt with.
    pub(super) due: Date,
}

impl Task {
    /// The task of an assignment. `look`: it may exist although no attempt of this operation is known.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(super) async fn load(
        conn: &mut Conn,
        assignment: &TaskAssignment,
        contact: Option<RecordId>,
        settings: Arc<config::Tasks>,
        wanted: Wanted,
        look: bool,
    ) -> Result<Self, DbError> {
        let link = links::get(conn, TASK, &assignment.task_id).await?;
        let mut link = link.unwrap_or_default();
        link.look_first |= look;
        Ok(Task {
            target: Target {
                entity_type: TASK,
                entity_id: assignment.task_id.clone(),
                module: CALENDAR,
                noun: "task",
                desired: match wanted {
                    Wanted::Open(_) => Desired::Present,
                    Wanted::Closed => Desired::Withdrawn,
                },
                link,
                row_hash: None,
            },
            assignee: assignment.assignee.clone(),
            was_closed: assignment.closed,
            contact,
            settings,
            wanted,
        })
    }

    fn reference(&self) -> String {
        reference::of(TASK, &self.target.entity_id)
    }

    /// Found by the text of the description, among the contact's own where there is one.
    fn found(&self, module: &Module) -> Option<Filter> {
        let by_text = || Condition::like("description", reference::pattern(&self.reference()));
        module.field("description")?;
        match &self.contact {
            None => Some(Filter::from(by_text())),
            Some(contact) => {
                module.field("contact_id")?;
                let by_contact = Condition::eq("contact_id", contact.as_str());
                Some(Filter::from(by_contact).and(by_text()))
            }
        }
    }

    fn wanted(&self) -> Element {
        match &self.wanted {
            Wanted::Closed => Element::new().with(STATUS, self.settings.closed_status.as_str()),
            Wanted::Open(plan) => {
                let description = reference::carried(&plan.about.description(), &self.reference());
                let mut wanted = Element::new()
                    .with("subject", plan.about.subject())
                    .with("description", description);
                if self.was_closed {
                    wanted.set(STATUS, self.settings.open_status.as_str());
                }
                wanted
            }
        }
    }

    fn on_create(&self, module: &Module) -> Element {
        let Wanted::Open(plan) = &self.wanted else {
            return Element::new();
        };
        // Without its type it would become an event.
        let mut element = Element::new()
            .with("activitytype", "Task")
            .with("assigned_user_id", self.assignee.as_str())
            .with("date_start", plan.start.date())
            .with("time_start", plan.start.time())
            .with("due_date", plan.due)
            .with(STATUS, self.settings.open_status.as_str());
        if let Some(contact) = &self.contact {
            element.set("contact_id", contact.clone());
        }
        let (field, word) = PRIORITY;
        if knows(module, field, word) {
            element.set(field, word);
        }
        element
    }
}

fn knows(module: &Module, field: &str, word: &str) -> bool {
    match module.field(field).map(|field| &field.field_type) {
        Some(FieldType::Picklist(entries)) => entries.iter().any(|entry| entry.value == word),
        _ => false,
    }
}

#[async_trait]
impl Subject for Task {
    fn target(&self) -> &Target {
        &self.target
    }

    async fn shape(&self, _: &Crm, client: &Client, _: &mut Conn) -> Result<Shape, MapError> {
        let module = client.describe(CALENDAR).await?;
        let wanted = self.wanted();
        Ok(Shape {
            rules: BTreeMap::new(),
            names: wanted.iter().map(|(name, _)| name.to_owned()).collect(),
            reference: self.found(&module),
            on_create: self.on_create(&module),
            unsent: Vec::new(),
            wanted,
            module,
        })
    }

    /// Whoever deletes a task means it.
    fn when_gone(&self) -> WhenGone {
        WhenGone::LeftAtThat
    }
}
