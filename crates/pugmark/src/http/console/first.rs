//! Links that are made where nobody can be signed in yet: at the first start, and in demonstrations.

use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use uuid::Uuid;

use super::accounts::{By, linked, note};
use crate::people::Role;
use crate::people::token::Token;
use crate::store::console_links::{self, Purpose};
use crate::store::console_users::{self, NewUser};

/// Below this path one-time links are opened; the token follows.
pub const LINK: &str = "/sign-in/link";

/// A link by which the first administrator is made; `None` as soon as anybody has an account, and as long as an earlier link works.
///
/// # Errors
/// Whatever the database says.
pub async fn founding_link(db: &Db, lasts: Duration) -> Result<Option<Token>, DbError> {
    let write = db.write("the link of the first start", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            if console_users::any(conn).await? || console_links::any_to_found(conn, now).await? {
                return Ok(None);
            }
            let by = by("pugmark serve");
            let times = (now, now.after(lasts));
            let token = linked(conn, None, Purpose::Found, &by, times).await?;
            Ok::<_, DbError>(Some(token))
        })
    });
    write.await
}

/// A link that signs the looker-on of a demonstration in, as an administrator.
///
/// # Errors
/// Whatever the database says.
pub async fn demo_link(db: &Db, lasts: Duration) -> Result<Token, DbError> {
    let write = db.write("an account for the demonstration", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            let email = "demo@pugmark.example";
            let user = NewUser {
                user_id: Uuid::now_v7(),
                name: "Demo".to_owned(),
                email: email.to_owned(),
                role: Role::Admin.as_str(),
                password_hash: None,
                login_id: None,
                created_by: "pugmark demo".to_owned(),
            };
            console_users::insert(conn, &user, now).await?;
            let known = console_users::by_email(conn, email).await?;
            let id = known.map_or(user.user_id, |known| known.user_id);
            let by = by("pugmark demo");
            note(conn, "console.user.add", id, &by).await?;
            let times = (now, now.after(lasts));
            linked(conn, Some(id), Purpose::Enter, &by, times).await
        })
    });
    write.await
}

fn by(actor: &str) -> By {
    By {
        actor: actor.to_owned(),
        correlation_id: Uuid::now_v7().to_string(),
        reason: None,
    }
}
