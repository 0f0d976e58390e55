//! The client: one handle for both editions, and the one place calls are sent from.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use moka::future::Cache;
use secrecy::ExposeSecret;
use serde_json::Value as Json;
use tokio::time::Instant;
use url::Url;

use crate::budget::{CallBudget, Spent};
use crate::classify::{classify, failure};
use crate::config::{ClientConfig, ConfigError, Edition};
use crate::deadline::Deadline;
use crate::error::{CallError, Invalid, NotSent};
use crate::gate::{InProcessGate, LoginGate, LoginUser};
use crate::module::Module;
use crate::observe::{CallObserver, Watch};
use crate::operation::{Method, Operation};
use crate::quota::Quota;
use crate::redact::Secrets;
use crate::session::{Pool, Session};
use crate::session_store::SessionStore;
use crate::transport::{self, Exchange};

/// The longest request URL, in bytes; web servers refuse longer ones (nginx by default at 8 kB per line).
pub const LONGEST_URL: usize = 8000;

/// The longest correlation id sent, in characters.
const LONGEST_CORRELATION_ID: usize = 128;

/// A vTiger installation, seen as one user. Cheap to clone; clones share sessions, descriptions and quota.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    gate: Arc<dyn LoginGate>,
    sessions: Option<Arc<dyn SessionStore>>,
    budget: Option<Arc<dyn CallBudget>>,
    observer: Option<Arc<dyn CallObserver>>,
    deadline: Option<Deadline>,
    correlation_id: Option<HeaderValue>,
}

struct Shared {
    config: ClientConfig,
    http: reqwest::Client,
    pool: Arc<Pool>,
    descriptions: Cache<String, Arc<Module>>,
    quota: Mutex<Quota>,
}

/// How a request proves who it comes from.
pub(crate) enum Credentials<'s> {
    /// Not at all: getchallenge and login.
    None,
    /// By a session name among the parameters.
    Session(&'s Session),
    /// By HTTP Basic.
    Basic,
}

/// What an answer's head told beside the result.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) date: Option<Timestamp>,
    pub(crate) vtiger_version: Option<String>,
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
    /// A client for an installation. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration is incomplete.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let shared = Shared {
            http: transport::http_client(&config)?,
            pool: Arc::new(Pool::new(config.sessions)),
            descriptions: Cache::builder()
                .max_capacity(500)
                .time_to_live(config.describe_ttl)
                .build(),
            quota: Mutex::new(Quota::default()),
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
            gate: Arc::new(InProcessGate),
            sessions: None,
            budget: None,
            observer: None,
            deadline: None,
            correlation_id: None,
        })
    }

    /// Uses this gate for logins instead of the one shared by the clients of this process.
    #[must_use]
    pub fn with_login_gate(mut self, gate: Arc<dyn LoginGate>) -> Self {
        self.gate = gate;
        self
    }

    /// Takes sessions from this store before it logs in; [`Client::share_idle_sessions`] puts them there.
    #[must_use]
    pub fn with_session_store(mut self, sessions: Arc<dyn SessionStore>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Asks this budget before every call to vTiger Cloud. An open-source vTiger sets no limits and is called without asking.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<dyn CallBudget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Tells this observer of every HTTP call made through this handle and its clones.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same client for calls that must have ended by `deadline`.
    ///
    /// A call is sent only if its whole timeout still fits, checked after waiting for a session and after any login, at
    /// the moment of sending and by where the deadline stands then; otherwise it ends as [`CallError::NotSent`]. Where one
    /// is set already, the earlier counts.
    #[must_use]
    pub fn until(&self, deadline: impl Into<Deadline>) -> Self {
        let deadline = deadline.into();
        let deadline = match self.deadline.clone() {
            Some(set) => set.or_earlier(deadline),
            None => deadline,
        };
        Self {
            deadline: Some(deadline),
            ..self.clone()
        }
    }

    /// The same client, sending this id as header `x-correlation-id` with every request, logins included.
    ///
    /// Only visible ASCII characters are sent, 128 at most; when none is left, the header is left out.
    #[must_use]
    pub fn with_correlation_id(&self, id: &str) -> Self {
        let visible: String = id
            .chars()
            .filter(char::is_ascii_graphic)
            .take(LONGEST_CORRELATION_ID)
            .collect();
        let header = HeaderValue::from_str(&visible).ok();
        Self {
            correlation_id: header.filter(|id| !id.is_empty()),
            ..self.clone()
        }
    }

    /// What the client was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// What the latest answers told about call limits (Cloud).
    #[must_use]
    pub fn quota(&self) -> Quota {
        *self
            .shared
            .quota
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes any call, in a session or with HTTP Basic as the edition wants it, and returns the `result` unread.
    ///
    /// For operations this client has no method for, such as those an administrator registered. A result of `null`
    /// counts as done here; whether it proves anything is for the caller to know.
    ///
    /// # Errors
    /// As every call of the operation's [`Effect`](crate::Effect); [`CallError::Invalid`] for a bad operation name.
    ///
    /// An operation that the installation lacks, or that PHP breaks off in, refuses a read with
    /// [`RefusalReason::NotAvailable`](crate::RefusalReason::NotAvailable). A write ends as [`CallError::Unknown`] with
    /// that reason as its hint ([`CallError::refusal`]), because PHP may have broken off half-way: [`Client::probe`] the
    /// installation before.
    pub async fn call_operation(&self, operation: &Operation) -> Result<Json, CallError> {
        operation.check()?;
        match self.config().edition {
            Edition::OpenSource => self.call_in_session(operation).await,
            Edition::Cloud => Ok(self.call_cloud(operation).await?.0),
        }
    }

    pub(crate) async fn call_cloud(
        &self,
        operation: &Operation,
    ) -> Result<(Json, Meta), CallError> {
        let _seat = self.take_seat(operation).await?;
        self.send_for_meta(operation, &Credentials::Basic).await
    }

    /// Sends one request and judges the answer.
    pub(crate) async fn send(
        &self,
        operation: &Operation,
        credentials: &Credentials<'_>,
    ) -> Result<Json, CallError> {
        Ok(self.send_for_meta(operation, credentials).await?.0)
    }

    async fn send_for_meta(
        &self,
        operation: &Operation,
        credentials: &Credentials<'_>,
    ) -> Result<(Json, Meta), CallError> {
        let config = self.config();
        let request = self.request(operation, credentials)?;
        let spent = self.spend(operation).await?;
        self.check_deadline(operation)?;
        let secrets = Arc::new(self.secrets(operation, credentials));
        let mut watch = Watch::start(self.observer.clone(), operation, Arc::clone(&secrets));
        let exchange =
            transport::exchange(request, config.call_timeout, config.max_answer_bytes).await;
        watch.received(&exchange);
        tell(spent, &exchange);
        let meta = self.learn(&exchange);
        let result = classify(config.edition, operation, exchange)
            .map_err(|error| error.with_texts(|text| secrets.text(text)));
        watch.finish(&result);
        tracing::debug!(
            operation = operation.name(),
            outcome = result
                .as_ref()
                .err()
                .map_or("done", |error| error.class().as_str()),
            code = result.as_ref().err().map_or("", CallError::code),
            "vTiger call"
        );
        Ok((result?, meta))
    }

    /// Leave to make one call, where a budget has to give it.
    async fn spend(&self, operation: &Operation) -> Result<Option<Box<dyn Spent>>, CallError> {
        let Some(budget) = self
            .budget
            .as_ref()
            .filter(|_| self.config().edition == Edition::Cloud)
        else {
            return Ok(None);
        };
        let spent = self.before_deadline(operation, budget.spend()).await?;
        spent.map(Some).map_err(|over| CallError::Throttled {
            failure: failure(operation, "CALL_BUDGET", over.to_string(), None),
            retry_after: Some(over.wait),
        })
    }

    fn learn(&self, exchange: &Exchange) -> Meta {
        let Exchange::Answer(answer) = exchange else {
            return Meta::default();
        };
        self.shared
            .quota
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .learn(&answer.headers);
        let version = answer
            .headers
            .get("x-vtiger-version")
            .and_then(|value| value.to_str().ok());
        Meta {
            date: answer.date,
            vtiger_version: version.map(str::to_owned),
        }
    }

    fn request(
        &self,
        operation: &Operation,
        credentials: &Credentials<'_>,
    ) -> Result<reqwest::RequestBuilder, CallError> {
        let config = self.config();
        let mut parameters: Vec<(&str, &str)> = Vec::with_capacity(operation.parameters.len() + 2);
        if config.edition == Edition::OpenSource {
            parameters.push(("operation", &operation.name));
        }
        if let Credentials::Session(session) = credentials {
            parameters.push(("sessionName", session.name.expose_secret()));
        }
        parameters.extend(
            operation
                .parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let url = self.endpoint(operation);
        let request = match operation.method {
            Method::Get => self.shared.http.get(with_query(url, &parameters)?),
            Method::Post => self.shared.http.post(url).form(&parameters),
        };
        let request = match &self.correlation_id {
            Some(id) => request.header("x-correlation-id", id),
            None => request,
        };
        Ok(match credentials {
            Credentials::Basic => {
                request.basic_auth(&config.username, Some(config.access_key.expose_secret()))
            }
            Credentials::None | Credentials::Session(_) => request,
        })
    }

    fn endpoint(&self, operation: &Operation) -> Url {
        let mut url = self.config().base_url.clone();
        if self.config().edition == Edition::Cloud {
            let path = format!("{}/{}", url.path().trim_end_matches('/'), operation.name);
            url.set_path(&path);
        }
        url
    }

    fn secrets(&self, operation: &Operation, credentials: &Credentials<'_>) -> Secrets {
        let secrets = Secrets::of(operation).and(&self.config().access_key);
        match credentials {
            Credentials::Session(session) => secrets.and(&session.name),
            Credentials::None | Credentials::Basic => secrets,
        }
    }

    /// Whether a call that starts now ends before the deadline, however long it takes.
    fn check_deadline(&self, operation: &Operation) -> Result<(), CallError> {
        let Some(deadline) = self.deadline.as_ref().map(Deadline::now) else {
            return Ok(());
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left >= self.config().call_timeout {
            Ok(())
        } else {
            Err(self.not_sent(operation, left))
        }
    }

    /// Waits for something only as long as a call could still start afterwards, by where the deadline stands now: a lease
    /// that is renewed again and again must not make the waiting endless.
    pub(crate) async fn before_deadline<F: Future>(
        &self,
        operation: &Operation,
        waiting: F,
    ) -> Result<F::Output, CallError> {
        let Some(deadline) = self.deadline.as_ref().map(Deadline::now) else {
            return Ok(waiting.await);
        };
        self.check_deadline(operation)?;
        let latest_start = deadline - self.config().call_timeout;
        tokio::time::timeout_at(latest_start, waiting)
            .await
            .map_err(|_elapsed| {
                self.not_sent(
                    operation,
                    deadline.saturating_duration_since(Instant::now()),
                )
            })
    }

    fn not_sent(&self, operation: &Operation, left: Duration) -> CallError {
        let needed = self.config().call_timeout;
        CallError::NotSent(NotSent {
            operation: operation.name.clone(),
            needed,
            left,
        })
    }

    pub(crate) fn can_still_start(&self) -> bool {
        self.deadline.as_ref().is_none_or(|deadline| {
            deadline.now().saturating_duration_since(Instant::now()) >= self.config().call_timeout
        })
    }

    pub(crate) fn sessions(&self) -> Option<&dyn SessionStore> {
        self.sessions.as_deref()
    }

    pub(crate) fn gate(&self) -> &dyn LoginGate {
        self.gate.as_ref()
    }

    pub(crate) fn login_user(&self) -> LoginUser {
        LoginUser {
            endpoint: self.config().base_url.to_string(),
            username: self.config().username.to_lowercase(),
        }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.shared.pool
    }

    pub(crate) fn descriptions(&self) -> &Cache<String, Arc<Module>> {
        &self.shared.descriptions
    }
}

/// Tells the budget what the answer to a call said of the limits. Without an answer it is not known whether the call counted.
fn tell(spent: Option<Box<dyn Spent>>, exchange: &Exchange) {
    if let (Some(spent), Exchange::Answer(answer)) = (spent, exchange) {
        let mut quota = Quota::default();
        quota.learn(&answer.headers);
        spent.answered(&quota);
    }
}

fn with_query(mut url: Url, parameters: &[(&str, &str)]) -> Result<Url, CallError> {
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    let length = url.as_str().len();
    if length > LONGEST_URL {
        Err(Invalid::UrlTooLong {
            length,
            limit: LONGEST_URL,
        }
        .into())
    } else {
        Ok(url)
    }
}
