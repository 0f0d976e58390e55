//! The project's public keys: fetched when needed, kept for a while, and never fetched more often than agreed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Method;
use http::header::CACHE_CONTROL;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::key::{KeySet, VerifyingKey};
use super::{TokenError, VerifierConfig};
use crate::address::route;
use crate::call::{Bearer, Call};
use crate::classify::{classify, decode};
use crate::config::ConfigError;
use crate::error::CallError;
use crate::mask::Secrets;
use crate::transport::{self, Answer};

/// The largest key set that is read, in bytes.
const LARGEST_KEY_SET: usize = 1024 * 1024;

pub(super) struct KeySource {
    http: reqwest::Client,
    url: Url,
    public_key: Option<SecretString>,
    timeout: Duration,
    keep: Duration,
    keep_in_outage: Duration,
    interval: Duration,
    known: RwLock<Known>,
    /// Held while fetching, so that one fetch serves everybody who waits for it.
    fetching: tokio::sync::Mutex<()>,
}

/// What the latest fetches brought.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<VerifyingKey>>,
    /// Until when the keys are taken without asking; `None` before the first success.
    fresh_until: Option<Instant>,
    /// When the latest fetch ended.
    asked: Option<Instant>,
    /// How it failed, if it did.
    problem: Option<CallError>,
}

impl KeySource {
    pub(super) fn new(config: &VerifierConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            http: config.http_client()?,
            url: route(&config.base_url, ".well-known/jwks.json"),
            public_key: config.public_key.clone(),
            timeout: config.call_timeout,
            keep: config.keep_keys,
            keep_in_outage: config.keep_keys_in_outage,
            interval: config.fetch_interval,
            known: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The key of that name.
    pub(super) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<VerifyingKey>, TokenError> {
        if let Some(key) = self.fresh_key(kid) {
            return Ok(key);
        }
        if self.may_ask() {
            // In a task of its own: a caller who gives up must neither waste the fetch of this interval nor leave the
            // others waiting. A panic in there would leave the keys as they were.
            let source = Arc::clone(self);
            let asking = tokio::spawn(async move { source.ask().await });
            if !self.serves_through_outage(kid) {
                let _ = asking.await;
            }
        }
        self.best_key(kid)
    }

    fn fresh_key(&self, kid: &str) -> Option<Arc<VerifyingKey>> {
        let known = self.read();
        let fresh = known
            .fresh_until
            .is_some_and(|until| Instant::now() < until);
        if fresh {
            known.keys.get(kid).cloned()
        } else {
            None
        }
    }

    /// Whether nobody should wait for a server that was out of reach the last time, because an older key does.
    fn serves_through_outage(&self, kid: &str) -> bool {
        let known = self.read();
        known.problem.is_some() && known.keys.contains_key(kid) && self.is_usable(&known)
    }

    /// After asking, or while asking is not allowed: also a key that has outlived its time, if not by too much.
    fn best_key(&self, kid: &str) -> Result<Arc<VerifyingKey>, TokenError> {
        let known = self.read();
        match (known.keys.get(kid), &known.problem) {
            (Some(key), _) if self.is_usable(&known) => Ok(Arc::clone(key)),
            (_, Some(problem)) => Err(TokenError::KeysUnavailable(problem.clone())),
            _ => Err(TokenError::UnknownKey),
        }
    }

    /// The latest answer counts until the next one, however short-lived; after a failure the one before it for a while.
    fn is_usable(&self, known: &Known) -> bool {
        let not_too_old = |until| Instant::now() < until + self.keep_in_outage;
        known.problem.is_none() || known.fresh_until.is_some_and(not_too_old)
    }

    fn may_ask(&self) -> bool {
        let asked = self.read().asked;
        asked.is_none_or(|asked| asked.elapsed() >= self.interval)
    }

    async fn ask(&self) {
        let _turn = self.fetching.lock().await;
        // Somebody may have asked while this one waited.
        if !self.may_ask() {
            return;
        }
        let fetched = self.fetch().await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.asked = Some(now);
        match fetched {
            Ok((keys, keep)) => {
                known.keys = keys.into_keys();
                known.fresh_until = Some(now + keep);
                known.problem = None;
            }
            Err(problem) => {
                tracing::warn!(%problem, "the keys of Supabase Auth could not be fetched");
                known.problem = Some(problem);
            }
        }
    }

    async fn fetch(&self) -> Result<(KeySet, Duration), CallError> {
        let call = Call::read("key_set", Method::GET, "").bearer(Bearer::Public);
        let mut request = self.http.get(self.url.clone());
        if let Some(key) = &self.public_key {
            request = request.header("apikey", key.expose_secret());
        }
        let exchange = transport::exchange(request, self.timeout, LARGEST_KEY_SET).await;
        let answer = classify(&call, exchange, &Secrets::new(self.public_key.clone()))?;
        let keep = max_age(&answer).map_or(self.keep, |asked| asked.min(self.keep));
        Ok((decode(&call, &answer, "a key set")?, keep))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the server says the answer is good.
fn max_age(answer: &Answer) -> Option<Duration> {
    let directives = answer.header(CACHE_CONTROL)?.split(',');
    directives
        .filter_map(|directive| directive.trim().strip_prefix("max-age="))
        .find_map(|seconds| seconds.parse().ok())
        .map(Duration::from_secs)
}
