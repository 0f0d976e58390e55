//! What only the admin key may do: making, reading, changing and deleting users.

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::ban::Ban;
use crate::call::Call;
use crate::changes::Changes;
use crate::classify::{decode, nonsense};
use crate::client::Client;
use crate::error::{CallError, Invalid, RefusalReason};
use crate::new_user::NewUser;
use crate::transport::Answer;
use crate::user::User;

/// A page of users, the latest made first.
#[derive(Debug, Clone, PartialEq)]
pub struct UserPage {
    /// The users, without their identities. A page that is not full is the last one.
    pub users: Vec<User>,
    /// How many users there are in all, if the server says.
    pub total: Option<u64>,
}

/// How much of a user is left after deleting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Nothing. Breaks off where other tables refer to the user.
    Hard,
    /// The row: address and phone become hashes, both metadata objects empty, sessions end, the address is free again.
    Soft,
}

#[derive(Deserialize)]
struct List {
    users: Vec<User>,
}

impl Client {
    /// Makes a user. No mail is sent.
    ///
    /// The password is checked against [`ClientConfig::password_rules`](crate::ClientConfig::password_rules) first: the
    /// server checks none here. After [`CallError::Unknown`] look for the user by the id of your own choice or by
    /// address; a 500 whose [hint](crate::Failure::hint) is [`RefusalReason::IdExists`] usually means that the id is
    /// taken, since a taken address is refused before.
    ///
    /// # Errors
    /// As every write; [`CallError::Invalid`] for a password that breaks the rules; [`RefusalReason::EmailExists`] for a
    /// taken address, which on a repeated create usually means that the first one worked.
    pub async fn create_user(&self, user: &NewUser) -> Result<User, CallError> {
        let body = user.body(&self.config().password_rules)?;
        let call = Call::write("create_user", Method::POST, "admin/users")
            .body(body)
            .about(user.id)
            .suspecting(user.id.map(|_| RefusalReason::IdExists))
            .hiding(&user.password);
        let wanted = user.id;
        self.send(call, |call, answer| user_in(call, answer, wanted))
            .await
    }

    /// Reads a user, identities included.
    ///
    /// # Errors
    /// As every read; [`RefusalReason::NotFound`] when there is no such user (any more).
    pub async fn get_user(&self, id: Uuid) -> Result<User, CallError> {
        let call = Call::read("get_user", Method::GET, user_path(id)).about(Some(id));
        self.send(call, |call, answer| user_in(call, answer, Some(id)))
            .await
    }

    /// Reads a page of users, the latest made first; pages count from 1.
    ///
    /// Users made or deleted while paging shift the pages: expect repetitions, and read on until a page is not full.
    ///
    /// # Errors
    /// As every read; [`CallError::Invalid`] for a page or a page size of zero.
    pub async fn list_users(&self, page: u32, per_page: u32) -> Result<UserPage, CallError> {
        self.list_filtered(page, per_page, None).await
    }

    /// As [`Client::list_users`], only those with `filter` in their address or full name, if the server can do that.
    pub(crate) async fn list_filtered(
        &self,
        page: u32,
        per_page: u32,
        filter: Option<&str>,
    ) -> Result<UserPage, CallError> {
        if page == 0 || per_page == 0 {
            return Err(Invalid::Page.into());
        }
        // The page comes first: the links of the answer repeat the order, and other clients read them by position.
        let mut call = Call::read("list_users", Method::GET, "admin/users")
            .query("page", page)
            .query("per_page", per_page);
        if let Some(filter) = filter {
            call = call.query("filter", filter);
        }
        self.send(call, page_in).await
    }

    /// Changes a user, all of it or nothing.
    ///
    /// A new password ends the user's sessions, also when it is the old one, so do not repeat a change that is done.
    ///
    /// An address that belongs to somebody else is answered by 500, like an outage: [`CallError::Unknown`] whose
    /// [hint](crate::Failure::hint) is [`RefusalReason::EmailExists`]. Read the user; if nothing changed, that is why.
    ///
    /// # Errors
    /// As every write; [`CallError::Invalid`] for a password that breaks the configured rules,
    /// [`RefusalReason::WeakPassword`] for one that breaks the server's; [`RefusalReason::NotFound`].
    pub async fn update_user(&self, id: Uuid, changes: &Changes) -> Result<User, CallError> {
        let body = changes.body(&self.config().password_rules)?;
        let takeover = changes.email.as_ref().map(|_| RefusalReason::EmailExists);
        let call = Call::write("update_user", Method::PUT, user_path(id))
            .body(body)
            .about(Some(id))
            .suspecting(takeover)
            .hiding(&changes.password);
        self.send(call, |call, answer| user_in(call, answer, Some(id)))
            .await
    }

    /// Bans a user for good; see [`Ban`].
    ///
    /// # Errors
    /// As [`Client::update_user`].
    pub async fn ban(&self, id: Uuid) -> Result<User, CallError> {
        self.update_user(id, &Changes::ban(Ban::FOREVER)).await
    }

    /// Lifts a user's ban, if there is one.
    ///
    /// # Errors
    /// As [`Client::update_user`].
    pub async fn unban(&self, id: Uuid) -> Result<User, CallError> {
        self.update_user(id, &Changes::ban(Ban::Lifted)).await
    }

    /// Deletes a user. For people who left, [`Client::ban`] is usually the better way.
    ///
    /// # Errors
    /// As every write; [`RefusalReason::NotFound`] when the user is gone already.
    pub async fn delete_user(&self, id: Uuid, deletion: Deletion) -> Result<(), CallError> {
        let mut call = Call::write("delete_user", Method::DELETE, user_path(id)).about(Some(id));
        if deletion == Deletion::Soft {
            call = call.body(Map::from_iter([(
                "should_soft_delete".to_owned(),
                Json::Bool(true),
            )]));
        }
        self.send(call, deleted_in).await
    }
}

fn user_path(id: Uuid) -> String {
    format!("admin/users/{id}")
}

/// The bare user object, and nobody else's.
pub(crate) fn user_in(
    call: &Call,
    answer: &Answer,
    wanted: Option<Uuid>,
) -> Result<User, CallError> {
    let user: User = decode(call, answer, "a user")?;
    match wanted {
        Some(id) if user.id != id => {
            let message = format!("asked about user {id}, the answer is about {}", user.id);
            Err(nonsense(call, answer, message))
        }
        _ => Ok(user),
    }
}

fn page_in(call: &Call, answer: &Answer) -> Result<UserPage, CallError> {
    let List { users } = decode(call, answer, "a list of users")?;
    let total = answer
        .header("x-total-count")
        .and_then(|value| value.parse().ok());
    Ok(UserPage { users, total })
}

/// `{}`, which is as readable as this answer gets.
fn deleted_in(call: &Call, answer: &Answer) -> Result<(), CallError> {
    if answer.status == 204 {
        return Ok(());
    }
    decode::<Map<String, Json>>(call, answer, "an object").map(drop)
}
