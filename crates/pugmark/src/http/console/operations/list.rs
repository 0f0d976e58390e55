//! The list of operations, by filter. The address is the filter, so it can be kept and handed on.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use pugmark_queue::db::Ts;
use pugmark_queue::{Cursor, OperationId, QueueError, Search, Standing};
use serde::Deserialize;

use super::line::Line;
use crate::desk::filter::{self, Misunderstood};
use crate::http::AppState;
use crate::http::console::filters::{Filtered, Kept};
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::encoded;
use crate::http::console::person::Person;
use crate::store::bulk_runs::{self, Run};

/// Operations of a page.
const PAGE: u32 = 50;

/// Filters that are one click away.
const PRESETS: [(&str, &str); 8] = [
    ("All", ""),
    ("Dead", "status:dead"),
    ("Retrying", "status:retrying"),
    ("Blocked", "status:blocked"),
    ("Running", "status:running"),
    ("Waiting over an hour", "status:waiting older:1h"),
    ("Done today", "status:done newer:1d"),
    ("Discarded", "status:discarded"),
];

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// The filter.
    q: String,
    /// Where the page begins.
    cursor: String,
}

struct Preset {
    label: &'static str,
    query: String,
    current: bool,
}

struct Results {
    lines: Vec<Line>,
    wrong: Vec<Misunderstood>,
    /// Address of the next page.
    next: Option<String>,
    /// The page ended because enough was looked at.
    cut_short: bool,
    /// It is not the first page.
    further: bool,
    /// The filter as part of an address.
    query: String,
    /// Runs that are under way, or have ended a moment ago.
    runs: Vec<Run>,
    /// Some are dead letters, and the person may act on those that are ticked.
    pick: bool,
}

#[derive(Template)]
#[template(path = "console/operations/list.html")]
struct Page {
    frame: Frame,
    q: String,
    presets: Vec<Preset>,
    filters: [(&'static str, &'static str); 10],
    refresh: String,
    /// The person may act on all of them at once.
    bulk: bool,
    kept: Kept,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/operations/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /operations`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    // Whoever pastes the id of an operation means that operation.
    if let Ok(id) = asked.q.trim().parse::<OperationId>()
        && matches!(state.queue.get(id).await, Ok(Some(_)))
    {
        return Redirect::to(&format!("/operations/{id}")).into_response();
    }
    let (results, dead) = match gather(&state, &person, &asked).await {
        Ok(gathered) => gathered,
        Err(error) => return store_down(&frame, &error),
    };
    let kept = async {
        let mut conn = state.db.read().await?;
        Kept::read(&mut conn, &person, Filtered::Operations, &[("q", &asked.q)]).await
    };
    let kept = match kept.await {
        Ok(kept) => kept,
        Err(error) => return store_down(&frame, &error),
    };
    let bulk = dead && person.may_change() && !results.lines.is_empty();
    let presets = PRESETS.map(|(label, filter)| Preset {
        label,
        query: encoded(filter),
        current: asked.q.trim() == filter,
    });
    show(&Page {
        refresh: format!(
            "/console/operations?q={}&cursor={}",
            encoded(&asked.q),
            encoded(&asked.cursor)
        ),
        frame,
        q: asked.q,
        presets: presets.into(),
        filters: filter::FILTERS,
        bulk,
        kept,
        results,
    })
}

/// `GET /console/operations`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok((results, _)) => show(&Live { results }),
        Err(error) => store_down(&frame, &error),
    }
}

/// The results, and whether they are dead letters all.
async fn gather(
    state: &AppState,
    person: &Person,
    asked: &Asked,
) -> Result<(Results, bool), QueueError> {
    let now = Ts::now();
    let mut results = Results {
        lines: Vec::new(),
        wrong: Vec::new(),
        next: None,
        cut_short: false,
        further: false,
        query: encoded(asked.q.trim()),
        runs: recent_runs(state, now).await?,
        pick: false,
    };
    let search: Search = match filter::parse(&asked.q, now) {
        Ok(search) => search,
        Err(wrong) => {
            results.wrong = wrong;
            return Ok((results, false));
        }
    };
    let cursor: Option<Cursor> = asked.cursor.parse().ok();
    results.further = cursor.is_some();
    let sought = state.queue.search(&search, cursor, PAGE).await?;
    let personal = person.sees_personal();
    results.lines = sought
        .operations
        .into_iter()
        .map(|record| Line::of(record, personal, now))
        .collect();
    results.pick = person.may_change() && results.lines.iter().any(|line| line.dead);
    results.cut_short = sought.cut_short;
    let query = &results.query;
    results.next = sought
        .next
        .map(|next| format!("/operations?q={query}&cursor={next}"));
    Ok((results, search.standing == Some(Standing::Dead)))
}

async fn recent_runs(state: &AppState, now: Ts) -> Result<Vec<Run>, QueueError> {
    let recently = now.before(std::time::Duration::from_secs(60));
    let mut runs = bulk_runs::latest(&mut state.db.read().await?, 5).await?;
    runs.retain(|run| run.ended_at.is_none_or(|ended| ended > recently));
    Ok(runs)
}
