//! Sessions: fair sharing, logins one at a time, renewal, deadlines.

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_share_four_sessions_and_logins_never_overlap() {
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let sessions = Arc::new(watch::Sender::new(0));
    let server = Server::start_async(move |request| {
        let (crm, sessions) = (Arc::clone(&seen), Arc::clone(&sessions));
        async move {
            let reply = busily(&crm, &request).await;
            sessions.send_replace(crm.lock().unwrap().sessions.len());
            if request.operation() == "retrieve" {
                // No call ends before all four sessions exist, so that all of them are needed.
                sessions
                    .subscribe()
                    .wait_for(|count| *count == 4)
                    .await
                    .unwrap();
            }
            reply
        }
    })
    .await;
    let gate = CountingGate::new();
    let client = server.open_source_client().with_login_gate(gate.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=64 {
        let client = client.clone();
        tasks.spawn(async move { client.retrieve(&id(number)).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    let crm = crm.lock().unwrap();
    assert_eq!(crm.executed.len(), 64);
    assert_eq!(crm.sessions.len(), 4, "one login per session is enough");
    assert_eq!(crm.tokens_made, 4, "no challenge was voided by another");
    assert_eq!(crm.most_busy, 1, "a session had two calls at once");
    assert_eq!(gate.most.load(Ordering::SeqCst), 1, "logins overlapped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_one_user_in_one_process_do_not_void_each_others_challenges() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let clients: Vec<Client> = (0..16).map(|_| server.open_source_client()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            match number % 4 {
                0 => client.server_time().await.map(|_| ()),
                _ => client.identify().await.map(|_| ()),
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(
        crm.lock().unwrap().tokens_made,
        16,
        "a login had to be repeated"
    );
}

#[tokio::test]
async fn a_challenge_voided_by_another_program_is_asked_for_once_more() {
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let server = Server::start(move |request| {
        let reply = answer(&seen, request);
        if request.operation() == "getchallenge" && seen.lock().unwrap().tokens_made == 1 {
            // Another program's challenge, right after ours.
            seen.lock().unwrap().token = Some("foreign".to_owned());
        }
        reply
    })
    .await;
    server.open_source_client().identify().await.unwrap();
    assert_eq!(crm.lock().unwrap().tokens_made, 2);
}

#[tokio::test]
async fn wrong_credentials_are_believed_the_second_time() {
    let server = Server::start(|request| match request.operation() {
        "login" => refusal("INVALID_USER_CREDENTIALS", "Invalid username or password"),
        _ => login_reply(request).unwrap(),
    })
    .await;
    let error = server
        .open_source_client()
        .retrieve(&id(1))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::Credentials));
    assert_eq!(server.requests_of("login").len(), 2);
    assert_eq!(server.requests_of("retrieve").len(), 0);
}

#[tokio::test]
async fn a_lost_session_is_renewed_once_and_the_call_repeated_exactly_once() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    client.delete(&id(1)).await.unwrap();
    crm.lock().unwrap().sessions.clear();
    client.delete(&id(2)).await.unwrap();
    assert_eq!(crm.lock().unwrap().executed, ["12x1", "12x2"]);
    assert_eq!(
        server.requests_of("delete").len(),
        3,
        "one call refused for want of a session, then repeated"
    );
    assert_eq!(server.requests_of("login").len(), 2);
}

#[tokio::test]
async fn a_session_lost_again_right_after_renewal_ends_the_call() {
    let server = Server::open_source(|_| {
        refusal(
            "INVALID_SESSIONID",
            "Session Identifier provided is Invalid",
        )
    })
    .await;
    let error = server
        .open_source_client()
        .delete(&id(1))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::SessionLost, "INVALID_SESSIONID")
    );
    assert_eq!(server.requests_of("delete").len(), 2);
}

#[tokio::test]
async fn a_session_whose_call_timed_out_is_not_used_again_because_the_server_may_still_hold_its_lock()
 {
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let server = Server::start(move |request| match request.param("id") {
        Some("12x666") => Reply::Hang,
        _ => answer(&seen, request),
    })
    .await;
    let mut config = server.open_source_config();
    config.call_timeout = Duration::from_millis(1_500);
    config.sessions = 1;
    let client = Client::new(config).unwrap();
    client.delete(&id(1)).await.unwrap();
    assert_eq!(
        client.delete(&id(666)).await.unwrap_err().class(),
        Class::Unknown
    );
    client.delete(&id(2)).await.unwrap();
    let used: Vec<_> = server
        .requests_of("delete")
        .iter()
        .map(|request| request.param("sessionName").unwrap().to_owned())
        .collect();
    assert_eq!(used, ["session1", "session1", "session2"]);
}

#[tokio::test]
async fn a_call_given_up_by_its_caller_frees_its_seat() {
    let arrived = Arc::new(Notify::new());
    let signal = Arc::clone(&arrived);
    let server = Server::open_source(move |request| match request.param("id") {
        Some("12x666") => {
            signal.notify_one();
            Reply::Hang
        }
        _ => success(json!({"status": "successful"})),
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    let client = Client::new(config).unwrap();
    let stuck = tokio::spawn({
        let client = client.clone();
        async move { client.delete(&id(666)).await }
    });
    arrived.notified().await;
    stuck.abort();
    tokio::time::timeout(Duration::from_secs(20), client.delete(&id(1)))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn waiting_callers_are_served_in_the_order_they_came() {
    let doors = Arc::new(Semaphore::new(0));
    let inside = Arc::clone(&doors);
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let served = Arc::clone(&order);
    let server = Server::start_async(move |request| {
        let (inside, served) = (Arc::clone(&inside), Arc::clone(&served));
        async move {
            if let Some(reply) = login_reply(&request) {
                return reply;
            }
            inside.acquire().await.unwrap().forget();
            served
                .lock()
                .unwrap()
                .push(request.param("id").unwrap().to_owned());
            success(json!({"status": "successful"}))
        }
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    let client = Client::new(config).unwrap();
    let mut waiting = futures::stream::FuturesUnordered::new();
    for number in 1..=8 {
        let client = client.clone();
        let mut call = Box::pin(async move { client.delete(&id(number)).await });
        // One poll puts the call into the queue.
        assert!(futures::poll!(&mut call).is_pending());
        waiting.push(call);
    }
    doors.add_permits(8);
    while let Some(result) = futures::StreamExt::next(&mut waiting).await {
        result.unwrap();
    }
    let wanted: Vec<String> = (1..=8).map(|number| format!("12x{number}")).collect();
    assert_eq!(*order.lock().unwrap(), wanted);
}

#[tokio::test]
async fn a_call_whose_timeout_does_not_fit_before_the_deadline_is_not_sent() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    client.delete(&id(1)).await.unwrap();
    let late =
        client.until(Instant::now() + client.config().call_timeout - Duration::from_millis(1));
    let error = late.delete(&id(2)).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NotSent(not_sent) if not_sent.operation == "delete"),
        "{error}"
    );
    assert_eq!(error.class(), Class::NotSent);
    client
        .until(Instant::now() + client.config().call_timeout * 2)
        .delete(&id(3))
        .await
        .unwrap();
    assert_eq!(crm.lock().unwrap().executed, ["12x1", "12x3"]);
}

#[tokio::test]
async fn a_deadline_that_passes_while_logging_in_keeps_the_write_from_starting() {
    let call_timeout = Duration::from_secs(2);
    let deadline = Instant::now() + Duration::from_millis(3_500);
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let server = Server::start_async(move |request| {
        let seen = Arc::clone(&seen);
        async move {
            if request.operation() == "login" {
                // The login ends in time, but then the delete does not fit any more.
                tokio::time::sleep_until(deadline - call_timeout + Duration::from_millis(50)).await;
            }
            answer(&seen, &request)
        }
    })
    .await;
    let mut config = server.open_source_config();
    config.call_timeout = call_timeout;
    let client = Client::new(config).unwrap();
    let error = client.until(deadline).delete(&id(1)).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NotSent(not_sent) if not_sent.operation == "delete"),
        "{error}"
    );
    assert_eq!(crm.lock().unwrap().executed, Vec::<String>::new());
    assert_eq!(server.requests_of("login").len(), 1);
}

#[tokio::test]
async fn a_call_begins_by_where_a_moving_deadline_stands_then() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    let stands = Arc::new(Mutex::new(Instant::now()));
    let looked_up = Arc::clone(&stands);
    let client = client.until(Deadline::moving(move || *looked_up.lock().unwrap()));
    let error = client.delete(&id(1)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    *stands.lock().unwrap() = Instant::now() + client.config().call_timeout * 10;
    client.delete(&id(2)).await.unwrap();
    *stands.lock().unwrap() = Instant::now();
    let error = client.delete(&id(3)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    assert_eq!(crm.lock().unwrap().executed, ["12x2"]);
}

#[tokio::test]
async fn waiting_for_a_session_ends_when_the_call_could_no_longer_start() {
    let arrived = Arc::new(Notify::new());
    let signal = Arc::clone(&arrived);
    let server = Server::open_source(move |_| {
        signal.notify_one();
        Reply::Hang
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    config.call_timeout = Duration::from_secs(20);
    let client = Client::new(config).unwrap();
    let holder = tokio::spawn({
        let client = client.clone();
        async move { client.delete(&id(1)).await }
    });
    arrived.notified().await;
    let deadline = Instant::now() + Duration::from_millis(20_200);
    let error = client.until(deadline).delete(&id(2)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    assert_eq!(server.requests_of("delete").len(), 1);
    holder.abort();
}

#[tokio::test]
async fn the_earlier_of_two_deadlines_holds() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    let timeout = client.config().call_timeout;
    let strict = client
        .until(Instant::now())
        .until(Instant::now() + timeout * 10);
    assert_eq!(
        strict
            .create("Contacts", &Element::new())
            .await
            .unwrap_err()
            .class(),
        Class::NotSent
    );
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_gate_that_fails_makes_the_call_unavailable() {
    struct Broken;
    #[async_trait]
    impl LoginGate for Broken {
        async fn enter(&self, _user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError> {
            Err(GateError {
                message: "Redis is away".to_owned(),
            })
        }
    }
    let crm = Shared::default();
    let server = start(&crm).await;
    let error = server
        .open_source_client()
        .with_login_gate(Arc::new(Broken))
        .delete(&id(1))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::Unavailable, "LOGIN_GATE")
    );
    assert!(error.to_string().contains("Redis is away"), "{error}");
}

/// A store that several clients share, or one that is away.
#[derive(Default)]
struct Store {
    sessions: Mutex<Vec<IdleSession>>,
    away: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl SessionStore for Store {
    async fn take(&self) -> Option<IdleSession> {
        self.sessions.lock().unwrap().pop()
    }

    async fn put_back(&self, session: IdleSession) -> Option<IdleSession> {
        if self.away.load(Ordering::SeqCst) {
            return Some(session);
        }
        self.sessions.lock().unwrap().push(session);
        None
    }
}

#[tokio::test]
async fn a_client_that_starts_uses_the_session_that_another_one_left() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    let client = || {
        server
            .open_source_client()
            .with_session_store(store.clone())
    };
    let first = client();
    first.delete(&id(1)).await.unwrap();
    first.share_idle_sessions(Duration::ZERO).await;

    let second = client();
    let user = second.user_id().await.unwrap();
    second.delete(&id(2)).await.unwrap();
    assert_eq!(user.as_str(), "19x1");
    assert_eq!(server.requests_of("login").len(), 1);
    assert!(store.sessions.lock().unwrap().is_empty(), "it is in use");
    // The first one has none any more.
    first.delete(&id(3)).await.unwrap();
    assert_eq!(server.requests_of("login").len(), 2);
}

#[tokio::test]
async fn a_session_that_died_in_the_store_is_renewed_and_the_call_repeated() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    store.sessions.lock().unwrap().push(IdleSession {
        name: "forgotten".to_owned().into(),
        user_id: "19x1".parse().unwrap(),
        idle: Duration::from_secs(600),
    });
    let client = server
        .open_source_client()
        .with_session_store(store.clone());
    client.delete(&id(1)).await.unwrap();
    assert_eq!(crm.lock().unwrap().executed, ["12x1"]);
    assert_eq!(server.requests_of("login").len(), 1);
}

#[tokio::test]
async fn sessions_that_the_store_does_not_take_stay_where_they_are() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    let client = server
        .open_source_client()
        .with_session_store(store.clone());
    client.delete(&id(1)).await.unwrap();
    store.away.store(true, Ordering::SeqCst);
    client.share_idle_sessions(Duration::ZERO).await;
    client.delete(&id(2)).await.unwrap();
    assert_eq!(server.requests_of("login").len(), 1);
}

#[tokio::test]
async fn a_session_in_use_is_not_shared() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    let client = server
        .open_source_client()
        .with_session_store(store.clone());
    client.delete(&id(1)).await.unwrap();
    client.share_idle_sessions(Duration::from_secs(3_600)).await;
    assert!(
        store.sessions.lock().unwrap().is_empty(),
        "it was just used"
    );
    assert_eq!(client.user_id().await.unwrap().as_str(), "19x1");
    assert_eq!(server.requests_of("login").len(), 1);
}
