//! `/system/checkup`: what `pugmark doctor` finds, asked from here.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};

use crate::doctor::{Finding, Mark};
use crate::http::AppState;
use crate::http::console::frame::{Frame, go, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::http::system::Checkup;
use crate::store::audit;

const HERE: &str = "/system/checkup";

#[derive(Template)]
#[template(path = "console/system/checkup.html")]
struct Page {
    frame: Frame,
    shown: Shown,
}

#[derive(Template)]
#[template(path = "console/system/checkup.html", block = "live")]
struct Live {
    shown: Shown,
}

/// How far it is.
struct Shown {
    running: Option<(Moment, String)>,
    done: Option<(Moment, String)>,
    problems: usize,
    warnings: usize,
    findings: Vec<Line>,
}

struct Line {
    badge: (&'static str, &'static str),
    what: String,
    said: String,
    fix: Option<String>,
}

/// `GET /system/checkup`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
) -> Response {
    let shown = shown(&state.system.checkup());
    show(&Page { frame, shown })
}

/// `GET /console/system/checkup`
pub(in crate::http::console) async fn fragment(State(state): State<AppState>) -> Response {
    let shown = shown(&state.system.checkup());
    show(&Live { shown })
}

/// `POST /system/checkup`
pub(in crate::http::console) async fn check(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
) -> Response {
    if let Err(error) = note(&state, &person, &frame).await {
        return store_down(&frame, &error);
    }
    match state.system.check(person.name.clone()) {
        true => go(HERE, "Everything is being checked."),
        false => go(HERE, "Somebody has it checked already."),
    }
}

async fn note(state: &AppState, person: &Person, frame: &Frame) -> Result<(), DbError> {
    let (actor, correlation_id) = (person.actor(), frame.correlation_id.clone());
    let write = state.db.write("checkup", move |conn| {
        Box::pin(async move {
            let entry = audit::Entry {
                actor: &actor,
                action: "system.check",
                subject: "this process",
                reason: None,
                correlation_id: Some(&correlation_id),
            };
            audit::record(conn, Ts::now(), &entry).await
        })
    });
    write.await
}

fn shown(checkup: &Checkup) -> Shown {
    let now = Ts::now();
    let (running, done, findings): (_, _, &[Finding]) = match checkup {
        Checkup::Never => (None, None, &[]),
        Checkup::Running { since, by } => (Some((Moment::of(*since, now), by.clone())), None, &[]),
        Checkup::Done { at, by, findings } => {
            (None, Some((Moment::of(*at, now), by.clone())), findings)
        }
    };
    let count = |mark| findings.iter().filter(|found| found.mark == mark).count();
    let mut lines: Vec<&Finding> = findings.iter().collect();
    // What needs somebody comes first; what belongs together stays together.
    lines.sort_by_key(|found| match found.mark {
        Mark::Problem => 0,
        Mark::Warning => 1,
        Mark::Ok => 2,
    });
    Shown {
        running,
        done,
        problems: count(Mark::Problem),
        warnings: count(Mark::Warning),
        findings: lines.into_iter().map(line).collect(),
    }
}

fn line(found: &Finding) -> Line {
    Line {
        badge: match found.mark {
            Mark::Ok => ("good", "Fine"),
            Mark::Warning => ("wait", "Warning"),
            Mark::Problem => ("bad", "Problem"),
        },
        what: found.what.clone(),
        said: found.said.clone(),
        fix: found.fix.clone(),
    }
}
