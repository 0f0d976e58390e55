//! `/api/internal/status`: is it fine?

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use pugmark_queue::db::Ts;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Mode;
use crate::crm::CONTACTS;
use crate::crm::breaker::Position;
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::api::broker::BrokerBody;
use crate::http::api::leader::LeaderBody;
use crate::http::api::shared::RedisBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope};
use crate::problem::Code;
use crate::schedule::retry_sweep::{self, LATE, SweepRun};
use crate::store::crm_cursors::{self, Cursor};
use crate::store::standing::{self, Proof};
use crate::store::{
    self, SliceMode, alerts, capture_errors, change_log, conflicts, flow_figures, leader_lease,
    links, sync_jobs,
};
use crate::telemetry::figures::standing as standing_of_flows;
use crate::telemetry::figures::standing::{Backlog, COUNTED, LastDay};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read))
}

/// How things stand.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusBody {
    /// One sentence for people.
    pub summary: String,
    /// Whether nothing needs a person.
    pub fine: bool,
    /// `live` or `shadow`.
    pub mode: String,
    /// Whose tables are served: `standalone` (Pugmark's own) or `attached` (MicroBima's).
    pub tables: SliceMode,
    /// `ok`, `paused`, `disabled` or `not configured`.
    pub crm: String,
    /// `ok`, `paused` or `not configured`.
    pub maxio: String,
    /// Captured changes not yet planned.
    pub unplanned: i64,
    /// Changes that could not be captured when they were written, and that no gap sweep has looked for yet.
    pub not_captured: Vec<NotCaptured>,
    /// Operations that wait for an attempt.
    pub waiting: i64,
    /// Operations being delivered.
    pub delivering: i64,
    /// Operations that failed for good and wait for a person.
    pub dead: i64,
    /// Operations finished in the last 24 hours.
    pub completed_last_day: i64,
    /// Since when the oldest waiting change waits, RFC 3339.
    pub oldest_waiting_since: Option<String>,
    /// The same in seconds.
    pub oldest_waiting_seconds: Option<u64>,
    /// Onboarding jobs by status.
    pub onboarding_jobs: BTreeMap<String, i64>,
    /// Customers by the state of their contact.
    pub customers: BTreeMap<String, i64>,
    /// Queue depth and success of each kind of operation.
    pub kinds: BTreeMap<String, KindBody>,
    /// The last run of the retry sweep; `null` before the first one.
    pub retry_sweep: Option<SweepRun>,
    /// Operations that have been due for over a minute and that nobody carries out; counted up to 2,000 of each kind and priority.
    pub overdue: i64,
    /// When what waits was counted, RFC 3339, where that is too much to be counted each time; `null`: just now.
    pub counted_at: Option<String>,
    /// Alerts that are open.
    pub alerts: i64,
    /// Fields that wait for a person at the conflicts desk.
    pub conflicts: i64,
    /// Asking vTiger what changed.
    pub poll: PollBody,
    /// Which process does what is done by the clock.
    pub leader: LeaderBody,
    /// How this process stands with RabbitMQ; `null` where none is configured.
    pub broker: Option<BrokerBody>,
    /// How this process stands with Redis; `null` where none is configured.
    pub redis: Option<RedisBody>,
    /// What comparing contacts with their customers has proved.
    pub proof: ProofBody,
}

/// How far vTiger's changes have been read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PollBody {
    /// Whether vTiger is asked at all.
    pub enabled: bool,
    /// When it last was, with success, RFC 3339; `null` before the first time.
    pub polled_at: Option<String>,
    /// Time of the last change read, as vTiger writes it.
    pub read_up_to: Option<String>,
    /// Changes noticed so far.
    pub noticed: i64,
    /// When all linked contacts had last been looked for, RFC 3339.
    pub all_looked_for_at: Option<String>,
    /// What keeps it from succeeding.
    pub error: Option<String>,
    /// `PUG-5104`.
    pub error_code: Option<String>,
}

impl PollBody {
    fn of(enabled: bool, cursor: Option<Cursor>) -> Self {
        let cursor = cursor.unwrap_or_default();
        let time = |at: Option<Ts>| at.map(|at| at.timestamp().to_string());
        let (error_code, error) = cursor.trouble.unzip();
        PollBody {
            enabled,
            polled_at: time(cursor.polled_at),
            read_up_to: cursor.modified_time,
            noticed: cursor.noticed,
            all_looked_for_at: time(cursor.round_ended_at),
            error,
            error_code,
        }
    }
}

/// How many linked contacts were proved to hold what they should.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofBody {
    /// One sentence for people.
    pub words: String,
    /// Linked contacts.
    pub contacts: i64,
    /// Those proved equal, and not found different since.
    pub proved: i64,
    /// When the oldest of these proofs was made, RFC 3339.
    pub oldest_at: Option<String>,
    /// Its age in seconds.
    pub oldest_seconds: Option<u64>,
}

impl From<Proof> for ProofBody {
    fn from(proof: Proof) -> Self {
        let oldest_seconds = proof.oldest.map(|at| Ts::now().since(at).as_secs());
        let mut words = format!(
            "{} of {} contacts proved equal",
            grouped(proof.proved),
            grouped(proof.contacts)
        );
        if let Some(seconds) = oldest_seconds {
            words.push_str(&format!(", oldest proof {}", age(seconds)));
        }
        ProofBody {
            words,
            contacts: proof.contacts,
            proved: proof.proved,
            oldest_at: proof.oldest.map(|at| at.timestamp().to_string()),
            oldest_seconds,
        }
    }
}

/// A count as people read it: 9,997.
pub fn grouped(count: i64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How one kind of operation stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindBody {
    /// Operations that wait for an attempt.
    pub waiting: i64,
    /// Of these, operations whose last attempt failed.
    pub failing: i64,
    /// Operations being carried out.
    pub delivering: i64,
    /// Operations that failed for good and wait for a person.
    pub dead: i64,
    /// Operations carried out in the last 24 hours.
    pub succeeded_last_day: i64,
    /// Operations that became dead letters in the last 24 hours.
    pub died_last_day: i64,
    /// The share of those that ended in the last 24 hours and succeeded, 0 to 1; `null` when none ended.
    pub success_rate: Option<f64>,
}

/// Errors of capture that say the same.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotCaptured {
    /// Always `PUG-1206`.
    pub error_code: String,
    /// The table.
    pub table: String,
    /// The database's code.
    pub sqlstate: String,
    /// The database's words.
    pub message: String,
    /// How many changes.
    pub changes: i64,
    /// When the last one was written, RFC 3339.
    pub last_at: String,
}

impl From<capture_errors::Errors> for NotCaptured {
    fn from(errors: capture_errors::Errors) -> Self {
        NotCaptured {
            error_code: Code::NotCaptured.to_string(),
            table: errors.table_name,
            sqlstate: errors.sqlstate,
            message: errors.message,
            changes: errors.errors,
            last_at: errors.last.timestamp().to_string(),
        }
    }
}

/// One look at everything: is it fine?
#[utoipa::path(get, path = "/api/internal/status", tag = "status",
    responses((status = 200, body = Envelope<StatusBody>)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
) -> Result<Response, ApiError> {
    let (status, _) = gather(&state).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Status",
        status,
    ))
}

/// Gathers the status, and what is not finished of each flow; the console's first page shows the same.
///
/// # Errors
/// When the store does not answer.
pub async fn gather(state: &AppState) -> Result<(StatusBody, Backlog), ApiError> {
    let now = Ts::now();
    let queued_since = state.queue.oldest_waiting().await?;
    let mut conn = state.db.read().await?;
    let backlog = standing_of_flows::backlog(&mut conn).await?;
    let day = standing_of_flows::last_day(&mut conn, now).await?;
    let waiting = backlog.total(|flow| flow.waiting);
    let delivering = backlog.total(|flow| flow.delivering);
    let dead = backlog.total(|flow| flow.dead);
    let completed_last_day = day.completed.values().sum();
    let kinds = kinds(&backlog, &day);
    let mut overdue = 0;
    for flow in backlog.flows.iter().filter(|flow| flow.waiting > 0) {
        overdue += flow_figures::overdue(&mut conn, &flow.kind, now.before(LATE), COUNTED).await?;
    }
    let alerts = alerts::count_open(&mut conn).await?;
    let retry_sweep = retry_sweep::last(&mut conn).await?;
    let (unplanned, captured_since) = change_log::backlog(&mut conn).await?;
    let customers = links::counts(&mut conn, CUSTOMER).await?;
    let tables = store::slice_mode(&mut conn).await?;
    let proof = standing::proof(&mut conn).await?.into();
    let not_captured: Vec<NotCaptured> = capture_errors::open(&mut conn)
        .await?
        .into_iter()
        .map(NotCaptured::from)
        .collect();
    let conflicts = conflicts::open(&mut conn).await?;
    let cursor = crm_cursors::get(&mut conn, CONTACTS).await?;
    let leader = LeaderBody::of(&leader_lease::standing(&mut conn).await?, &state.process);
    let onboarding_jobs = sync_jobs::counts(&mut conn).await?.into_iter().collect();
    let polls = state.mode == Mode::Live
        && state
            .crm
            .as_ref()
            .is_some_and(|crm| crm.enabled && crm.poll.enabled);
    let oldest = match (queued_since, captured_since) {
        (Some(queued), Some(captured)) => Some(queued.min(captured)),
        (one, other) => one.or(other),
    };
    let oldest_waiting_seconds = oldest.map(|since| Ts::now().since(since).as_secs());
    let crm = crm_state(state);
    let maxio = maxio_state(state);
    let fine = dead == 0
        && crm == "ok"
        && maxio != "paused"
        && not_captured.is_empty()
        && !leader.missing
        && oldest_waiting_seconds.is_none_or(|seconds| seconds < 300);
    let mut summary = summary(crm, dead, oldest_waiting_seconds);
    if !not_captured.is_empty() {
        summary.push_str(" Some changes could not be captured; the next gap sweep looks for them.");
    }
    if leader.missing {
        summary.push_str(&format!(
            " Nothing is polled, compared or summed up: {}; start one with the role scheduler.",
            leader.words
        ));
    }
    let broker = state.broker.as_ref().map(BrokerBody::of);
    if let Some(down) = broker.as_ref().filter(|broker| broker.state == "down") {
        summary.push_str(&format!(
            " RabbitMQ is not connected: {}; work is found by looking.",
            down.words
        ));
    }
    let redis = state.shared.as_ref().map(RedisBody::of);
    if let Some(down) = redis.as_ref().filter(|redis| redis.state == "down") {
        summary.push_str(&format!(
            " Redis is not used: {}; each process goes by itself.",
            down.words
        ));
    }
    if maxio == "paused" {
        summary.push_str(" Maxio does not answer as it should and is left alone for a moment.");
    }
    if alerts > 0 {
        summary.push_str(&match alerts {
            1 => " One alert is open.".to_owned(),
            more => format!(" {more} alerts are open."),
        });
    }
    if conflicts > 0 {
        summary.push_str(&format!(
            " {conflicts} field(s) wait for a decision at the conflicts desk."
        ));
    }
    let status = StatusBody {
        conflicts,
        onboarding_jobs,
        poll: PollBody::of(polls, cursor),
        leader,
        broker,
        redis,
        summary,
        fine,
        mode: state.mode.to_string(),
        tables,
        crm: crm.to_owned(),
        maxio: maxio.to_owned(),
        unplanned,
        not_captured,
        waiting,
        delivering,
        dead,
        completed_last_day,
        oldest_waiting_since: oldest.map(|since| since.timestamp().to_string()),
        oldest_waiting_seconds,
        customers,
        kinds,
        retry_sweep,
        overdue,
        counted_at: backlog.counted_at.map(|at| at.timestamp().to_string()),
        alerts,
        proof,
    };
    Ok((status, backlog))
}

fn kinds(backlog: &Backlog, day: &LastDay) -> BTreeMap<String, KindBody> {
    let mut kinds: BTreeMap<String, KindBody> = BTreeMap::new();
    for flow in &backlog.flows {
        let kind = kinds.entry(flow.kind.clone()).or_default();
        kind.waiting = flow.waiting;
        kind.failing = flow.failing;
        kind.delivering = flow.delivering;
        kind.dead = flow.dead;
    }
    for (name, operations) in &day.succeeded {
        kinds.entry(name.clone()).or_default().succeeded_last_day = *operations;
    }
    for (name, operations) in &day.died {
        kinds.entry(name.clone()).or_default().died_last_day = *operations;
    }
    for kind in kinds.values_mut() {
        kind.success_rate = rate(kind.succeeded_last_day, kind.died_last_day);
    }
    kinds
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a share of more than 2^52 operations is no more exact than this"
)]
fn rate(good: i64, bad: i64) -> Option<f64> {
    (good + bad > 0).then(|| good as f64 / (good + bad) as f64)
}

/// How the CRM stands, in a word or two.
pub fn crm_state(state: &AppState) -> &'static str {
    match (&state.crm, &state.breaker) {
        (None, _) => "not configured",
        (Some(crm), _) if !crm.enabled => "disabled",
        (Some(_), Some(breaker)) if breaker.position() != Position::Closed => "paused",
        (Some(_), _) => "ok",
    }
}

/// How Maxio stands, in a word or two.
pub fn maxio_state(state: &AppState) -> &'static str {
    match (&state.maxio, &state.maxio_breaker) {
        (None, _) => "not configured",
        (Some(_), Some(breaker)) if breaker.position() != Position::Closed => "paused",
        (Some(_), _) => "ok",
    }
}

fn summary(crm: &str, dead: i64, oldest: Option<u64>) -> String {
    let waits = match oldest {
        None => "nothing waits".to_owned(),
        Some(seconds) => format!("the oldest waiting change is {} old", age(seconds)),
    };
    match (crm, dead) {
        ("not configured", _) => format!("No CRM is configured; changes are kept, {waits}."),
        ("disabled", _) => {
            format!("Sending is switched off (VTIGER_ENABLED=false); changes are kept, {waits}.")
        }
        ("paused", _) => {
            format!("vTiger does not answer as it should and is left alone for a moment; {waits}.")
        }
        (_, 0) if oldest.is_none_or(|seconds| seconds < 300) => {
            format!("All flows are current; {waits}.")
        }
        (_, 0) => format!("Work is behind; {waits}."),
        (_, 1) => format!("One change could not be delivered and needs a person; {waits}."),
        (_, dead) => format!("{dead} changes could not be delivered and need a person; {waits}."),
    }
}

/// `4 seconds`, `3 minutes`, `2 hours`, `5 days`.
pub fn age(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if number == 1 {
        format!("{number} {unit}")
    } else {
        format!("{number} {unit}s")
    }
}
