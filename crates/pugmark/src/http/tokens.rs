//! Tokens of programs: made and revoked by the same functions for the console, the API and `pugmark token`, each with its entry in
//! the audit log, and asked for by [`auth`](super::auth).

use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use uuid::Uuid;

use super::rights::Right;
use crate::desk::{self, Actor};
use crate::people::token::Token;
use crate::store::api_tokens::{self, ApiToken, NewToken};

/// What every token begins with, so that people and scanners for leaked secrets know it.
pub const PREFIX: &str = "pugmark_";
/// Longest name, in characters.
const LONGEST: usize = 100;
/// The most days that a token lasts, unless it lasts until it is revoked.
const MOST_DAYS: u32 = 3_650;
/// How exactly it is noted when a token was last used; each note is a write.
const SEEN_TO: Duration = Duration::from_secs(60);

/// A token to be made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What the program is called.
    pub name: String,
    /// What it may do.
    pub right: Right,
    /// How many days it works; `None`: until it is revoked.
    pub days: Option<u32>,
}

/// Why a token was not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The store.
    #[error("the store does not answer")]
    Store(#[from] DbError),
    /// A field that does not hold what it must.
    #[error("{0} {1}")]
    Wrong(&'static str, &'static str),
    /// Another token has this name.
    #[error("a token with this name exists already; revoke it first, or choose another name")]
    Taken,
    /// Nothing.
    #[error("there is no such token")]
    NoSuch,
}

/// Makes a token. Gives its id and what the program has to show, which is kept nowhere.
///
/// # Errors
/// [`Refusal`].
pub async fn make(db: &Db, wanted: Wanted, actor: Actor) -> Result<(Uuid, String), Refusal> {
    let name = wanted.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        let what = "must be filled in, with at most 100 characters";
        return Err(Refusal::Wrong("name", what));
    }
    // In the audit log it would pass for the one token that may do everything.
    if name == "APP_SECRET_TOKEN" {
        return Err(Refusal::Wrong(
            "name",
            "is taken by the one token of the settings",
        ));
    }
    if wanted
        .days
        .is_some_and(|days| days == 0 || days > MOST_DAYS)
    {
        return Err(Refusal::Wrong("days", "must be 1 to 3650, or left out"));
    }
    let token = Token::random();
    let id = Uuid::now_v7();
    let (shown, digest) = (format!("{PREFIX}{}", token.reveal()), token.digest());
    let write = db.write("make an API token", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            let lasts = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
            let new = NewToken {
                token_id: id,
                digest,
                name,
                right_name: wanted.right.as_str(),
                created_by: actor.name.to_string(),
                expires_at: wanted.days.map(|days| now.after(lasts(days))),
            };
            if !api_tokens::insert(conn, &new, now).await? {
                return Err(Refusal::Taken);
            }
            let subject = format!("{id} {} {}", new.right_name, new.name);
            desk::note(conn, "token.add", &subject, &actor).await?;
            Ok(())
        })
    });
    write.await?;
    Ok((id, shown))
}

/// Makes a token useless, from the next request on.
///
/// # Errors
/// [`Refusal`].
pub async fn revoke(db: &Db, id: Uuid, actor: Actor) -> Result<ApiToken, Refusal> {
    let write = db.write("revoke an API token", move |conn| {
        Box::pin(async move {
            let token = api_tokens::get(conn, id).await?.ok_or(Refusal::NoSuch)?;
            if api_tokens::revoke(conn, id, &actor.name, Ts::now()).await? {
                let subject = format!("{id} {} {}", token.right_name, token.name);
                desk::note(conn, "token.revoke", &subject, &actor).await?;
            }
            Ok(token)
        })
    });
    write.await
}

/// The token that a program shows, if it works now.
///
/// # Errors
/// Whatever the database says.
pub(super) async fn of_program(db: &Db, shown: &str) -> Result<Option<ApiToken>, DbError> {
    let Some(token) = shown.strip_prefix(PREFIX).and_then(Token::read) else {
        return Ok(None);
    };
    let now = Ts::now();
    let found = api_tokens::find(&mut db.read().await?, &token.digest(), now).await?;
    if let Some(found) = &found
        && found.seen_at.is_none_or(|seen| now.since(seen) >= SEEN_TO)
    {
        let id = found.token_id;
        let write = db.write("API token seen", move |conn| {
            Box::pin(async move { api_tokens::seen(conn, id, now).await })
        });
        // Whoever may call is not kept out by a store that can only be read.
        if let Err(error) = write.await {
            tracing::warn!(%error, "it could not be noted that an API token was used");
        }
    }
    Ok(found)
}
