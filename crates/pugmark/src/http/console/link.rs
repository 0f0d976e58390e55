//! `/sign-in/link/{token}`: links that work once. Opening one changes nothing, because mail programs open links by themselves; its
//! form does.

use std::net::SocketAddr;

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pugmark_queue::db::{Conn, Ts};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::accounts::{By, Refusal, hashed, named, note};
use super::attempts;
use super::frame::{Frame, show, store_down, trouble};
use super::session::{self, Arrival};
use super::texts;
use crate::http::AppState;
use crate::people::Role;
use crate::people::token::Token;
use crate::problem::Code;
use crate::store::console_links::{self, Link, Purpose};
use crate::store::console_sessions;
use crate::store::console_users::{self, NewUser, User};

#[derive(Template)]
#[template(path = "console/link.html")]
struct Page<'a> {
    frame: Frame,
    found: bool,
    enter: bool,
    name: &'a str,
    email: &'a str,
    wrong: Option<String>,
}

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
    #[serde(default)]
    again: SecretString,
}

/// `GET`
pub(super) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    Path(token): Path<String>,
) -> Response {
    match opened(&state, &token).await {
        Ok(Some((_, link, user))) => form(frame, &link, user.as_ref(), ("", ""), None),
        Ok(None) => used(&frame),
        Err(error) => store_down(&frame, &error),
    }
}

/// `POST`
pub(super) async fn send(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    frame: Frame,
    Path(token): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    let (token, link, user) = match opened(&state, &token).await {
        Ok(Some(found)) => found,
        Ok(None) => return used(&frame),
        Err(error) => return store_down(&frame, &error),
    };
    let hash = match chosen(&state, &link, user.as_ref(), &typed).await {
        Ok(hash) => hash,
        Err(error) => {
            let said = (typed.name.as_str(), typed.email.as_str());
            let wrong = Some(error.to_string());
            let page = form(frame, &link, user.as_ref(), said, wrong);
            return (StatusCode::UNPROCESSABLE_ENTITY, page).into_response();
        }
    };
    let arrival = Arrival::of(&state, &headers, peer.ip().to_string());
    let entrance = Entrance {
        digest: token.digest(),
        link,
        user,
        typed,
        hash,
        arrival: arrival.clone(),
        correlation_id: frame.correlation_id.clone(),
        lasts: state.console.settings.absolute,
    };
    let write = state.db.write("use a one-time link", move |conn| {
        Box::pin(async move { enter(conn, entrance).await })
    });
    match write.await {
        Ok(token) => {
            let cookie = arrival.cookie(&token);
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Err(Refusal::NoSuch | Refusal::Taken) => used(&frame),
        Err(error) => store_down(&frame, &error),
    }
}

/// The link, and whom it is for.
async fn opened(
    state: &AppState,
    text: &str,
) -> Result<Option<(Token, Link, Option<User>)>, pugmark_queue::db::DbError> {
    let Some(token) = Token::read(text) else {
        return Ok(None);
    };
    let mut conn = state.db.read().await?;
    let Some(link) = console_links::find(&mut conn, &token.digest(), Ts::now()).await? else {
        return Ok(None);
    };
    let user = match link.user_id {
        Some(id) => console_users::get(&mut conn, id).await?,
        None => None,
    };
    Ok(Some((token, link, user)))
}

/// The hash of the password that was chosen; `None` where none is asked for.
async fn chosen(
    state: &AppState,
    link: &Link,
    user: Option<&User>,
    typed: &Typed,
) -> Result<Option<String>, Refusal> {
    let (name, email) = match (link.purpose, user) {
        (Purpose::Enter, _) => return Ok(None),
        (Purpose::Found, _) => {
            named(&typed.name, &typed.email)?;
            (typed.name.as_str(), typed.email.as_str())
        }
        (Purpose::Password, Some(user)) => (user.name.as_str(), user.email.as_str()),
        (Purpose::Password, None) => return Err(Refusal::NoSuch),
    };
    if typed.password.expose_secret() != typed.again.expose_secret() {
        let what = "was typed differently the second time".to_owned();
        return Err(Refusal::Wrong("The password", what));
    }
    hashed(state, &typed.password, name, email).await.map(Some)
}

/// Everything that using a link does, in one commit.
struct Entrance {
    digest: Vec<u8>,
    link: Link,
    user: Option<User>,
    typed: Typed,
    hash: Option<String>,
    arrival: Arrival,
    correlation_id: String,
    lasts: std::time::Duration,
}

async fn enter(conn: &mut Conn, entrance: Entrance) -> Result<Token, Refusal> {
    let now = Ts::now();
    if !console_links::take(conn, &entrance.digest, now).await? {
        return Err(Refusal::NoSuch);
    }
    let (id, email, action) = match (entrance.link.purpose, &entrance.user) {
        (Purpose::Found, _) => found(conn, &entrance, now).await?,
        (Purpose::Password, Some(user)) => {
            let hash = entrance.hash.as_deref().ok_or(Refusal::Hash)?;
            console_users::set_password(conn, user.user_id, hash).await?;
            // Whoever knew the old password is signed in no more.
            console_sessions::revoke_all(conn, user.user_id, "a new password", now).await?;
            (user.user_id, user.email.clone(), "console.password")
        }
        (Purpose::Enter, Some(user)) => (user.user_id, user.email.clone(), "console.sign-in"),
        (_, None) => return Err(Refusal::NoSuch),
    };
    console_links::take_all(conn, Some(id), now).await?;
    let by = By {
        actor: format!("{email} ({id})"),
        correlation_id: entrance.correlation_id,
        reason: Some("a one-time link".to_owned()),
    };
    note(conn, action, id, &by).await?;
    let subjects = attempts::Subjects::of(&email, &entrance.arrival.peer);
    attempts::forget_account(conn, &subjects).await?;
    let opened = ("link", entrance.lasts);
    Ok(session::open(conn, &entrance.arrival, id, opened).await?)
}

/// Makes the first administrator, if there is still nobody.
async fn found(
    conn: &mut Conn,
    entrance: &Entrance,
    now: Ts,
) -> Result<(Uuid, String, &'static str), Refusal> {
    if console_users::any(conn).await? {
        return Err(Refusal::Taken);
    }
    let user = NewUser {
        user_id: Uuid::now_v7(),
        name: entrance.typed.name.clone(),
        email: entrance.typed.email.clone(),
        role: Role::Admin.as_str(),
        password_hash: entrance.hash.clone(),
        login_id: None,
        created_by: "the link of the first start".to_owned(),
    };
    if !console_users::insert(conn, &user, now).await? {
        return Err(Refusal::Taken);
    }
    console_links::take_all(conn, None, now).await?;
    Ok((
        user.user_id,
        user.email.trim().to_owned(),
        "console.user.add",
    ))
}

fn form(
    frame: Frame,
    link: &Link,
    user: Option<&User>,
    (name, email): (&str, &str),
    wrong: Option<String>,
) -> Response {
    show(&Page {
        frame,
        found: link.purpose == Purpose::Found,
        enter: link.purpose == Purpose::Enter,
        name: user.map_or(name, |user| &user.name),
        email: user.map_or(email, |user| &user.email),
        wrong,
    })
}

fn used(frame: &Frame) -> Response {
    tracing::info!(code = %Code::OneTimeLink, "a one-time link was refused");
    let code = Some(Code::OneTimeLink);
    trouble(frame, StatusCode::GONE, &texts::LINK_USED, "", code)
}
