//! The client: one handle, and the one place calls are sent from.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::address::route;
use crate::call::{Bearer, Call};
use crate::classify::classify;
use crate::config::{ClientConfig, ConfigError};
use crate::error::{CallError, Invalid, NotSent};
use crate::mask::Secrets;
use crate::observe::{CallObserver, Watch};
use crate::transport::{self, Answer};
use crate::turns::Turns;

/// The form of errors this client asks for.
const API_VERSION: (&str, &str) = ("x-supabase-api-version", "2024-01-01");

/// Supabase Auth of one project. Cheap to clone; clones share connections and the order of role changes.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    observer: Option<Arc<dyn CallObserver>>,
    deadline: Option<Instant>,
}

struct Shared {
    config: ClientConfig,
    http: reqwest::Client,
    role_changes: Turns,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for a project. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration is incomplete or unsafe.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let connect_timeout = config.connect_timeout.min(config.call_timeout / 2);
        let shared = Shared {
            http: transport::http_client(&config.base_url, connect_timeout, &config.user_agent)?,
            role_changes: Turns::default(),
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
            observer: None,
            deadline: None,
        })
    }

    /// Tells this observer of every HTTP call made through this handle and its clones.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same client for calls that must have ended by `deadline` (monotonic clock).
    ///
    /// A call is sent only if its whole timeout still fits, checked at the moment of sending; otherwise it ends as
    /// [`CallError::NotSent`]. A deadline that is already set is kept if it is the earlier one.
    #[must_use]
    pub fn until(&self, deadline: Instant) -> Self {
        let deadline = self.deadline.map_or(deadline, |set| set.min(deadline));
        Self {
            deadline: Some(deadline),
            ..self.clone()
        }
    }

    /// What the client was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// Sends one call, judges the answer and reads it.
    pub(crate) async fn send<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Call, &Answer) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let config = self.config();
        let request = self.request(&call)?;
        self.check_deadline(call.operation)?;
        let secrets = self.secrets(&call);
        let mut watch = Watch::start(self.observer.clone(), &call, &secrets);
        let exchange =
            transport::exchange(request, config.call_timeout, config.max_answer_bytes).await;
        watch.received(&exchange, &secrets);
        let result = classify(&call, exchange, &secrets).and_then(|answer| read(&call, &answer));
        watch.finish(&result);
        tracing::debug!(
            operation = call.operation,
            outcome = result
                .as_ref()
                .err()
                .map_or("done", |error| error.class().as_str()),
            code = result.as_ref().err().map_or("", CallError::code),
            "Supabase Auth call"
        );
        result
    }

    fn request(&self, call: &Call) -> Result<reqwest::RequestBuilder, CallError> {
        let mut url = route(&self.config().base_url, &call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let key = self.key(call);
        let token = match &call.bearer {
            Bearer::Admin | Bearer::Public => key,
            Bearer::User(token) => token,
        };
        let request = self
            .shared
            .http
            .request(call.method.clone(), url)
            .header(API_VERSION.0, API_VERSION.1)
            .header("apikey", secret_header(key.expose_secret())?)
            .header(
                AUTHORIZATION,
                secret_header(&format!("Bearer {}", token.expose_secret()))?,
            );
        Ok(match &call.body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    /// What opens the gateway. Keys that are no JWTs must stand in both headers alike; a user's token may differ.
    fn key(&self, call: &Call) -> &SecretString {
        let config = self.config();
        match call.bearer {
            Bearer::Admin => &config.admin_key,
            Bearer::Public | Bearer::User(_) => {
                config.public_key.as_ref().unwrap_or(&config.admin_key)
            }
        }
    }

    fn secrets(&self, call: &Call) -> Secrets {
        let config = self.config();
        let keys = std::iter::once(&config.admin_key).chain(&config.public_key);
        let token = match &call.bearer {
            Bearer::User(token) => Some(token),
            Bearer::Admin | Bearer::Public => None,
        };
        Secrets::new(keys.chain(token).chain(&call.secrets).cloned())
    }

    /// Whether a call that starts now ends before the deadline, however long it takes.
    fn check_deadline(&self, operation: &'static str) -> Result<(), CallError> {
        match self.time_left() {
            Some(left) if left < self.config().call_timeout => Err(self.not_sent(operation)),
            _ => Ok(()),
        }
    }

    /// Waits for something only as long as a call could still start afterwards.
    pub(crate) async fn before_deadline<F: Future>(
        &self,
        operation: &'static str,
        waiting: F,
    ) -> Result<F::Output, CallError> {
        let Some(deadline) = self.deadline else {
            return Ok(waiting.await);
        };
        self.check_deadline(operation)?;
        let latest_start = deadline - self.config().call_timeout;
        tokio::time::timeout_at(latest_start, waiting)
            .await
            .map_err(|_elapsed| self.not_sent(operation))
    }

    fn not_sent(&self, operation: &'static str) -> CallError {
        CallError::NotSent(NotSent {
            operation,
            needed: self.config().call_timeout,
            left: self.time_left().unwrap_or_default(),
        })
    }

    fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn role_changes(&self) -> &Turns {
        &self.shared.role_changes
    }
}

/// A header that HTTP libraries keep out of their own logs.
fn secret_header(value: &str) -> Result<HeaderValue, Invalid> {
    let mut value = HeaderValue::from_str(value).map_err(|_illegal| Invalid::Token)?;
    value.set_sensitive(true);
    Ok(value)
}
