//! Tokens of programs, on the page with people.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::Deserialize;
use uuid::Uuid;

use super::frame::{Frame, go, not_found, not_taken, show, store_down};
use super::moment::Moment;
use super::person::Person;
use crate::desk::Actor;
use crate::http::AppState;
use crate::http::rights::Right;
use crate::http::tokens::{self, Refusal, Wanted};
use crate::store::api_tokens::{self, ApiToken};

const HERE: &str = "/people#tokens";
/// A token that ends so soon is pointed out.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// A token, as the list shows it.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) right: &'static str,
    pub(super) badge: (&'static str, &'static str),
    pub(super) works: bool,
    pub(super) made: (String, Moment),
    pub(super) until: Option<Moment>,
    pub(super) seen: Option<Moment>,
}

/// What a token can be allowed: word, label, meaning.
pub(super) const RIGHTS: [(&str, &str, &str); 3] = [
    (
        Right::CustomerCare.as_str(),
        "Customer care",
        "Looks: every route of the API that changes nothing. Nothing is masked there.",
    ),
    (
        Right::SetupAdmin.as_str(),
        "Setup admin",
        "The same, for programs that set Pugmark up.",
    ),
    (
        Right::RegistrationAdmin.as_str(),
        "Registration admin",
        "Also changes: customers, staff accounts, retries, the field mapping. People, grants and tokens stay out of its reach.",
    ),
];

/// All tokens, those that were revoked last.
pub(super) async fn rows(conn: &mut Conn, now: Ts) -> Result<Vec<Row>, DbError> {
    let all = api_tokens::all(conn).await?;
    Ok(all.into_iter().map(|token| row(token, now)).collect())
}

fn row(token: ApiToken, now: Ts) -> Row {
    let expired = token.expires_at.is_some_and(|at| at <= now);
    let soon = token.expires_at.is_some_and(|at| at <= now.after(SOON));
    let badge = match (token.revoked_at.is_some(), expired, soon) {
        (true, _, _) => ("", "Revoked"),
        (false, true, _) => ("bad", "Expired"),
        (false, false, true) => ("wait", "Ends soon"),
        (false, false, false) => ("good", "Works"),
    };
    let known = RIGHTS.iter().find(|(word, _, _)| *word == token.right_name);
    Row {
        id: token.token_id,
        name: token.name,
        right: known.map_or("Unknown", |(_, label, _)| label),
        badge,
        works: token.revoked_at.is_none(),
        made: (token.created_by, Moment::of(token.created_at, now)),
        until: token.expires_at.map(|at| Moment::of(at, now)),
        seen: token.seen_at.map(|at| Moment::of(at, now)),
    }
}

/// What the form for a new token says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct New {
    name: String,
    right: String,
    days: String,
    reason: String,
}

/// A token as it is handed over, once.
#[derive(Template)]
#[template(path = "console/token.html")]
struct Handed {
    frame: Frame,
    name: String,
    token: String,
}

/// `POST /people/tokens/add`
pub(super) async fn add(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Form(new): Form<New>,
) -> Response {
    let Ok(right) = new.right.parse() else {
        return not_taken(&frame, "Choose what the token may do.");
    };
    let days = match new.days.trim() {
        "" => None,
        text => match text.parse() {
            Ok(days) => Some(days),
            Err(_) => return not_taken(&frame, "Days must be a number, or left out."),
        },
    };
    let name = new.name.trim().to_owned();
    let wanted = Wanted {
        name: name.clone(),
        right,
        days,
    };
    let actor = actor(&person, &frame, &new.reason);
    match tokens::make(&state.db, wanted, actor).await {
        Ok((_, token)) => show(&Handed { frame, name, token }),
        Err(refused) => told(&frame, &refused),
    }
}

/// Why a token is revoked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Why {
    reason: String,
}

/// `POST /people/tokens/{id}/revoke`
pub(super) async fn revoke(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<Uuid>,
    Form(why): Form<Why>,
) -> Response {
    if why.reason.trim().is_empty() {
        return not_taken(&frame, "Say why, for the audit log.");
    }
    let actor = actor(&person, &frame, &why.reason);
    match tokens::revoke(&state.db, id, actor).await {
        Ok(token) => go(HERE, &format!("The token of {} works no more.", token.name)),
        Err(refused) => told(&frame, &refused),
    }
}

fn actor(person: &Person, frame: &Frame, reason: &str) -> Actor {
    Actor {
        name: person.actor().into(),
        reason: reason.trim().chars().take(500).collect(),
        correlation_id: frame.correlation_id.clone(),
    }
}

fn told(frame: &Frame, refused: &Refusal) -> Response {
    match refused {
        Refusal::Store(error) => store_down(frame, error),
        Refusal::NoSuch => not_found(frame, "There is no such token."),
        Refusal::Taken => not_taken(
            frame,
            "A token with this name exists already; revoke it first, or choose another name.",
        ),
        Refusal::Wrong(field, what) => not_taken(frame, &format!("The field {field} {what}.")),
    }
}
