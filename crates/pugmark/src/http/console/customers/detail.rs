//! One customer: who it is, how it stands towards vTiger, the family, payments, what is missing, and the journey.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Conn, DbError, Ts};
use uuid::Uuid;

use super::journey::{self, Timeline};
use super::list::badge_of;
use super::person_data::{full_name, label, name_of, seen, status_class};
use super::{no_such, sync};
use crate::crm::{CONTACTS, record_link};
use crate::flows::insurance::plan::CUSTOMER;
use crate::flows::insurance::wording::{column_name, money};
use crate::http::AppState;
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::moment::Moment;
use crate::http::console::person::Person;
use crate::http::console::sync_badge::{Known, SyncBadge};
use crate::store::beneficiaries::{self, Beneficiary};
use crate::store::customers::{self, CustomerView};
use crate::store::dependants::{self, Dependant};
use crate::store::links::{self, LinkView, SyncStatus};
use crate::store::missing_requirements::{self, MissingRequirement};
use crate::store::page::Wanted;
use crate::store::policies;
use crate::store::policy_payments::{self, PolicyPayment};

/// Rows of each part that are shown.
const ROWS: u32 = 50;
/// Payments that are shown, the latest.
const PAYMENTS: u32 = 25;

/// A person of the family.
struct Relative {
    name: String,
    relationship: String,
    born: String,
    /// When the person was removed.
    removed: Option<Moment>,
}

struct Payment {
    policy: String,
    kind: String,
    reference: String,
    account: String,
    status: String,
    status_class: &'static str,
    expected: String,
    paid: Option<String>,
    amount: String,
}

struct Missing {
    whose: String,
    field: String,
    since: Moment,
}

/// What changes while it is looked at.
struct Standing {
    id: String,
    badge: SyncBadge,
    /// Id and address of the contact.
    contact: Option<String>,
    link: Option<String>,
    /// What vTiger cannot keep as it is.
    warnings: Vec<String>,
    timeline: Timeline,
}

/// Who it is. Label and value, as MicroBima shows them.
struct Facts {
    name: String,
    status: String,
    status_class: &'static str,
    pairs: Vec<(&'static str, String)>,
    family: Vec<Relative>,
    kin: Vec<Relative>,
    payments: Vec<Payment>,
    more_payments: bool,
    missing: Vec<Missing>,
}

#[derive(Template)]
#[template(path = "console/customers/detail.html")]
struct Page {
    frame: Frame,
    /// `None` when the customer's row is gone.
    facts: Option<Facts>,
    standing: Standing,
    may_sync: bool,
    /// Something failed for good, which a sync repeats.
    needs_reason: bool,
}

#[derive(Template)]
#[template(path = "console/customers/detail.html", block = "live")]
struct Live {
    standing: Standing,
}

/// `GET /customers/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return no_such(&frame);
    };
    let id = id.to_string();
    let loaded = match load(&state, &person, &id).await {
        Ok(Some(loaded)) => loaded,
        Ok(None) => return no_such(&frame),
        Err(error) => return store_down(&frame, &error),
    };
    let needs_reason = match sync::repeats(&state, &id).await {
        Ok(repeats) => repeats,
        Err(error) => return store_down(&frame, &error),
    };
    let (facts, standing) = loaded;
    show(&Page {
        may_sync: facts.is_some() && person.may_care(),
        needs_reason,
        facts,
        standing,
        frame,
    })
}

/// `GET /console/customers/{id}`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = Uuid::parse_str(&id) else {
        return no_such(&frame);
    };
    match standing(&state, &person, &id.to_string()).await {
        Ok(Some((_, standing))) => show(&Live { standing }),
        Ok(None) => no_such(&frame),
        Err(error) => store_down(&frame, &error),
    }
}

async fn load(
    state: &AppState,
    person: &Person,
    id: &str,
) -> Result<Option<(Option<Facts>, Standing)>, QueueError> {
    let Some((view, standing)) = standing(state, person, id).await? else {
        return Ok(None);
    };
    let facts = match view {
        Some(view) => {
            let mut conn = state.db.read().await?;
            Some(facts(&mut conn, view, person.sees_personal()).await?)
        }
        None => None,
    };
    Ok(Some((facts, standing)))
}

/// How the customer stands, with its row if that is there; `None` when nothing is known of it.
async fn standing(
    state: &AppState,
    person: &Person,
    id: &str,
) -> Result<Option<(Option<CustomerView>, Standing)>, QueueError> {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let mut conn = state.db.read().await?;
    let view = customers::view(&mut conn, id).await?;
    let link = links::view(&mut conn, CUSTOMER, id).await?;
    drop(conn);
    let badge = match (&view, &link) {
        (None, None) => return Ok(None),
        (Some(view), _) => badge_of(view, personal, now),
        (None, Some(link)) => badge_of_link(link, personal, now),
    };
    let link = link.unwrap_or_default();
    let warnings: Vec<String> = link
        .warnings
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let crm = state.crm.as_deref();
    let address = link
        .vtiger_id
        .as_deref()
        .and_then(|id| record_link(crm?, CONTACTS, id));
    let standing = Standing {
        id: id.to_owned(),
        badge,
        link: address,
        contact: link.vtiger_id,
        warnings: warnings
            .iter()
            .map(|warning| crate::http::console::operations::told(warning, personal))
            .collect(),
        timeline: journey::timeline(state, person, id, None).await?,
    };
    Ok(Some((view, standing)))
}

/// The badge of a customer whose row is gone.
fn badge_of_link(link: &LinkView, personal: bool, now: Ts) -> SyncBadge {
    let known = Known {
        status: SyncStatus::parse(&link.sync_status),
        is_test: false,
        last_synced_at: link.last_synced_at,
        error: link.sync_error.as_deref(),
        code: link.sync_error_code.as_deref(),
    };
    SyncBadge::of(known, personal, now)
}

async fn facts(conn: &mut Conn, view: CustomerView, personal: bool) -> Result<Facts, DbError> {
    let now = Ts::now();
    let customer = &view.customer;
    let id = customer.id.as_str();
    let wanted = Wanted {
        after: None,
        limit: ROWS,
    };
    let family = dependants::of_customer(conn, id, true, &wanted).await?;
    let kin = beneficiaries::of_customer(conn, id, true, &wanted).await?;
    let policies = policies::of_customer(conn, id, &wanted).await?;
    let mut payments = policy_payments::of_customer(conn, id, PAYMENTS + 1).await?;
    let more_payments = payments.len() > PAYMENTS as usize;
    payments.truncate(PAYMENTS as usize);
    let mut missing = Vec::new();
    for row in missing_requirements::open_of_customer(conn, id).await? {
        missing.push(requirement(conn, row, personal, now).await?);
    }
    let policy = |id: &str| {
        let known = policies.iter().find(|policy| policy.id == id);
        known.map_or_else(|| id.to_owned(), |policy| policy.terms.product_name.clone())
    };
    let given = |text: &str| seen(text, personal);
    let pairs = vec![
        ("First name", given(&customer.first_name)),
        (
            "Middle name",
            given(customer.middle_name.as_deref().unwrap_or_default()),
        ),
        ("Last name", given(&customer.last_name)),
        (
            "Date of birth",
            given(customer.date_of_birth.as_deref().unwrap_or_default()),
        ),
        (
            "Email",
            given(customer.email.as_deref().unwrap_or_default()),
        ),
        ("Phone number", given(&customer.phone_number)),
        ("Gender", label(customer.gender.as_deref())),
        ("ID type", label(Some(&customer.id_type))),
        ("ID number", given(&customer.id_number)),
    ];
    Ok(Facts {
        name: name_of(customer, personal),
        status: label(Some(&customer.status)),
        status_class: status_class(&customer.status),
        pairs,
        family: family
            .iter()
            .map(|row| relative(row, personal, now))
            .collect(),
        kin: kin
            .iter()
            .map(|row| next_of_kin(row, personal, now))
            .collect(),
        payments: payments
            .iter()
            .map(|row| payment(row, policy(&row.entry.policy_id), personal))
            .collect(),
        more_payments,
        missing,
    })
}

fn relative(row: &Dependant, personal: bool, now: Ts) -> Relative {
    let person = &row.person;
    let middle = person.middle_name.as_deref();
    Relative {
        name: full_name(&person.first_name, middle, &person.last_name, personal),
        relationship: label(Some(&person.relationship)),
        born: seen(
            person.date_of_birth.as_deref().unwrap_or_default(),
            personal,
        ),
        removed: row.deleted_at.map(|at| Moment::of(at, now)),
    }
}

fn next_of_kin(row: &Beneficiary, personal: bool, now: Ts) -> Relative {
    let person = &row.person;
    let middle = person.middle_name.as_deref();
    Relative {
        name: full_name(&person.first_name, middle, &person.last_name, personal),
        relationship: label(person.relationship.as_deref()),
        born: String::new(),
        removed: row.deleted_at.map(|at| Moment::of(at, now)),
    }
}

fn payment(row: &PolicyPayment, policy: String, personal: bool) -> Payment {
    let entry = &row.entry;
    let day = |at: Ts| at.timestamp().strftime("%-d %b %Y").to_string();
    Payment {
        policy,
        kind: label(Some(&entry.payment_type)),
        reference: reference(&entry.transaction_reference),
        account: seen(
            entry.account_number.as_deref().unwrap_or_default(),
            personal,
        ),
        status_class: match entry.payment_status.as_str() {
            "COMPLETED" | "COMPLETED_PENDING_RECEIPT" => "good",
            "DETACHED" => "bad",
            _ => "wait",
        },
        status: label(Some(&entry.payment_status)),
        expected: day(entry.expected_payment_date),
        paid: entry.actual_payment_date.map(day),
        amount: money(entry.amount.cents()),
    }
}

/// Placeholders are long and say nothing: their end tells them apart, as in MicroBima.
fn reference(text: &str) -> String {
    let placeholder = text.contains("PENDING-") || text.starts_with("OUTSTANDING-");
    match placeholder {
        true => {
            let kept: String = text.chars().take(8).collect();
            format!("{kept}…")
        }
        false => text.to_owned(),
    }
}

async fn requirement(
    conn: &mut Conn,
    row: MissingRequirement,
    personal: bool,
    now: Ts,
) -> Result<Missing, DbError> {
    let name = match row.entity_id.as_deref() {
        Some(id) => missing_requirements::person_name(conn, &row.entity_kind, id).await?,
        None => None,
    };
    let tidy = |name: String| name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = name.map(|name| seen(&tidy(name), personal));
    let kind = label(Some(&row.entity_kind));
    let field = row.field_path.rsplit('.').next().unwrap_or_default();
    Ok(Missing {
        whose: match name {
            Some(name) => format!("{kind} {name}"),
            None => kind,
        },
        field: column_name(field),
        since: Moment::of(row.created_at, now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_shortened_and_receipts_are_not() {
        assert_eq!(reference("SGH7X2K9QA"), "SGH7X2K9QA");
        assert_eq!(reference("PENDING-STK-0123-4567"), "PENDING-…");
    }
}
