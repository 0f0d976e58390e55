//! Every part against a real Redis: a server of each test's own.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pugmark_queue::Sealer;
use pugmark_queue::testing::TestRedis;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use vtiger::{
    CallBudget, GateError, IdleSession, LoginGate, LoginTurn, LoginUser, Quota, SessionStore,
};

use super::budget::SharedBudget;
use super::link::{Link, Standing};
use super::logins::SharedGate;
use super::pauses::Pauses;
use super::sessions::SharedSessions;
use crate::config::{Environment, Redis, RedisUrl, SealKey};
use crate::crm::breaker::{Breaker, Position};
use crate::problem::Code;

const PATIENCE: Duration = Duration::from_secs(60);

/// What one process has: a connection of its own.
struct Process {
    link: Link,
    _running: AbortOnDropHandle<()>,
}

impl Process {
    async fn at(redis: &TestRedis) -> Self {
        Self::with(settings(&redis.url())).await
    }

    async fn with(settings: Redis) -> Self {
        let link = Link::new(settings);
        let running = tokio::spawn(link.clone().run(CancellationToken::new()));
        link.first_attempt().await;
        Self {
            link,
            _running: AbortOnDropHandle::new(running),
        }
    }

    fn sessions(&self, seal_key: u8) -> SharedSessions {
        let environment = Environment::of([
            ("VTIGER_URL", "https://crm.example.org"),
            ("VTIGER_USERNAME", "integration"),
            ("VTIGER_ACCESS_KEY", "an access key"),
        ]);
        let crm = crate::config::load(None, &environment)
            .unwrap()
            .crm
            .unwrap();
        let sealer = Arc::new(Sealer::new(seal_key, &[seal_key; 32]).unwrap());
        let key = SealKey::of([seal_key; 32]);
        SharedSessions::new(self.link.clone(), (&key, sealer), &crm, "https://crm/").unwrap()
    }

    fn sharing(&self, breaker: &Arc<Breaker>) -> AbortOnDropHandle<()> {
        let mut pauses = Pauses::new(self.link.clone());
        pauses.watch("vtiger", &["https://crm/"], breaker.clone());
        AbortOnDropHandle::new(tokio::spawn(pauses.run(CancellationToken::new())))
    }

    fn budget(&self) -> SharedBudget {
        SharedBudget::new(self.link.clone(), "https://crm/", PATIENCE)
    }
}

fn settings(url: &str) -> Redis {
    Redis {
        url: RedisUrl::parse(url).unwrap(),
        prefix: "pugmark".to_owned(),
        // No test is about a slow server, and the machine may be one.
        timeout: Duration::from_secs(20),
        sessions_for: Duration::from_secs(600),
    }
}

/// Looks again and again until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whoever asks may log in: within a test the real gate would join what are to be two processes.
struct Open;
struct Turn;
impl LoginTurn for Turn {}

#[async_trait]
impl LoginGate for Open {
    async fn enter(&self, _user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError> {
        Ok(Box::new(Turn))
    }
}

fn user() -> LoginUser {
    LoginUser {
        endpoint: "https://crm.example.org/webservice.php".to_owned(),
        username: "integration".to_owned(),
    }
}

fn session(name: &str, idle: Duration) -> IdleSession {
    IdleSession {
        name: SecretString::from(name.to_owned()),
        user_id: "19x5".parse().unwrap(),
        idle,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_two_processes_take_turns() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let (first, second) = (Process::at(&redis).await, Process::at(&redis).await);
    let inside = Arc::new(AtomicUsize::new(0));
    let logins = (0..20).map(|number| {
        let link = if number % 2 == 0 {
            &first.link
        } else {
            &second.link
        };
        let gate = SharedGate::behind(link.clone(), Arc::new(Open));
        let inside = inside.clone();
        tokio::spawn(async move {
            let turn = gate.enter(&user()).await.unwrap();
            let before = inside.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(3)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(turn);
            before
        })
    });
    for login in futures::future::join_all(logins).await {
        assert_eq!(login.unwrap(), 0, "nobody else was logging in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_process_that_died_lapses() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let dying = tokio::runtime::Runtime::new().unwrap();
    let settings = settings(&redis.url());
    let login = dying.spawn(async move {
        let process = Process::with(settings).await;
        let gate = SharedGate::behind(process.link.clone(), Arc::new(Open));
        // It will neither renew the lock nor give it back.
        std::mem::forget((gate.enter(&user()).await.unwrap(), process));
    });
    login.await.unwrap();
    dying.shutdown_background();
    let held = redis.say("KEYS pugmark:login:*").await;
    assert_eq!(held.as_deref(), Some("*1"), "the lock is there");
    let second = Process::at(&redis).await;
    let gate = SharedGate::behind(second.link.clone(), Arc::new(Open));
    let entered = tokio::time::timeout(PATIENCE, gate.enter(&user())).await;
    drop(entered.expect("the lock lapsed").unwrap());
}

#[tokio::test]
async fn without_a_redis_the_gate_of_the_process_is_enough() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let process = Process::with(settings(&format!("redis://:s3cret@{address}"))).await;
    let Standing::Away { why, .. } = process.link.standing() else {
        panic!("nobody is there");
    };
    assert_eq!(why.code, Code::RedisUnavailable);
    assert!(!format!("{why:?} {why}").contains("s3cret"), "{why}");
    let gate = SharedGate::new(process.link.clone());
    drop(gate.enter(&user()).await.unwrap());
    assert!(process.sessions(1).take().await.is_none());
    let kept = process
        .sessions(1)
        .put_back(session("a name", Duration::ZERO))
        .await;
    assert!(kept.is_some(), "this process keeps its session");
    assert!(process.budget().spend().await.is_ok());
}

#[tokio::test]
async fn a_session_is_handed_on_to_one_process_alone() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let (first, second) = (Process::at(&redis).await, Process::at(&redis).await);
    for name in ["older", "newer"] {
        let kept = first
            .sessions(1)
            .put_back(session(name, Duration::ZERO))
            .await;
        assert!(kept.is_none(), "it is in Redis now");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let taken = second.sessions(1).take().await.unwrap();
    assert_eq!(taken.name.expose_secret(), "newer");
    assert_eq!(taken.user_id.as_str(), "19x5");
    let taken = first.sessions(1).take().await.unwrap();
    assert_eq!(taken.name.expose_secret(), "older");
    assert!(second.sessions(1).take().await.is_none());
}

#[tokio::test]
async fn sessions_are_sealed_and_open_under_no_other_key() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let process = Process::at(&redis).await;
    let name = "4f1c9a2b7d3e";
    process
        .sessions(1)
        .put_back(session(name, Duration::ZERO))
        .await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("pugmark:sessions:*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let [key] = keys.as_slice() else {
        panic!("one key: {keys:?}");
    };
    let kept: Vec<Vec<u8>> = redis::cmd("ZRANGE")
        .arg(key)
        .arg(0)
        .arg(-1)
        .query_async(&mut connection)
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&kept[0]);
    assert!(
        !text.contains(name) && !key.contains("integration"),
        "{key}"
    );
    assert!(process.sessions(2).take().await.is_none());
    assert!(process.sessions(1).take().await.is_some());
}

#[tokio::test]
async fn a_session_that_vtiger_may_have_forgotten_is_not_used_again() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let process = Process::at(&redis).await;
    let sessions = process.sessions(1);
    sessions
        .put_back(session("forgotten", Duration::from_secs(601)))
        .await;
    assert!(sessions.take().await.is_none());
    sessions
        .put_back(session("remembered", Duration::from_secs(300)))
        .await;
    let taken = sessions.take().await.unwrap();
    assert!(taken.idle >= Duration::from_secs(300), "{:?}", taken.idle);
}

#[tokio::test]
async fn a_wish_that_one_process_heard_is_obeyed_by_the_other() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let (first, second) = (Process::at(&redis).await, Process::at(&redis).await);
    let (heard, obeys) = (Arc::<Breaker>::default(), Arc::<Breaker>::default());
    let _sharing = (first.sharing(&heard), second.sharing(&obeys));
    heard.throttled(Some(Duration::from_secs(120)));
    until("the other one is open", || {
        obeys.position() != Position::Closed
    })
    .await;
    obeys.succeeded();
    redis.flush().await;
    let Position::Open { remaining } = obeys.position() else {
        panic!("an answer to an earlier call ended it");
    };
    assert!(remaining > Duration::from_secs(30), "{remaining:?}");
}

#[tokio::test]
async fn a_pause_begins_and_ends_for_all_and_outlasts_a_redis_that_was_away() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let (first, second) = (Process::at(&redis).await, Process::at(&redis).await);
    let (here, there) = (Arc::<Breaker>::default(), Arc::<Breaker>::default());
    let _sharing = (first.sharing(&here), second.sharing(&there));
    redis.stop();
    here.refused();
    until("it is noticed", || {
        !first.link.is_up() && !second.link.is_up()
    })
    .await;
    assert_eq!(there.position(), Position::Closed, "nobody could tell it");
    redis.serve().await;
    until("it is told", || there.position() != Position::Closed).await;
    there.succeeded();
    until("its end is told", || here.position() == Position::Closed).await;
    let standing = first.link.standing();
    assert!(matches!(standing, Standing::Up { .. }), "{standing:?}");
}

/// What an answer says after so many calls in a minute that ends in an hour, or so many seconds ago.
fn answer(limit: u64, used: u64, ends_in: i64) -> Quota {
    let reset = Timestamp::now().as_second() + ends_in;
    Quota {
        minute_limit: Some(limit),
        minute_remaining: Some(limit.saturating_sub(used)),
        minute_reset: Timestamp::from_second(reset).ok(),
        day_limit: Some(1_000),
        day_remaining: Some(1_000 - used),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_together_make_no_more_calls_than_a_minute_allows() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let (first, second) = (Process::at(&redis).await, Process::at(&redis).await);
    let reset = Timestamp::now().as_second() + 3_600;
    // The server: it counts a call when it arrives and says what is left when it answers.
    let counted = Arc::new(Mutex::new(3));
    let callers = (0..40).map(|number| {
        let budget = if number % 2 == 0 {
            first.budget()
        } else {
            second.budget()
        };
        let counted = counted.clone();
        tokio::spawn(async move {
            let mut made = 0;
            while let Ok(leave) = budget.spend().await {
                let used = {
                    let mut counted = counted.lock().unwrap();
                    *counted += 1;
                    *counted
                };
                assert!(used <= 60, "call {used} of 60");
                made += 1;
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..10))).await;
                let mut said = answer(60, used, 0);
                said.minute_reset = Timestamp::from_second(reset).ok();
                leave.answered(&said);
            }
            made
        })
    });
    let made: Vec<i32> = futures::future::join_all(callers)
        .await
        .into_iter()
        .map(|caller| caller.expect("within the budget"))
        .collect();
    // Others made three calls that nobody knew of before the first answer.
    assert_eq!(made.iter().sum::<i32>(), 57, "and all of them are used");
}

#[tokio::test]
async fn while_nobody_knows_the_minute_few_calls_are_made() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let process = Process::at(&redis).await;
    let budget = process.budget();
    let first = budget.spend().await.unwrap();
    let _second = budget.spend().await.unwrap();
    let third = tokio::spawn({
        let budget = budget.clone();
        async move { budget.spend().await.is_ok() }
    });
    // The third one waits for an answer to one of these.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!third.is_finished());
    first.answered(&answer(60, 1, 3_600));
    assert!(third.await.unwrap());
}

#[tokio::test]
async fn with_no_call_left_in_the_day_none_is_made_for_a_minute() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let process = Process::at(&redis).await;
    let budget = process.budget();
    let first = budget.spend().await.unwrap();
    first.answered(&Quota {
        day_remaining: Some(0),
        ..answer(60, 1, 3_600)
    });
    while redis.say("KEYS pugmark:budget:*").await.as_deref() != Some("*1") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let over = budget.spend().await.err().expect("none is left");
    assert_eq!(over.limit, "call limit of the day");
    assert!(over.wait <= Duration::from_secs(60), "{over:?}");
}

#[tokio::test]
async fn a_crm_whose_answers_name_no_limits_is_called_without_any() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let process = Process::at(&redis).await;
    let budget = process.budget();
    budget.spend().await.unwrap().answered(&Quota::default());
    // None of them is answered.
    let mut unanswered = Vec::new();
    for _ in 0..50 {
        unanswered.push(budget.spend().await.unwrap());
    }
}

#[tokio::test]
async fn a_redis_that_is_emptied_or_restarted_is_used_again() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let process = Process::at(&redis).await;
    let sessions = process.sessions(1);
    sessions.put_back(session("first", Duration::ZERO)).await;
    redis.flush().await;
    assert!(sessions.take().await.is_none());
    sessions.put_back(session("second", Duration::ZERO)).await;
    redis.stop();
    assert!(sessions.take().await.is_none());
    redis.serve().await;
    until("it is used again", || process.link.is_up()).await;
    sessions.put_back(session("third", Duration::ZERO)).await;
    let taken = sessions.take().await.unwrap();
    assert_eq!(taken.name.expose_secret(), "third");
}

#[tokio::test]
async fn a_password_that_is_not_accepted_is_told_from_a_server_that_is_away() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    redis.say("CONFIG SET requirepass s3cret").await;
    let process = Process::at(&redis).await;
    let Standing::Away { why, .. } = process.link.standing() else {
        panic!("there is a password now");
    };
    assert_eq!(why.code, Code::RedisRefused, "{why}");
    let with_password = redis.url().replace("redis://", "redis://:s3cret@");
    let process = Process::with(settings(&with_password)).await;
    assert!(process.link.is_up());
}

#[tokio::test]
async fn the_rights_that_the_documentation_names_are_enough() {
    let Some(redis) = TestRedis::start().await else {
        return;
    };
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/redis.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rule = page
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("ACL SETUSER"))
        .expect("there is a rule");
    assert_eq!(redis.say(rule).await.as_deref(), Some("+OK"));
    let url = redis.url().replace("redis://", "redis://pugmark:password@");
    let process = Process::with(settings(&url)).await;
    assert!(process.link.is_up(), "{:?}", process.link.standing());
    let sessions = process.sessions(1);
    sessions.put_back(session("a name", Duration::ZERO)).await;
    assert!(sessions.take().await.is_some());
    let gate = SharedGate::behind(process.link.clone(), Arc::new(Open));
    drop(gate.enter(&user()).await.unwrap());
    let budget = process.budget();
    let leave = budget.spend().await.unwrap();
    leave.answered(&answer(60, 1, 3_600));
    drop(budget.spend().await.unwrap());
    let breaker = Arc::<Breaker>::default();
    let _sharing = process.sharing(&breaker);
    breaker.refused();
    until("it is told", || breaker.untold().is_none()).await;
    breaker.throttled(Some(Duration::from_secs(30)));
    until("it is told", || breaker.untold().is_none()).await;
    // What is not waited for, the lock and the answer, has been done by now, too.
    let still = process.sessions(1).take().await;
    assert!(
        still.is_none() && process.link.is_up(),
        "{:?}",
        process.link.standing()
    );
}
