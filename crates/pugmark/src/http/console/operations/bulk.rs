//! The same act on many dead letters: first the plan, with how many, how many calls and how long; then the run.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use pugmark_queue::db::Ts;
use pugmark_queue::{OperationId, QueueError, Search, Size, Standing};
use serde::Deserialize;

use super::acting::actor;
use crate::desk::{self, filter};
use crate::http::AppState;
use crate::http::api::status::age;
use crate::http::console::frame::{Frame, go, not_taken, show, store_down};
use crate::http::console::moment::{counted, encoded};
use crate::http::console::person::Person;
use crate::http::console::texts;
use crate::store::bulk_runs::{self, Cost, NewRun};

/// No plan counts further.
const COUNTED: u32 = 10_000;
/// Costs are judged by so many finished operations.
const JUDGED_BY: u32 = 500;

/// What is asked for: a filter, or operations that were ticked one by one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    q: String,
    action: String,
}

impl Asked {
    /// Reads the address; what is ticked becomes a filter that means just that.
    fn read(address: &str) -> Result<Self, &'static str> {
        let (mut asked, mut ticked, mut picking) = (Asked::default(), Vec::new(), false);
        for (name, value) in url::form_urlencoded::parse(address.as_bytes()) {
            match name.as_ref() {
                "q" => asked.q = value.into_owned(),
                "action" => asked.action = value.into_owned(),
                "ticked" => picking = true,
                "pick" => ticked.extend(value.parse::<OperationId>()),
                _ => {}
            }
        }
        if picking && ticked.is_empty() {
            return Err(texts::NOTHING_TICKED);
        }
        if picking {
            asked.q = filter::these(&ticked);
        }
        Ok(asked)
    }
}

/// What is to be run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Ordered {
    q: String,
    action: String,
    reason: String,
    upto: String,
}

/// What it would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Estimate {
    calls: String,
    time: String,
    /// By what it is judged.
    by: String,
}

#[derive(Template)]
#[template(path = "console/operations/bulk.html")]
struct Page {
    frame: Frame,
    q: String,
    query: String,
    action: String,
    discard: bool,
    operations: String,
    none: bool,
    upto: String,
    estimate: Option<Estimate>,
}

/// `GET /operations/bulk`
pub(in crate::http::console) async fn plan(
    State(state): State<AppState>,
    frame: Frame,
    RawQuery(address): RawQuery,
) -> Response {
    let asked = match Asked::read(&address.unwrap_or_default()) {
        Ok(asked) => asked,
        Err(wrong) => return not_taken(&frame, wrong),
    };
    let search = match meant(&asked.q, &asked.action) {
        Ok(search) => search,
        Err(wrong) => return not_taken(&frame, &wrong),
    };
    let (size, estimate) = match look(&state, &search, &asked.action).await {
        Ok(looked) => looked,
        Err(error) => return store_down(&frame, &error),
    };
    let most = i64::from(COUNTED);
    let more = i64::from(size.more);
    show(&Page {
        query: encoded(asked.q.trim()),
        q: asked.q,
        discard: asked.action == "discard",
        action: asked.action,
        operations: counted(i64::try_from(size.operations).unwrap_or(most) + more, most),
        none: size.operations == 0,
        upto: size.newest.map(|id| id.to_string()).unwrap_or_default(),
        estimate,
        frame,
    })
}

/// `POST /operations/bulk`
pub(in crate::http::console) async fn begin(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(ordered): Form<Ordered>,
) -> Response {
    let search = match meant(&ordered.q, &ordered.action) {
        Ok(search) => search,
        Err(wrong) => return not_taken(&frame, &wrong),
    };
    let Ok(upto) = ordered.upto.parse::<OperationId>() else {
        return not_taken(
            &frame,
            "The plan is incomplete; make it anew from the list of operations.",
        );
    };
    let actor = actor(&person, &frame, &ordered.reason);
    if actor.reason.is_empty() {
        return not_taken(
            &frame,
            "A reason is needed: it is kept in the audit log of each operation.",
        );
    }
    let size = match state.queue.dead_size(&search, COUNTED).await {
        Ok(size) => size,
        Err(error) => return store_down(&frame, &error),
    };
    let begun = state.db.write("begin run", move |conn| {
        Box::pin(async move {
            let run = NewRun {
                action: &ordered.action,
                filter: ordered.q.trim(),
                upto,
                meant: i64::try_from(size.operations).unwrap_or(i64::MAX),
                requested_by: &actor.name,
                reason: &actor.reason,
                correlation_id: &actor.correlation_id,
            };
            let id = bulk_runs::begin(conn, &run, Ts::now()).await?;
            let action = format!("queue.{}-many", ordered.action);
            desk::note(conn, &action, &format!("run {id}: {}", run.filter), &actor).await?;
            Ok::<_, QueueError>(id)
        })
    });
    match begun.await {
        Ok(id) => go(&format!("/operations/runs/{id}"), "The run has begun."),
        Err(error) => store_down(&frame, &error),
    }
}

/// What the plan is about: dead letters, by a filter that says so.
fn meant(q: &str, action: &str) -> Result<Search, String> {
    if !["retry", "discard"].contains(&action) {
        return Err(format!(
            "`{action}` is no act on many operations; use retry or discard."
        ));
    }
    let search = filter::parse(q, Ts::now()).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        wrong.join("; ")
    })?;
    if search.standing != Some(Standing::Dead) {
        return Err(
            "Only dead letters are dealt with together; begin the filter with `status:dead`."
                .to_owned(),
        );
    }
    Ok(search)
}

async fn look(
    state: &AppState,
    search: &Search,
    action: &str,
) -> Result<(Size, Option<Estimate>), QueueError> {
    let size = state.queue.dead_size(search, COUNTED).await?;
    if action == "discard" {
        return Ok((size, None));
    }
    let costs = bulk_runs::costs(&mut state.db.read().await?, JUDGED_BY).await?;
    let estimate = estimate(&costs, search.kind.as_deref(), size.operations);
    Ok((size, estimate))
}

/// What so many operations would cost, judged by those that were finished last; `None` where there is nothing to judge by.
fn estimate(costs: &[Cost], kind: Option<&str>, operations: u64) -> Option<Estimate> {
    let alike = costs
        .iter()
        .filter(|cost| kind.is_none_or(|kind| cost.kind == kind));
    let (known, calls, micros) = alike.fold((0, 0, 0), |(known, calls, micros), cost| {
        let of = |number: i64| u64::try_from(number).unwrap_or_default();
        (
            known + of(cost.operations),
            calls + of(cost.calls),
            micros + of(cost.micros),
        )
    });
    if known == 0 {
        return None;
    }
    let share = |total: u64| total.saturating_mul(operations).div_ceil(known);
    let seconds = Duration::from_micros(share(micros)).as_secs().max(1);
    Some(Estimate {
        calls: counted(i64::try_from(share(calls)).unwrap_or(i64::MAX), i64::MAX),
        time: age(seconds),
        by: match kind {
            Some(kind) => format!("the last {known} finished operations of the kind {kind}"),
            None => format!("the last {known} finished operations of every kind"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(kind: &str, operations: i64, calls: i64, micros: i64) -> Cost {
        Cost {
            kind: kind.to_owned(),
            operations,
            calls,
            micros,
        }
    }

    #[test]
    fn a_plan_is_judged_by_what_was_finished_last() {
        let costs = [
            cost("note.create", 10, 20, 1_000_000),
            cost("task.create", 10, 60, 3_000_000),
        ];
        let notes = estimate(&costs, Some("note.create"), 1_000).expect("there is a history");
        assert_eq!(
            (notes.calls.as_str(), notes.time.as_str()),
            ("2,000", "100 seconds")
        );
        let all = estimate(&costs, None, 1_000).expect("there is a history");
        assert_eq!(
            (all.calls.as_str(), all.time.as_str()),
            ("4,000", "3 minutes")
        );
        assert_eq!(estimate(&costs, Some("user.create"), 5), None);
    }

    #[test]
    fn what_is_ticked_is_a_filter_that_means_just_that() {
        let (one, other) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
        let read = Asked::read(&format!(
            "ticked=1&pick={one}&pick={other}&pick=x&action=retry"
        ));
        let asked = read.expect("something is ticked");
        let search = meant(&asked.q, &asked.action).expect("it is understood");
        assert_eq!(search.ids, [OperationId(one), OperationId(other)]);
        assert!(Asked::read("ticked=1&action=retry").is_err());
        assert_eq!(Asked::read("q=a+b").expect("a filter").q, "a b");
    }

    #[test]
    fn only_dead_letters_are_dealt_with_together() {
        assert!(meant("status:dead kind:note.create", "retry").is_ok());
        for (q, action) in [
            ("", "retry"),
            ("status:done", "discard"),
            ("status:dead", "explode"),
        ] {
            assert!(meant(q, action).is_err(), "{q} {action}");
        }
        let wrong = meant("satus:dead", "retry").expect_err("it is misspelt");
        assert!(wrong.contains("did you mean `status:`"), "{wrong}");
    }
}
