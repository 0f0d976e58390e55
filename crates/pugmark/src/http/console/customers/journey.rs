//! The journey of a customer: one timeline of what was changed where, what was done about it, and by whom.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{OperationId, OperationRecord, QueueError};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::merging::{self, Place, Source};
use super::no_such;
use super::person_data::{name_of, seen};
use crate::capture::change::{Change, Event, flag, text};
use crate::flows::insurance::inbound::CONTACT;
use crate::flows::insurance::plan::CUSTOMER;
use crate::flows::insurance::wording::column_name;
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::operations::{Attempt, Badge, told};
use crate::http::console::person::Person;
use crate::http::console::texts;
use crate::store::audit::{self, Kept};
use crate::store::conflicts::{self, Conflict};
use crate::store::journey::{self, Delivered};
use crate::store::{change_log, customers, links};

/// Entries of a page.
const PAGE: usize = 25;
/// Operations of which acts of people are shown: the latest.
const ACTED_ON: u32 = 1_000;

/// Columns whose values say nothing personal.
const PLAIN: [&str; 12] = [
    "status",
    "isTestUser",
    "deletedAt",
    "detachedAt",
    "paymentStatus",
    "amount",
    "actualPaymentDate",
    "expectedPaymentDate",
    "entityKind",
    "fieldPath",
    "relationship",
    "resolvedAt",
];

/// A value that changed.
pub(super) struct Changed {
    pub(super) label: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// One entry of the timeline.
pub(super) struct Entry {
    /// The colour of its point.
    pub(super) class: &'static str,
    pub(super) at: Moment,
    /// Which way it goes, or where it happened.
    pub(super) way: &'static str,
    pub(super) title: String,
    pub(super) who: Option<String>,
    pub(super) why: Option<String>,
    /// The operation that has a page.
    pub(super) operation: Option<OperationId>,
    pub(super) kind: Option<String>,
    pub(super) badge: Option<Badge>,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) changed: Vec<Changed>,
    pub(super) attempts: Vec<Attempt>,
    /// The request, whose log lines can be read.
    pub(super) request: Option<String>,
}

impl Entry {
    fn new(way: &'static str, title: String, at: Ts, now: Ts) -> Self {
        Entry {
            class: "",
            at: Moment::of(at, now),
            way,
            title,
            who: None,
            why: None,
            operation: None,
            kind: None,
            badge: None,
            code: None,
            message: None,
            changed: Vec::new(),
            attempts: Vec::new(),
            request: None,
        }
    }
}

/// A page of the timeline.
pub(super) struct Timeline {
    pub(super) entries: Vec<Entry>,
    /// Address of the next page.
    pub(super) older: Option<String>,
}

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    before: String,
}

#[derive(Template)]
#[template(path = "console/customers/journey.html")]
struct Page {
    frame: Frame,
    id: String,
    name: String,
    timeline: Timeline,
}

/// `GET /customers/{id}/journey`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return no_such(&frame);
    };
    let id = id.to_string();
    let name = match named(&state, &person, &id).await {
        Ok(Some(name)) => name,
        Ok(None) => return no_such(&frame),
        Err(error) => return store_down(&frame, &error),
    };
    let before = Place::parse(&asked.before);
    match timeline(&state, &person, &id, before.as_ref()).await {
        Ok(timeline) => show(&Page {
            frame,
            id,
            name,
            timeline,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// The customer's name, or its id when the row is gone and something of it is left.
async fn named(state: &AppState, person: &Person, id: &str) -> Result<Option<String>, QueueError> {
    let mut conn = state.db.read().await?;
    if let Some(customer) = customers::get(&mut conn, id).await? {
        return Ok(Some(name_of(&customer, person.sees_personal())));
    }
    let link = links::view(&mut conn, CUSTOMER, id).await?;
    Ok(link.map(|_| format!("Deleted customer {id}")))
}

/// The page of the timeline behind `before`.
pub(super) async fn timeline(
    state: &AppState,
    person: &Person,
    customer: &str,
    before: Option<&Place>,
) -> Result<Timeline, QueueError> {
    let now = Ts::now();
    let top = Place::numbered(
        now.after(std::time::Duration::from_secs(60)),
        Source::Audit,
        i64::MAX,
    );
    let after = before.unwrap_or(&top);
    let mut gathering = Gathering {
        state,
        personal: person.sees_personal(),
        customer,
        after,
        now,
        entries: Vec::new(),
    };
    gathering.all().await?;
    let (entries, next) = merging::page(gathering.entries, before, PAGE);
    let mut shown = Vec::with_capacity(entries.len());
    for mut entry in entries {
        // Attempts are read only for what is shown.
        if let Some(id) = entry.operation.filter(|_| entry.badge.is_some()) {
            let attempts = state.queue.attempts(id).await?;
            entry.attempts = Attempt::all(attempts, person.sees_personal(), now);
        }
        shown.push(entry);
    }
    Ok(Timeline {
        entries: shown,
        older: next.map(|next| format!("/customers/{customer}/journey?before={next}")),
    })
}

struct Gathering<'a> {
    state: &'a AppState,
    personal: bool,
    customer: &'a str,
    after: &'a Place,
    now: Ts,
    entries: Vec<(Place, Entry)>,
}

impl Gathering<'_> {
    const LIMIT: u32 = PAGE as u32 + 1;

    async fn all(&mut self) -> Result<(), QueueError> {
        let mut conn = self.state.db.read().await?;
        let link = links::view(&mut conn, CUSTOMER, self.customer).await?;
        let contact = link.and_then(|link| link.vtiger_id);
        let lanes = journey::lanes(&mut conn, self.customer, contact.as_deref()).await?;
        self.changes(&mut conn).await?;
        self.conflicts(&mut conn).await?;
        if let Some(contact) = &contact {
            self.webhooks(&mut conn, contact).await?;
        }
        if self.personal {
            self.acts(&mut conn, &lanes).await?;
        }
        let before = self.after.before_operation();
        let operations = journey::operations(&mut conn, &lanes, before, Self::LIMIT).await?;
        drop(conn);
        for id in operations {
            if let Some(found) = self.state.queue.get(id).await? {
                let entry = operation(&found.asked, self.personal, self.now);
                self.entries.push((Place::of_operation(id), entry));
            }
        }
        Ok(())
    }

    async fn changes(&mut self, conn: &mut Conn) -> Result<(), QueueError> {
        let until = self.after.until(Source::Change);
        let changes = change_log::of_customer(conn, self.customer, until, Self::LIMIT).await?;
        for (logged, at) in changes {
            let place = Place::numbered(at, Source::Change, logged.id);
            let entry = change(&logged, at, self.personal, self.now);
            self.entries.push((place, entry));
        }
        Ok(())
    }

    async fn conflicts(&mut self, conn: &mut Conn) -> Result<(), QueueError> {
        let limit = Self::LIMIT * 2;
        let found = conflicts::of_customer(conn, self.customer, self.after.at, limit).await?;
        for found in found {
            let place = Place {
                at: found.found_at,
                source: Source::Conflict,
                key: found.id.clone(),
            };
            let entry = conflict(&found, self.personal, self.now);
            self.entries.push((place, entry));
        }
        Ok(())
    }

    async fn webhooks(&mut self, conn: &mut Conn, contact: &str) -> Result<(), QueueError> {
        let until = self.after.until(Source::Webhook);
        let delivered = journey::deliveries(conn, contact, until, Self::LIMIT).await?;
        for delivered in delivered {
            let at = delivered.received_at;
            let place = Place::numbered(at, Source::Webhook, delivered.id);
            let entry = webhook(delivered, self.personal, self.now);
            self.entries.push((place, entry));
        }
        Ok(())
    }

    async fn acts(&mut self, conn: &mut Conn, lanes: &[String]) -> Result<(), QueueError> {
        let until = self.after.until(Source::Audit);
        let latest = journey::first_of(i64::MAX >> 16);
        let operations = journey::operations(conn, lanes, latest, ACTED_ON).await?;
        let acts = audit::of_customer(conn, self.customer, &operations, until, Self::LIMIT).await?;
        for act in acts {
            let place = Place::numbered(act.at, Source::Audit, act.id);
            self.entries.push((place, acted(act, self.now)));
        }
        Ok(())
    }
}

fn operation(record: &OperationRecord, personal: bool, now: Ts) -> Entry {
    let inbound = record.kind == "contact.apply" || record.entity_type == CONTACT;
    let way = match inbound {
        true => "From vTiger",
        false => "To vTiger",
    };
    let badge = Badge::of(record);
    let open = record.processed_at.is_none();
    let queued = Place::of_operation(record.id).at;
    Entry {
        class: badge.class,
        who: record.requested_by.clone(),
        operation: Some(record.id),
        kind: Some(record.kind.clone()),
        badge: Some(badge),
        code: record.error_code.clone().filter(|_| open),
        message: record
            .error_message
            .as_deref()
            .filter(|_| open)
            .map(|message| told(message, personal)),
        request: Some(record.correlation_id.clone()),
        ..Entry::new(way, texts::operation(&record.kind).to_owned(), queued, now)
    }
}

fn change(change: &Change, at: Ts, personal: bool, now: Ts) -> Entry {
    let removed = change.differs("deletedAt") && change.latest("deletedAt") != Some(&Value::Null);
    let what = match (change.event, removed) {
        (Event::Insert, _) => "added",
        (Event::Update, true) => "removed",
        (Event::Update, false) => "changed",
        (Event::Delete, _) => "deleted",
    };
    let title = format!("{} {what}", texts::table(&change.table));
    let healed = change
        .healed
        .then(|| "no trigger saw it; the comparison of rows found it".to_owned());
    Entry {
        why: healed,
        changed: changed(change, personal),
        request: change.correlation_id.clone(),
        ..Entry::new("In MicroBima", title, at, now)
    }
}

/// The columns that an update changed.
fn changed(change: &Change, personal: bool) -> Vec<Changed> {
    let (Event::Update, Some(new)) = (change.event, &change.new) else {
        return Vec::new();
    };
    let shown = |column: &str, value: &Value| {
        let value = match value {
            Value::Bool(_) if flag(value) => "yes".to_owned(),
            Value::Bool(_) => "no".to_owned(),
            value => text(value).unwrap_or_default(),
        };
        seen(&value, personal || PLAIN.contains(&column))
    };
    let columns = new.keys().filter(|column| change.differs(column));
    columns
        .map(|column| {
            let (before, after) = change.both(column);
            Changed {
                label: column_name(column),
                before: shown(column, before),
                after: shown(column, after),
            }
        })
        .collect()
}

fn webhook(delivered: Delivered, personal: bool, now: Ts) -> Entry {
    let (class, became) = match delivered.status.as_str() {
        "ACCEPTED" => ("good", "taken in"),
        "IGNORED" => ("", "nothing to do"),
        _ => ("bad", "cannot be read"),
    };
    let event = delivered.event.unwrap_or_else(|| "a change".to_owned());
    let title = format!("Webhook {}: {event}, {became}", delivered.endpoint);
    Entry {
        class,
        why: delivered.reason.map(|reason| told(&reason, personal)),
        operation: delivered.operation_id,
        request: Some(delivered.correlation_id),
        who: Some("vTiger".to_owned()),
        ..Entry::new("From vTiger", title, delivered.received_at, now)
    }
}

fn conflict(conflict: &Conflict, personal: bool, now: Ts) -> Entry {
    let resolved = conflict.resolved_at.is_some();
    let how = match (conflict.choice, resolved) {
        (Some(choice), _) => format!("decided: {}", choice.as_str()),
        (None, true) => "ended by itself".to_owned(),
        (None, false) => "waits for a person".to_owned(),
    };
    let values = Changed {
        label: conflict.label.clone(),
        before: format!("MicroBima: {}", seen(&conflict.ours, personal)),
        after: format!("vTiger: {}", seen(&conflict.theirs, personal)),
    };
    let why = conflict
        .decided_why
        .as_deref()
        .or(conflict.reason.as_deref());
    let title = format!("Both sides differ in {}, {how}", conflict.label);
    Entry {
        class: if resolved { "good" } else { "wait" },
        who: conflict.decided_by.clone().filter(|_| personal),
        why: why.map(|why| told(why, personal)),
        changed: vec![values],
        ..Entry::new("Conflict", title, conflict.found_at, now)
    }
}

fn acted(act: Kept, now: Ts) -> Entry {
    let operation = act.subject.parse().ok();
    Entry {
        who: Some(act.actor),
        why: act.reason,
        operation,
        request: act.correlation_id,
        ..Entry::new("By a person", act.action, act.at, now)
    }
}
