//! Home: is it fine?

mod charts;
mod flows;
mod forecast;
mod lamps;
mod problems;

use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::Ts;

use super::frame::{Frame, show, store_down};
use crate::http::AppState;
use crate::http::api::status::{self, StatusBody, age, grouped};
use crate::store::{alerts, flow_figures};
use crate::telemetry::alerts::trouble;
use charts::Chart;
use flows::Fresh;
use forecast::Pace;
use lamps::Lamp;
use problems::Open;

/// The present rate is that of so many minutes.
const PRESENT: i64 = 15;

/// The whole page.
#[derive(Template)]
#[template(path = "console/home.html")]
struct Page {
    frame: Frame,
    home: Home,
}

/// Only what changes, for the script that refreshes the page.
#[derive(Template)]
#[template(path = "console/home.html", block = "live")]
struct Live {
    home: Home,
}

struct Home {
    status: StatusBody,
    verdict: Verdict,
    tiles: Vec<Tile>,
    lamps: Vec<Lamp>,
    flows: Vec<Fresh>,
    problems: Vec<Open>,
    more_problems: usize,
    backlog: String,
    calls: String,
    charts: [Chart; 2],
}

/// How the first glance is answered: by colour, and by a word for those who see none.
struct Verdict {
    class: &'static str,
    word: &'static str,
}

struct Tile {
    label: &'static str,
    value: String,
    note: String,
    class: &'static str,
    /// Where what it counts is listed.
    list: Option<&'static str>,
}

/// `GET /`
pub(super) async fn page(State(state): State<AppState>, frame: Frame) -> Response {
    match gather(&state).await {
        Ok(home) => show(&Page { frame, home }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/home`
pub(super) async fn fragment(State(state): State<AppState>, frame: Frame) -> Response {
    match gather(&state).await {
        Ok(home) => show(&Live { home }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState) -> Result<Home, String> {
    let said = |error: pugmark_queue::db::DbError| error.to_string();
    let (began, now) = (Instant::now(), Ts::now());
    let gathered = status::gather(state).await;
    let (status, backlog) = gathered.map_err(|error| error.message)?;
    let mut conn = state.db.read().await.map_err(said)?;
    let known = flow_figures::flows(&mut conn).await.map_err(said)?;
    let hours = flow_figures::hours(&mut conn, charts::since(now))
        .await
        .map_err(said)?;
    let present = Duration::from_secs(60 * PRESENT.unsigned_abs());
    let present = flow_figures::since(&mut conn, now.before(present))
        .await
        .map_err(said)?;
    let troubles = alerts::troubles(&mut conn, trouble::FRESH, now)
        .await
        .map_err(said)?;
    let mut problems = problems::open(&mut conn, now).await.map_err(said)?;
    drop(conn);
    let sum = |of: fn(&flow_figures::Figures) -> i64| present.iter().map(of).sum();
    let pace = Pace {
        minutes: PRESENT,
        queued: sum(|figures| figures.queued),
        done: sum(|figures| figures.done),
        calls: sum(|figures| figures.calls),
    };
    let quota = state
        .vtiger
        .as_ref()
        .map(|crm| crm.client.quota())
        .unwrap_or_default();
    let calls_of_day = hours.iter().map(|(_, figures)| figures.calls).sum();
    let seen = lamps::Seen {
        troubles: &troubles,
        store_took: began.elapsed(),
        now,
    };
    let more_problems = problems.len().saturating_sub(problems::SHOWN);
    problems.truncate(problems::SHOWN);
    Ok(Home {
        verdict: verdict(&status),
        tiles: tiles(&status),
        lamps: lamps::lamps(state, &status, &seen),
        flows: flows::flows(&backlog, &known, &hours, now),
        backlog: pace.backlog(status.waiting),
        calls: pace.calls(&quota, calls_of_day),
        charts: charts::charts(&hours, now),
        problems,
        more_problems,
        status,
    })
}

fn verdict(status: &StatusBody) -> Verdict {
    match (status.fine, status.dead) {
        (true, _) => Verdict {
            class: "good",
            word: "Fine",
        },
        (false, 0) => Verdict {
            class: "wait",
            word: "Waiting",
        },
        (false, _) => Verdict {
            class: "bad",
            word: "Needs a person",
        },
    }
}

fn tiles(status: &StatusBody) -> Vec<Tile> {
    let synced = status.customers.get("SYNCED").copied().unwrap_or(0);
    let known: i64 = status.customers.values().sum();
    let oldest = status.oldest_waiting_seconds.map_or_else(
        || "nothing waits".to_owned(),
        |seconds| format!("oldest {}", age(seconds)),
    );
    let proof = &status.proof;
    vec![
        Tile {
            label: "Customers in step",
            value: format!("{} of {}", grouped(synced), grouped(known)),
            note: "both sides last agreed".to_owned(),
            class: if synced == known { "good" } else { "" },
            list: None,
        },
        Tile {
            label: "Proved equal",
            value: format!("{} of {}", grouped(proof.proved), grouped(proof.contacts)),
            note: proof.oldest_seconds.map_or_else(
                || "contacts, compared bit by bit".to_owned(),
                |seconds| format!("contacts, oldest proof {}", age(seconds)),
            ),
            class: if proof.proved == proof.contacts {
                "good"
            } else {
                ""
            },
            list: None,
        },
        Tile {
            label: "Waiting",
            value: grouped(status.waiting + status.unplanned),
            note: oldest,
            class: "",
            list: Some("/operations?q=status:waiting"),
        },
        Tile {
            label: "Being delivered",
            value: grouped(status.delivering),
            note: "right now".to_owned(),
            class: "",
            list: Some("/operations?q=status:running"),
        },
        Tile {
            label: "Need a person",
            value: grouped(status.dead),
            note: match status.dead {
                0 => "no dead letters",
                _ => "what failed, and what to do",
            }
            .to_owned(),
            class: if status.dead == 0 { "good" } else { "bad" },
            list: Some("/problems"),
        },
        Tile {
            label: "Alerts",
            value: grouped(status.alerts),
            note: match status.alerts {
                0 => "nothing is the matter",
                _ => "people were told",
            }
            .to_owned(),
            class: if status.alerts == 0 { "good" } else { "bad" },
            list: Some("/alerts"),
        },
    ]
}
