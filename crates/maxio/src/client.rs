//! The client: one handle, and the one place calls are sent from.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::{Error, Failure, NotSent, Trouble};
use crate::observe::{CallObserver, Watch};
use crate::settings::{ConfigError, Settings};
use crate::slots::{LocalSlots, Slot, Slots};
use crate::wire::{
    Answer, Call, Secrets, classify, exchange, http_client, items, unreadable, wrapped,
};

/// How long after a failed connection a read is tried once more.
const PAUSE: Duration = Duration::from_millis(300);
/// What the service caps pages at; it reduces larger wishes without a word.
const PAGE: usize = 200;
/// A list of more pages than that does not end at all.
const MOST_PAGES: usize = 500;

/// One site of Maxio Advanced Billing. Cheap to clone; clones share connections and slots.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    slots: Arc<dyn Slots>,
    observer: Option<Arc<dyn CallObserver>>,
    begin_by: Option<Instant>,
}

struct Shared {
    settings: Settings,
    http: reqwest::Client,
    authorization: HeaderValue,
    /// The key as the header has it: also that form must appear in no text.
    encoded_key: SecretString,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for a site. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the settings are incomplete or unsafe.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        settings.check()?;
        let encoded = STANDARD.encode(format!("{}:x", settings.api_key.expose_secret()));
        let mut authorization = HeaderValue::from_str(&format!("Basic {encoded}"))
            .map_err(|_illegal| ConfigError::UnusableKey)?;
        // HTTP libraries keep it out of their own logs.
        authorization.set_sensitive(true);
        let slots = Arc::new(LocalSlots::new(settings.at_once));
        let shared = Shared {
            http: http_client(&settings)?,
            authorization,
            encoded_key: encoded.into(),
            settings,
        };
        Ok(Self {
            shared: Arc::new(shared),
            slots,
            observer: None,
            begin_by: None,
        })
    }

    /// Asks these slots before each call, in place of [`Settings::at_once`].
    #[must_use]
    pub fn with_slots(self, slots: Arc<dyn Slots>) -> Self {
        Self { slots, ..self }
    }

    /// Tells this observer of every HTTP call made through this handle and its clones.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// The same client for calls that must begin before `latest` (monotonic clock).
    ///
    /// A call may wait for a slot; its timeout runs only from then on. One that has not begun by `latest` ends as
    /// [`Error::NotSent`], so a call never lasts beyond `latest` and the call timeout. Of two such moments the earlier
    /// counts.
    #[must_use]
    pub fn call_by(&self, latest: Instant) -> Self {
        let begin_by = self.begin_by.map_or(latest, |set| set.min(latest));
        Self {
            begin_by: Some(begin_by),
            ..self.clone()
        }
    }

    /// The same client for calls that must have ended by `deadline`: they begin at least a call timeout before it.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        let latest = deadline.checked_sub(self.settings().call_timeout);
        self.call_by(latest.unwrap_or_else(Instant::now))
    }

    /// What the client was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Sends a call and reads the one record of its answer.
    pub(crate) async fn one<T: DeserializeOwned>(
        &self,
        call: &Call,
        name: &str,
    ) -> Result<T, Error> {
        self.send(call, |answer| wrapped(call, &answer, name)).await
    }

    /// Sends a call and reads the list in its answer.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        call: &Call,
        name: &str,
    ) -> Result<Vec<T>, Error> {
        self.send(call, |answer| items(call, &answer, name)).await
    }

    /// Reads a list page by page, until one is not full. What moves to the next page meanwhile appears once.
    pub(crate) async fn pages<T, K>(
        &self,
        call: impl Fn() -> Call,
        name: &str,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>, Error>
    where
        T: DeserializeOwned,
        K: Eq + Hash,
    {
        let mut all = Vec::new();
        let mut known = HashSet::new();
        for number in 1..=MOST_PAGES {
            let call = call().query("page", number).query("per_page", PAGE);
            let page: Vec<T> = self.list(&call, name).await?;
            let full = page.len() >= PAGE;
            let before = all.len();
            all.extend(page.into_iter().filter(|item| known.insert(key(item))));
            if !full {
                return Ok(all);
            }
            if all.len() == before {
                break;
            }
        }
        let message = "the list does not end".to_owned();
        Err(unreadable(&call(), None, message))
    }

    /// Sends a call; a read that found no connection once more.
    async fn send<T>(
        &self,
        call: &Call,
        read: impl Fn(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let again = ConstantBuilder::default()
            .with_delay(PAUSE)
            .with_max_times(1);
        let attempt = || self.attempt(call, &read);
        attempt
            .retry(again)
            .when(|error| call.reads() && lost_connection(error) && self.may_begin_in(PAUSE))
            .await
    }

    async fn attempt<T>(
        &self,
        call: &Call,
        read: impl Fn(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let keys = [&self.settings().api_key, &self.shared.encoded_key];
        let secrets = Secrets::new(keys.into_iter().chain(&call.secrets));
        let slot = self.slot(call.operation).await?;
        let mut watch = Watch::start(self.observer.clone(), call, &secrets);
        let exchange = exchange(self.request(call), self.settings().call_timeout).await;
        drop(slot);
        watch.received(&exchange, &secrets);
        let result = classify(call, exchange, &secrets).and_then(read);
        watch.finish(&result);
        tracing::debug!(
            operation = call.operation,
            outcome = result
                .as_ref()
                .err()
                .map_or("done", |error| error.class().as_str()),
            "Maxio call"
        );
        result
    }

    /// Waits for permission, as long as the call could still begin then.
    async fn slot(&self, operation: &'static str) -> Result<Slot, Error> {
        let not_sent = |waited| Error::NotSent(NotSent { operation, waited });
        if !self.may_begin() {
            return Err(not_sent(false));
        }
        let taking = self.slots.take();
        let taken = match self.begin_by {
            None => taking.await,
            Some(latest) => tokio::time::timeout_at(latest, taking)
                .await
                .map_err(|_elapsed| not_sent(true))?,
        };
        let slot = taken.map_err(|error| {
            Error::Unavailable(Failure {
                operation,
                trouble: Trouble::NoSlot,
                status: None,
                message: error.to_string(),
            })
        })?;
        if self.may_begin() {
            Ok(slot)
        } else {
            Err(not_sent(true))
        }
    }

    fn may_begin(&self) -> bool {
        self.may_begin_in(Duration::ZERO)
    }

    fn may_begin_in(&self, pause: Duration) -> bool {
        self.begin_by
            .is_none_or(|latest| Instant::now() + pause < latest)
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let url = call.url(&self.settings().url);
        let request = self
            .shared
            .http
            .request(call.method.clone(), url)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, self.shared.authorization.clone());
        match &call.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

fn lost_connection(error: &Error) -> bool {
    error
        .failure()
        .is_some_and(|failure| matches!(failure.trouble, Trouble::NoConnection | Trouble::Cut))
}
