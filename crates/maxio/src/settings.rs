//! Where the site is and how to talk to it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Everything a [`Client`](crate::Client) needs to know. `Debug` shows no key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the site, which selects the tenant: `https://acme.chargify.com`, or
    /// `https://acme.ebilling.maxio.com` in the EU. Plain http is taken on loopback only.
    pub url: Url,
    /// The API key, the user name of HTTP Basic. It has no scopes: it may do everything on its site.
    pub api_key: SecretString,
    /// The longest a single HTTP call may take, from connecting to the last byte. The service gives up after 120 s; a
    /// timeout shorter than that leaves more writes unknown.
    pub call_timeout: Duration,
    /// How many calls run at once, unless [`Client::with_slots`](crate::Client::with_slots) says otherwise. A site works
    /// on four at a time.
    pub at_once: usize,
}

/// A little longer than the service takes to give up, so that it is the service that says how a call ended.
const CALL_TIMEOUT: Duration = Duration::from_secs(125);
/// What a site works on at a time.
const AT_ONCE: usize = 4;
/// More is no count of calls but a mistake, and no semaphore holds any number.
const MOST_AT_ONCE: usize = 1000;

impl Settings {
    /// A site with the usual timeout of 125 s and four calls at once.
    #[must_use]
    pub fn new(url: Url, api_key: SecretString) -> Self {
        Self {
            url,
            api_key,
            call_timeout: CALL_TIMEOUT,
            at_once: AT_ONCE,
        }
    }

    /// Checks what [`Client::new`](crate::Client::new) relies on.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_url(&self.url)?;
        check_key(self.api_key.expose_secret())?;
        if self.call_timeout.is_zero() {
            return Err(ConfigError::NoTimeout);
        }
        if !(1..=MOST_AT_ONCE).contains(&self.at_once) {
            return Err(ConfigError::AtOnce {
                given: self.at_once,
            });
        }
        Ok(())
    }
}

fn check_url(url: &Url) -> Result<(), ConfigError> {
    let part = if !url.username().is_empty() || url.password().is_some() {
        Some("a user name or password before `@`")
    } else if !matches!(url.path(), "" | "/") {
        Some("a path (there is no version in the address)")
    } else if url.query().is_some() {
        Some("a query (`?…`)")
    } else if url.fragment().is_some() {
        Some("a fragment (`#…`)")
    } else {
        None
    };
    if let Some(part) = part {
        return Err(ConfigError::Superfluous { part });
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(ConfigError::PlainHttp {
            url: url.to_string(),
        }),
        scheme => Err(ConfigError::Scheme {
            scheme: scheme.to_owned(),
        }),
    }
}

/// A key that cannot be sent would make every call fail, and be shown in none of the errors. A colon would end it.
fn check_key(key: &str) -> Result<(), ConfigError> {
    if key.trim().is_empty() {
        return Err(ConfigError::NoKey);
    }
    let usable = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if !key.bytes().all(usable) {
        return Err(ConfigError::UnusableKey);
    }
    Ok(())
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What is wrong with [`Settings`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither http nor https.
    #[error(
        "the Maxio URL starts with `{scheme}:`; only https:// works (or http:// on this very machine)"
    )]
    Scheme {
        /// Its scheme.
        scheme: String,
    },
    /// A part that does not belong into the site's address. The URL is not repeated, since it may hold a key.
    #[error(
        "the Maxio URL contains {part}; give only the address of the site, for example https://acme.chargify.com or https://acme.ebilling.maxio.com"
    )]
    Superfluous {
        /// Which part: a user name or password, a path, a query (`?…`) or a fragment (`#…`).
        part: &'static str,
    },
    /// The key and bank data would travel unencrypted.
    #[error(
        "the Maxio URL `{url}` is plain http, which would send the API key and bank data unencrypted; use https"
    )]
    PlainHttp {
        /// The address.
        url: String,
    },
    /// The key is empty.
    #[error("the Maxio API key is empty; keys are made in the settings of the site")]
    NoKey,
    /// The key cannot be sent as it is.
    #[error(
        "the Maxio API key contains blanks, colons, line ends or characters outside of ASCII; give the key alone, without `:x`"
    )]
    UnusableKey,
    /// A timeout of zero.
    #[error("the Maxio call timeout must be longer than zero")]
    NoTimeout,
    /// No call could ever run, or far more than any site takes.
    #[error("{given} Maxio calls at once are not possible; give 1 to 1000 (a site works on 4)")]
    AtOnce {
        /// What was given.
        given: usize,
    },
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(#[source] reqwest::Error),
}
