//! The jobs: how many stand at which step, those that stand still first, then those that are under way, and the latest that are done.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::Deserialize;
use uuid::Uuid;

use super::line::{Line, label, next};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::{counted, encoded};
use crate::http::console::person::Person;
use crate::store::sync_jobs::{self, Group, Job, JobFilter, Step};

/// Jobs of a page of one group.
const PAGE: u32 = 50;
/// Jobs of each group where all are shown.
const GLANCE: u32 = 10;
/// Counted so far and no further.
const MOST: i64 = 1_000;

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// A group: `stuck`, `under_way`, `done`, `cancelled`. Without one all are shown.
    show: String,
    /// The last step that is finished.
    step: String,
    /// Of this lead; or the id of a job.
    lead: String,
    /// Older than this job.
    before: String,
}

impl Asked {
    fn query(&self) -> String {
        format!(
            "show={}&step={}&lead={}",
            encoded(&self.show),
            encoded(&self.step),
            encoded(self.lead.trim())
        )
    }
}

/// A step of the pipeline, with what stands at it.
struct Stage {
    label: &'static str,
    /// The last step that is finished before it.
    behind: &'static str,
    under_way: String,
    stuck: String,
    is_stuck: bool,
}

/// Jobs with a heading.
struct Part {
    heading: &'static str,
    word: &'static str,
    lines: Vec<Line>,
    /// There are more than are shown here.
    more: bool,
}

struct Results {
    stages: Vec<Stage>,
    parts: Vec<Part>,
    /// Some jobs are left out on purpose.
    filtered: bool,
    next: Option<String>,
    /// Maxio is configured here.
    configured: bool,
}

#[derive(Template)]
#[template(path = "console/jobs/list.html")]
struct Page {
    frame: Frame,
    lead: String,
    show: String,
    presets: [(&'static str, &'static str); 5],
    refresh: String,
    may_start: bool,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/jobs/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /jobs`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    // Whoever pastes the id of a job means that job.
    if let Ok(id) = asked.lead.trim().parse::<Uuid>() {
        return Redirect::to(&format!("/jobs/{id}")).into_response();
    }
    match gather(&state, &person, &asked).await {
        Ok(results) => show(&Page {
            frame,
            refresh: format!(
                "/console/jobs?{}&before={}",
                asked.query(),
                encoded(&asked.before)
            ),
            lead: asked.lead,
            show: asked.show,
            presets: [
                ("All", ""),
                ("Stand still", "stuck"),
                ("Under way", "under_way"),
                ("Done", "done"),
                ("Cancelled", "cancelled"),
            ],
            may_start: person.may_change(),
            results,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/jobs`
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

fn heading(group: Group) -> &'static str {
    match group {
        Group::Stuck => "Stand still until somebody does something",
        Group::UnderWay => "Under way",
        Group::Done => "Done",
        Group::Cancelled => "Cancelled",
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, DbError> {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let maxio = state.maxio.as_deref();
    let lines = |jobs: Vec<Job>| -> Vec<Line> {
        let lines = jobs.into_iter();
        lines
            .map(|job| Line::of(job, maxio, personal, now))
            .collect()
    };
    let before: Option<Uuid> = asked.before.parse().ok();
    let mut conn = state.db.read().await?;
    let mut results = Results {
        stages: stages(&mut conn).await?,
        parts: Vec::new(),
        filtered: true,
        next: None,
        configured: maxio.is_some(),
    };
    let lead = asked.lead.trim();
    let chosen = Group::parse(&asked.show);
    let mut found = match (lead, chosen) {
        ("", None) => {
            for group in Group::ALL {
                let mut jobs =
                    sync_jobs::of_group(&mut conn, group, None, None, GLANCE + 1).await?;
                let more = cut(&mut jobs, GLANCE).is_some();
                results.parts.push(Part {
                    heading: heading(group),
                    word: group.as_str(),
                    lines: lines(jobs),
                    more,
                });
            }
            results.parts.retain(|part| !part.lines.is_empty());
            results.filtered = false;
            return Ok(results);
        }
        ("", Some(group)) => {
            let step = Step::parse(&asked.step);
            sync_jobs::of_group(&mut conn, group, step, before, PAGE + 1).await?
        }
        (lead, _) => {
            let filter = JobFilter {
                lead: Some(lead.chars().filter(|letter| *letter != '\0').collect()),
                before,
                limit: PAGE + 1,
                ..JobFilter::default()
            };
            sync_jobs::list(&mut conn, &filter).await?
        }
    };
    let next = cut(&mut found, PAGE);
    results.next = next.map(|last| format!("/jobs?{}&before={last}", asked.query()));
    results.parts.push(Part {
        heading: match chosen.filter(|_| lead.is_empty()) {
            Some(group) => heading(group),
            None => "Jobs of this lead",
        },
        word: "",
        lines: lines(found),
        more: false,
    });
    Ok(results)
}

/// Leaves a page of what was found, and gives its last job when there is more.
fn cut(found: &mut Vec<Job>, page: u32) -> Option<Uuid> {
    let page = usize::try_from(page).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    found.last().filter(|_| more).map(|job| job.job_id)
}

async fn stages(conn: &mut Conn) -> Result<Vec<Stage>, DbError> {
    let mut stages = Vec::new();
    for behind in Step::ALL {
        let Some(at) = next(behind) else { continue };
        let under_way = sync_jobs::count(conn, Group::UnderWay, behind, MOST + 1).await?;
        let stuck = sync_jobs::count(conn, Group::Stuck, behind, MOST + 1).await?;
        stages.push(Stage {
            label: label(at),
            behind: behind.as_str(),
            under_way: counted(under_way, MOST),
            stuck: counted(stuck, MOST),
            is_stuck: stuck > 0,
        });
    }
    Ok(stages)
}
