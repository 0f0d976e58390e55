//! Where Supabase Auth is and how to talk to it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::address::{auth_url, check_transport};
use crate::password::PasswordRules;

/// Everything a [`Client`](crate::Client) needs to know. `Debug` shows no key.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The address of the Auth API: the project's address and `/auth/v1`, without a slash at the end.
    pub base_url: Url,
    /// The key of the admin calls: `sb_secret_…`, or the legacy `service_role` JWT. Never looked into, sent as it is.
    pub admin_key: SecretString,
    /// The key of the calls made for a user: `sb_publishable_…`, or the legacy `anon` JWT. Without it the admin key goes
    /// along; it then only opens the gateway.
    pub public_key: Option<SecretString>,
    /// Whether plain http may leave this machine, for a network that is closed by other means.
    pub allow_plain_http: bool,
    /// The longest a single HTTP call may take, from connecting to the last byte.
    pub call_timeout: Duration,
    /// The longest that connecting may take; never more than half of `call_timeout`.
    pub connect_timeout: Duration,
    /// The `User-Agent` header. It must not look like a browser's: secret keys are refused there.
    pub user_agent: String,
    /// The largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// What a password must look like before it is sent. The server checks none on create.
    pub password_rules: PasswordRules,
}

impl ClientConfig {
    /// A project, hosted or self-hosted.
    ///
    /// `url` is the project's address with or without scheme (https is assumed), slash and `/auth/v1`:
    /// `abcdefghijkl.supabase.co`. Plain http is refused by [`Client::new`](crate::Client::new), except on loopback or
    /// with [`ClientConfig::allow_plain_http`].
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong with the URL or the key.
    pub fn new(url: &str, admin_key: SecretString) -> Result<Self, ConfigError> {
        check_key("admin key", &admin_key)?;
        Ok(Self {
            base_url: auth_url(url)?,
            admin_key,
            public_key: None,
            allow_plain_http: false,
            call_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            user_agent: USER_AGENT.to_owned(),
            max_answer_bytes: 16 * 1024 * 1024,
            password_rules: PasswordRules::default(),
        })
    }

    /// Checks what [`Client::new`](crate::Client::new) relies on.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_transport(&self.base_url, self.allow_plain_http)?;
        check_key("admin key", &self.admin_key)?;
        if let Some(key) = &self.public_key {
            check_key("publishable key", key)?;
        }
        if self.call_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(ConfigError::NoTimeout);
        }
        Ok(())
    }
}

/// How this client introduces itself unless told otherwise.
pub(crate) const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// A key that cannot be a header would make every call fail, and be shown in none of the errors.
pub(crate) fn check_key(which: &'static str, key: &SecretString) -> Result<(), ConfigError> {
    let text = key.expose_secret();
    if text.trim().is_empty() {
        return Err(ConfigError::NoKey { which });
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigError::UnusableKey { which });
    }
    Ok(())
}

/// What is wrong with a [`ClientConfig`] or a [`VerifierConfig`](crate::VerifierConfig).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No URL at all.
    #[error(
        "the Supabase URL is empty; give the address of the project, for example https://abcdefghijkl.supabase.co"
    )]
    EmptyUrl,
    /// Not a URL.
    #[error("the Supabase URL `{url}` cannot be read: {problem}")]
    UnreadableUrl {
        /// What was given.
        url: String,
        /// What the parser says.
        problem: url::ParseError,
    },
    /// Neither http nor https.
    #[error(
        "the Supabase URL `{url}` starts with `{scheme}://`; only https:// works (or http:// on this very machine)"
    )]
    Scheme {
        /// What was given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A part that does not belong into the project's address. The URL is not repeated, since it may hold a password.
    #[error(
        "the Supabase URL contains {part}; give only the address of the project, for example https://abcdefghijkl.supabase.co"
    )]
    Superfluous {
        /// Which part: a user name or password, a query (`?…`), a fragment (`#…`), or a path below `/auth/v1`.
        part: &'static str,
    },
    /// Keys and passwords would travel unencrypted.
    #[error(
        "the Supabase URL `{url}` is plain http, which would send keys and passwords unencrypted; use https, or allow plain http explicitly"
    )]
    PlainHttp {
        /// The address.
        url: String,
    },
    /// A key is empty.
    #[error("the Supabase {which} is empty; it stands in the project's API settings")]
    NoKey {
        /// Which key.
        which: &'static str,
    },
    /// A key cannot be sent as it is.
    #[error("the Supabase {which} contains blanks, line ends or characters outside of ASCII")]
    UnusableKey {
        /// Which key.
        which: &'static str,
    },
    /// A timeout of zero.
    #[error("the Supabase call timeout and connect timeout must be longer than zero")]
    NoTimeout,
    /// A verifier that could accept no token at all.
    #[error("the token verifier has neither a shared secret nor an algorithm of the key set")]
    NoAlgorithm,
    /// The shared secret is empty: everybody could sign.
    #[error("the shared JWT secret is empty; it stands in the project's API settings")]
    EmptySecret,
    /// The HTTP client could not be built.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(#[source] reqwest::Error),
}
