//! `/settings`.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};

use super::assignees::{Offered, offered};
use super::clock::{self, Line};
use crate::config::{Assign, Tasks};
use crate::desk::chosen::{self, By, DAYS, Named, Schedule, TasksChoice};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;

#[derive(Template)]
#[template(path = "console/settings.html")]
struct Page {
    frame: Frame,
    may_change: bool,
    wrong: Option<String>,
    clock: Vec<Line>,
    summary: Summary,
    tasks: Assigned,
}

/// When the summary is made, as the form shows it.
struct Summary {
    enabled: bool,
    days: Vec<(&'static str, &'static str, bool)>,
    time: String,
    zone: String,
    words: String,
    chosen: Option<(String, Moment)>,
}

/// Who gets tasks, as the form shows it.
struct Assigned {
    made: bool,
    ways: Vec<(&'static str, &'static str, bool)>,
    /// Everybody who can be ticked: whom vTiger offers, and whoever is chosen.
    users: Vec<Choice>,
    groups: Vec<Choice>,
    role: String,
    /// Why vTiger could not be asked.
    away: Option<String>,
    chosen: Option<(String, Moment)>,
}

struct Choice {
    id: String,
    name: String,
    chosen: bool,
    /// Chosen, and not among those whom vTiger offers.
    lost: bool,
}

/// `GET /settings`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
) -> Response {
    shown(&state, frame, &person, None).await
}

/// The page, with what is wrong with what was sent.
pub(super) async fn shown(
    state: &AppState,
    frame: Frame,
    person: &Person,
    wrong: Option<String>,
) -> Response {
    match gather(state, person).await {
        Ok((clock, summary, tasks)) => show(&Page {
            frame,
            may_change: person.may_change(),
            wrong,
            clock,
            summary,
            tasks,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(
    state: &AppState,
    person: &Person,
) -> Result<(Vec<Line>, Summary, Assigned), DbError> {
    let now = Ts::now();
    let settings = &state.system.settings;
    let mut conn = state.db.read().await?;
    let schedule = chosen::schedule(&mut conn, &settings.insurance).await?;
    let clock = clock::lines(&mut conn, settings, &schedule, now).await?;
    let tasks = chosen::tasks(&mut conn, &settings.insurance.tasks).await?;
    let choice = chosen::tasks_choice(&mut conn).await?;
    drop(conn);
    // Only who can choose needs to be offered anybody.
    let offered = match person.may_change() {
        true => offered(state).await.map(Some),
        false => Ok(None),
    };
    let assigned = assigned(&tasks, choice, offered, now);
    Ok((clock, summary(&schedule, now), assigned))
}

fn told(by: By, now: Ts) -> (String, Moment) {
    (by.who, Moment::of(by.at, now))
}

fn summary(schedule: &Schedule, now: Ts) -> Summary {
    let days = DAYS
        .iter()
        .map(|(word, label, day)| (*word, *label, *day == schedule.summary.day));
    Summary {
        enabled: schedule.summary.enabled,
        days: days.collect(),
        time: schedule.summary.time.strftime("%H:%M").to_string(),
        zone: clock::zone_name(&schedule.zone),
        words: clock::words(schedule),
        chosen: schedule.by.clone().map(|by| told(by, now)),
    }
}

fn assigned(
    tasks: &Tasks,
    choice: Option<(TasksChoice, By)>,
    offered: Result<Option<Offered>, String>,
    now: Ts,
) -> Assigned {
    let (known, by) = match choice {
        Some((choice, by)) => (
            choice.users.into_iter().chain(choice.group).collect(),
            Some(by),
        ),
        None => (Vec::new(), None),
    };
    let (offered, away) = match offered {
        Ok(offered) => (offered, None),
        Err(why) => (None, Some(why)),
    };
    let asked = offered.is_some();
    let (users, groups) =
        offered.map_or_else(Default::default, |offered| (offered.users, offered.groups));
    let list = |offered: Vec<crate::flows::insurance::task::assignees::Assignee>,
                chosen: &[String]| {
        let mut list: Vec<Choice> = offered
            .into_iter()
            .map(|one| Choice {
                chosen: chosen.contains(&one.id.to_string()),
                id: one.id.to_string(),
                name: one.name,
                lost: false,
            })
            .collect();
        for id in chosen {
            if list.iter().all(|one| one.id != *id) {
                let name = name_of(id, &known);
                let (id, chosen, lost) = (id.clone(), true, asked);
                list.push(Choice {
                    id,
                    name,
                    chosen,
                    lost,
                });
            }
        }
        list
    };
    let group: Vec<String> = tasks.group.iter().cloned().collect();
    Assigned {
        made: tasks.enabled,
        ways: [
            (Assign::Each, "each", "Each of them gets one of their own"),
            (Assign::RoundRobin, "round_robin", "One of them, in turn"),
            (Assign::Group, "group", "The group"),
        ]
        .map(|(way, word, label)| (word, label, way == tasks.assign))
        .into(),
        users: list(users, &tasks.users),
        groups: list(groups, &group),
        role: tasks.role.clone().unwrap_or_default(),
        away,
        chosen: by.map(|by| told(by, now)),
    }
}

fn name_of(id: &str, known: &[Named]) -> String {
    let found = known.iter().find(|one| one.id == id);
    found.map_or_else(String::new, |one| one.name.clone())
}
