//! One conflict: both sides and what was last agreed on, and what else waits about the customer.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::db::Ts;

use super::Shown;
use crate::crm::{CONTACTS, record_link};
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::console::answered;
use crate::http::console::frame::{Frame, not_found, show};
use crate::http::console::person::Person;
use crate::http::envelope::ApiError;
use crate::store::conflicts::{self, Conflict};
use crate::store::links;

/// The contact in vTiger, by its id and, where it is known, its address.
struct Contact {
    id: String,
    url: Option<String>,
}

#[derive(Template)]
#[template(path = "console/conflicts/detail.html")]
struct Page {
    frame: Frame,
    conflict: Shown,
    contact: Option<Contact>,
    /// What else waits about the customer.
    others: Vec<Shown>,
    may_decide: bool,
}

#[derive(Template)]
#[template(path = "console/conflicts/detail.html", block = "live")]
struct Live {
    conflict: Shown,
}

/// `GET /conflicts/{id}`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &id).await {
        Ok(Some(loaded)) => show(&of(&state, frame, &person, loaded)),
        Ok(None) => unknown(&frame, &id),
        Err(error) => answered::refused(&frame, &error),
    }
}

/// `GET /console/conflicts/{id}`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<String>,
) -> Response {
    match load(&state, &id).await {
        Ok(Some(loaded)) => show(&Live {
            conflict: Shown::of(loaded.conflict, person.sees_personal(), Ts::now()),
        }),
        Ok(None) => unknown(&frame, &id),
        Err(error) => answered::refused(&frame, &error),
    }
}

struct Loaded {
    conflict: Conflict,
    others: Vec<Conflict>,
    contact: Option<String>,
}

async fn load(state: &AppState, id: &str) -> Result<Option<Loaded>, ApiError> {
    // An id is a UUID; what is none is asked about nowhere.
    if uuid::Uuid::parse_str(id).is_err() {
        return Ok(None);
    }
    let mut conn = state.db.read().await?;
    let Some(conflict) = conflicts::get(&mut conn, id).await? else {
        return Ok(None);
    };
    let mut others = conflicts::unresolved(&mut conn, &conflict.customer_id).await?;
    others.retain(|other| other.id != conflict.id);
    let link = links::get(&mut conn, CUSTOMER, &conflict.customer_id).await?;
    Ok(Some(Loaded {
        conflict,
        others,
        contact: link.and_then(|link| link.vtiger_id),
    }))
}

fn of(state: &AppState, frame: Frame, person: &Person, loaded: Loaded) -> Page {
    let (now, personal) = (Ts::now(), person.sees_personal());
    let crm = state.crm.as_deref();
    let others = loaded.others.into_iter();
    Page {
        frame,
        contact: loaded.contact.map(|id| Contact {
            url: crm.and_then(|crm| record_link(crm, CONTACTS, &id)),
            id,
        }),
        others: others.map(|one| Shown::of(one, personal, now)).collect(),
        may_decide: person.may_change() && loaded.conflict.status == "OPEN",
        conflict: Shown::of(loaded.conflict, personal, now),
    }
}

fn unknown(frame: &Frame, id: &str) -> Response {
    not_found(frame, &format!("No conflict has the id {id}."))
}
