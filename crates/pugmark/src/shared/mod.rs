//! What several processes share through Redis, where one is configured: sessions of vTiger and turns at logging in, the call
//! limits of vTiger Cloud, and pauses.
//!
//! Nothing in Redis is the truth of anything: emptied, stopped or replaced, it costs logins and a little patience. Each part
//! falls back to what the process has for itself, and none waits longer than `redis.timeout` to find out that it must.

mod budget;
mod link;
mod logins;
mod pauses;
mod sessions;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use pugmark_queue::Sealer;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::billing::Billing;
use crate::config::{Redis, SealKey, Settings};
use crate::crm::Crm;

use budget::SharedBudget;
use link::Link;
pub use link::{Standing, Trouble};
use logins::SharedGate;
use pauses::Pauses;
use sessions::SharedSessions;

/// A start waits so long for the first connection, so that the first logins take turns.
const FIRST: Duration = Duration::from_secs(1);

/// What this process shares with others. Clones speak of the same connection.
#[derive(Clone)]
pub struct Shared {
    link: Link,
    sealed: Option<(SealKey, Arc<Sealer>)>,
}

impl Shared {
    /// What is configured, not connected yet. Sessions are shared only where there is a key to seal them under.
    pub fn configured(settings: &Settings, sealer: Option<&Arc<Sealer>>) -> Option<Self> {
        Some(Self {
            link: Link::new(settings.redis.clone()?),
            sealed: settings.seal_key.clone().zip(sealer.cloned()),
        })
    }

    /// How this process stands with Redis.
    pub fn standing(&self) -> Standing {
        self.link.standing()
    }

    /// Whether sessions are shared, too.
    pub fn shares_sessions(&self) -> bool {
        self.sealed.is_some()
    }

    /// Makes the CRM's client share logins, sessions and call limits with those of other processes.
    pub fn equip(&self, crm: &mut Crm) {
        let config = crm.client.config();
        let endpoint = config.base_url.to_string();
        let call = config.call_timeout;
        let mut client = crm
            .client
            .clone()
            .with_login_gate(Arc::new(SharedGate::new(self.link.clone())))
            .with_budget(Arc::new(SharedBudget::new(
                self.link.clone(),
                &endpoint,
                call,
            )));
        if let Some((key, sealer)) = &self.sealed
            && let Some(sessions) = SharedSessions::new(
                self.link.clone(),
                (key, sealer.clone()),
                &crm.settings,
                &endpoint,
            )
        {
            client = client.with_session_store(Arc::new(sessions));
        }
        crm.client = client;
    }

    /// Connects, now and whenever it has to be, and exchanges with other processes what is known of these systems. Waits a moment
    /// for the first connection.
    pub async fn start(
        &self,
        crm: Option<&Arc<Crm>>,
        billing: Option<&Arc<Billing>>,
        cancelled: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) {
        tasks.spawn(self.link.clone().run(cancelled.clone()));
        let mut pauses = Pauses::new(self.link.clone());
        if let Some(crm) = crm {
            let config = crm.client.config();
            let user = config.username.to_lowercase();
            pauses.watch(
                "vtiger",
                &[config.base_url.as_str(), &user],
                crm.breaker.clone(),
            );
            tasks.spawn(sessions::run(crm.client.clone(), cancelled.clone()));
        }
        if let Some(billing) = billing {
            let site = billing.settings.url.as_str();
            pauses.watch("maxio", &[site], billing.breaker.clone());
        }
        tasks.spawn(pauses.run(cancelled.clone()));
        drop(tokio::time::timeout(FIRST, self.link.first_attempt()).await);
    }
}

/// Connects once and proves that Redis can be used.
///
/// # Errors
/// Why not.
pub async fn look(settings: &Redis) -> Result<(), Trouble> {
    link::connect(settings).await.map(drop)
}

/// The name of a key: what it is for, and whose. Addresses and user names are not to be read there.
fn key(link: &Link, purpose: &str, whose: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in whose {
        digest.update(part.as_bytes());
        digest.update(b"\n");
    }
    let digest = hex::encode(digest.finalize());
    format!("{}:{purpose}:{}", link.settings().prefix, &digest[..32])
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
