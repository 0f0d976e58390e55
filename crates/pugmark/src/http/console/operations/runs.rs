//! A run over many operations: how far it is, and stopping it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::QueueError;
use pugmark_queue::db::{DbError, Ts};

use super::acting::actor;
use crate::desk;
use crate::http::AppState;
use crate::http::console::frame::{Frame, go, not_found, show, store_down};
use crate::http::console::moment::{Moment, encoded};
use crate::http::console::person::Person;
use crate::store::bulk_runs::{self, Run};

struct Progress {
    run: Run,
    begun: Moment,
    ended: Option<Moment>,
    /// Of hundred.
    percent: i64,
}

impl Progress {
    fn of(run: Run, now: Ts) -> Self {
        let dealt = run.done + run.skipped;
        let percent = match run.ended_at {
            Some(_) if run.stopped_by.is_none() => 100,
            _ => (dealt * 100 / run.meant.max(1)).min(99),
        };
        Progress {
            begun: Moment::of(run.created_at, now),
            ended: run.ended_at.map(|at| Moment::of(at, now)),
            percent,
            run,
        }
    }
}

#[derive(Template)]
#[template(path = "console/operations/run.html")]
struct Page {
    frame: Frame,
    progress: Progress,
    query: String,
    may_stop: bool,
}

#[derive(Template)]
#[template(path = "console/operations/run.html", block = "live")]
struct Live {
    progress: Progress,
}

/// `GET /operations/runs/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &id).await {
        Ok(Some(run)) => show(&Page {
            query: encoded(&run.filter),
            may_stop: person.may_change() && run.ended_at.is_none(),
            progress: Progress::of(run, Ts::now()),
            frame,
        }),
        Ok(None) => not_found(&frame, &format!("There is no run {id}.")),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/operations/runs/{id}`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &id).await {
        Ok(Some(run)) => show(&Live {
            progress: Progress::of(run, Ts::now()),
        }),
        Ok(None) => not_found(&frame, &format!("There is no run {id}.")),
        Err(error) => store_down(&frame, &error),
    }
}

/// `POST /operations/runs/{id}/stop`
pub(in crate::http::console) async fn stop(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    let run = match load(&state, &id).await {
        Ok(Some(run)) => run,
        Ok(None) => return not_found(&frame, &format!("There is no run {id}.")),
        Err(error) => return store_down(&frame, &error),
    };
    let actor = actor(&person, &frame, "");
    let stopped = state.db.write("stop run", move |conn| {
        Box::pin(async move {
            let stopped = bulk_runs::stop(conn, run.id, &actor.name, Ts::now()).await?;
            if stopped {
                desk::note(
                    conn,
                    "queue.run-stopped",
                    &format!("run {}", run.id),
                    &actor,
                )
                .await?;
            }
            Ok::<_, QueueError>(stopped)
        })
    });
    let back = format!("/operations/runs/{id}");
    match stopped.await {
        Ok(true) => go(&back, "The run is stopped. What was done stays done."),
        Ok(false) => go(&back, "The run had ended already."),
        Err(error) => store_down(&frame, &error),
    }
}

async fn load(state: &AppState, id: &str) -> Result<Option<Run>, DbError> {
    let Ok(id) = id.parse::<i64>() else {
        return Ok(None);
    };
    bulk_runs::get(&mut state.db.read().await?, id).await
}
