//! `/people`: who may sign in, as what, and where they are signed in now.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;
use uuid::Uuid;

use super::accounts::{self, By, NewAccount, Refusal};
use super::first::LINK;
use super::frame::{Frame, go, not_found, not_taken, show, store_down};
use super::person::Person;
use super::{tokens, when};
use crate::http::AppState;
use crate::people::token::Token;
use crate::people::{May, Role};
use crate::store::console_sessions::{self, Listed};
use crate::store::console_users::{self, User};

const HERE: &str = "/people";

#[derive(Template)]
#[template(path = "console/people.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    tokens: Vec<tokens::Row>,
    rights: [(&'static str, &'static str, &'static str); 3],
    roles: Vec<RoleShown>,
    typed: Typed,
    wrong: Option<String>,
}

/// A person as the list shows them.
struct Row {
    id: Uuid,
    name: String,
    email: String,
    role: String,
    role_label: &'static str,
    supabase: bool,
    myself: bool,
    disabled: bool,
    badge: (&'static str, &'static str),
    seen: String,
    seen_at: String,
    sessions: Vec<SessionShown>,
}

struct SessionShown {
    id: Uuid,
    current: bool,
    browser: String,
    peer: String,
    seen: String,
}

struct RoleShown {
    word: &'static str,
    label: &'static str,
    may: &'static str,
}

/// What the form for a new person says.
#[derive(Default, Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    role: String,
}

/// `GET /people`
pub(super) async fn page(State(state): State<AppState>, frame: Frame, person: Person) -> Response {
    listed(&state, frame, &person, Typed::default(), None).await
}

async fn listed(
    state: &AppState,
    frame: Frame,
    person: &Person,
    typed: Typed,
    wrong: Option<String>,
) -> Response {
    match gather(state, person).await {
        Ok((rows, tokens)) => show(&Page {
            frame,
            rows,
            tokens,
            rights: tokens::RIGHTS,
            roles: roles(),
            typed,
            wrong,
        }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(
    state: &AppState,
    person: &Person,
) -> Result<(Vec<Row>, Vec<tokens::Row>), DbError> {
    let now = Ts::now();
    let (users, open, tokens) = {
        let mut conn = state.db.read().await?;
        let users = console_users::all(&mut conn).await?;
        let idle_since = now.before(state.console.settings.idle);
        let open = console_sessions::open(&mut conn, now, idle_since).await?;
        let tokens = tokens::rows(&mut conn, now).await?;
        (users, open, tokens)
    };
    let mut sessions: BTreeMap<Uuid, Vec<SessionShown>> = BTreeMap::new();
    for session in open {
        let shown = session_shown(&session, person, now);
        sessions.entry(session.user_id).or_default().push(shown);
    }
    let rows = users.into_iter().map(|user| {
        let sessions = sessions.remove(&user.user_id).unwrap_or_default();
        row(user, sessions, person, now)
    });
    Ok((rows.collect(), tokens))
}

fn row(user: User, sessions: Vec<SessionShown>, person: &Person, now: Ts) -> Row {
    let role: Option<Role> = user.role.parse().ok();
    let supabase = user.login_id.is_some();
    let known = user.has_password || supabase || user.seen_at.is_some();
    let badge = match (user.disabled_at.is_some(), known) {
        (true, _) => ("bad", "Disabled"),
        (false, false) => ("wait", "Invited"),
        (false, true) => ("good", "Active"),
    };
    Row {
        id: user.user_id,
        myself: user.user_id == person.id,
        name: user.name,
        email: user.email,
        role_label: role.map_or("Unknown", Role::label),
        role: user.role,
        supabase,
        disabled: user.disabled_at.is_some(),
        badge,
        seen: user
            .seen_at
            .map_or_else(|| "never".to_owned(), |seen| when::ago(seen, now)),
        seen_at: user
            .seen_at
            .map(|seen| seen.timestamp().to_string())
            .unwrap_or_default(),
        sessions,
    }
}

fn session_shown(session: &Listed, person: &Person, now: Ts) -> SessionShown {
    SessionShown {
        id: session.session_id,
        current: session.session_id == person.session,
        browser: when::browser(&session.user_agent),
        peer: session.peer.clone(),
        seen: when::ago(session.seen_at, now),
    }
}

fn roles() -> Vec<RoleShown> {
    let shown = |role: Role| RoleShown {
        word: role.as_str(),
        label: role.label(),
        may: super::texts::may(role),
    };
    Role::ALL.map(shown).into()
}

/// What stands behind buttons that change somebody.
#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    session: String,
}

fn by(person: &Person, frame: &Frame, reason: &str) -> By {
    let reason = reason.trim();
    By {
        actor: person.actor(),
        correlation_id: frame.correlation_id.clone(),
        reason: (!reason.is_empty()).then(|| reason.chars().take(500).collect()),
    }
}

/// A link as it is handed to a person, once.
#[derive(Template)]
#[template(path = "console/handed.html")]
struct Handed {
    frame: Frame,
    name: String,
    address: String,
    lasts: String,
}

fn handed(
    state: &AppState,
    headers: &HeaderMap,
    frame: Frame,
    name: &str,
    token: &Token,
) -> Response {
    let origin = headers
        .get("origin")
        .and_then(|origin| origin.to_str().ok());
    let base = state
        .console
        .public_url
        .as_deref()
        .or(origin)
        .unwrap_or_default();
    show(&Handed {
        frame,
        name: name.to_owned(),
        address: format!("{base}{LINK}/{}", token.reveal()),
        lasts: when::span(state.console.settings.link),
    })
}

/// `POST /people/add`
pub(super) async fn add(
    State(state): State<AppState>,
    headers: HeaderMap,
    frame: Frame,
    person: Person,
    Form(typed): Form<Typed>,
) -> Response {
    let Ok(role) = typed.role.parse() else {
        return not_taken(&frame, "Choose a role.");
    };
    let new = NewAccount {
        name: typed.name.clone(),
        email: typed.email.clone(),
        role,
        password: None,
    };
    match accounts::add(&state, new, by(&person, &frame, "")).await {
        Ok((_, Some(token))) => handed(&state, &headers, frame, typed.name.trim(), &token),
        Ok((_, None)) => go(HERE, "Added."),
        Err(Refusal::Store(error)) => store_down(&frame, &error),
        Err(error) => {
            let wrong = Some(sentence(&error));
            let page = listed(&state, frame, &person, typed, wrong).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}

/// `POST /people/{id}/role`
pub(super) async fn change_role(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<Uuid>,
    Form(change): Form<Change>,
) -> Response {
    let Ok(role) = change.role.parse::<Role>() else {
        return not_taken(&frame, "Choose a role.");
    };
    if id == person.id && !role.may(May::Govern) {
        return not_taken(
            &frame,
            "Nobody takes their own rights away by mistake: ask another administrator.",
        );
    }
    let by = by(&person, &frame, &change.reason);
    let done = accounts::set_role(&state, id, role, by).await;
    told(&frame, done, |user| {
        format!("{} is now: {}.", user.name, role.label())
    })
}

/// `POST /people/{id}/disable`
pub(super) async fn disable(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<Uuid>,
    Form(change): Form<Change>,
) -> Response {
    if id == person.id {
        return not_taken(
            &frame,
            "Nobody disables themselves: ask another administrator.",
        );
    }
    if change.reason.trim().is_empty() {
        return not_taken(&frame, "Say why, for the audit log.");
    }
    let by = by(&person, &frame, &change.reason);
    let done = accounts::disable(&state, id, by).await;
    told(&frame, done, |user| {
        format!("{} is disabled and signed out everywhere.", user.name)
    })
}

/// `POST /people/{id}/enable`
pub(super) async fn enable(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<Uuid>,
    Form(change): Form<Change>,
) -> Response {
    let by = by(&person, &frame, &change.reason);
    let done = accounts::enable(&state, id, by).await;
    told(&frame, done, |user| {
        format!("{} may sign in again.", user.name)
    })
}

/// `POST /people/{id}/link`
pub(super) async fn make_link(
    State(state): State<AppState>,
    headers: HeaderMap,
    frame: Frame,
    person: Person,
    Path(id): Path<Uuid>,
    Form(change): Form<Change>,
) -> Response {
    let by = by(&person, &frame, &change.reason);
    match accounts::link(&state, id, by).await {
        Ok((user, token)) => handed(&state, &headers, frame, &user.name, &token),
        Err(error) => refused(&frame, &error),
    }
}

/// `POST /people/{id}/sign-out`
pub(super) async fn sign_out(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Path(id): Path<Uuid>,
    Form(change): Form<Change>,
) -> Response {
    let session = change.session.parse().ok();
    let by = by(&person, &frame, &change.reason);
    let done = accounts::sign_out(&state, id, session, by).await;
    told(&frame, done, |(user, ended)| match ended {
        1 => format!("One session of {} was ended.", user.name),
        ended => format!("{ended} sessions of {} were ended.", user.name),
    })
}

/// Back to the list, which says what was done; or why it was not.
fn told<T>(frame: &Frame, done: Result<T, Refusal>, said: impl FnOnce(T) -> String) -> Response {
    match done {
        Ok(done) => go(HERE, &said(done)),
        Err(error) => refused(frame, &error),
    }
}

fn refused(frame: &Frame, error: &Refusal) -> Response {
    match error {
        Refusal::Store(error) => store_down(frame, error),
        Refusal::NoSuch => not_found(frame, "There is no such account."),
        error => not_taken(frame, &sentence(error)),
    }
}

/// With a capital letter and a full stop.
fn sentence(error: &Refusal) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
