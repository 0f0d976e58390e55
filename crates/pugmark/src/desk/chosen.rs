//! What people choose in the console instead of what the settings say: when the weekly summary is made, and who gets tasks.
//! It is kept in the store, so that every process of it follows, and goes before file and environment until it is taken back.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use pugmark_queue::db::{Conn, Db, DbError, Ts};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Actor;
use crate::config::{Assign, Insurance, Summary, Tasks};
use crate::store::settings;

/// Under these names the choices are kept.
const SUMMARY: &str = "chosen.summary";
const TASKS: &str = "chosen.tasks";

/// The days of a week by the words of the settings.
pub const DAYS: [(&str, &str, Weekday); 7] = [
    ("monday", "Monday", Weekday::Monday),
    ("tuesday", "Tuesday", Weekday::Tuesday),
    ("wednesday", "Wednesday", Weekday::Wednesday),
    ("thursday", "Thursday", Weekday::Thursday),
    ("friday", "Friday", Weekday::Friday),
    ("saturday", "Saturday", Weekday::Saturday),
    ("sunday", "Sunday", Weekday::Sunday),
];

/// Who chose something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Name for people.
    pub who: String,
    /// When.
    pub at: Ts,
}

/// When the weekly summary is made, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryChoice {
    /// Whether it is made by itself.
    pub enabled: bool,
    /// `monday` to `sunday`.
    pub day: String,
    /// `08:00`.
    pub time: String,
    /// `Africa/Nairobi`: in which that time is meant.
    pub zone: String,
}

/// When the weekly summary is made.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Whether, on which day, at what time; the rest is as in the settings.
    pub summary: Summary,
    /// In which that time is meant. On which week a payment counts is decided by the zone of [`Insurance`] all the same.
    pub zone: TimeZone,
    /// Who chose it; `None`: the settings.
    pub by: Option<By>,
}

/// A user or group of the CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `19x5`.
    pub id: String,
    /// As people knew them when they were chosen; may be empty.
    pub name: String,
}

/// Who gets the tasks of missing requirements, as somebody chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksChoice {
    /// `each`, `round_robin` or `group`.
    pub assign: String,
    /// Users.
    pub users: Vec<Named>,
    /// A role (`H7`), all of whose active users are chosen, too.
    pub role: Option<String>,
    /// The group, for `group`.
    pub group: Option<Named>,
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    choice: T,
    by: By,
}

/// Why a choice is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The store.
    #[error("the store does not answer")]
    Store(#[from] DbError),
    /// What is wrong with it.
    #[error("{0}")]
    Wrong(String),
}

impl SummaryChoice {
    /// Day, time and zone of a choice.
    ///
    /// # Errors
    /// What is wrong with it, in words for people.
    pub fn read(&self) -> Result<(Weekday, Time, TimeZone), String> {
        let day = DAYS.iter().find(|(word, _, _)| *word == self.day);
        let (_, _, day) = day.ok_or("The day must be one of Monday to Sunday.")?;
        let time = self.time.trim().parse();
        let time =
            time.map_err(|_| format!("`{}` is no time of day; write it like 08:00.", self.time))?;
        let zone = TimeZone::get(self.zone.trim());
        let zone = zone.map_err(|_| {
            format!(
                "`{}` is no time zone; write it like Africa/Nairobi.",
                self.zone
            )
        })?;
        Ok((*day, time, zone))
    }
}

impl TasksChoice {
    /// The settings with this choice in the place of theirs.
    ///
    /// # Errors
    /// What is wrong with it, in words for people.
    pub fn over(&self, settings: &Tasks) -> Result<Tasks, String> {
        let assign = match self.assign.as_str() {
            "each" => Assign::Each,
            "round_robin" => Assign::RoundRobin,
            "group" => Assign::Group,
            _ => return Err("Choose how tasks are shared.".to_owned()),
        };
        for one in self.users.iter().chain(&self.group) {
            if one.id.parse::<vtiger::RecordId>().is_err() {
                return Err(format!(
                    "`{}` is no id of vTiger; write it like 19x5, with the name behind it.",
                    one.id
                ));
            }
        }
        if let Some(role) = &self.role {
            let number = role.strip_prefix('H').unwrap_or_default();
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!(
                    "`{role}` is no role id of vTiger; write it like H5."
                ));
            }
        }
        if assign == Assign::Group && self.group.is_none() {
            return Err("Choose the group that gets the tasks.".to_owned());
        }
        Ok(Tasks {
            assign,
            users: self.users.iter().map(|user| user.id.clone()).collect(),
            role: self.role.clone(),
            group: self.group.as_ref().map(|group| group.id.clone()),
            ..settings.clone()
        })
    }
}

/// When the weekly summary is made.
///
/// # Errors
/// Whatever the database says.
pub async fn schedule(conn: &mut Conn, insurance: &Insurance) -> Result<Schedule, DbError> {
    let of_settings = Schedule {
        summary: insurance.summary.clone(),
        zone: insurance.zone.clone(),
        by: None,
    };
    let Some(kept) = kept::<SummaryChoice>(conn, SUMMARY).await? else {
        return Ok(of_settings);
    };
    Ok(match kept.choice.read() {
        Ok((day, time, zone)) => Schedule {
            summary: Summary {
                enabled: kept.choice.enabled,
                day,
                time,
                ..insurance.summary.clone()
            },
            zone,
            by: Some(kept.by),
        },
        // Only a system without this time zone: what was chosen elsewhere cannot be followed here.
        Err(wrong) => {
            tracing::error!(
                wrong,
                "the chosen time of the weekly summary cannot be read; the settings count"
            );
            of_settings
        }
    })
}

/// Who gets tasks, in the place of what the settings say.
///
/// # Errors
/// Whatever the database says.
pub async fn tasks(conn: &mut Conn, settings: &Tasks) -> Result<Tasks, DbError> {
    let kept = kept::<TasksChoice>(conn, TASKS).await?;
    let over = kept.and_then(|kept| kept.choice.over(settings).ok());
    Ok(over.unwrap_or_else(|| settings.clone()))
}

/// Who gets tasks, as somebody chose it; `None`: the settings count.
///
/// # Errors
/// Whatever the database says.
pub async fn tasks_choice(conn: &mut Conn) -> Result<Option<(TasksChoice, By)>, DbError> {
    let kept = kept::<TasksChoice>(conn, TASKS).await?;
    Ok(kept.map(|kept| (kept.choice, kept.by)))
}

/// Chooses when the weekly summary is made; `None` takes the choice back.
///
/// # Errors
/// [`Refusal`].
pub async fn choose_summary(
    db: &Db,
    choice: Option<SummaryChoice>,
    actor: Actor,
) -> Result<(), Refusal> {
    let said = match &choice {
        Some(choice) => {
            choice.read().map_err(Refusal::Wrong)?;
            match choice.enabled {
                true => format!("{} {} {}", choice.day, choice.time, choice.zone),
                false => "switched off".to_owned(),
            }
        }
        None => "as in the settings".to_owned(),
    };
    keep(db, SUMMARY, ("settings.summary", said), choice, actor).await
}

/// Chooses who gets tasks; `None` takes the choice back.
///
/// # Errors
/// [`Refusal`].
pub async fn choose_tasks(
    db: &Db,
    settings: &Tasks,
    choice: Option<TasksChoice>,
    actor: Actor,
) -> Result<(), Refusal> {
    let said = match &choice {
        Some(choice) => {
            choice.over(settings).map_err(Refusal::Wrong)?;
            let chosen = choice.users.iter().chain(&choice.group);
            let mut ids: Vec<&str> = chosen.map(|one| one.id.as_str()).collect();
            ids.extend(choice.role.as_deref());
            format!("{} {}", choice.assign, ids.join(" "))
        }
        None => "as in the settings".to_owned(),
    };
    keep(db, TASKS, ("settings.tasks", said), choice, actor).await
}

async fn kept<T: serde::de::DeserializeOwned>(
    conn: &mut Conn,
    name: &str,
) -> Result<Option<Kept<T>>, DbError> {
    let value = settings::get(conn, name).await?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

async fn keep<T: Serialize>(
    db: &Db,
    name: &'static str,
    (action, said): (&'static str, String),
    choice: Option<T>,
    actor: Actor,
) -> Result<(), Refusal> {
    if actor.reason.is_empty() {
        let what = "Say why, for the audit log.";
        return Err(Refusal::Wrong(what.to_owned()));
    }
    let now = Ts::now();
    let by = By {
        who: actor.name.to_string(),
        at: now,
    };
    let value = match choice {
        Some(choice) => serde_json::to_value(Kept { choice, by })
            .map_err(|error| Refusal::Wrong(error.to_string()))?,
        None => Value::Null,
    };
    let write = db.write("choose a setting", move |conn| {
        Box::pin(async move {
            settings::put(conn, name, &value, now).await?;
            super::note(conn, action, &said, &actor).await
        })
    });
    Ok(write.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(assign: &str, users: &[&str], group: Option<&str>) -> TasksChoice {
        let named = |id: &str| Named {
            id: id.to_owned(),
            name: String::new(),
        };
        TasksChoice {
            assign: assign.to_owned(),
            users: users.iter().map(|id| named(id)).collect(),
            role: None,
            group: group.map(named),
        }
    }

    #[test]
    fn a_choice_of_assignees_is_read_or_says_what_is_wrong_with_it() {
        let settings = Insurance::default().tasks;
        let each = choice("each", &["19x5", "19x6"], None)
            .over(&settings)
            .unwrap();
        assert_eq!(each.users, ["19x5", "19x6"]);
        assert_eq!(each.due_days, settings.due_days);
        assert!(choice("group", &[], Some("20x3")).over(&settings).is_ok());
        for wrong in [
            choice("", &[], None),
            choice("each", &["5"], None),
            choice("group", &[], None),
            choice("group", &[], Some("x")),
        ] {
            assert!(wrong.over(&settings).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_choice_of_day_time_and_zone_is_read_or_says_what_is_wrong_with_it() {
        let of = |day: &str, time: &str, zone: &str| {
            let choice = SummaryChoice {
                enabled: true,
                day: day.to_owned(),
                time: time.to_owned(),
                zone: zone.to_owned(),
            };
            choice.read().map(|(day, time, _)| (day, time.to_string()))
        };
        let read = of("friday", "16:30", "Africa/Nairobi").unwrap();
        assert_eq!(read, (Weekday::Friday, "16:30:00".to_owned()));
        assert!(
            of("someday", "16:30", "UTC")
                .unwrap_err()
                .contains("Monday")
        );
        assert!(
            of("friday", "half past", "UTC")
                .unwrap_err()
                .contains("08:00")
        );
        assert!(
            of("friday", "16:30", "Nairobi")
                .unwrap_err()
                .contains("time zone")
        );
    }
}
