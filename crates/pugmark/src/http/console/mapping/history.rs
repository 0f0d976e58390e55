//! `/mapping/history`: what was changed by whom, and the way back to a version.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::{Diff, HERE, actor, told, wrong};
use crate::desk::mapping_history::{Difference, KeptMapping, differences, kept};
use crate::http::AppState;
use crate::http::api::field_mappings::dry_run::{Customers, try_out};
use crate::http::api::field_mappings::{Way, differs, restore as bring_back};
use crate::http::console::frame::{Frame, go, not_found, not_taken, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::field_mapping::Mapping;
use crate::store::mapping_versions::{self, Version};

/// Versions of a page.
const PAGE: u32 = 20;
/// Contacts on which a version is tried.
const TRIED_ON: u32 = 5;

/// Where the page begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    upto: String,
}

#[derive(Template)]
#[template(path = "console/mapping/history.html")]
struct Page {
    frame: Frame,
    may_change: bool,
    versions: Vec<Row>,
    next: Option<i64>,
}

struct Row {
    version: i64,
    newest: bool,
    at: Moment,
    actor: String,
    action: &'static str,
    reason: String,
    changes: Vec<Line>,
}

/// One mapping that differs.
struct Line {
    source: String,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "console/mapping/version.html")]
struct VersionPage {
    frame: Frame,
    version: i64,
    changes: Vec<Line>,
    diff: Option<Diff>,
    away: Option<String>,
}

/// `GET /mapping/history`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    let upto = asked.upto.parse().unwrap_or(i64::MAX);
    match gather(&state, upto).await {
        Ok((versions, next)) => show(&Page {
            may_change: person.may_change(),
            frame,
            versions,
            next,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState, upto: i64) -> Result<(Vec<Row>, Option<i64>), DbError> {
    let now = Ts::now();
    let mut conn = state.db.read().await?;
    let newest = mapping_versions::list(&mut conn, i64::MAX, 1).await?;
    let newest = newest.first().map(|newest| newest.version);
    // One more than is shown: what a version changed is told by the one before it.
    let versions = mapping_versions::list(&mut conn, upto, PAGE + 1).await?;
    let shown = versions.iter().take(PAGE as usize).enumerate();
    let rows = shown.map(|(index, version)| {
        let before = versions.get(index + 1).map(kept);
        let newest = Some(version.version) == newest;
        row(version, before.as_deref(), newest, now)
    });
    let next = versions.get(PAGE as usize).map(|next| next.version);
    Ok((rows.collect(), next))
}

fn row(version: &Version, before: Option<&[KeptMapping]>, newest: bool, now: Ts) -> Row {
    let changes = before.map_or_else(Vec::new, |before| differences(before, &kept(version)));
    Row {
        version: version.version,
        newest,
        at: Moment::of(version.at, now),
        actor: version.actor.clone(),
        action: match version.action.as_str() {
            "mapping.create" => "Added",
            "mapping.update" => "Changed",
            "mapping.delete" => "Removed",
            "mapping.restore" => "Brought back",
            _ => "Found",
        },
        reason: version.reason.clone(),
        changes: changes.into_iter().map(line).collect(),
    }
}

fn line(difference: Difference) -> Line {
    let (source, before, after) = match difference {
        Difference::Added(to) => (to.source.clone(), "not sent".to_owned(), words(&to)),
        Difference::Removed(from) => (from.source.clone(), words(&from), "not sent".to_owned()),
        Difference::Changed { from, to } => (to.source.clone(), words(&from), words(&to)),
    };
    Line {
        source,
        before,
        after,
    }
}

/// `Email, TEXT, both, vtiger wins`
fn words(kept: &KeptMapping) -> String {
    let off = if kept.active { "" } else { ", switched off" };
    let wins = match kept.direction.as_str() {
        "both" => format!(", on conflict: {}", kept.on_conflict),
        _ => String::new(),
    };
    format!(
        "{}, {}, {}{wins}{off}",
        kept.field, kept.kind, kept.direction
    )
}

/// `GET /mapping/history/{version}`: what going back would change.
pub(in crate::http::console) async fn version(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    Path(version): Path<String>,
) -> Response {
    let Ok(version) = version.parse::<i64>() else {
        return not_found(&frame, "There is no such version.");
    };
    let read = async {
        let mut conn = state.db.read().await?;
        differs(&mut conn, version).await
    };
    let (changes, target) = match read.await {
        Ok(read) => read,
        Err(error) => return told(&frame, &error),
    };
    let (diff, away) = match tried(&state, &correlation_id, &changes, target).await {
        Ok(diff) => (diff, None),
        // What stands in the way of trying it stands in the way of going back, too; it is said, and tried again then.
        Err(error) => (None, Some(wrong(&error))),
    };
    show(&VersionPage {
        frame,
        version,
        changes: changes.into_iter().map(line).collect(),
        diff,
        away,
    })
}

async fn tried(
    state: &AppState,
    correlation_id: &CorrelationId,
    changes: &[Difference],
    target: Vec<Mapping>,
) -> Result<Option<Diff>, ApiError> {
    let given: Vec<Mapping> = changes
        .iter()
        .filter_map(|change| match change {
            Difference::Added(to) | Difference::Changed { to, .. } => to.to_mapping(),
            Difference::Removed(_) => None,
        })
        .collect();
    if given.is_empty() {
        return Ok(None);
    }
    // Each has a number of its own, or they would pass for one.
    let numbered = target.into_iter().zip(1..);
    let all: Vec<Mapping> = numbered.map(|(one, id)| Mapping { id, ..one }).collect();
    let given: Vec<Mapping> = given
        .into_iter()
        .map(|one| {
            let same = all
                .iter()
                .find(|other| other.field.microbima_field == one.field.microbima_field);
            let id = same.map_or(0, |same| same.id);
            Mapping { id, ..one }
        })
        .collect();
    let customers = Customers::Some(TRIED_ON);
    let tried = try_out(state, correlation_id, &given, Some(all), customers).await?;
    Ok(Some(Diff::of(tried)))
}

/// Why, and whether without asking the CRM.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Sure {
    reason: String,
    unchecked: String,
}

/// `POST /mapping/history/{version}/restore`
pub(in crate::http::console) async fn restore(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Path(version): Path<String>,
    Form(sure): Form<Sure>,
) -> Response {
    let Ok(version) = version.parse::<i64>() else {
        return not_found(&frame, "There is no such version.");
    };
    if sure.reason.trim().is_empty() {
        return not_taken(&frame, "Say why, for the audit log.");
    }
    let way = Way {
        unchecked: sure.unchecked == "yes",
        actor: actor(&person, &frame, &sure.reason),
    };
    match bring_back(&state, &correlation_id, version, way).await {
        Ok(changed) => {
            let said = format!("The mapping is as in version {version} again: {changed} changed.");
            go(HERE, &said)
        }
        Err(error) if error.status == StatusCode::CONFLICT => not_taken(&frame, &error.message),
        Err(error) => told(&frame, &error),
    }
}
