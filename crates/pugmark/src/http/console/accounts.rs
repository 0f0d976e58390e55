//! Changes of accounts, for the screen and for the command line alike. Each is one commit with its entry in the audit log.

use pugmark_queue::db::{Conn, DbError, Ts};
use secrecy::SecretString;
use uuid::Uuid;

use crate::http::AppState;
use crate::people::token::Token;
use crate::people::{Role, password};
use crate::store::console_links::{self, Link, Purpose};
use crate::store::console_users::{self, NewUser, User};
use crate::store::{audit, console_sessions};

/// Most characters of a name or an address.
const LONGEST: usize = 200;

/// Who does it, and why.
#[derive(Debug, Clone)]
pub struct By {
    /// Name for the audit log.
    pub actor: String,
    /// Of the request.
    pub correlation_id: String,
    /// In the person's words.
    pub reason: Option<String>,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// As colleagues know them.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// Without one a link is made by which the person chooses it.
    pub password: Option<SecretString>,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The store.
    #[error("the store does not answer")]
    Store(#[from] DbError),
    /// A field that does not hold what it must.
    #[error("{0} {1}")]
    Wrong(&'static str, String),
    /// Nobody.
    #[error("there is no such account")]
    NoSuch,
    /// The address belongs to somebody.
    #[error("an account with this e-mail address exists already")]
    Taken,
    /// Nobody could let anybody in afterwards.
    #[error("this is the last administrator who can sign in; make somebody else one first")]
    LastAdmin,
    /// Decided elsewhere.
    #[error(
        "this person signs in with Supabase: the password is kept there, and the role follows from the grants (`pugmark grant`) and app_metadata"
    )]
    Supabase,
    /// The password could not be hashed.
    #[error("the password could not be hashed; the log says why")]
    Hash,
}

/// Makes an account. Gives its id and, if no password was given, the token of the link by which one is chosen.
///
/// # Errors
/// [`Refusal`].
pub async fn add(
    state: &AppState,
    new: NewAccount,
    by: By,
) -> Result<(Uuid, Option<Token>), Refusal> {
    named(&new.name, &new.email)?;
    let password_hash = match &new.password {
        Some(password) => Some(hashed(state, password, &new.name, &new.email).await?),
        None => None,
    };
    let lasts = state.console.settings.link;
    let write = state.db.write("add an account", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            let user = NewUser {
                user_id: Uuid::now_v7(),
                name: new.name,
                email: new.email,
                role: new.role.as_str(),
                password_hash,
                login_id: None,
                created_by: by.actor.clone(),
            };
            if !console_users::insert(conn, &user, now).await? {
                return Err(Refusal::Taken);
            }
            // Whoever found the link of the first start can no longer make an administrator of themselves.
            console_links::take_all(conn, None, now).await?;
            note(conn, "console.user.add", user.user_id, &by).await?;
            let token = match user.password_hash {
                Some(_) => None,
                None => {
                    let times = (now, now.after(lasts));
                    Some(linked(conn, Some(user.user_id), Purpose::Password, &by, times).await?)
                }
            };
            Ok((user.user_id, token))
        })
    });
    write.await
}

/// Gives a person another role; it counts from the next request on.
///
/// # Errors
/// [`Refusal`].
pub async fn set_role(state: &AppState, id: Uuid, role: Role, by: By) -> Result<User, Refusal> {
    let write = state.db.write("change a role", move |conn| {
        Box::pin(async move {
            let user = local(conn, id).await?;
            if role != Role::Admin {
                not_the_last(conn, &user).await?;
            }
            if console_users::set_role(conn, id, role.as_str()).await? {
                let why = format!("{} to {role}", user.role);
                let reason = by
                    .reason
                    .as_ref()
                    .map_or(why.clone(), |reason| format!("{why}: {reason}"));
                let by = By {
                    reason: Some(reason),
                    ..by
                };
                note(conn, "console.user.role", id, &by).await?;
            }
            Ok(user)
        })
    });
    write.await
}

/// Disables an account: its sessions end with it, and its links.
///
/// # Errors
/// [`Refusal`].
pub async fn disable(state: &AppState, id: Uuid, by: By) -> Result<User, Refusal> {
    let write = state.db.write("disable an account", move |conn| {
        Box::pin(async move {
            let user = console_users::get(conn, id).await?.ok_or(Refusal::NoSuch)?;
            not_the_last(conn, &user).await?;
            let now = Ts::now();
            if console_users::disable(conn, id, now).await? {
                console_sessions::revoke_all(conn, id, &by.actor, now).await?;
                console_links::take_all(conn, Some(id), now).await?;
                note(conn, "console.user.disable", id, &by).await?;
            }
            Ok(user)
        })
    });
    write.await
}

/// Enables an account again; its person signs in anew.
///
/// # Errors
/// [`Refusal`].
pub async fn enable(state: &AppState, id: Uuid, by: By) -> Result<User, Refusal> {
    let write = state.db.write("enable an account", move |conn| {
        Box::pin(async move {
            let user = console_users::get(conn, id).await?.ok_or(Refusal::NoSuch)?;
            if console_users::enable(conn, id).await? {
                note(conn, "console.user.enable", id, &by).await?;
            }
            Ok(user)
        })
    });
    write.await
}

/// Makes a link by which a person chooses a new password; older ones work no more.
///
/// # Errors
/// [`Refusal`].
pub async fn link(state: &AppState, id: Uuid, by: By) -> Result<(User, Token), Refusal> {
    let lasts = state.console.settings.link;
    let write = state.db.write("make a one-time link", move |conn| {
        Box::pin(async move {
            let user = local(conn, id).await?;
            if user.disabled_at.is_some() {
                return Err(Refusal::Wrong(
                    "the account",
                    "is disabled; enable it first".to_owned(),
                ));
            }
            let now = Ts::now();
            console_links::take_all(conn, Some(id), now).await?;
            let times = (now, now.after(lasts));
            let token = linked(conn, Some(id), Purpose::Password, &by, times).await?;
            note(conn, "console.user.link", id, &by).await?;
            Ok((user, token))
        })
    });
    write.await
}

/// Ends one session of a person, or all of them, and says how many ended.
///
/// # Errors
/// [`Refusal`].
pub async fn sign_out(
    state: &AppState,
    id: Uuid,
    session: Option<Uuid>,
    by: By,
) -> Result<(User, u64), Refusal> {
    let write = state.db.write("sign a person out", move |conn| {
        Box::pin(async move {
            let user = console_users::get(conn, id).await?.ok_or(Refusal::NoSuch)?;
            let now = Ts::now();
            let ended = match session {
                Some(session) => {
                    u64::from(console_sessions::revoke(conn, id, session, &by.actor, now).await?)
                }
                None => console_sessions::revoke_all(conn, id, &by.actor, now).await?,
            };
            if ended > 0 {
                note(conn, "console.user.sign-out", id, &by).await?;
            }
            Ok((user, ended))
        })
    });
    write.await
}

/// The hash of a password that is good enough.
pub(super) async fn hashed(
    state: &AppState,
    password: &SecretString,
    name: &str,
    email: &str,
) -> Result<String, Refusal> {
    password::acceptable(password, name, email)
        .map_err(|what| Refusal::Wrong("The password", what.to_owned()))?;
    let hash = state.console.passwords.hash(password.clone()).await;
    hash.map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        Refusal::Hash
    })
}

/// Whether name and address can be those of a person.
pub(super) fn named(name: &str, email: &str) -> Result<(), Refusal> {
    let wrong = |field, what: &str| Err(Refusal::Wrong(field, what.to_owned()));
    let unfit = |text: &str| text.chars().any(char::is_control) || text.chars().count() > LONGEST;
    if name.trim().is_empty() || unfit(name) {
        return wrong("The name", "must be filled in, with at most 200 characters");
    }
    if !email_address::EmailAddress::is_valid(email.trim()) || unfit(email) {
        return wrong("The e-mail address", "must be one, like asha@example.org");
    }
    Ok(())
}

/// Keeps a new link and gives its token, which is shown once.
pub(super) async fn linked(
    conn: &mut Conn,
    user_id: Option<Uuid>,
    purpose: Purpose,
    by: &By,
    times: (Ts, Ts),
) -> Result<Token, DbError> {
    let token = Token::random();
    let link = Link { purpose, user_id };
    console_links::insert(conn, &token.digest(), &link, &by.actor, times).await?;
    Ok(token)
}

/// An account whose password and role are Pugmark's own.
async fn local(conn: &mut Conn, id: Uuid) -> Result<User, Refusal> {
    let user = console_users::get(conn, id).await?.ok_or(Refusal::NoSuch)?;
    match user.login_id {
        Some(_) => Err(Refusal::Supabase),
        None => Ok(user),
    }
}

/// Somebody must remain who can let people in.
async fn not_the_last(conn: &mut Conn, user: &User) -> Result<(), Refusal> {
    let governs = user.role == Role::Admin.as_str() && user.disabled_at.is_none();
    if governs && console_users::other_admins(conn, user.user_id).await? == 0 {
        return Err(Refusal::LastAdmin);
    }
    Ok(())
}

pub(super) async fn note(
    conn: &mut Conn,
    action: &str,
    user: Uuid,
    by: &By,
) -> Result<(), DbError> {
    let entry = audit::Entry {
        actor: &by.actor,
        action,
        subject: &user.to_string(),
        reason: by.reason.as_deref(),
        correlation_id: Some(&by.correlation_id),
    };
    audit::record(conn, Ts::now(), &entry).await
}
