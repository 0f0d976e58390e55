//! Sessions: fair sharing, logins one at a time, renewal, deadlines.

mod deadlines;
mod sharing;
mod stored;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use vtiger::{
    CallError, Class, Client, Deadline, Element, GateError, IdleSession, InProcessGate, LoginGate,
    LoginTurn, LoginUser, RecordId, RefusalReason, SessionStore,
};

use crate::server::{ACCESS_KEY, Reply, Request, Server, login_reply, refusal, success};

/// An open-source vTiger as far as sessions go: one token per user, a new challenge voids it, md5 digests.
#[derive(Default)]
struct Crm {
    token: Option<String>,
    tokens_made: usize,
    sessions: HashSet<String>,
    /// Calls under way per session; a client must never have two.
    busy: HashMap<String, usize>,
    most_busy: usize,
    executed: Vec<String>,
}

type Shared = Arc<Mutex<Crm>>;

fn answer(crm: &Shared, request: &Request) -> Reply {
    let mut crm = crm.lock().unwrap();
    match request.operation() {
        "getchallenge" => {
            crm.tokens_made += 1;
            let token = format!("token{}", crm.tokens_made);
            crm.token = Some(token.clone());
            success(json!({"token": token, "serverTime": 1, "expireTime": 301}))
        }
        "login" => {
            let valid = crm.token.clone().map(|token| digest(&token));
            if valid.as_deref() != request.param("accessKey") {
                return refusal("INVALID_USER_CREDENTIALS", "Invalid username or password");
            }
            let session = format!("session{}", crm.sessions.len() + 1);
            crm.sessions.insert(session.clone());
            success(json!({"sessionName": session, "userId": "19x1", "version": "0.22"}))
        }
        _ => {
            let session = request.param("sessionName").unwrap_or_default();
            if !crm.sessions.contains(session) {
                return refusal(
                    "INVALID_SESSIONID",
                    "Session Identifier provided is Invalid",
                );
            }
            crm.executed
                .push(request.param("id").unwrap_or_default().to_owned());
            success(json!({"id": request.param("id"), "status": "successful"}))
        }
    }
}

fn digest(token: &str) -> String {
    use md5::Digest;
    hex::encode(md5::Md5::digest(format!("{token}{ACCESS_KEY}")))
}

/// A server that gives the other tasks a chance in the middle of every call.
async fn start(crm: &Shared) -> Server {
    let crm = Arc::clone(crm);
    Server::start_async(move |request| {
        let crm = Arc::clone(&crm);
        async move { busily(&crm, &request).await }
    })
    .await
}

/// Answers after a while, watching that no session is used by two calls at once.
async fn busily(crm: &Shared, request: &Request) -> Reply {
    let session = request.param("sessionName").unwrap_or_default().to_owned();
    enter(crm, &session);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let reply = answer(crm, request);
    *crm.lock().unwrap().busy.get_mut(&session).unwrap() -= 1;
    reply
}

fn enter(crm: &Shared, session: &str) {
    let mut crm = crm.lock().unwrap();
    let busy = crm.busy.entry(session.to_owned()).or_default();
    *busy += 1;
    let busy = *busy;
    if !session.is_empty() {
        crm.most_busy = crm.most_busy.max(busy);
    }
}

/// Counts how many are inside the real gate at a time.
struct CountingGate {
    inside: Arc<AtomicUsize>,
    most: AtomicUsize,
    entered: AtomicUsize,
}

struct CountedTurn {
    inside: Arc<AtomicUsize>,
    _turn: Box<dyn LoginTurn>,
}

impl LoginTurn for CountedTurn {}

impl Drop for CountedTurn {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl LoginGate for CountingGate {
    async fn enter(&self, user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError> {
        let turn = InProcessGate.enter(user).await?;
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        self.entered.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(CountedTurn {
            inside: Arc::clone(&self.inside),
            _turn: turn,
        }))
    }
}

impl CountingGate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inside: Arc::default(),
            most: AtomicUsize::new(0),
            entered: AtomicUsize::new(0),
        })
    }
}

fn id(number: usize) -> RecordId {
    format!("12x{number}").parse().unwrap()
}
