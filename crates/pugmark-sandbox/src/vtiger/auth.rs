//! Challenges and sessions of `webservice.php`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::dialect::Dialect;
use super::failure::{Answer, Failure};
use super::principals::Actor;
use super::state::State;

/// How long a challenge is good, in seconds.
const CHALLENGE_SECONDS: i64 = 300;

/// Version of the web service interface.
const VERSION: &str = "0.22";

/// The session's lock: PHP lets one request at a time into a session.
pub(super) type SessionLock = Arc<Mutex<()>>;

#[derive(Debug)]
struct Challenge {
    token: String,
    expires: i64,
}

#[derive(Debug)]
struct Session {
    user: u64,
    last_used: Timestamp,
    lock: SessionLock,
}

/// Open challenges and sessions.
#[derive(Debug)]
pub(super) struct Auth {
    challenges: HashMap<u64, Challenge>,
    sessions: HashMap<String, Session>,
    idle: SignedDuration,
}

impl Auth {
    pub(super) fn new(idle: Duration) -> Self {
        let idle = SignedDuration::try_from(idle).unwrap_or(SignedDuration::MAX);
        Self {
            challenges: HashMap::new(),
            sessions: HashMap::new(),
            idle,
        }
    }

    pub(super) fn drop_all_sessions(&mut self) {
        self.sessions.clear();
    }

    pub(super) fn drop_session(&mut self, name: &str) -> bool {
        self.sessions.remove(name).is_some()
    }

    /// The lock of a living session.
    pub(super) fn lock_of(&self, name: &str) -> Option<SessionLock> {
        self.sessions
            .get(name)
            .map(|session| Arc::clone(&session.lock))
    }

    /// The user of a living session; using it makes it live on.
    pub(super) fn enter(&mut self, name: &str, now: Timestamp) -> Option<u64> {
        let idle = self.idle;
        let session = self.sessions.get_mut(name)?;
        if now.duration_since(session.last_used) > idle {
            self.sessions.remove(name);
            return None;
        }
        session.last_used = now;
        Some(session.user)
    }
}

/// `getchallenge`.
pub(super) fn challenge(state: &mut State, username: Option<&str>, now: Timestamp) -> Answer {
    let username = username.filter(|name| !name.is_empty());
    let username =
        username.ok_or_else(|| Failure::refused("ACCESS_DENIED", "No username given"))?;
    let user = Actor::by_name(state, username)
        .ok_or_else(|| Failure::refused("ACCESS_DENIED", "username does not exists"))?;
    let token = unique_id(state, now);
    let expires = now.as_second() + CHALLENGE_SECONDS;
    // One challenge per user: this one takes the place of an earlier one.
    state.auth.challenges.insert(
        user.number,
        Challenge {
            token: token.clone(),
            expires,
        },
    );
    Ok(json!({ "token": token, "serverTime": now.as_second(), "expireTime": expires }))
}

/// `login`: `key` is the lower-case hexadecimal MD5 of challenge and access key.
///
/// Gives the answer and the user.
pub(super) fn login(
    state: &mut State,
    username: Option<&str>,
    key: Option<&str>,
    now: Timestamp,
) -> Result<(Value, Actor), Failure> {
    let expired = || {
        Failure::refused(
            "INVALID_AUTH_TOKEN",
            "Specified token is invalid or expired",
        )
    };
    let wrong = || Failure::refused("INVALID_USER_CREDENTIALS", "Invalid username or password");
    let user = Actor::by_name(state, username.unwrap_or_default()).ok_or_else(expired)?;
    let challenge = state
        .auth
        .challenges
        .get(&user.number)
        .filter(|open| now.as_second() < open.expires);
    let token = &challenge.ok_or_else(expired)?.token;
    let module = state.catalogue.find("Users").unwrap_or_default();
    let expected = hex::encode(Md5::digest(format!(
        "{token}{}",
        state.cell(module, user.number, "accesskey")
    )));
    if key != Some(expected.as_str()) || !user.is_active(state) {
        return Err(wrong());
    }
    let name = format!("{:08x}{}", state.chance() as u32, unique_id(state, now));
    let session = Session {
        user: user.number,
        last_used: now,
        lock: SessionLock::default(),
    };
    state.auth.sessions.insert(name.clone(), session);
    let text = |field: &str| state.cell(module, user.number, field);
    let answer = json!({
        "username": text("user_name"),
        "first_name": text("first_name"),
        "last_name": text("last_name"),
        "email": text("email1"),
        "time_zone": text("time_zone"),
        "hour_format": text("hour_format"),
        "date_format": text("date_format"),
        "is_admin": text("is_admin"),
        "call_duration": text("callduration"),
        "other_event_duration": text("othereventduration"),
        "sessionName": name,
        "userId": Dialect::OpenSource.id("Users", user.number),
        "version": VERSION,
        "vtigerVersion": state.release.version(),
    });
    Ok((answer, user))
}

/// `extendsession`.
pub(super) fn extend(state: &mut State, session: Option<&str>, now: Timestamp) -> Answer {
    let failed = || Failure::refused("AUTHENTICATION_FAILURE", "Authencation Failed");
    let name = session.ok_or_else(failed)?;
    let user = state.auth.enter(name, now).ok_or_else(failed)?;
    Ok(json!({
        "sessionName": name,
        "userId": Dialect::OpenSource.id("Users", user),
        "version": VERSION,
        "vtigerVersion": state.release.version(),
    }))
}

/// PHP's `uniqid`: seconds and microseconds in hexadecimal. The microseconds are chance, so that a clock that stands
/// still gives different ones.
pub(super) fn unique_id(state: &mut State, now: Timestamp) -> String {
    format!(
        "{:08x}{:05x}",
        now.as_second() as u32,
        state.chance() & 0xf_ffff
    )
}
