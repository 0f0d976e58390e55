//! `/sign-in`: with an e-mail address and a password, without any script.

use std::net::SocketAddr;

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pugmark_queue::db::{DbError, Ts};
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::frame::{Frame, show, store_down};
use super::session::{self, Arrival};
use super::{attempts, texts};
use crate::http::AppState;
use crate::people::Role;
use crate::people::password::MOST;
use crate::people::token::Token;
use crate::problem::Code;
use crate::store::console_users::NewUser;
use crate::store::{audit, console_users};

/// The page.
#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct Page {
    frame: Frame,
    next: String,
    email: String,
    wrong: Option<String>,
    code: Option<Code>,
    supabase: bool,
}

/// What the address says.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    next: String,
}

/// `GET /sign-in`
pub(super) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Response {
    let next = local(&asked.next).to_owned();
    if frame.person.is_some() {
        return Redirect::to(&next).into_response();
    }
    show(&Page {
        frame,
        next,
        email: String::new(),
        wrong: None,
        code: None,
        supabase: state.staff.logins.is_some(),
    })
}

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// Somebody whose password was right.
struct Known {
    user: Uuid,
    name: String,
    opened_with: &'static str,
}

/// `POST /sign-in`
pub(super) async fn send(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    frame: Frame,
    Form(typed): Form<Typed>,
) -> Response {
    let peer = peer.ip().to_string();
    let subjects = attempts::Subjects::of(&typed.email, &peer);
    match attempts::begin(&state.db, &subjects).await {
        Ok(None) => {}
        Ok(Some(wait)) => return throttled(&state, frame, &typed, wait),
        Err(error) => return store_down(&frame, &error),
    }
    let found = match by_local_account(&state, &typed).await {
        Ok(None) => by_supabase(&state, &typed).await,
        other => other,
    };
    let known = match found {
        Ok(None) => None,
        Ok(Some(Found::Known(known))) => Some(known),
        Ok(Some(Found::Wrong)) => None,
        Ok(Some(Found::NoRight)) => return no_right(&state, frame, &typed),
        Err(error) => return error.answer(&frame),
    };
    let Some(known) = known else {
        // No address in the log: people type passwords into the wrong field.
        tracing::warn!(code = %Code::SignInRefused, %peer, "an attempt to sign in failed");
        return wrong(&state, frame, &typed);
    };
    let arrival = Arrival::of(&state, &headers, peer);
    match enter(&state, &arrival, known, subjects, &frame.correlation_id).await {
        Ok(token) => {
            let back = Redirect::to(local(&typed.next));
            ([(header::SET_COOKIE, arrival.cookie(&token))], back).into_response()
        }
        Err(error) => store_down(&frame, &error),
    }
}

/// What became of an address and a password.
enum Found {
    Known(Known),
    /// There is such an account, and the password is not its.
    Wrong,
    /// The login is right, and may do nothing here.
    NoRight,
}

/// By an account of Pugmark's own; `None` where there is none. Somebody unknown takes as long.
async fn by_local_account(
    state: &AppState,
    typed: &Typed,
) -> Result<Option<Found>, session::Unknown> {
    use secrecy::ExposeSecret;
    if typed.password.expose_secret().chars().count() > MOST {
        return Ok(Some(Found::Wrong));
    }
    let (user, stored) = {
        let mut conn = state.db.read().await?;
        let user = console_users::by_email(&mut conn, &typed.email).await?;
        let stored = match &user {
            Some(user) => console_users::password_hash(&mut conn, user.user_id).await?,
            None => None,
        };
        (user, stored)
    };
    let matches = state
        .console
        .passwords
        .matches(typed.password.clone(), stored);
    let matches = matches.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a password could not be checked");
        false
    });
    let local = user.filter(|user| user.login_id.is_none());
    Ok(local.map(|user| match matches {
        true => Found::Known(Known {
            user: user.user_id,
            name: user.email,
            opened_with: "password",
        }),
        false => Found::Wrong,
    }))
}

/// By a login of Supabase, where one is configured. The first time, its person gets an account here, without a password.
async fn by_supabase(state: &AppState, typed: &Typed) -> Result<Option<Found>, session::Unknown> {
    let Some(logins) = &state.staff.logins else {
        return Ok(None);
    };
    let email = typed.email.trim();
    if email.is_empty() {
        return Ok(Some(Found::Wrong));
    }
    let user = match logins.client.sign_in(email, &typed.password).await {
        Ok(session) => session.user,
        Err(error) if error.refusal().is_some() => return Ok(Some(Found::Wrong)),
        Err(error) => return Err(session::Unknown::Logins(error.to_string())),
    };
    let login = user.id.to_string();
    let rights = state.access.rights_of(&state.db, &login).await;
    let rights = rights.map_err(|error| session::Unknown::Logins(error.message))?;
    let Some(role) = rights.and_then(|rights| Role::of_rights(&rights)) else {
        return Ok(Some(Found::NoRight));
    };
    let email = user.email.unwrap_or_else(|| email.to_owned());
    let name = email.split('@').next().unwrap_or(&email).to_owned();
    let new = NewUser {
        user_id: Uuid::now_v7(),
        name,
        email: email.clone(),
        role: role.as_str(),
        password_hash: None,
        login_id: Some(login.clone()),
        created_by: "Supabase".to_owned(),
    };
    let write = state.db.write("an account for a login", move |conn| {
        Box::pin(async move {
            let known = match console_users::by_login(conn, &login).await? {
                Some(known) => Some(known),
                None => {
                    console_users::insert(conn, &new, Ts::now()).await?;
                    console_users::by_login(conn, &login).await?
                }
            };
            if let Some(known) = &known {
                console_users::set_role(conn, known.user_id, role.as_str()).await?;
            }
            Ok::<_, DbError>(known)
        })
    });
    let known = write.await?.filter(|known| known.disabled_at.is_none());
    Ok(Some(known.map_or(Found::Wrong, |known| {
        Found::Known(Known {
            user: known.user_id,
            name: email,
            opened_with: "supabase",
        })
    })))
}

fn no_right(state: &AppState, frame: Frame, typed: &Typed) -> Response {
    let page = Page {
        frame,
        next: local(&typed.next).to_owned(),
        email: typed.email.trim().to_owned(),
        wrong: Some(texts::NO_RIGHT.to_owned()),
        code: Some(Code::RoleNotEnough),
        supabase: state.staff.logins.is_some(),
    };
    (StatusCode::FORBIDDEN, show(&page)).into_response()
}

/// Opens the session, and forgets the failures before it.
async fn enter(
    state: &AppState,
    arrival: &Arrival,
    known: Known,
    subjects: attempts::Subjects,
    correlation_id: &str,
) -> Result<Token, DbError> {
    let lasts = state.console.settings.absolute;
    let (arrival, correlation) = (arrival.clone(), correlation_id.to_owned());
    let write = state.db.write("console sign-in", move |conn| {
        Box::pin(async move {
            attempts::succeeded(conn, &subjects).await?;
            let opened = (known.opened_with, lasts);
            let token = session::open(conn, &arrival, known.user, opened).await?;
            let actor = format!("{} ({})", known.name, known.user);
            let entry = audit::Entry {
                actor: &actor,
                action: "console.sign-in",
                subject: &known.user.to_string(),
                reason: Some(known.opened_with),
                correlation_id: Some(&correlation),
            };
            audit::record(conn, Ts::now(), &entry).await?;
            Ok::<_, DbError>(token)
        })
    });
    write.await
}

fn wrong(state: &AppState, frame: Frame, typed: &Typed) -> Response {
    let page = Page {
        frame,
        next: local(&typed.next).to_owned(),
        email: typed.email.trim().to_owned(),
        wrong: Some(texts::WRONG.to_owned()),
        code: Some(Code::SignInRefused),
        supabase: state.staff.logins.is_some(),
    };
    (StatusCode::UNAUTHORIZED, show(&page)).into_response()
}

fn throttled(state: &AppState, frame: Frame, typed: &Typed, wait: u64) -> Response {
    tracing::warn!(code = %Code::SignInThrottled, seconds = wait, "an attempt to sign in came too soon");
    let page = Page {
        frame,
        next: local(&typed.next).to_owned(),
        email: typed.email.trim().to_owned(),
        wrong: Some(texts::too_soon(wait)),
        code: Some(Code::SignInThrottled),
        supabase: state.staff.logins.is_some(),
    };
    let mut response = (StatusCode::TOO_MANY_REQUESTS, show(&page)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    response
}

/// Where to go afterwards: only to pages of this server.
pub(super) fn local(next: &str) -> &str {
    let inside = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.chars().all(|letter| ('!'..='~').contains(&letter));
    if inside && !next.starts_with("/sign-in") {
        next
    } else {
        "/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "evil",
            "",
            "/\tx",
            "/x\r\nSet-Cookie: a=b",
            "/sign-in?next=/",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
        assert_eq!(
            local("/operations?q=status:dead"),
            "/operations?q=status:dead"
        );
    }
}
