//! The list of customers: found by name, phone, e-mail, document or vTiger id, each with its badge.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::person_data::{full_name, label, name_of, seen, status_class};
use super::typed;
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::{Moment, encoded};
use crate::http::console::person::Person;
use crate::http::console::sync_badge::{Known, SyncBadge};
use crate::store::customers::CustomerView;
use crate::store::customers::badges;
use crate::store::customers::search::{self, Sought};
use crate::store::links::SyncStatus;
use crate::store::page::{Place, Wanted};

/// Customers of a page.
const PAGE: u32 = 50;

/// Badges that a list can be narrowed to.
const BADGES: [(&str, &str); 5] = [
    ("All", ""),
    ("Synced", "synced"),
    ("Waiting", "pending"),
    ("Syncing", "syncing"),
    ("Failed", "failed"),
];

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// What is looked for.
    q: String,
    /// Only with this badge.
    badge: String,
    /// Where the page begins: the place and id of the customer before it, or the id alone in a list of one badge.
    after: String,
}

pub(super) struct Line {
    id: String,
    name: String,
    phone: String,
    document: String,
    status: String,
    status_class: &'static str,
    badge: SyncBadge,
    registered: Moment,
}

struct Choice {
    label: &'static str,
    address: String,
    current: bool,
}

struct Results {
    lines: Vec<Line>,
    next: Option<String>,
    /// It is not the first page.
    further: bool,
    /// The page ended because enough was looked at.
    cut_short: bool,
    /// Something is looked for that this person may not look for.
    refused: bool,
    /// Nothing is looked for and nothing left out.
    everybody: bool,
}

#[derive(Template)]
#[template(path = "console/customers/list.html")]
struct Page {
    frame: Frame,
    q: String,
    badge: String,
    personal: bool,
    choices: Vec<Choice>,
    refresh: String,
    results: Results,
}

#[derive(Template)]
#[template(path = "console/customers/list.html", block = "live")]
struct Live {
    results: Results,
}

/// `GET /customers`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    let results = match gather(&state, &person, &asked).await {
        Ok(results) => results,
        Err(error) => return store_down(&frame, &error),
    };
    let q = typed(&asked.q);
    let choices = BADGES.map(|(label, word)| Choice {
        label,
        address: address(&q, word, ""),
        current: asked.badge == word,
    });
    show(&Page {
        refresh: format!("/console{}", address(&q, &asked.badge, &asked.after)),
        frame,
        personal: person.sees_personal(),
        choices: choices.into(),
        badge: asked.badge,
        q,
        results,
    })
}

/// `GET /console/customers`
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

fn address(q: &str, badge: &str, after: &str) -> String {
    let mut parts = Vec::new();
    for (name, value) in [("q", q), ("badge", badge), ("after", after)] {
        if !value.is_empty() {
            parts.push(format!("{name}={}", encoded(value)));
        }
    }
    match parts.is_empty() {
        true => "/customers".to_owned(),
        false => format!("/customers?{}", parts.join("&")),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Results, DbError> {
    let personal = person.sees_personal();
    let q = typed(&asked.q);
    let status = SyncStatus::parse(&asked.badge.to_uppercase());
    let sought = match personal {
        true => Some(Sought::typed(&q)),
        false => Sought::typed_without_personal(&q),
    };
    let mut results = Results {
        lines: Vec::new(),
        next: None,
        further: !asked.after.is_empty(),
        cut_short: false,
        refused: sought.is_none(),
        everybody: q.is_empty() && status.is_none(),
    };
    let Some(sought) = sought else {
        return Ok(results);
    };
    let mut conn = state.db.read().await?;
    let (found, next) = match status {
        Some(status) if sought.is_everybody() => {
            let after =
                uuid::Uuid::parse_str(&asked.after).map_or(String::new(), |id| id.to_string());
            let standing = badges::standing(&mut conn, status, &after, PAGE).await?;
            results.cut_short = standing.next.is_some() && standing.customers.len() < PAGE as usize;
            (standing.customers, standing.next)
        }
        status => {
            let wanted = Wanted {
                after: place(&asked.after, state),
                limit: PAGE,
            };
            let found = search::find(&mut conn, &sought, status, &wanted).await?;
            results.cut_short = found.cut_short;
            let next = found.next.map(|(place, id)| format!("{id}:{place}"));
            (found.customers, next)
        }
    };
    let now = Ts::now();
    results.next = next.map(|next| address(&q, &asked.badge, &next));
    let lines = found.into_iter().map(|view| line(view, personal, now));
    results.lines = lines.collect();
    Ok(results)
}

fn place(after: &str, state: &AppState) -> Option<(Place, String)> {
    let (id, place) = after.split_once(':')?;
    let id = uuid::Uuid::parse_str(id).ok()?.to_string();
    Some((Place::parse(place, state.db.engine())?, id))
}

fn line(view: CustomerView, personal: bool, now: Ts) -> Line {
    let badge = badge_of(&view, personal, now);
    let customer = view.customer;
    let document = format!(
        "{} {}",
        label(Some(&customer.id_type)),
        seen(&customer.id_number, personal)
    );
    let name = match name_of(&customer, personal) {
        name if name.is_empty() => full_name("(no name)", None, "", true),
        name => name,
    };
    Line {
        name,
        phone: seen(&customer.phone_number, personal),
        document,
        status_class: status_class(&customer.status),
        status: label(Some(&customer.status)),
        badge,
        registered: Moment::of(customer.created_at, now),
        id: customer.id,
    }
}

/// The badge of a customer.
pub(super) fn badge_of(view: &CustomerView, personal: bool, now: Ts) -> SyncBadge {
    let status = view.sync_status.as_deref().and_then(SyncStatus::parse);
    let known = Known {
        status,
        is_test: view.customer.is_test_user,
        last_synced_at: view.last_synced_at,
        error: view.sync_error.as_deref(),
        code: view.sync_error_code.as_deref(),
    };
    SyncBadge::of(known, personal, now)
}
