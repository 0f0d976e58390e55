//! What the operator chooses for the insurer's flow: notes, payments, tasks, staff accounts.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Deserialize;

use super::conversion::{self, Conversion};
use super::values::{at_least, duration, time_zone};
use super::{ConfigProblem, sources};

/// What can be told as a note on the contact, by the names used in `notes.significant`.
pub const NOTABLE: [&str; 17] = [
    "dependant.added",
    "dependant.removed",
    "beneficiary.added",
    "beneficiary.removed",
    "customer.firstName",
    "customer.middleName",
    "customer.lastName",
    "customer.email",
    "customer.phoneNumber",
    "customer.dateOfBirth",
    "customer.gender",
    "customer.idType",
    "customer.idNumber",
    "customer.status",
    "policy.status",
    "payment.completed",
    "payment.detached",
];

/// Settings of the insurer's flow.
#[derive(Debug, Clone)]
pub struct Insurance {
    /// The time zone in which people read dates and in which weeks begin.
    pub zone: TimeZone,
    /// Notes on contacts.
    pub notes: Notes,
    /// Figures on contacts.
    pub payments: Payments,
    /// The weekly summary.
    pub summary: Summary,
    /// Tasks for missing requirements.
    pub tasks: Tasks,
    /// Staff accounts.
    pub users: Users,
    /// Converted leads.
    pub conversion: Conversion,
    /// Comparing both sides.
    pub reconcile: Reconcile,
}

impl Default for Insurance {
    /// The commented defaults, for programs that bring their own settings: the demo, the bench, tests.
    #[allow(
        clippy::expect_used,
        reason = "the text is part of the program, and a test reads it"
    )]
    fn default() -> Self {
        check(&sources::defaults(), &mut Vec::new()).expect("the commented defaults are in order")
    }
}

/// Settings of notes.
#[derive(Debug, Clone)]
pub struct Notes {
    /// What is told, by the names of [`NOTABLE`].
    pub significant: BTreeSet<String>,
}

/// Settings of figures.
#[derive(Debug, Clone)]
pub struct Payments {
    /// Payments of one customer within this time are delivered together.
    pub settle: Duration,
    /// What the stored times of payments mean.
    pub stored_times: StoredTimes,
}

/// What the times of payments in MicroBima's rows mean, and so on which day a payment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredTimes {
    /// The insurer's own wall clock: the day is taken as it stands, without any shift.
    Local,
    /// UTC: the day is the one in the zone of [`Insurance`].
    Utc,
}

/// Where the weekly summary is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SummaryAs {
    /// In fields of the contact.
    Fields,
    /// As a note on the contact.
    Note,
    /// Both.
    Both,
}

/// Settings of the weekly summary.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Whether it is made by itself.
    pub enabled: bool,
    /// Day on which the week before (Monday to Sunday) is summed up.
    pub day: Weekday,
    /// Time of that day, in the zone of [`Insurance`].
    pub time: Time,
    /// Where it is shown.
    pub shown_as: SummaryAs,
    /// Most weeks that are made up for after a downtime.
    pub catch_up: u16,
}

/// Who gets the task of a missing requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assign {
    /// Each chosen user gets one of their own.
    Each,
    /// One of the chosen users, in turn.
    RoundRobin,
    /// The group.
    Group,
}

/// Settings of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tasks {
    /// Whether tasks are made.
    pub enabled: bool,
    /// Who gets them.
    pub assign: Assign,
    /// Chosen users, by vTiger id (`19x5`).
    pub users: Vec<String>,
    /// A vTiger role (`H7`): all its active users are chosen, besides `users`.
    pub role: Option<String>,
    /// The group (`20x3`) for [`Assign::Group`].
    pub group: Option<String>,
    /// Days from the requirement's creation until the task is due.
    pub due_days: u16,
    /// Status of a new task.
    pub open_status: String,
    /// Status of a task whose requirement is closed.
    pub closed_status: String,
}

/// Settings of staff accounts.
#[derive(Debug, Clone)]
pub struct Users {
    /// The vTiger role (`H5`) that new accounts get.
    pub role: Option<String>,
    /// How long a request waits for the result before it is answered "accepted".
    pub wait: Duration,
}

/// Settings of comparing both sides.
#[derive(Debug, Clone)]
pub struct Reconcile {
    /// Whether both sides are compared as a whole every night. It reports and repairs nothing.
    pub nightly: bool,
    /// Time of that night, in the zone of [`Insurance`].
    pub time: Time,
    /// Whether linked contacts are compared bit by bit all the time.
    pub verify: bool,
    /// The pause between two pages of up to 100 contacts of that.
    pub verify_every: Duration,
}

impl Reconcile {
    /// Nothing by the clock.
    pub fn off() -> Self {
        Reconcile {
            nightly: false,
            time: Time::midnight(),
            verify: false,
            verify_every: Duration::from_secs(30),
        }
    }
}

/// Where MicroBima's logins live.
#[derive(Clone)]
pub struct Supabase {
    /// The project's address.
    pub url: String,
    /// The secret or service-role key.
    pub service_key: SecretString,
    /// The shared secret of projects that sign tokens with HS256; others publish their keys.
    pub jwt_secret: Option<SecretString>,
    /// Time after which an unanswered call counts as unknown.
    pub call_timeout: Duration,
    /// Whether plain http is allowed beyond loopback.
    pub allow_plain_http: bool,
}

impl fmt::Debug for Supabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Supabase")
            .field("url", &self.url)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

/// Checks the settings of this flow.
pub(super) fn check(file: &sources::File, problems: &mut Vec<ConfigProblem>) -> Option<Insurance> {
    let found = problems.len();
    let insurance = Insurance {
        zone: time_zone("insurance.zone", &file.insurance.zone, problems)?,
        notes: notes(&file.notes, problems),
        payments: Payments {
            settle: duration("payments.settle", &file.payments.settle, problems),
            stored_times: file.payments.stored_times,
        },
        summary: summary(&file.summary, problems)?,
        tasks: tasks(&file.tasks, problems),
        users: Users {
            role: role("users.role", &file.users.role, problems),
            wait: duration("users.wait", &file.users.wait, problems),
        },
        conversion: conversion::check(&file.conversion, problems),
        reconcile: reconcile(&file.reconcile, problems)?,
    };
    (problems.len() == found).then_some(insurance)
}

fn notes(file: &sources::NotesFile, problems: &mut Vec<ConfigProblem>) -> Notes {
    for name in &file.significant {
        if !NOTABLE.contains(&name.as_str()) {
            problems.push(ConfigProblem::new(
                "notes.significant",
                format!("`{name}` is nothing that can be told"),
                format!("Use any of {}", NOTABLE.join(", ")),
            ));
        }
    }
    Notes {
        significant: file.significant.iter().cloned().collect(),
    }
}

fn summary(file: &sources::SummaryFile, problems: &mut Vec<ConfigProblem>) -> Option<Summary> {
    let day = weekday(&file.day);
    if day.is_none() {
        problems.push(ConfigProblem::new(
            "summary.day",
            format!("`{}` is no day of the week", file.day),
            "Use monday, tuesday, wednesday, thursday, friday, saturday or sunday",
        ));
    }
    let time = time_of_day("summary.time", &file.time, problems);
    Some(Summary {
        enabled: file.enabled,
        day: day?,
        time: time?,
        shown_as: file.shown_as,
        catch_up: file.catch_up,
    })
}

fn reconcile(
    file: &sources::ReconcileFile,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Reconcile> {
    let shortest = Duration::from_secs(1);
    let every = &file.verify_every;
    Some(Reconcile {
        nightly: file.nightly,
        verify: file.verify,
        verify_every: at_least("reconcile.verify_every", every, shortest, problems),
        time: time_of_day("reconcile.time", &file.time, problems)?,
    })
}

fn time_of_day(setting: &str, text: &str, problems: &mut Vec<ConfigProblem>) -> Option<Time> {
    let time = text.trim().parse::<Time>().ok();
    if time.is_none() {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{text}` is no time of day"),
            "Write it like 08:00",
        ));
    }
    time
}

fn weekday(name: &str) -> Option<Weekday> {
    match name.trim().to_lowercase().as_str() {
        "monday" => Some(Weekday::Monday),
        "tuesday" => Some(Weekday::Tuesday),
        "wednesday" => Some(Weekday::Wednesday),
        "thursday" => Some(Weekday::Thursday),
        "friday" => Some(Weekday::Friday),
        "saturday" => Some(Weekday::Saturday),
        "sunday" => Some(Weekday::Sunday),
        _ => None,
    }
}

fn tasks(file: &sources::TasksFile, problems: &mut Vec<ConfigProblem>) -> Tasks {
    for user in &file.users {
        vtiger_id("tasks.users", user, problems);
    }
    let group = Some(file.group.trim().to_owned()).filter(|group| !group.is_empty());
    if let Some(group) = &group {
        vtiger_id("tasks.group", group, problems);
    }
    if file.enabled && file.assign == Assign::Group && group.is_none() {
        problems.push(ConfigProblem::new(
            "tasks.group",
            "is missing, but tasks.assign is \"group\"",
            "Set it to the group's id, for example 20x3; `pugmark doctor` lists groups",
        ));
    }
    Tasks {
        enabled: file.enabled,
        assign: file.assign,
        users: file.users.clone(),
        role: role("tasks.role", &file.role, problems),
        group,
        due_days: file.due_days,
        open_status: file.open_status.clone(),
        closed_status: file.closed_status.clone(),
    }
}

fn vtiger_id(setting: &str, id: &str, problems: &mut Vec<ConfigProblem>) {
    if id.parse::<vtiger::RecordId>().is_err() {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{id}` is not a vTiger id"),
            "Use the form 19x5 (a user) or 20x3 (a group); `pugmark doctor` lists them",
        ));
    }
}

/// Role ids are the letter H and a number, in every vTiger.
fn role(setting: &str, text: &str, problems: &mut Vec<ConfigProblem>) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let number = text.strip_prefix('H').unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        problems.push(ConfigProblem::new(
            setting,
            format!("`{text}` is no vTiger role id"),
            "Use the form H5: it stands in the address of the role's page (Settings, Roles)",
        ));
    }
    Some(text.to_owned())
}

/// Checks where logins live. `None` when nothing is configured.
pub(super) fn check_supabase(
    raw: &sources::Raw,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Supabase> {
    let file = &raw.file.supabase;
    let url = file.url.trim();
    if url.is_empty() {
        return None;
    }
    let timeout = at_least(
        "supabase.call_timeout",
        &file.call_timeout,
        Duration::from_millis(100),
        problems,
    );
    let Some(service_key) = raw.secrets.supabase_service_key.clone() else {
        problems.push(ConfigProblem::new(
            "SUPABASE_SERVICE_ROLE_KEY",
            "is missing",
            "Copy the secret key (sb_secret_..., or the older service_role key) from the project's API settings",
        ));
        return None;
    };
    Some(Supabase {
        url: url.to_owned(),
        service_key,
        jwt_secret: raw.secrets.supabase_jwt_secret.clone(),
        call_timeout: timeout,
        allow_plain_http: file.allow_plain_http,
    })
}
