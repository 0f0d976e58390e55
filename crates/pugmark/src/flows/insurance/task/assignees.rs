//! Who gets the tasks: what the operator chose, as far as vTiger has it.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use pugmark_queue::{NotBefore, Release};
use tokio::sync::Mutex;
use tokio::time::Instant;
use vtiger::{CallError, Client, Condition, KeysetQuery, Record, RecordId, RefusalReason, User};

use crate::config::{Assign, Tasks};
use crate::crm::{Crm, GROUPS, USERS};
use crate::delivery::Trouble;
use crate::problem::Code;

/// How long what vTiger said is trusted, at most.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// Those who may get a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// How tasks are shared among them.
    pub share: Share,
    /// At least one.
    pub people: Vec<Assignee>,
    /// Whom or what the operator chose in vain.
    pub remarks: Vec<String>,
}

/// How tasks are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Each gets one of their own.
    Each,
    /// One of them, in turn.
    InTurn,
    /// The only one there is: a group, or the default owner.
    Whole,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    /// `19x5`, `20x3`.
    pub id: RecordId,
    /// As people know them.
    pub name: String,
}

/// Knows who may get tasks; asks vTiger once in a while, and when another choice is made.
pub struct Assignees {
    fresh_for: Duration,
    known: Mutex<Option<(Instant, Tasks, Known)>>,
}

/// What vTiger said: those who may get tasks, or why it does not tell.
type Known = Result<Arc<Candidates>, String>;

impl Assignees {
    /// Knows nobody yet. Descriptions of vTiger's modules are trusted for `describe_for`, and so is this.
    pub fn new(describe_for: Duration) -> Self {
        Assignees {
            fresh_for: FRESH_FOR.min(describe_for),
            known: Mutex::new(None),
        }
    }

    /// Those to whom this choice leads now.
    ///
    /// # Errors
    /// [`Trouble`]; when vTiger's users cannot be read, the operation waits until they can.
    pub async fn candidates(
        &self,
        tasks: &Tasks,
        crm: &Crm,
        client: &Client,
    ) -> Result<Arc<Candidates>, Trouble> {
        // Held while asking, so that many operations ask once.
        let mut known = self.known.lock().await;
        let fresh = known
            .as_ref()
            .filter(|(since, chosen, _)| since.elapsed() < self.fresh_for && chosen == tasks);
        let found = match fresh {
            Some((_, _, found)) => found.clone(),
            None => {
                let found = match look(tasks, crm, client).await {
                    Ok(candidates) => Ok(Arc::new(candidates)),
                    Err(error) if is_unreadable(&error) => Err(error.to_string()),
                    Err(error) => return Err(Trouble::of_call(crm, USERS, &error)),
                };
                *known = Some((Instant::now(), tasks.clone(), found.clone()));
                found
            }
        };
        found.map_err(|error| unreadable(&error, self.fresh_for))
    }
}

/// Asks vTiger who of those chosen is there. With nobody chosen, or nobody there, it is the owner of new records.
///
/// # Errors
/// Whatever vTiger says.
pub async fn look(tasks: &Tasks, crm: &Crm, client: &Client) -> Result<Candidates, CallError> {
    let mut remarks = Vec::new();
    let (share, people) = match tasks.assign {
        Assign::Group => (Share::Whole, group(tasks, client, &mut remarks).await?),
        Assign::Each => (Share::Each, users(tasks, client, &mut remarks).await?),
        Assign::RoundRobin => (Share::InTurn, users(tasks, client, &mut remarks).await?),
    };
    if !people.is_empty() {
        return Ok(Candidates {
            share,
            people,
            remarks,
        });
    }
    let owner = crm.owner(client).await?;
    if !remarks.is_empty() {
        remarks.push(format!(
            "Nobody of those chosen for tasks is there, so {owner}, the owner of new records, gets them"
        ));
    }
    let people = vec![Assignee {
        name: owner.to_string(),
        id: owner,
    }];
    Ok(Candidates {
        share: Share::Whole,
        people,
        remarks,
    })
}

/// Every active user, for people to choose from.
///
/// # Errors
/// Whatever vTiger says.
pub async fn all_users(client: &Client) -> Result<Vec<Assignee>, CallError> {
    let described = client.describe(USERS).await?;
    let known = |name: &&str| *name == "id" || described.field(name).is_some();
    let wanted = ["id", "user_name", "first_name", "last_name"];
    let mut query = KeysetQuery::by_id(USERS).fields(wanted.into_iter().filter(known));
    if described.field("status").is_some() {
        query = query.filter(Condition::eq("status", "Active"));
    }
    let pages: Vec<Vec<Record>> = client.pages(query).try_collect().await?;
    let mut users: Vec<Assignee> = pages.iter().flatten().map(user).collect();
    users.sort_by_key(|user| user.name.to_lowercase());
    Ok(users)
}

fn user(record: &Record) -> Assignee {
    let text = |field| record.get(field).unwrap_or_default().trim();
    let name = format!("{} {}", text("first_name"), text("last_name"));
    Assignee {
        id: record.id.clone(),
        name: match name.trim() {
            "" => text("user_name").to_owned(),
            name => name.to_owned(),
        },
    }
}

/// Every group, for people to choose from.
///
/// # Errors
/// Whatever vTiger says.
pub async fn all_groups(client: &Client) -> Result<Vec<Assignee>, CallError> {
    let query = KeysetQuery::by_id(GROUPS).fields(["id", "groupname"]);
    let pages: Vec<Vec<Record>> = client.pages(query).try_collect().await?;
    let groups = pages.iter().flatten().map(|group| Assignee {
        id: group.id.clone(),
        name: group.get("groupname").unwrap_or_default().to_owned(),
    });
    Ok(groups.collect())
}

async fn group(
    tasks: &Tasks,
    client: &Client,
    remarks: &mut Vec<String>,
) -> Result<Vec<Assignee>, CallError> {
    let Some(id) = tasks.group.as_ref().and_then(|id| id.parse().ok()) else {
        return Ok(Vec::new());
    };
    let query = KeysetQuery::by_id(GROUPS)
        .fields(["id", "groupname"])
        .filter(Condition::ids([&id]));
    let pages: Vec<Vec<Record>> = client.pages(query).try_collect().await?;
    // vTiger compares the number alone.
    let found = pages.iter().flatten().find(|group| group.id == id);
    if found.is_none() {
        remarks.push(format!("tasks.group: vTiger has no group {id}"));
    }
    let assignee = |group: &Record| Assignee {
        id: group.id.clone(),
        name: group.get("groupname").unwrap_or_default().to_owned(),
    };
    Ok(found.map(assignee).into_iter().collect())
}

/// The chosen users in the order of the settings, then those of the role.
async fn users(
    tasks: &Tasks,
    client: &Client,
    remarks: &mut Vec<String>,
) -> Result<Vec<Assignee>, CallError> {
    let mut chosen = Vec::new();
    if !tasks.users.is_empty() {
        let ids: Vec<RecordId> = tasks
            .users
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect();
        let active = client.active_users_among(&ids).await?;
        for id in ids {
            match active.iter().find(|user| user.id == id) {
                Some(user) => add(&mut chosen, user),
                None => remarks.push(format!("tasks.users: {id} is no active user of vTiger")),
            }
        }
    }
    if let Some(role) = &tasks.role {
        let active = client.active_users_of_role(role).await?;
        if active.is_empty() {
            remarks.push(format!(
                "tasks.role: no active user of vTiger has the role {role}"
            ));
        }
        active.iter().for_each(|user| add(&mut chosen, user));
    }
    Ok(chosen)
}

fn add(chosen: &mut Vec<Assignee>, user: &User) {
    if chosen.iter().all(|known| known.id != user.id) {
        let name = format!("{} {}", user.first_name, user.last_name);
        chosen.push(Assignee {
            id: user.id.clone(),
            name: name.trim().to_owned(),
        });
    }
}

/// Whether it is the right to see users that is missing: they are for administrators to see, and Cloud may hide roles.
pub fn is_unreadable(error: &CallError) -> bool {
    matches!(error, CallError::Invalid(_))
        || matches!(
            error.reason(),
            Some(
                RefusalReason::AccessDenied
                    | RefusalReason::MissingOrForbidden
                    | RefusalReason::UnknownModule
                    | RefusalReason::UnknownField
            )
        )
}

/// Nothing is wrong with the task, and nothing else has to wait for this.
fn unreadable(error: &str, recheck_after: Duration) -> Trouble {
    let code = Code::AssigneesUnreadable;
    let message = format!(
        "vTiger does not tell who its users are: {error}. Make the user Pugmark works as an administrator, or leave tasks.users, tasks.role and \
         tasks.group empty; this goes on by itself"
    );
    Trouble {
        release: Release::Later {
            not_before: NotBefore::After(recheck_after),
            code: code.to_string(),
            message: message.clone(),
        },
        code,
        message,
        failed: false,
    }
}
