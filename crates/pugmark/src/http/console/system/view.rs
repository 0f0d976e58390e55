//! `/system`: processes, the leader, and what they talk to.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::{Engine, Ts};
use pugmark_queue::{QueueError, UnderWay};

use crate::app::SILENT;
use crate::config::{self, CrmEdition};
use crate::http::AppState;
use crate::http::api::broker::BrokerBody;
use crate::http::api::leader::LeaderBody;
use crate::http::api::shared::RedisBody;
use crate::http::api::status;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::store::processes::{self, Process};
use crate::store::versions::{self, Applied};
use crate::store::{self, SliceMode, leader_lease};

#[derive(Template)]
#[template(path = "console/system/view.html")]
struct Page {
    frame: Frame,
    may_change: bool,
    stands: Stands,
}

#[derive(Template)]
#[template(path = "console/system/view.html", block = "live")]
struct Live {
    stands: Stands,
}

/// How everything stands.
struct Stands {
    processes: Vec<Row>,
    /// Workers that no process has entered itself for.
    strangers: Vec<UnderWay>,
    parts: Vec<Part>,
    versions: Vec<(&'static str, String)>,
    migrations: Vec<Applied>,
}

/// A process.
struct Row {
    name: String,
    here: bool,
    leads: bool,
    roles: String,
    version: String,
    badge: (&'static str, &'static str),
    started: Moment,
    seen: Moment,
    /// Operations that its workers hold.
    holds: i64,
}

/// Something that Pugmark talks to or relies on.
struct Part {
    name: &'static str,
    badge: (&'static str, String),
    words: String,
}

/// `GET /system`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
) -> Response {
    match gather(&state).await {
        Ok(stands) => show(&Page {
            may_change: person.may_change(),
            frame,
            stands,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/system`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
) -> Response {
    match gather(&state).await {
        Ok(stands) => show(&Live { stands }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState) -> Result<Stands, QueueError> {
    let now = Ts::now();
    let under_way = state.queue.under_way().await?;
    let mut conn = state.db.read().await?;
    let running = processes::all(&mut conn).await?;
    let standing = leader_lease::standing(&mut conn).await?;
    let tables = store::slice_mode(&mut conn).await?;
    let database = versions::of_database(&mut conn).await?;
    let migrations = versions::migrations(&mut conn).await?;
    drop(conn);
    let leader = LeaderBody::of(&standing, &state.process);
    let rows = running
        .iter()
        .map(|process| row(process, state, &leader, &under_way, now))
        .collect();
    let strangers = under_way
        .into_iter()
        .filter(|held| !running.iter().any(|process| is_of(held, process)))
        .collect();
    Ok(Stands {
        processes: rows,
        strangers,
        parts: parts(state, &leader, tables),
        versions: vec![
            ("Pugmark", env!("CARGO_PKG_VERSION").to_owned()),
            (engine(state), database),
            (
                "Newest migration",
                migrations
                    .first()
                    .map_or_else(String::new, |newest| newest.version.to_string()),
            ),
        ],
        migrations,
    })
}

/// A worker for Maxio bears its process's name with a word behind it.
fn is_of(held: &UnderWay, process: &Process) -> bool {
    let rest = held.owner.strip_prefix(&process.process);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn row(
    process: &Process,
    state: &AppState,
    leader: &LeaderBody,
    under_way: &[UnderWay],
    now: Ts,
) -> Row {
    let silent = now.since(process.seen_at) > SILENT;
    let held = under_way.iter().filter(|held| is_of(held, process));
    Row {
        here: *process.process == *state.process,
        leads: leader.process.as_deref() == Some(process.process.as_str()),
        name: process.process.clone(),
        roles: process.roles.clone(),
        version: process.version.clone(),
        badge: match silent {
            true => ("bad", "Silent"),
            false => ("good", "Running"),
        },
        started: Moment::of(process.started_at, now),
        seen: Moment::of(process.seen_at, now),
        holds: held.map(|held| held.operations).sum(),
    }
}

fn engine(state: &AppState) -> &'static str {
    match state.db.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    }
}

fn parts(state: &AppState, leader: &LeaderBody, tables: SliceMode) -> Vec<Part> {
    let url = config::mask_url(&state.system.settings.database.url);
    let tables = match tables {
        SliceMode::Standalone => "the tables are Pugmark's own",
        SliceMode::Attached => "attached to MicroBima's own tables",
    };
    vec![
        Part {
            name: "Store",
            badge: ("good", "up".to_owned()),
            words: format!("{} at {url}; {tables}", engine(state)),
        },
        Part {
            name: "Work by the clock",
            badge: match leader.missing {
                true => ("bad", "nobody".to_owned()),
                false => ("good", "up".to_owned()),
            },
            words: format!("{}; term {}", leader.words, leader.term),
        },
        crm(state),
        link("Maxio", status::maxio_state(state), maxio_address(state)),
        broker(state),
        redis(state),
        match &state.system.settings.supabase {
            Some(supabase) => link("Supabase", "configured", supabase.url.clone()),
            None => link("Supabase", "not configured", String::new()),
        },
    ]
}

fn crm(state: &AppState) -> Part {
    let word = status::crm_state(state);
    let words = state.crm.as_ref().map_or_else(String::new, |crm| {
        let edition = match crm.edition {
            CrmEdition::OpenSource => "open source",
            CrmEdition::Cloud => "Cloud",
        };
        let mode = state.mode;
        format!(
            "{edition} at {}, as {}; mode {mode}",
            config::mask_url(&crm.url),
            crm.username
        )
    });
    link("vTiger", word, words)
}

fn maxio_address(state: &AppState) -> String {
    let maxio = state.maxio.as_ref();
    maxio.map_or_else(String::new, |maxio| config::mask_url(maxio.url.as_str()))
}

fn broker(state: &AppState) -> Part {
    match state.broker.as_ref().map(BrokerBody::of) {
        Some(broker) => {
            let consuming = match broker.consuming {
                true => "messages are taken in here",
                false => "no messages are taken in here",
            };
            link(
                "RabbitMQ",
                broker.state,
                format!("{}; {consuming}", broker.words),
            )
        }
        None => link(
            "RabbitMQ",
            "not configured",
            "workers are woken without it".to_owned(),
        ),
    }
}

fn redis(state: &AppState) -> Part {
    match state.shared.as_ref().map(RedisBody::of) {
        Some(redis) => link("Redis", redis.state, redis.words),
        None => link(
            "Redis",
            "not configured",
            "each process goes by itself".to_owned(),
        ),
    }
}

fn link(name: &'static str, word: &str, words: String) -> Part {
    let class = match word {
        "ok" | "up" | "configured" => "good",
        "down" => "bad",
        "not configured" => "",
        _ => "wait",
    };
    Part {
        name,
        badge: (class, word.to_owned()),
        words,
    }
}
