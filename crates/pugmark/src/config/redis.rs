//! What the operator chooses for Redis.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::values::at_least;
use super::{ConfigProblem, sources};

/// What can be written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisFile {
    pub(super) url: String,
    prefix: String,
    timeout: String,
    sessions_for: String,
}

/// Settings of Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Where it is. Shows no password.
    pub url: RedisUrl,
    /// Begins the names of the keys.
    pub prefix: String,
    /// An answer that takes longer is not waited for: the process goes on by itself.
    pub timeout: Duration,
    /// A session of vTiger that nobody used for so long is not used again.
    pub sessions_for: Duration,
}

/// The address of a Redis server. Neither `Display` nor `Debug` shows user or password.
#[derive(Clone)]
pub struct RedisUrl {
    secret: SecretString,
    shown: String,
}

impl RedisUrl {
    /// Reads `redis://user:password@host:6379/0`; `rediss://` for TLS.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let url = url::Url::parse(text)
            .map_err(|_| "is not written as redis://user:password@host:6379/0".to_owned())?;
        if !["redis", "rediss"].contains(&url.scheme()) {
            return Err("does not begin with redis:// or rediss://".to_owned());
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or("names no host")?;
        if url.fragment().is_some() {
            return Err(
                "ends in `#...`, which would keep certificates from being checked".to_owned(),
            );
        }
        // The library's own words would repeat the address, and with it the password.
        redis::Client::open(text)
            .map_err(|_| "cannot be used as the address of a Redis".to_owned())?;
        let user = match url.username().is_empty() && url.password().is_none() {
            true => "",
            false => "***@",
        };
        let (scheme, port, path) = (url.scheme(), url.port().unwrap_or(6379), url.path());
        Ok(Self {
            secret: SecretString::from(text.to_owned()),
            shown: format!(
                "{scheme}://{user}{host}:{port}{}",
                path.trim_end_matches('/')
            ),
        })
    }

    /// For the connection itself.
    ///
    /// # Errors
    /// Those of the library; [`RedisUrl::parse`] has ruled them out.
    pub(crate) fn client(&self) -> redis::RedisResult<redis::Client> {
        redis::Client::open(self.secret.expose_secret())
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// Checks these settings; `None` where no Redis is named.
pub(super) fn check(file: &sources::File, problems: &mut Vec<ConfigProblem>) -> Option<Redis> {
    let file = &file.redis;
    if file.url.trim().is_empty() {
        return None;
    }
    let prefix = file.prefix.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if prefix.is_empty() || prefix.len() > 100 || !prefix.bytes().all(plain) {
        problems.push(ConfigProblem::new(
            "redis.prefix",
            format!("`{prefix}` cannot begin the names of keys"),
            "Use up to 100 letters, digits, dots, colons, dashes and underscores",
        ));
    }
    let timeout = at_least(
        "redis.timeout",
        &file.timeout,
        Duration::from_millis(10),
        problems,
    );
    let sessions_for = at_least(
        "redis.sessions_for",
        &file.sessions_for,
        Duration::from_secs(1),
        problems,
    );
    let url = RedisUrl::parse(&file.url).map_err(|what| {
        problems.push(ConfigProblem::new(
            "REDIS_URL",
            what,
            "Write it like redis://user:password@host:6379/0; rediss:// for TLS",
        ));
    });
    Some(Redis {
        url: url.ok()?,
        prefix: prefix.to_owned(),
        timeout,
        sessions_for,
    })
}
