//! One login at a time per CRM user, across processes: a lock in Redis, whose holder renews it while it logs in.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;
use vtiger::{GateError, InProcessGate, LoginGate, LoginTurn, LoginUser};

use super::link::{Away, Link};
use super::{key, milliseconds};

/// After this time without a renewal the holder is taken for dead.
const LAPSE: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(1);
/// How often who waits for the lock looks whether it is free.
const LOOK: Duration = Duration::from_millis(20);

/// Takes the lock for a token, or renews it for the one that holds it.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return 1
        ",
    )
});

/// Gives it back, unless it has lapsed and is somebody else's.
static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")
});

/// A gate that processes share, and the gate of this process in front of it: of each process one waits at Redis.
pub(super) struct SharedGate {
    link: Link,
    within: Arc<dyn LoginGate>,
}

impl SharedGate {
    /// The usual one.
    pub(super) fn new(link: Link) -> Self {
        Self::behind(link, Arc::new(InProcessGate))
    }

    /// With another gate for this process.
    pub(super) fn behind(link: Link, within: Arc<dyn LoginGate>) -> Self {
        Self { link, within }
    }
}

#[async_trait]
impl LoginGate for SharedGate {
    async fn enter(&self, user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError> {
        let within = self.within.enter(user).await?;
        let lock = Lock {
            key: key(&self.link, "login", &[&user.endpoint, &user.username]),
            token: Uuid::new_v4().to_string(),
            link: self.link.clone(),
        };
        let renewing = lock.take().await.ok().map(|()| lock.renew());
        Ok(Box::new(Turn {
            _renewing: renewing,
            _lock: lock,
            _within: within,
        }))
    }
}

/// Fields are dropped in this order: the next login of this process begins when the lock is being given back.
struct Turn {
    _renewing: Option<AbortOnDropHandle<()>>,
    _lock: Lock,
    _within: Box<dyn LoginTurn>,
}

impl LoginTurn for Turn {}

/// The lock, or the wish for it; given back by being dropped. A token that never held it gives back nothing.
struct Lock {
    key: String,
    token: String,
    link: Link,
}

impl Lock {
    /// Waits for it. Without Redis the turn of this process is enough: vTiger refuses a login at worst, and it is repeated.
    async fn take(&self) -> Result<(), Away> {
        while !self.try_take().await? {
            tokio::time::sleep(LOOK.mul_f64(rand::random_range(0.5..1.5))).await;
        }
        Ok(())
    }

    async fn try_take(&self) -> Result<bool, Away> {
        let lapse = milliseconds(LAPSE);
        self.link
            .ask(TAKE.key(&self.key).arg(&self.token).arg(lapse))
            .await
    }

    /// Renews it until the handle is dropped.
    fn renew(&self) -> AbortOnDropHandle<()> {
        let lock = Renewed {
            key: self.key.clone(),
            token: self.token.clone(),
            link: self.link.clone(),
        };
        AbortOnDropHandle::new(tokio::spawn(lock.run()))
    }
}

struct Renewed {
    key: String,
    token: String,
    link: Link,
}

impl Renewed {
    async fn run(self) {
        let lapse = milliseconds(LAPSE);
        loop {
            tokio::time::sleep(RENEW).await;
            // Redis may come back while the login goes on, and with it the lock.
            let mut take = TAKE.key(&self.key);
            drop(
                self.link
                    .ask::<bool>(take.arg(&self.token).arg(lapse))
                    .await,
            );
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Without a runtime the program is at its end, and the lock lapses.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (key, token, link) = (
            std::mem::take(&mut self.key),
            std::mem::take(&mut self.token),
            self.link.clone(),
        );
        runtime.spawn(async move {
            drop(link.ask::<()>(GIVE_BACK.key(key).arg(token)).await);
        });
    }
}
