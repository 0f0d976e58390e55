//! Sessions of an open-source vTiger: a fair pool, and logging in.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::classify::{failure, unexpected_result};
use crate::client::{Client, Credentials};
use crate::error::{CallError, RefusalReason};
use crate::gate::LoginTurn;
use crate::id::RecordId;
use crate::identity::Identity;
use crate::operation::{Effect, Operation};
use crate::record::scalar_text;
use crate::session_store::IdleSession;

/// A session name; PHP serialises the calls made with it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) name: SecretString,
    user_id: RecordId,
    /// When its last call ended.
    used: Instant,
}

impl Session {
    fn idle(self) -> IdleSession {
        IdleSession {
            name: self.name,
            user_id: self.user_id,
            idle: self.used.elapsed(),
        }
    }
}

impl From<IdleSession> for Session {
    fn from(session: IdleSession) -> Self {
        let now = Instant::now();
        Self {
            name: session.name,
            user_id: session.user_id,
            used: now.checked_sub(session.idle).unwrap_or(now),
        }
    }
}

/// As many seats as parallel calls are allowed, and the sessions nobody uses just now.
#[derive(Debug)]
pub(crate) struct Pool {
    seats: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    /// The user that every session belongs to, once one is known.
    user: OnceLock<RecordId>,
}

/// The right to make one call at a time. A session taken out of it and not put back is forgotten, which is what must
/// happen when its call was given up: the server may still be holding that session's lock.
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
    pool: Arc<Pool>,
}

impl Pool {
    pub(crate) fn new(sessions: usize) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(sessions)),
            idle: Mutex::new(Vec::new()),
            user: OnceLock::new(),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the sessions that nobody used for this time.
    fn take_unused(&self, unused_for: Duration) -> Vec<Session> {
        self.idle()
            .extract_if(.., |session| session.used.elapsed() >= unused_for)
            .collect()
    }

    /// Waits for a seat; first come, first served. `None` never happens: the semaphore is not closed.
    pub(crate) async fn take_seat(self: &Arc<Self>) -> Option<Seat> {
        let permit = Arc::clone(&self.seats).acquire_owned().await.ok()?;
        Some(Seat {
            _permit: permit,
            pool: Arc::clone(self),
        })
    }
}

impl Seat {
    /// The session used last, so that the ones not needed fall asleep on the server.
    fn take_session(&self) -> Option<Session> {
        self.pool.idle().pop()
    }

    fn put_back(&self, mut session: Session) {
        session.used = Instant::now();
        self.pool.idle().push(session);
    }
}

impl Client {
    /// Makes a call in a session, logging in where there is none. A session that turns out lost is renewed once and the
    /// call repeated once: a call answered "no such session" was not executed.
    pub(crate) async fn call_in_session(&self, operation: &Operation) -> Result<Json, CallError> {
        let seat = self.take_seat(operation).await?;
        let session = match self.take_session(&seat).await {
            Some(session) => session,
            None => self.log_in().await?.0,
        };
        match self.call_with(operation, &seat, session).await {
            Err(CallError::SessionLost(_)) => {
                let (renewed, _) = self.log_in().await?;
                self.call_with(operation, &seat, renewed).await
            }
            settled => settled,
        }
    }

    /// One of the pool's sessions, or one that another client put into the store.
    async fn take_session(&self, seat: &Seat) -> Option<Session> {
        if let Some(session) = seat.take_session() {
            return Some(session);
        }
        let session = Session::from(self.sessions()?.take().await?);
        seat.pool.user.get_or_init(|| session.user_id.clone());
        Some(session)
    }

    /// Hands the sessions that no call used for this time to the store given by [`Client::with_session_store`], so that other
    /// clients of this user find them there. Does nothing without a store.
    pub async fn share_idle_sessions(&self, unused_for: Duration) {
        let Some(store) = self.sessions() else { return };
        let mut refused = Vec::new();
        for session in self.pool().take_unused(unused_for) {
            if !refused.is_empty() {
                refused.push(session);
            } else if let Some(session) = store.put_back(session.idle()).await {
                refused.push(session.into());
            }
        }
        // Below those that were put back meanwhile: these were used last.
        self.pool().idle().splice(..0, refused);
    }

    /// The user the client works as, asked for by a login only where no session has told yet.
    pub(crate) async fn user_of_sessions(&self) -> Result<RecordId, CallError> {
        let seat = self.take_seat(&Operation::read("login")).await?;
        if let Some(user) = self.pool().user.get() {
            return Ok(user.clone());
        }
        let session = match self.take_session(&seat).await {
            Some(session) => session,
            None => self.log_in().await?.0,
        };
        let user = session.user_id.clone();
        // It keeps its age: no call used it.
        seat.pool.idle().push(session);
        Ok(user)
    }

    async fn call_with(
        &self,
        operation: &Operation,
        seat: &Seat,
        session: Session,
    ) -> Result<Json, CallError> {
        let result = self.send(operation, &Credentials::Session(&session)).await;
        if leaves_session_usable(&result) {
            seat.put_back(session);
        }
        result
    }

    /// Logs in afresh whatever sessions exist; the new session replaces one of the pool.
    pub(crate) async fn log_in_anew(&self) -> Result<Identity, CallError> {
        let seat = self.take_seat(&Operation::read("login")).await?;
        let replaced = seat.take_session();
        match self.log_in().await {
            Ok((session, identity)) => {
                seat.put_back(session);
                Ok(identity)
            }
            Err(error) => {
                replaced
                    .into_iter()
                    .for_each(|session| seat.put_back(session));
                Err(error)
            }
        }
    }

    /// One login, in turn with every other login of this user.
    async fn log_in(&self) -> Result<(Session, Identity), CallError> {
        let _turn = self.enter_login_gate().await?;
        match self.challenge_and_log_in().await {
            // Another program may have asked for a challenge in between, which voids ours: believed the second time.
            Err(CallError::Refused(refusal))
                if matches!(
                    refusal.code.as_str(),
                    "INVALID_AUTH_TOKEN" | "INVALID_USER_CREDENTIALS"
                ) =>
            {
                self.challenge_and_log_in().await
            }
            settled => settled,
        }
    }

    async fn challenge_and_log_in(&self) -> Result<(Session, Identity), CallError> {
        let token = self.challenge().await?.token;
        let login = self.login_operation(&token);
        let answer = self.send(&login, &Credentials::None).await?;
        let session = text_of(&answer, "sessionName")
            .filter(|session| !session.is_empty())
            .ok_or_else(|| unexpected_result(&login, "the login answer holds no sessionName"))?;
        let identity = Identity::from_login(&answer, &self.config().username)
            .ok_or_else(|| unexpected_result(&login, "the login answer holds no userId"))?;
        self.pool().user.get_or_init(|| identity.user_id.clone());
        let session = Session {
            name: session.into(),
            user_id: identity.user_id.clone(),
            used: Instant::now(),
        };
        Ok((session, identity))
    }

    fn login_operation(&self, token: &SecretString) -> Operation {
        let mut digest = Md5::new();
        digest.update(token.expose_secret().as_bytes());
        digest.update(self.config().access_key.expose_secret().as_bytes());
        let key = hex::encode(digest.finalize());
        let username = self.config().username.clone();
        // A login changes nothing anybody could miss, so that it counts as a read.
        Operation {
            effect: Effect::Read,
            ..Operation::write("login")
        }
        .param("username", username)
        .param("accessKey", key)
    }

    /// Asks for a challenge. The caller must hold the login gate: a challenge voids the one before.
    pub(crate) async fn challenge(&self) -> Result<Challenge, CallError> {
        let operation =
            Operation::read("getchallenge").param("username", self.config().username.clone());
        let answer = self.send(&operation, &Credentials::None).await?;
        let token = text_of(&answer, "token").filter(|token| !token.is_empty());
        let server_time = answer
            .get("serverTime")
            .map(scalar_text)
            .and_then(|seconds| seconds.parse().ok());
        match (token, server_time) {
            (Some(token), Some(server_time)) => Ok(Challenge {
                token: token.into(),
                server_time,
            }),
            _ => Err(unexpected_result(
                &operation,
                "the challenge holds no token or no serverTime",
            )),
        }
    }

    pub(crate) async fn enter_login_gate(&self) -> Result<Box<dyn LoginTurn>, CallError> {
        let operation = Operation::read("login");
        let entered = self
            .before_deadline(&operation, self.gate().enter(&self.login_user()))
            .await?;
        entered.map_err(|error| {
            CallError::Unavailable(failure(&operation, "LOGIN_GATE", error.to_string(), None))
        })
    }

    pub(crate) async fn take_seat(&self, operation: &Operation) -> Result<Seat, CallError> {
        let seat = self
            .before_deadline(operation, self.pool().take_seat())
            .await?;
        seat.ok_or_else(|| {
            CallError::Unavailable(failure(
                operation,
                "CLOSED",
                "the client is shutting down".to_owned(),
                None,
            ))
        })
    }
}

/// What getchallenge returns.
pub(crate) struct Challenge {
    pub(crate) token: SecretString,
    /// Seconds since 1970.
    pub(crate) server_time: i64,
}

/// Whether the session's lock on the server is certainly free again and the session alive.
fn leaves_session_usable(result: &Result<Json, CallError>) -> bool {
    match result {
        Ok(_) => true,
        Err(CallError::SessionLost(_)) => false,
        Err(CallError::Refused(refusal)) => refusal.reason != RefusalReason::Credentials,
        Err(CallError::NotSent(_) | CallError::Invalid(_)) => true,
        Err(
            CallError::Unavailable(failure)
            | CallError::Unknown(failure)
            | CallError::Unreadable(failure)
            | CallError::Throttled { failure, .. },
        ) => !matches!(failure.code.as_str(), "TIMEOUT" | "CUT" | "TOO_LONG"),
    }
}

pub(crate) fn text_of(object: &Json, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}
