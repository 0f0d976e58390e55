//! Who would get the tasks of missing requirements.

use vtiger::{Client, FieldType, Module};

use super::{Findings, call_error};
use crate::config::Tasks;
use crate::crm::{CALENDAR, Crm};
use crate::flows::insurance::task::assignees::{self, Candidates, Share};
use crate::problem::Code;

/// Checks settings of tasks against the users, groups and statuses that vTiger has.
pub(super) async fn check(client: &Client, crm: &Crm, settings: &Tasks, findings: &mut Findings) {
    if !settings.enabled {
        findings.ok("tasks", "switched off (tasks.enabled)");
        return;
    }
    match assignees::look(settings, crm, client).await {
        Ok(candidates) => {
            for remark in &candidates.remarks {
                findings.warning(
                    "task assignees",
                    remark,
                    "Correct tasks.users, tasks.role or tasks.group, or make the user active in vTiger",
                );
            }
            findings.ok("tasks", in_words(&candidates));
        }
        Err(error) if assignees::is_unreadable(&error) => findings.problem(
            "tasks",
            format!("{}: {error}", Code::AssigneesUnreadable),
            "Make the CRM user an administrator, or leave tasks.users, tasks.role and tasks.group empty",
        ),
        Err(error) => findings.problem(
            "tasks",
            call_error(&error),
            "Run `pugmark doctor` again when vTiger answers",
        ),
    }
    match client.describe(CALENDAR).await {
        Ok(module) => check_calendar(&module, settings, findings),
        Err(error) => findings.problem(
            "Calendar",
            call_error(&error),
            "Give the user the right to read, create and edit tasks, or set tasks.enabled = false",
        ),
    }
}

fn in_words(candidates: &Candidates) -> String {
    let names: Vec<String> = candidates
        .people
        .iter()
        .map(|person| match person.name.as_str() {
            name if name == person.id.as_str() => name.to_owned(),
            name => format!("{name} ({})", person.id),
        })
        .collect();
    let names = names.join(", ");
    match candidates.share {
        Share::Each => format!("each of these gets one for every missing requirement: {names}"),
        Share::InTurn => format!("these take turns: {names}"),
        Share::Whole => format!("all go to {names}"),
    }
}

/// vTiger takes any word as a status, but people would not find the task by it.
fn check_calendar(module: &Module, settings: &Tasks, findings: &mut Findings) {
    if !(module.createable && module.updateable) {
        findings.problem(
            "Calendar",
            "the user may not create and edit tasks",
            "Give the right in the user's profile",
        );
    }
    let Some(FieldType::Picklist(known)) =
        module.field("taskstatus").map(|field| &field.field_type)
    else {
        return;
    };
    let statuses = [
        ("tasks.open_status", &settings.open_status),
        ("tasks.closed_status", &settings.closed_status),
    ];
    for (setting, status) in statuses {
        if known.iter().all(|entry| entry.value != **status) {
            let words: Vec<&str> = known.iter().map(|entry| entry.value.as_str()).collect();
            findings.warning(
                setting,
                format!("vTiger's tasks have no status `{status}`"),
                format!("Use one of {}", words.join(", ")),
            );
        }
    }
}
