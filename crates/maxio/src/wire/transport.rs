//! One HTTP exchange, without any judgement about it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use jiff::Timestamp;

use crate::settings::{ConfigError, Settings, is_loopback};

/// How an exchange went.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// A complete answer.
    Answer(Answer),
    /// No connection was made, so nothing was sent: DNS, TCP, TLS.
    NoConnection(String),
    /// The connection broke after sending began.
    Cut {
        /// The status, when the answer's head had arrived.
        status: Option<u16>,
        /// What broke.
        message: String,
    },
    /// The call timeout passed.
    TimedOut(Duration),
    /// The answer was larger than the client reads.
    TooLong {
        /// Its status.
        status: u16,
    },
}

/// A complete HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The longest wait a `Retry-After` is believed to ask for: far more than that is a mistake, and no clock holds any number.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Answer {
    fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        let value = self.headers.get(name)?.to_str().ok()?;
        Some(value.trim())
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE)
    }

    /// Seconds, or an HTTP date (measured from the answer's own date, else from the local clock).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER)?;
        let wait = match value.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_no_number) => {
                let answered = self.header(DATE).and_then(http_date);
                let wait =
                    http_date(value)?.duration_since(answered.unwrap_or_else(Timestamp::now));
                Duration::try_from(wait).unwrap_or(Duration::ZERO)
            }
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// Where a redirect leads, without its query, which may repeat anything.
    pub(crate) fn location(&self) -> Option<&str> {
        self.header(LOCATION)?.split(['?', '#']).next()
    }
}

fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(value)
        .ok()
        .map(|moment| moment.timestamp())
}

/// The largest answer that is read, in bytes. A page of 200 records takes a tenth of it.
pub(crate) const LARGEST_ANSWER: usize = 8 * 1024 * 1024;
/// Idle connections are dropped before the other side does it, since a write that meets the closing would have to be
/// treated as unknown.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// The longest that connecting may take; never more than half of the call timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How this client introduces itself.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

pub(crate) fn http_client(settings: &Settings) -> Result<reqwest::Client, ConfigError> {
    let builder = match is_loopback(&settings.url) {
        // A company's proxy cannot reach this very machine.
        true => reqwest::Client::builder().no_proxy(),
        false => reqwest::Client::builder(),
    };
    builder
        // A redirect would carry the key elsewhere, and a repeated write is exactly what must not happen unseen.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT.min(settings.call_timeout / 2))
        .pool_idle_timeout(IDLE_CONNECTION)
        .user_agent(USER_AGENT)
        .build()
        .map_err(ConfigError::HttpClient)
}

pub(crate) async fn exchange(request: reqwest::RequestBuilder, timeout: Duration) -> Exchange {
    match tokio::time::timeout(timeout, run(request)).await {
        Ok(exchange) => exchange,
        Err(_elapsed) => Exchange::TimedOut(timeout),
    }
}

async fn run(request: reqwest::RequestBuilder) -> Exchange {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() || error.is_builder() => {
            return Exchange::NoConnection(causes(error));
        }
        Err(error) => {
            return Exchange::Cut {
                status: None,
                message: causes(error),
            };
        }
    };
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_ANSWER => {
                return Exchange::TooLong { status };
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                return Exchange::Cut {
                    status: Some(status),
                    message: causes(error),
                };
            }
        }
    }
    Exchange::Answer(Answer {
        status,
        headers,
        body: body.freeze(),
    })
}

/// The whole chain of causes; reqwest's own text says little. The address is left out: it may name a person.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
