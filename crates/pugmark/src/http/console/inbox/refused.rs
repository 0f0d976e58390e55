//! Deliveries that were refused, counted by the hour, with exactly why. Nothing of what they held is kept.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};

use super::shown::{place, refusal};
use crate::http::AppState;
use crate::http::api::status::grouped;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::Moment;
use crate::store::webhook_deliveries;

/// Hours and reasons of a page.
const MOST: u32 = 200;

struct Line {
    hour: Moment,
    place: String,
    word: String,
    why: &'static str,
    todo: &'static str,
    count: String,
    last: Moment,
}

#[derive(Template)]
#[template(path = "console/inbox/refused.html")]
struct Page {
    frame: Frame,
    lines: Vec<Line>,
    full: bool,
}

/// `GET /inbox/refused`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
) -> Response {
    match gather(&state).await {
        Ok(lines) => show(&Page {
            frame,
            full: lines.len() >= usize::try_from(MOST).unwrap_or(usize::MAX),
            lines,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState) -> Result<Vec<Line>, DbError> {
    let now = Ts::now();
    let found = webhook_deliveries::refusals(&mut state.db.read().await?, MOST).await?;
    let lines = found.into_iter().map(|refused| {
        let (why, todo) = refusal(&refused.reason);
        Line {
            hour: Moment::of(refused.hour, now),
            place: place(&refused.endpoint).to_owned(),
            word: refused.reason,
            why,
            todo,
            count: grouped(refused.count),
            last: Moment::of(refused.last_at, now),
        }
    });
    Ok(lines.collect())
}
