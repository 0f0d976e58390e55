//! One HTTP exchange, without any judgement about it.

use std::time::Duration;

use bytes::BytesMut;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use jiff::Timestamp;
use url::Url;

use crate::config::{ClientConfig, ConfigError};

/// How an exchange went.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// A complete answer.
    Answer(Box<Answer>),
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
        /// The limit in bytes.
        limit: usize,
    },
}

/// A complete HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The text of the status line when it is not the canonical one; Cloud puts its errors there.
    pub(crate) reason: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) date: Option<Timestamp>,
    pub(crate) location: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
}

/// Connections are dropped after this idle time: Apache closes its side after 5 s by default, and a write that meets the
/// closing would have to be treated as unknown.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

pub(crate) fn http_client(config: &ClientConfig) -> Result<reqwest::Client, ConfigError> {
    let builder = match is_loopback(&config.base_url) {
        // A company's proxy cannot reach this very machine.
        true => reqwest::Client::builder().no_proxy(),
        false => reqwest::Client::builder(),
    };
    builder
        // HTTP/2 has no reason phrase, and one connection per call suits vTiger's sessions.
        .http1_only()
        // A redirected POST would be repeated as GET, and a repeated write is exactly what must not happen unseen.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(config.connect_timeout.min(config.call_timeout / 2))
        .pool_idle_timeout(IDLE_CONNECTION)
        .user_agent(config.user_agent.clone())
        .build()
        .map_err(ConfigError::HttpClient)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(crate) async fn exchange(
    request: reqwest::RequestBuilder,
    timeout: Duration,
    limit: usize,
) -> Exchange {
    match tokio::time::timeout(timeout, run(request, limit)).await {
        Ok(exchange) => exchange,
        Err(_elapsed) => Exchange::TimedOut(timeout),
    }
}

async fn run(request: reqwest::RequestBuilder, limit: usize) -> Exchange {
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
    let reason = response
        .extensions()
        .get::<hyper::ext::ReasonPhrase>()
        .map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).trim().to_owned())
        .filter(|phrase| !phrase.is_empty());
    let headers = response.headers().clone();
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Exchange::TooLong { status, limit };
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
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let date = text(DATE).and_then(http_date);
    Exchange::Answer(Box::new(Answer {
        status,
        reason,
        content_type: text(CONTENT_TYPE).map(str::to_owned),
        retry_after: text(RETRY_AFTER).and_then(|value| retry_after(value, date)),
        date,
        location: text(LOCATION).map(without_query),
        body: body.freeze(),
        headers,
    }))
}

/// Seconds, or an HTTP date (measured from the answer's own date, else from the local clock).
fn retry_after(value: &str, answered: Option<Timestamp>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?.duration_since(answered.unwrap_or_else(Timestamp::now));
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
}

fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(value)
        .ok()
        .map(|moment| moment.timestamp())
}

/// A redirect repeats the query string, which holds the session name.
fn without_query(location: &str) -> String {
    location
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The whole chain of causes; reqwest's own text says little. The URL is left out, because it holds the session name.
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
