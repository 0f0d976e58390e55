//! Home: is it fine?

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::Ts;

use super::frame::{Frame, show, store_down};
use crate::http::AppState;
use crate::http::api::status::{self, StatusBody, age, grouped};

/// The whole page.
#[derive(Template)]
#[template(path = "console/home.html")]
struct Page {
    frame: Frame,
    status: StatusBody,
    lamp: Lamp,
    tiles: Vec<Tile>,
    finished: Vec<Finished>,
    crm: String,
}

/// Only what changes, for the script that refreshes the page.
#[derive(Template)]
#[template(path = "console/home.html", block = "live")]
struct Live {
    status: StatusBody,
    lamp: Lamp,
    tiles: Vec<Tile>,
    finished: Vec<Finished>,
    crm: String,
}

/// How the first glance is answered: by colour, and by a word for those who see none.
struct Lamp {
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

/// What was finished in the last day, by kind.
struct Finished {
    kind: String,
    count: i64,
}

/// `GET /`
pub(super) async fn page(State(state): State<AppState>, frame: Frame) -> Response {
    match gather(&state).await {
        Ok((status, lamp, tiles, finished, crm)) => show(&Page {
            frame,
            status,
            lamp,
            tiles,
            finished,
            crm,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/home`
pub(super) async fn fragment(State(state): State<AppState>, frame: Frame) -> Response {
    match gather(&state).await {
        Ok((status, lamp, tiles, finished, crm)) => show(&Live {
            status,
            lamp,
            tiles,
            finished,
            crm,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

type Gathered = (StatusBody, Lamp, Vec<Tile>, Vec<Finished>, String);

async fn gather(state: &AppState) -> Result<Gathered, String> {
    let status = status::gather(state).await.map_err(|error| error.message)?;
    let since = Ts::now().before(std::time::Duration::from_secs(24 * 3600));
    let finished = state
        .queue
        .completed_since(since)
        .await
        .map_err(|error| error.to_string())?;
    let finished = finished
        .into_iter()
        .map(|(kind, count)| Finished { kind, count })
        .collect();
    let lamp = lamp(&status);
    let tiles = tiles(&status);
    let crm = state
        .crm
        .as_ref()
        .map_or_else(|| "none".to_owned(), |crm| crm.url.clone());
    Ok((status, lamp, tiles, finished, crm))
}

fn lamp(status: &StatusBody) -> Lamp {
    match (status.fine, status.dead) {
        (true, _) => Lamp {
            class: "good",
            word: "Fine",
        },
        (false, 0) => Lamp {
            class: "wait",
            word: "Waiting",
        },
        (false, _) => Lamp {
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
    vec![
        Tile {
            label: "Customers in step",
            value: format!("{synced} of {known}"),
            note: "both sides last agreed".to_owned(),
            class: if synced == known { "good" } else { "" },
            list: None,
        },
        Tile {
            label: "Proved equal",
            value: format!(
                "{} of {}",
                grouped(status.proof.proved),
                grouped(status.proof.contacts)
            ),
            note: status.proof.oldest_seconds.map_or_else(
                || "contacts, compared bit by bit".to_owned(),
                |seconds| format!("contacts, oldest proof {}", age(seconds)),
            ),
            class: if status.proof.proved == status.proof.contacts {
                "good"
            } else {
                ""
            },
            list: None,
        },
        Tile {
            label: "Waiting",
            value: (status.waiting + status.unplanned).to_string(),
            note: oldest,
            class: "",
            list: Some("/operations?q=status:waiting"),
        },
        Tile {
            label: "Being delivered",
            value: status.delivering.to_string(),
            note: "right now".to_owned(),
            class: "",
            list: Some("/operations?q=status:running"),
        },
        Tile {
            label: "Need a person",
            value: status.dead.to_string(),
            note: if status.dead == 0 {
                "no dead letters"
            } else {
                "what failed, and what to do"
            }
            .to_owned(),
            class: if status.dead == 0 { "good" } else { "bad" },
            list: Some("/problems"),
        },
    ]
}
