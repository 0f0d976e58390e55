//! The list of deliveries whose sender proved itself.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::shown::{ENDPOINTS, badge, place, proof};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::masking;
use crate::http::console::moment::{Moment, encoded};
use crate::http::console::person::Person;
use crate::store::webhook_deliveries::{self, Delivery, Sought};

/// Deliveries of a page.
const PAGE: u32 = 50;
/// Deliveries looked at for one page, however rare what is looked for.
const LOOKED_AT: i64 = 20_000;
/// Longer texts are cut.
const LONGEST: usize = 100;
const STATUSES: [(&str, &str); 3] = [
    ("ACCEPTED", "Accepted"),
    ("IGNORED", "Ignored"),
    ("UNUSABLE", "Unusable"),
];

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// `ACCEPTED`, `IGNORED` or `UNUSABLE`.
    status: String,
    /// Where they came in.
    place: String,
    /// Contained in the delivery.
    q: String,
    /// Older than the delivery with this number.
    before: String,
}

impl Asked {
    fn query(&self) -> String {
        format!(
            "status={}&place={}&q={}",
            encoded(&self.status),
            encoded(&self.place),
            encoded(&self.q)
        )
    }
}

struct Line {
    id: i64,
    place: String,
    class: &'static str,
    word: &'static str,
    proof: String,
    event: Option<String>,
    module: Option<String>,
    record: Option<String>,
    reason: Option<String>,
    operation: Option<String>,
    duplicates: i64,
    replays: i64,
    received: Moment,
}

struct Results {
    lines: Vec<Line>,
    next: Option<String>,
    cut_short: bool,
    filtered: bool,
}

#[derive(Template)]
#[template(path = "console/inbox/list.html")]
struct Page {
    frame: Frame,
    status: String,
    place: String,
    q: String,
    statuses: [(&'static str, &'static str); 3],
    places: [(&'static str, &'static str); 4],
    refresh: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/inbox/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /inbox`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Page {
            frame,
            refresh: format!(
                "/console/inbox?{}&before={}",
                asked.query(),
                encoded(&asked.before)
            ),
            status: asked.status,
            place: asked.place,
            q: asked.q,
            statuses: STATUSES,
            places: ENDPOINTS,
            results,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/inbox`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Live { results }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, DbError> {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let mut conn = state.db.read().await?;
    let Some((oldest, newest)) = webhook_deliveries::bounds(&mut conn).await? else {
        return Ok(Results {
            lines: Vec::new(),
            next: None,
            cut_short: false,
            filtered: false,
        });
    };
    let before: i64 = asked.before.parse().unwrap_or(i64::MAX);
    let before = before.min(newest.saturating_add(1));
    let known = |list: &[(&'static str, &'static str)], word: &str| {
        let found = list.iter().find(|(known, _)| *known == word);
        found.map(|(known, _)| *known)
    };
    let text = asked.q.trim().chars().filter(|letter| *letter != '\0');
    let text: String = text.take(LONGEST).collect();
    let (status, endpoint) = (
        known(&STATUSES, &asked.status),
        known(&ENDPOINTS, &asked.place),
    );
    // By status alone the index finds them all.
    let bounded = endpoint.is_some() || !text.is_empty();
    let from = bounded.then(|| before.saturating_sub(LOOKED_AT));
    let sought = Sought {
        status,
        endpoint,
        text: Some(text).filter(|text| !text.is_empty()),
        before: Some(before),
        from,
        limit: PAGE + 1,
    };
    let mut found = webhook_deliveries::glance(&mut conn, &sought).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let full = found.len() > page;
    found.truncate(page);
    let cut_short = !full && from.is_some_and(|from| from > oldest);
    let next = match found.last() {
        Some(last) if full => Some(last.id),
        _ => from.filter(|_| cut_short),
    };
    let lines = found.into_iter();
    Ok(Results {
        lines: lines
            .map(|delivery| line(delivery, personal, now))
            .collect(),
        next: next.map(|before| format!("/inbox?{}&before={before}", asked.query())),
        cut_short,
        filtered: bounded || status.is_some(),
    })
}

fn line(delivery: Delivery, personal: bool, now: Ts) -> Line {
    let (class, word) = badge(&delivery.status);
    let told = |text: Option<String>| text.map(|text| masking::told(&text, personal));
    Line {
        id: delivery.id,
        place: place(&delivery.endpoint).to_owned(),
        class,
        word,
        proof: proof(&delivery.proof, delivery.secret_number),
        reason: told(delivery.reason),
        operation: delivery.operation_id.map(|id| id.to_string()),
        received: Moment::of(delivery.received_at, now),
        event: told(delivery.event),
        module: told(delivery.module),
        record: told(delivery.record_id),
        duplicates: delivery.duplicates,
        replays: delivery.replays,
    }
}
