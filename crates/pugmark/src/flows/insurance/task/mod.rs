//! `task.create`: a missing requirement, as a task in the calendar of those who care for customers.
//!
//! What is to be done follows from the rows as they are when the operation runs. While the requirement is open, whoever was
//! chosen has a task; once it is not, those tasks are closed. Who is chosen is decided once and written down before the
//! first task is created. After that only subject and description are ours: status, due date and owner belong to people.

pub mod assignees;
mod subject;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Span;
use jiff::tz::TimeZone;
use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::{Claimed, Effects, Handled, Handler, QueueError};
use serde_json::{Value, json};
use vtiger::{Deadline, RecordId};

use super::note::{WithoutContact, contact_of, without_contact};
use super::plan::TASK;
use crate::config::{self, Mode};
use crate::crm::calls::CallLog;
use crate::delivery::{Deliverer, Subject, Trouble, not_committed, nothing_to_do, store_failed};
use crate::desk::chosen;
use crate::store::customers::{self, Customer};
use crate::store::missing_requirements::{self, MissingRequirement};
use crate::store::task_assignments::{self, TaskAssignment};
use assignees::{Assignees, Candidates, Share};
use subject::{Plan, Task, Wanted};
pub use words::About;

/// Brings the tasks of missing requirements in step.
pub struct TaskHandler {
    deliverer: Deliverer,
    settings: Arc<config::Tasks>,
    assignees: Assignees,
    /// The zone in which days are counted.
    zone: TimeZone,
    customer_url: Option<Arc<str>>,
}

/// How things stand with a requirement.
enum Standing {
    /// Somebody has to see to it.
    Open(Box<Open>),
    /// Nobody has: what it is that made it so.
    Closed(&'static str, Option<RecordId>),
    /// It belongs to a customer whose contact is not there yet.
    Waiting(WithoutContact, String),
}

struct Open {
    requirement: MissingRequirement,
    customer: Customer,
    person: Option<String>,
    contact: RecordId,
}

/// Why an attempt ended before anything was delivered.
enum Stop {
    Store(DbError),
    Commit(QueueError),
    Trouble(Trouble),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Stop::Store(error)
    }
}

#[async_trait]
impl Handler for TaskHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::new(self.deliverer.crm.breaker.clone());
        let key = (TASK, operation.entity_id.as_str());
        match self.attempt(operation, &calls).await {
            Ok(handled) => handled,
            Err(Stop::Store(error)) => store_failed(key, &error, &calls),
            Err(Stop::Commit(error)) => not_committed(key, &error, &calls),
            Err(Stop::Trouble(trouble)) => trouble.into_handled(key, &calls),
        }
    }
}

impl TaskHandler {
    /// A handler that works through this CRM. `customer_url` is where people find a customer, with `{id}` for the id.
    pub fn new(
        deliverer: Deliverer,
        settings: &config::Insurance,
        customer_url: Option<&str>,
    ) -> Self {
        let describe_for = deliverer.crm.settings.describe_for;
        TaskHandler {
            deliverer,
            assignees: Assignees::new(describe_for),
            settings: Arc::new(settings.tasks.clone()),
            zone: settings.zone.clone(),
            customer_url: customer_url.map(Arc::from),
        }
    }

    async fn attempt(&self, operation: &Claimed, calls: &Arc<CallLog>) -> Result<Handled, Stop> {
        let id = operation.entity_id.as_str();
        let mut conn = self.deliverer.db.read().await?;
        let standing = Standing::load(&mut conn, id).await?;
        let assigned = task_assignments::of_requirement(&mut conn, id).await?;
        drop(conn);
        match standing {
            Standing::Waiting(why, customer) => {
                let key = (TASK, operation.entity_id.as_str());
                Ok(without_contact(
                    &self.deliverer,
                    &why,
                    &customer,
                    key,
                    calls,
                ))
            }
            Standing::Closed(why, _) if assigned.is_empty() => Ok(nothing_to_do(why, calls)),
            Standing::Closed(_, contact) => self.close(operation, &assigned, contact, calls).await,
            Standing::Open(open) => self.open(operation, &open, assigned, calls).await,
        }
    }

    /// Creates the tasks or brings their words up to date.
    async fn open(
        &self,
        operation: &Claimed,
        open: &Open,
        known: Vec<TaskAssignment>,
        calls: &Arc<CallLog>,
    ) -> Result<Handled, Stop> {
        // What was chosen in an earlier attempt may have been created in it, whichever operation that was.
        let restored = operation.payload.get("lookFirst") == Some(&Value::Bool(true));
        let look = restored || !known.is_empty();
        let assigned = if known.is_empty() {
            self.choose(operation, &open.requirement, calls).await?
        } else {
            known
        };
        let wanted = Wanted::Open(Arc::new(self.plan(open)));
        let contact = Some(open.contact.clone());
        let subjects = self.subjects(&assigned, contact, &wanted, look).await?;
        let handled = self
            .deliverer
            .deliver_all(operation, &subjects, calls)
            .await;
        let reopened = assigned.iter().any(|assignment| assignment.closed);
        let done = self.reopened(handled, &open.requirement.id, reopened);
        Ok(with_remarks(done, &assigned))
    }

    /// Closes the tasks that are there.
    async fn close(
        &self,
        operation: &Claimed,
        assigned: &[TaskAssignment],
        contact: Option<RecordId>,
        calls: &Arc<CallLog>,
    ) -> Result<Handled, Stop> {
        // Noted before vTiger is told: should the requirement be opened again, the tasks are to be opened, too, whatever is
        // known of the answer.
        if self.is_live() && assigned.iter().any(|assignment| !assignment.closed) {
            let requirement = operation.entity_id.clone();
            self.under_lease(operation, "close tasks", move |conn| {
                Box::pin(async move {
                    Ok(task_assignments::set_closed(conn, &requirement, true).await?)
                })
            })
            .await?;
        }
        let subjects = self
            .subjects(assigned, contact, &Wanted::Closed, true)
            .await?;
        Ok(self
            .deliverer
            .deliver_all(operation, &subjects, calls)
            .await)
    }

    async fn subjects(
        &self,
        assigned: &[TaskAssignment],
        contact: Option<RecordId>,
        wanted: &Wanted,
        look: bool,
    ) -> Result<Vec<Box<dyn Subject>>, DbError> {
        let mut conn = self.deliverer.db.read().await?;
        let mut subjects: Vec<Box<dyn Subject>> = Vec::with_capacity(assigned.len());
        for assignment in assigned {
            let (contact, settings) = (contact.clone(), self.settings.clone());
            let task = Task::load(
                &mut conn,
                assignment,
                contact,
                settings,
                wanted.clone(),
                look,
            );
            subjects.push(Box::new(task.await?));
        }
        Ok(subjects)
    }

    fn plan(&self, open: &Open) -> Plan {
        let (requirement, customer) = (&open.requirement, &open.customer);
        let created = requirement.created_at.timestamp();
        let zone = self.deliverer.crm.settings.time_zone.clone();
        let day = created.to_zoned(self.zone.clone()).date();
        let names = [
            Some(customer.first_name.as_str()),
            customer.middle_name.as_deref(),
            Some(customer.last_name.as_str()),
        ];
        let name: Vec<&str> = names.into_iter().flatten().collect();
        let page = self.customer_url.as_deref();
        Plan {
            start: created.to_zoned(zone).datetime(),
            due: day.saturating_add(Span::new().days(self.settings.due_days)),
            about: About {
                entity_kind: requirement.entity_kind.clone(),
                person: open.person.clone(),
                field_path: requirement.field_path.clone(),
                customer: name.join(" "),
                customer_id: customer.id.clone(),
                page: page.map(|template| template.replace("{id}", &customer.id)),
            },
        }
    }

    /// Decides who gets the tasks and writes it down, once for all attempts. In shadow mode nothing is written.
    async fn choose(
        &self,
        operation: &Claimed,
        requirement: &MissingRequirement,
        calls: &Arc<CallLog>,
    ) -> Result<Vec<TaskAssignment>, Stop> {
        let crm = &self.deliverer.crm;
        let client = crm
            .client
            .clone()
            .with_observer(calls.clone())
            .until(Deadline::moving(operation.moving_deadline()));
        let tasks = {
            let mut conn = self.deliverer.db.read().await?;
            chosen::tasks(&mut conn, &self.settings).await?
        };
        let candidates = self
            .assignees
            .candidates(&tasks, crm, &client)
            .await
            .map_err(Stop::Trouble)?;
        for remark in &candidates.remarks {
            tracing::warn!(operation = %operation.id, remark, "a choice for tasks is left out");
        }
        if !self.is_live() {
            let first = candidates
                .people
                .first()
                .map(|person| person.id.to_string());
            return Ok(assignments(&requirement.id, &candidates, first));
        }
        let requirement = requirement.clone();
        self.under_lease(operation, "assign tasks", move |conn| {
            Box::pin(async move { assign(conn, &requirement, &candidates).await })
        })
        .await
    }

    /// Once the tasks of a requirement that was closed before are open again, that is noted.
    fn reopened(&self, handled: Handled, requirement: &str, reopened: bool) -> Handled {
        match handled {
            Handled::Done {
                outcome, report, ..
            } if reopened && self.is_live() => {
                let requirement = requirement.to_owned();
                let effects = Effects::new(move |conn: &mut Conn| {
                    let requirement = requirement.clone();
                    Box::pin(async move {
                        task_assignments::set_closed(conn, &requirement, false).await?;
                        Ok(())
                    })
                });
                Handled::Done {
                    outcome,
                    report,
                    effects: Some(effects),
                }
            }
            other => other,
        }
    }

    fn is_live(&self) -> bool {
        self.deliverer.mode == Mode::Live
    }

    /// Writes in the middle of an attempt, unless the lease is lost.
    async fn under_lease<T, F>(
        &self,
        operation: &Claimed,
        label: &'static str,
        work: F,
    ) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, QueueError>> + Send + 'static,
    {
        let (queue, lease) = (self.deliverer.queue.clone(), operation.lease.clone());
        let written = self
            .deliverer
            .db
            .write(label, move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    work(conn).await
                })
            })
            .await;
        written.map_err(Stop::Commit)
    }
}

impl Standing {
    async fn load(conn: &mut Conn, id: &str) -> Result<Self, DbError> {
        let Some(requirement) = missing_requirements::get(conn, id).await? else {
            return Ok(Standing::Closed("the requirement was deleted", None));
        };
        let customer_id = &requirement.customer_id;
        let contact = contact_of(conn, customer_id).await?;
        if !requirement.is_open() {
            return Ok(Standing::Closed(
                "the requirement is not open",
                contact.ok(),
            ));
        }
        let Some(customer) = customers::get(conn, customer_id).await? else {
            return Ok(Standing::Closed("the customer was deleted", contact.ok()));
        };
        let contact = match contact {
            Ok(contact) => contact,
            Err(WithoutContact::Never(why)) => {
                return Ok(Standing::Closed(why, None));
            }
            Err(why) => return Ok(Standing::Waiting(why, customer.id)),
        };
        let person = match &requirement.entity_id {
            Some(person) => {
                missing_requirements::person_name(conn, &requirement.entity_kind, person).await?
            }
            None => None,
        };
        Ok(Standing::Open(Box::new(Open {
            requirement,
            customer,
            person,
            contact,
        })))
    }
}

/// Notes who gets the tasks, in the transaction in which it is decided.
async fn assign(
    conn: &mut Conn,
    requirement: &MissingRequirement,
    candidates: &Candidates,
) -> Result<Vec<TaskAssignment>, QueueError> {
    let ids: Vec<String> = candidates
        .people
        .iter()
        .map(|person| person.id.to_string())
        .collect();
    let chosen = match candidates.share {
        Share::InTurn => task_assignments::next_turn(conn, &ids).await?,
        Share::Each | Share::Whole => ids.first().cloned(),
    };
    let (id, customer) = (&requirement.id, &requirement.customer_id);
    for assignment in assignments(id, candidates, chosen) {
        task_assignments::assign(conn, id, customer, &assignment, Ts::now()).await?;
    }
    Ok(task_assignments::of_requirement(conn, id).await?)
}

/// The tasks of a requirement: one for each, or one for whom `chosen` names. That one goes by the requirement alone, so that
/// it is found whoever has it.
fn assignments(
    requirement: &str,
    candidates: &Candidates,
    chosen: Option<String>,
) -> Vec<TaskAssignment> {
    let assignment = |task_id: String, assignee: String| TaskAssignment {
        task_id,
        assignee,
        closed: false,
        remarks: candidates.remarks.clone(),
    };
    match candidates.share {
        Share::Each => {
            let each = candidates.people.iter().map(|person| person.id.to_string());
            each.map(|id| assignment(format!("{requirement}/{id}"), id))
                .collect()
        }
        Share::InTurn | Share::Whole => chosen
            .into_iter()
            .map(|id| assignment(requirement.to_owned(), id))
            .collect(),
    }
}

/// Adds what people should know of the choice to the outcome.
fn with_remarks(handled: Handled, assigned: &[TaskAssignment]) -> Handled {
    let remarks = assigned.first().map(|assignment| &assignment.remarks);
    match (handled, remarks) {
        (
            Handled::Done {
                mut outcome,
                report,
                effects,
            },
            Some(remarks),
        ) if !remarks.is_empty() => {
            match outcome.get_mut("warnings").and_then(Value::as_array_mut) {
                Some(warnings) => warnings.extend(remarks.iter().map(|remark| json!(remark))),
                None => outcome["warnings"] = json!(remarks),
            }
            Handled::Done {
                outcome,
                report,
                effects,
            }
        }
        (handled, _) => handled,
    }
}
