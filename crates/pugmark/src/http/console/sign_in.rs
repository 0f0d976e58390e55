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
use crate::people::password::MOST;
use crate::people::token::Token;
use crate::problem::Code;
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
    let known = match known(&state, &typed).await {
        Ok(known) => known,
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

/// The person, if the password is right. Somebody unknown takes as long.
async fn known(state: &AppState, typed: &Typed) -> Result<Option<Known>, session::Unknown> {
    use secrecy::ExposeSecret;
    if typed.password.expose_secret().chars().count() > MOST {
        return Ok(None);
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
    Ok(user.filter(|_| matches).map(|user| Known {
        user: user.user_id,
        name: user.email,
        opened_with: "password",
    }))
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
