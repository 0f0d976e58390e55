//! Sessions of vTiger that processes hand on to each other, sealed, so that one that starts need not log in.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use pugmark_queue::{OperationId, Sealer};
use redis::Script;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vtiger::{Client, IdleSession, SessionStore};
use zeroize::Zeroizing;

use super::link::Link;
use super::{key, milliseconds};
use crate::config::{self, SealKey};

/// A session that was not used for so long is put where others find it. Under load sessions stay where they are used, and cost
/// Redis nothing.
const UNUSED: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(500);
/// More sessions than any number of processes needs; the oldest are left out.
const MOST: usize = 256;

/// Members are sealed sessions, their score when they were last used, in milliseconds of Redis' own clock.
const NOW: &str = r"
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
";

/// Takes the one used last.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        r"{NOW}
        local taken = redis.call('ZPOPMAX', KEYS[1])
        return {{taken[1] or false, taken[2] and now - taken[2] or false}}
        "
    ))
});

static PUT_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        r"{NOW}
        redis.call('ZADD', KEYS[1], now - ARGV[3], ARGV[2])
        redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[4])
        redis.call('PEXPIRE', KEYS[1], ARGV[1])
        "
    ))
});

/// The sessions of one CRM user.
pub(super) struct SharedSessions {
    link: Link,
    sealer: Arc<Sealer>,
    key: String,
    /// What is sealed for one user does not open for another.
    bound_to: OperationId,
}

impl SharedSessions {
    /// For the user of these settings. The name of the key tells nothing of the access key to those who read in Redis.
    pub(super) fn new(
        link: Link,
        (key_bytes, sealer): (&SealKey, Arc<Sealer>),
        crm: &config::Crm,
        endpoint: &str,
    ) -> Option<Self> {
        let mut digest = <Hmac<Sha256> as KeyInit>::new_from_slice(key_bytes.bytes()).ok()?;
        for part in [
            endpoint,
            &crm.username.to_lowercase(),
            crm.access_key.expose_secret(),
        ] {
            digest.update(part.as_bytes());
            digest.update(b"\n");
        }
        let digest = digest.finalize().into_bytes();
        let (half, _) = digest.split_first_chunk::<16>()?;
        Some(Self {
            key: key(&link, "sessions", &[&hex::encode(digest)]),
            bound_to: OperationId(Uuid::from_bytes(*half)),
            link,
            sealer,
        })
    }

    fn seal(&self, session: &IdleSession) -> Option<Vec<u8>> {
        let text = Zeroizing::new(format!(
            "{} {}",
            session.user_id,
            session.name.expose_secret()
        ));
        self.sealer.seal(self.bound_to, text.as_bytes()).ok()
    }

    fn open(&self, sealed: &[u8], idle: Duration) -> Option<IdleSession> {
        let opened = self.sealer.open(self.bound_to, sealed).ok()?;
        let (user_id, name) = std::str::from_utf8(&opened).ok()?.split_once(' ')?;
        Some(IdleSession {
            name: SecretString::from(name.to_owned()),
            user_id: user_id.parse().ok()?,
            idle,
        })
    }

    fn life(&self) -> u64 {
        milliseconds(self.link.settings().sessions_for)
    }
}

#[async_trait]
impl SessionStore for SharedSessions {
    async fn take(&self) -> Option<IdleSession> {
        // What does not open is gone, too: it was sealed under a key that is no longer used.
        loop {
            let (sealed, idle): (Option<Vec<u8>>, Option<u64>) = self
                .link
                .ask(TAKE.key(&self.key).arg(self.life()))
                .await
                .ok()?;
            let idle = Duration::from_millis(idle.unwrap_or_default());
            if let Some(session) = self.open(&sealed?, idle) {
                return Some(session);
            }
        }
    }

    async fn put_back(&self, session: IdleSession) -> Option<IdleSession> {
        if !self.link.is_up() {
            return Some(session);
        }
        if session.idle < self.link.settings().sessions_for
            && let Some(sealed) = self.seal(&session)
        {
            let mut put = PUT_BACK.key(&self.key);
            put.arg(self.life()).arg(sealed);
            put.arg(milliseconds(session.idle)).arg(MOST);
            // Without an answer it may be there: kept besides, two processes would have it.
            drop(self.link.ask::<()>(&put).await);
        }
        None
    }
}

/// Shares what the client does not use, until it is cancelled.
pub(super) async fn run(client: Client, cancelled: CancellationToken) {
    while cancelled
        .run_until_cancelled(tokio::time::sleep(LOOK))
        .await
        .is_some()
    {
        client.share_idle_sessions(UNUSED).await;
    }
}
