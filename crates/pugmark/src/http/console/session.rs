//! The session behind a request.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use pugmark_queue::db::{Conn, DbError, Ts};
use uuid::Uuid;

use super::cookies;
use super::frame::{Frame, Visit, store_down, trouble};
use super::person::Person;
use super::texts;
use crate::http::AppState;
use crate::http::envelope::ApiError;
use crate::people::Role;
use crate::people::token::Token;
use crate::store::console_sessions::{self, NewSession, Open};
use crate::store::console_users;

/// How exactly it is noted when a session was last used; each note is a write.
const SEEN_TO: Duration = Duration::from_secs(60);
/// Most characters kept of what a browser calls itself.
const LONGEST_AGENT: usize = 200;

/// Why it is not known who it is.
pub(super) enum Unknown {
    Store(DbError),
    Logins(String),
}

impl From<DbError> for Unknown {
    fn from(error: DbError) -> Self {
        Unknown::Store(error)
    }
}

impl Unknown {
    pub(super) fn answer(&self, frame: &Frame) -> Response {
        match self {
            Unknown::Store(error) => store_down(frame, error),
            Unknown::Logins(message) => {
                tracing::warn!(%message, "a login could not be looked up for the console");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                trouble(frame, status, &texts::LOGINS_DOWN, "", None)
            }
        }
    }
}

/// Who it is. A session that was ended or has run out, and one of somebody who was disabled, is nobody's.
pub(super) async fn of_request(state: &AppState, parts: &Parts) -> Result<Visit, Unknown> {
    let secure = cookies::is_secure(&parts.headers, state.console.public_url.as_deref());
    let nobody = Visit {
        person: None,
        form_token: String::new(),
    };
    let Some(token) = cookies::session(&parts.headers, secure) else {
        return Ok(nobody);
    };
    let open = {
        let mut conn = state.db.read().await?;
        console_sessions::find(&mut conn, &token.digest()).await?
    };
    let now = Ts::now();
    let Some(open) = open.filter(|open| is_live(open, now, state.console.settings.idle)) else {
        return Ok(nobody);
    };
    let Some(role) = role_of(state, &open).await? else {
        return Ok(nobody);
    };
    if now.since(open.seen_at) >= SEEN_TO {
        note_seen(state, &open, now).await?;
    }
    Ok(Visit {
        form_token: token.form_token(),
        person: Some(Person {
            id: open.user_id,
            name: open.name,
            email: open.email,
            role,
            session: open.session_id,
        }),
    })
}

fn is_live(open: &Open, now: Ts, idle: Duration) -> bool {
    now < open.expires_at && now.since(open.seen_at) < idle
}

/// The role as it is now: stored for local accounts, looked up for people of Supabase.
async fn role_of(state: &AppState, open: &Open) -> Result<Option<Role>, Unknown> {
    let Some(login) = open.login_id.as_deref() else {
        return Ok(open.role.parse().ok());
    };
    match state.access.rights_of(&state.db, login).await {
        Ok(rights) => Ok(rights.and_then(|rights| Role::of_rights(&rights))),
        Err(ApiError { message, .. }) => Err(Unknown::Logins(message)),
    }
}

async fn note_seen(state: &AppState, open: &Open, now: Ts) -> Result<(), DbError> {
    let (session, user) = (open.session_id, open.user_id);
    let write = state.db.write("console session seen", move |conn| {
        Box::pin(async move {
            console_sessions::seen(conn, session, now).await?;
            console_users::seen(conn, user, now).await?;
            Ok::<_, DbError>(())
        })
    });
    write.await
}

/// What is known of a browser that is being let in.
#[derive(Clone)]
pub(super) struct Arrival {
    /// What it calls itself.
    pub(super) user_agent: String,
    /// Where it is.
    pub(super) peer: String,
    /// The session it had before; that one ends.
    before: Option<Token>,
    secure: bool,
}

impl Arrival {
    pub(super) fn of(state: &AppState, headers: &HeaderMap, peer: String) -> Self {
        let secure = cookies::is_secure(headers, state.console.public_url.as_deref());
        let agent = headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Arrival {
            user_agent: agent
                .unwrap_or_default()
                .chars()
                .take(LONGEST_AGENT)
                .collect(),
            peer,
            before: cookies::session(headers, secure),
            secure,
        }
    }

    /// The cookie that gives the session to the browser.
    pub(super) fn cookie(&self, token: &Token) -> HeaderValue {
        cookies::set_session(token, self.secure)
    }
}

/// Opens a session, in the transaction of what proved who it is. Its token is always a new one: whatever the browser carried
/// before may have been put there by somebody else, and that session ends.
pub(super) async fn open(
    conn: &mut Conn,
    arrival: &Arrival,
    user: Uuid,
    (opened_with, lasts): (&'static str, Duration),
) -> Result<Token, DbError> {
    let now = Ts::now();
    if let Some(before) = &arrival.before {
        console_sessions::end(conn, &before.digest(), "signed in anew", now).await?;
    }
    let token = Token::random();
    let new = NewSession {
        digest: token.digest(),
        user_id: user,
        opened_with,
        user_agent: arrival.user_agent.clone(),
        peer: arrival.peer.clone(),
        expires_at: now.after(lasts),
    };
    console_sessions::insert(conn, &new, now).await?;
    console_users::seen(conn, user, now).await?;
    Ok(token)
}
