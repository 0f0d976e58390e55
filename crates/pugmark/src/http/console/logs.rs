//! Log lines that were kept: by level, text and request, newest first.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use serde::Deserialize;
use serde_json::Value;

use super::frame::{Frame, show, store_down};
use super::moment::{Moment, encoded};
use super::person::Person;
use super::{explained, masking};
use crate::http::AppState;
use crate::store::application_logs::{self, Line, LineFilter};

/// Lines of a page.
const PAGE: u32 = 100;
/// Lines looked at for one page, however rare what is looked for.
const LOOKED_AT: i64 = 20_000;
/// Longer texts are cut.
const LONGEST: usize = 100;

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// `error` or `warn`: of this level and graver ones.
    level: String,
    /// Contained in the line.
    q: String,
    /// A correlation id.
    request: String,
    /// Older than the line with this number.
    before: String,
}

struct Shown {
    class: &'static str,
    level: String,
    at: Moment,
    target: String,
    message: String,
    code: Option<String>,
    fields: Option<String>,
    correlation_id: Option<String>,
}

struct Results {
    lines: Vec<Shown>,
    next: Option<String>,
    cut_short: bool,
    filtered: bool,
}

#[derive(Template)]
#[template(path = "console/logs.html")]
struct Page {
    frame: Frame,
    level: String,
    q: String,
    request: String,
    refresh: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/logs.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /logs`
pub(super) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Page {
            frame,
            refresh: format!(
                "/console/logs?{}&before={}",
                query(&asked),
                encoded(&asked.before)
            ),
            level: asked.level,
            q: asked.q,
            request: asked.request,
            results,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/logs`
pub(super) async fn fragment(
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

fn query(asked: &Asked) -> String {
    format!(
        "level={}&q={}&request={}",
        encoded(&asked.level),
        encoded(&asked.q),
        encoded(&asked.request)
    )
}

fn levels(level: &str) -> Option<Vec<&'static str>> {
    match level {
        "error" => Some(vec!["error"]),
        "warn" => Some(vec!["error", "warn"]),
        _ => None,
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, QueueError> {
    let now = Ts::now();
    let text: String = asked.q.trim().chars().take(LONGEST).collect();
    let request = asked.request.trim();
    // The requests that were merged into the same operations belong to it.
    let ids = match request {
        "" => None,
        id => {
            let operations = state.queue.find_by_correlation(id).await?;
            let ids = operations.into_iter().map(|found| found.correlation_id);
            Some(ids.chain([id.to_owned()]).collect::<BTreeSet<_>>())
        }
    };
    let mut conn = state.db.read().await?;
    let Some((oldest, newest)) = application_logs::bounds(&mut conn).await? else {
        return Ok(Results {
            lines: Vec::new(),
            next: None,
            cut_short: false,
            filtered: false,
        });
    };
    let before = asked
        .before
        .parse()
        .unwrap_or(i64::MAX)
        .min(newest.saturating_add(1));
    // By request the index finds them all.
    let bounded = request.is_empty() && (levels(&asked.level).is_some() || !text.is_empty());
    let from = bounded.then(|| before.saturating_sub(LOOKED_AT));
    let filter = LineFilter {
        correlation_ids: ids.map(|ids| ids.into_iter().collect()),
        levels: levels(&asked.level),
        text: Some(text.clone()).filter(|text| !text.is_empty()),
        before: Some(before),
        from,
        limit: PAGE + 1,
        ..LineFilter::default()
    };
    let mut lines = application_logs::list(&mut conn, &filter).await?;
    let full = lines.len() > PAGE as usize;
    lines.truncate(PAGE as usize);
    let cut_short = !full && from.is_some_and(|from| from > oldest);
    let next = match lines.last() {
        Some(last) if full => Some(last.log_id),
        _ => from.filter(|_| cut_short),
    };
    let personal = person.sees_personal();
    Ok(Results {
        lines: lines
            .into_iter()
            .map(|line| shown(line, personal, now))
            .collect(),
        next: next.map(|before| format!("/logs?{}&before={before}", query(asked))),
        cut_short,
        filtered: bounded || !request.is_empty(),
    })
}

fn shown(line: Line, personal: bool, now: Ts) -> Shown {
    let context: Value = serde_json::from_str(&line.context).unwrap_or_default();
    let code = context["code"]
        .as_str()
        .filter(|code| explained::of(code).is_some());
    let code = code.map(str::to_owned);
    let fields = context.as_object().is_some_and(|fields| !fields.is_empty());
    let context = if personal {
        context
    } else {
        masking::value(&context)
    };
    Shown {
        class: match line.level.as_str() {
            "error" => "bad",
            "warn" => "wait",
            _ => "",
        },
        level: line.level,
        at: Moment::of(line.timestamp, now),
        target: line.target,
        message: if personal {
            line.message
        } else {
            masking::sentence(&line.message)
        },
        code,
        fields: fields.then(|| serde_json::to_string_pretty(&context).unwrap_or_default()),
        correlation_id: line.correlation_id,
    }
}
