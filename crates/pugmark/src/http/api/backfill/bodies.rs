//! The bodies of these routes.

use pugmark_queue::Progress;
use pugmark_queue::db::Ts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::flows::insurance::backfill::estimate;
use crate::store::backfill::{Counts, Match, Run};

/// What is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewRunBody {
    /// Only read, match and estimate.
    #[serde(default)]
    pub(super) dry_run: bool,
    /// Go on to linking and creating without waiting for a confirmation.
    #[serde(default)]
    pub(super) confirmed: bool,
    /// Keys by which contacts are matched, in order: `reference`, `id` (kind and number of the document), `email`. All three when left out.
    pub(super) match_by: Option<Vec<String>>,
    /// Make new contacts in vTiger's bulk mode, through Pugmark's vTiger extension: 12 to 17 times as fast, but vTiger runs no workflows for
    /// them, writes no history, and tells nobody of them.
    #[serde(default)]
    pub(super) bulk: bool,
}

/// How far a first sync is, and what it has found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunBody {
    /// Number of the run.
    id: i64,
    /// `running`, `ready` (matched, and waiting for a confirmation), `delivering` (all is linked or queued), `finished`, `stopped` or `failed`.
    state: &'static str,
    /// What is done at the moment: `contacts`, `matching`, `ready`, `linking`, `ended`.
    phase: String,
    /// Whether it ends before anything is linked.
    dry_run: bool,
    /// Whether new contacts are made in vTiger's bulk mode.
    bulk: bool,
    /// Keys by which contacts are matched.
    match_by: Vec<String>,
    /// Contacts in vTiger when it began.
    contacts_total: i64,
    /// Contacts read.
    contacts: i64,
    /// Customers when it began.
    customers_total: i64,
    /// Customers dealt with in the phase under way.
    customers: i64,
    /// Customers with one contact that is theirs.
    matched: i64,
    /// Of these, customers whose contact is sent something.
    changing: i64,
    /// Customers that a person has to decide about; no contact is created for them.
    ambiguous: i64,
    /// Customers without any contact.
    fresh: i64,
    /// Customers linked or queued by now.
    done: i64,
    /// Calls that linking and creating will cost, or have cost.
    estimated_calls: i64,
    /// Seconds they take, about, from what reading took.
    estimated_seconds: i64,
    /// Operations that wait or are being carried out.
    waiting: i64,
    /// Operations that are done.
    delivered: i64,
    /// Operations that failed for good.
    failed: i64,
    /// Calls to vTiger for reading.
    calls: i64,
    /// Whether anything is sent to vTiger now; without it what is queued waits.
    sending: bool,
    /// What keeps it from going on, or why it ended before its end.
    trouble: Option<String>,
    /// Who asked for it.
    requested_by: String,
    /// The request; every operation is found by it.
    correlation_id: String,
    /// When it was asked for, RFC 3339 in UTC.
    created_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// Who stopped it before its end.
    stopped_by: Option<String>,
}

impl RunBody {
    pub(super) fn of(
        run: Run,
        counts: Counts,
        progress: Progress,
        crm: Option<&crate::config::Crm>,
    ) -> Self {
        let state = match (&run.stopped_by, run.ended_at, &run.trouble) {
            (Some(_), Some(_), _) => "stopped",
            (Some(_), None, _) => "running",
            (None, None, _) if run.phase == "ready" => "ready",
            (None, None, _) => "running",
            (None, Some(_), Some(_)) => "failed",
            (None, Some(_), None) if progress.unfinished > 0 => "delivering",
            (None, Some(_), None) => "finished",
        };
        let left = estimate(&run, &counts, crm.map_or(1, |crm| crm.sessions));
        let text = |at: Ts| at.timestamp().to_string();
        RunBody {
            state,
            id: run.id,
            phase: run.phase,
            dry_run: run.dry_run,
            bulk: run.bulk,
            match_by: run.match_by.split(',').map(str::to_owned).collect(),
            contacts_total: run.contacts_total,
            contacts: run.contacts,
            customers_total: run.customers_total,
            customers: run.customers,
            matched: counts.matched,
            changing: counts.changing,
            ambiguous: counts.ambiguous,
            fresh: counts.fresh,
            done: counts.done,
            estimated_calls: left.calls,
            estimated_seconds: left.seconds,
            waiting: progress.unfinished,
            delivered: progress.done,
            failed: progress.dead,
            calls: run.calls,
            sending: crm.is_some_and(|crm| crm.enabled),
            trouble: run.trouble,
            requested_by: run.requested_by,
            correlation_id: run.correlation_id,
            created_at: text(run.created_at),
            ended_at: run.ended_at.map(text),
            stopped_by: run.stopped_by,
        }
    }
}

/// What was found for a customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MatchBody {
    /// The customer.
    customer_id: String,
    /// `matched`, `ambiguous` or `new`.
    outcome: String,
    /// The contact, when it is matched.
    vtiger_contact_id: Option<String>,
    /// The key that decided.
    matched_by: Option<String>,
    /// Contacts in question.
    #[schema(value_type = Vec<String>)]
    contacts: Value,
    /// Why it is not certain.
    why: Option<String>,
    /// Fields of the contact whose value gives way to MicroBima's, with both.
    #[schema(value_type = Vec<Object>)]
    overwrites: Value,
}

impl From<Match> for MatchBody {
    fn from(found: Match) -> Self {
        let ambiguous = found.outcome == "ambiguous";
        let why = found.detail["why"].as_str().map(str::to_owned);
        let shared = || "the contact is that of several customers".to_owned();
        let list = |value: &Value| match value {
            Value::Array(_) => value.clone(),
            _ => Value::Array(Vec::new()),
        };
        let contacts = match (&found.vtiger_id, ambiguous) {
            (Some(contact), true) => Value::Array(vec![Value::String(contact.clone())]),
            _ => list(&found.detail["contacts"]),
        };
        MatchBody {
            why: ambiguous.then(|| why.unwrap_or_else(shared)),
            contacts,
            overwrites: list(&found.detail["overwrites"]),
            vtiger_contact_id: found.vtiger_id.filter(|_| !ambiguous),
            customer_id: found.customer_id,
            outcome: found.outcome,
            matched_by: found.matched_by,
        }
    }
}

/// What the list of matches takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// Only customers with this outcome.
    pub(super) outcome: Option<String>,
    /// Entries of a page, 1 to 500; 50 when left out.
    pub(super) limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// A customer who is held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReleaseBody {
    /// The customer who gets a contact of its own.
    pub(super) customer_id: String,
}
