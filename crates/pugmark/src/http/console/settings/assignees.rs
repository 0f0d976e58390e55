//! `POST /settings/tasks`: who gets the tasks of missing requirements.

use std::time::Duration;

use axum::Form;
use axum::extract::State;
use axum::response::Response;

use super::{actor, told};
use crate::crm::Crm;
use crate::desk::chosen::{self, Named, Refusal, TasksChoice};
use crate::flows::insurance::task::assignees::{self, Assignee};
use crate::http::AppState;
use crate::http::console::frame::Frame;
use crate::http::console::person::Person;

/// Somebody waits for the page: a CRM that takes longer is treated as away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom the CRM offers.
pub(super) struct Offered {
    pub(super) users: Vec<Assignee>,
    pub(super) groups: Vec<Assignee>,
}

/// Asks the CRM for its users and groups.
///
/// Fails with the reason, in words for people.
pub(super) async fn offered(state: &AppState) -> Result<Offered, String> {
    let crm = crm(state)?;
    let client = &crm.client;
    let asked = async {
        let users = assignees::all_users(client).await?;
        // A vTiger without groups, or one that hides them, still has users.
        let groups = assignees::all_groups(client).await.unwrap_or_default();
        Ok::<_, vtiger::CallError>(Offered { users, groups })
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(offered)) => Ok(offered),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it has not answered within 5 seconds".to_owned()),
    }
}

fn crm(state: &AppState) -> Result<&Crm, String> {
    let crm = state.vtiger.as_deref();
    crm.filter(|crm| crm.settings.enabled)
        .ok_or_else(|| "none is configured, or it is switched off".to_owned())
}

/// `POST /settings/tasks`: `user` may stand there many times.
pub(in crate::http::console) async fn choose(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let one = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.trim()).unwrap_or_default()
    };
    let actor = actor(&person, &frame, one("reason"));
    let choice = (one("act") != "back").then(|| read(&fields, one));
    let settings = &state.system.settings.insurance.tasks;
    let done = match found_there(&state, choice.as_ref()).await {
        Ok(checked) => chosen::choose_tasks(&state.db, settings, choice, actor)
            .await
            .map(|()| said(checked)),
        Err(wrong) => Err(Refusal::Wrong(wrong)),
    };
    told(&state, frame, &person, done).await
}

fn read<'a>(fields: &[(String, String)], one: impl Fn(&str) -> &'a str) -> TasksChoice {
    let mut users: Vec<Named> = fields
        .iter()
        .filter(|(name, _)| name == "user")
        .filter_map(|(_, value)| named(value))
        .collect();
    for typed in one("typed").lines().filter_map(named) {
        if users.iter().all(|known| known.id != typed.id) {
            users.push(typed);
        }
    }
    TasksChoice {
        assign: one("assign").to_owned(),
        users,
        role: Some(one("role").to_owned()).filter(|role| !role.is_empty()),
        group: named(one("group")),
    }
}

/// `19x5 Asha Otieno`: an id, and a name behind it.
fn named(text: &str) -> Option<Named> {
    let text = text.trim();
    let (id, name) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (!id.is_empty()).then(|| Named {
        id: id.to_owned(),
        name: name.trim().chars().take(200).collect(),
    })
}

/// Whether everybody chosen is there. `false`: the CRM could not be asked.
async fn found_there(state: &AppState, choice: Option<&TasksChoice>) -> Result<bool, String> {
    let Some(choice) = choice else {
        return Ok(true);
    };
    let tasks = choice.over(&state.system.settings.insurance.tasks)?;
    let Ok(crm) = crm(state) else {
        return Ok(false);
    };
    let looked = assignees::look(&tasks, crm, &crm.client);
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(Ok(candidates)) if candidates.remarks.is_empty() => Ok(true),
        Ok(Ok(candidates)) => Err(format!("{}.", candidates.remarks.join("; "))),
        Ok(Err(_)) | Err(_) => Ok(false),
    }
}

fn said(checked: bool) -> String {
    let besides = match checked {
        true => "",
        false => {
            " vTiger could not be asked whether they are there; a task for somebody who is not goes to the owner of new records."
        }
    };
    format!(
        "Chosen: it counts for every task made from now on. Tasks that are there keep who has them.{besides}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_typed_is_read_with_the_name_behind_the_id_and_nobody_twice() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = [pair("user", "19x5 Asha Otieno"), pair("user", "19x6")];
        let typed = "19x5 Asha\n\n  19x7   Wanjiru N. ";
        let one = |name: &str| match name {
            "typed" => typed,
            "assign" => "each",
            _ => "",
        };
        let choice = read(&fields, one);
        let users: Vec<_> = choice
            .users
            .iter()
            .map(|u| (u.id.as_str(), u.name.as_str()))
            .collect();
        assert_eq!(
            users,
            [
                ("19x5", "Asha Otieno"),
                ("19x6", ""),
                ("19x7", "Wanjiru N.")
            ]
        );
        assert_eq!((choice.role, choice.group), (None, None));
    }
}
