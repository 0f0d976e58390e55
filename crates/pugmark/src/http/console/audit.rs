//! What people did: who, when, to what, and why.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::OperationId;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;
use uuid::Uuid;

use super::frame::{Frame, show, store_down};
use super::moment::{Moment, encoded};
use crate::http::AppState;
use crate::store::audit::{self, Filter, Kept};

/// Entries of a page.
const PAGE: u32 = 100;
/// Entries looked at for one page.
const LOOKED_AT: i64 = 20_000;
/// Longer texts are cut.
const LONGEST: usize = 100;

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// `queue`, `queue.retry`, ...
    action: String,
    /// Contained in the entry.
    q: String,
    /// Older than the entry with this number.
    before: String,
}

struct Shown {
    entry: Kept,
    at: Moment,
    /// Where the subject has a page.
    link: Option<String>,
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Page {
    frame: Frame,
    action: String,
    q: String,
    entries: Vec<Shown>,
    next: Option<String>,
    cut_short: bool,
    filtered: bool,
}

/// `GET /audit`
pub(super) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &asked).await {
        Ok((entries, next, cut_short)) => show(&Page {
            frame,
            filtered: !(asked.action.trim().is_empty() && asked.q.trim().is_empty()),
            next: next.map(|before| {
                let (action, q) = (encoded(&asked.action), encoded(&asked.q));
                format!("/audit?action={action}&q={q}&before={before}")
            }),
            action: asked.action,
            q: asked.q,
            entries,
            cut_short,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// The entries of a page, where the next one begins, and whether this one ended because enough was looked at.
async fn gather(
    state: &AppState,
    asked: &Asked,
) -> Result<(Vec<Shown>, Option<i64>, bool), DbError> {
    let now = Ts::now();
    let typed = |text: &str| -> Option<String> {
        let clean = text.trim().chars().filter(|letter| *letter != '\0');
        Some(clean.take(LONGEST).collect()).filter(|text: &String| !text.is_empty())
    };
    let mut conn = state.db.read().await?;
    let Some((oldest, newest)) = audit::bounds(&mut conn).await? else {
        return Ok((Vec::new(), None, false));
    };
    let before = asked
        .before
        .parse()
        .unwrap_or(i64::MAX)
        .min(newest.saturating_add(1));
    let (action, text) = (typed(&asked.action), typed(&asked.q));
    let bounded = action.is_some() || text.is_some();
    let from = bounded.then(|| before.saturating_sub(LOOKED_AT));
    let filter = Filter {
        action,
        text,
        before: Some(before),
        from,
        limit: PAGE + 1,
    };
    let mut entries = audit::list(&mut conn, &filter).await?;
    let full = entries.len() > PAGE as usize;
    entries.truncate(PAGE as usize);
    let cut_short = !full && from.is_some_and(|from| from > oldest);
    let next = match entries.last() {
        Some(last) if full => Some(last.id),
        _ => from.filter(|_| cut_short),
    };
    let shown = entries.into_iter().map(|entry| Shown {
        at: Moment::of(entry.at, now),
        link: link(&entry),
        entry,
    });
    Ok((shown.collect(), next, cut_short))
}

fn link(entry: &Kept) -> Option<String> {
    if let Some(about) = entry.subject.strip_prefix("customer ") {
        let id = about
            .split(' ')
            .next()
            .and_then(|id| Uuid::parse_str(id).ok())?;
        return Some(format!("/customers/{id}"));
    }
    if entry.action.starts_with("user.") {
        let id = entry.subject.split(' ').next();
        let id = id.and_then(|id| Uuid::parse_str(id).ok())?;
        return Some(format!("/agents/{id}"));
    }
    if !entry.action.starts_with("queue.") {
        return None;
    }
    if let Some(run) = entry.subject.strip_prefix("run ") {
        let number = run.split(':').next().unwrap_or(run);
        return Some(format!("/operations/runs/{number}"));
    }
    let id: OperationId = entry.subject.parse().ok()?;
    Some(format!("/operations/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_leads_to_the_page_of_what_it_is_about() {
        let id = "7f000000-0000-4000-8000-000000000007";
        let leads = |action: &str, subject: &str| {
            link(&Kept {
                id: 1,
                at: Ts::from_micros(0),
                actor: String::new(),
                action: action.to_owned(),
                subject: subject.to_owned(),
                reason: None,
                correlation_id: None,
            })
        };
        let cases = [
            (
                "customer.sync",
                format!("customer {id}"),
                format!("/customers/{id}"),
            ),
            (
                "conflict.decide",
                format!("customer {id} email: vtiger"),
                format!("/customers/{id}"),
            ),
            ("user.disable", id.to_owned(), format!("/agents/{id}")),
            (
                "user.role.grant",
                format!("{id} customer_care"),
                format!("/agents/{id}"),
            ),
            ("queue.retry", id.to_owned(), format!("/operations/{id}")),
            (
                "queue.retry-many",
                "run 7: 3".to_owned(),
                "/operations/runs/7".to_owned(),
            ),
        ];
        for (action, subject, place) in cases {
            assert_eq!(leads(action, &subject), Some(place), "{action}");
        }
        assert_eq!(leads("problem.resolve", "note.create PUG-2006"), None);
        assert_eq!(leads("customer.sync", "customer nobody"), None);
    }
}
