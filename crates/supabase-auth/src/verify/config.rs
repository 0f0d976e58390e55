//! Which tokens are accepted, and where the keys come from.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::TokenError;
use crate::address::{auth_url, check_transport};
use crate::config::{ConfigError, USER_AGENT, check_key};

/// An algorithm whose public keys the server shows in its key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySetAlgorithm {
    /// ECDSA on P-256, what new projects use.
    Es256,
    /// RSA.
    Rs256,
    /// Ed25519.
    EdDsa,
}

impl KeySetAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::EdDsa];
}

impl From<KeySetAlgorithm> for Algorithm {
    fn from(algorithm: KeySetAlgorithm) -> Self {
        match algorithm {
            KeySetAlgorithm::Es256 => Self::ES256,
            KeySetAlgorithm::Rs256 => Self::RS256,
            KeySetAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}

impl TryFrom<Algorithm> for KeySetAlgorithm {
    type Error = TokenError;

    fn try_from(algorithm: Algorithm) -> Result<Self, TokenError> {
        match algorithm {
            Algorithm::ES256 => Ok(Self::Es256),
            Algorithm::RS256 => Ok(Self::Rs256),
            Algorithm::EdDSA => Ok(Self::EdDsa),
            _ => Err(TokenError::Algorithm),
        }
    }
}

/// Everything a [`TokenVerifier`](super::TokenVerifier) needs to know. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// The address of the Auth API; the key set is fetched from `.well-known/jwks.json` below it.
    pub base_url: Url,
    /// The `iss` of the tokens, exactly. The address, unless the server was configured otherwise.
    pub issuer: String,
    /// What `aud` must be or hold: `authenticated`.
    pub audience: String,
    /// The secret older projects sign with (HS256). `None` accepts no token signed that way.
    pub shared_secret: Option<SecretString>,
    /// The algorithms of the key set that are accepted. Without any it is never fetched.
    pub algorithms: Vec<KeySetAlgorithm>,
    /// Sent when the key set is fetched, for gateways that want it.
    pub public_key: Option<SecretString>,
    /// How far clocks may differ, in whole seconds.
    pub leeway: Duration,
    /// How long keys are kept at most; the server may ask for less (`Cache-Control: max-age`).
    pub keep_keys: Duration,
    /// How long after that keys still serve while the server gives no new ones.
    pub keep_keys_in_outage: Duration,
    /// The shortest time between two fetches, so that tokens naming made-up keys cannot cause more.
    pub fetch_interval: Duration,
    /// The longest that fetching the keys may take.
    pub call_timeout: Duration,
    /// Whether plain http may leave this machine, for a network that is closed by other means.
    pub allow_plain_http: bool,
}

impl VerifierConfig {
    /// The project at this address (the forms of [`ClientConfig::new`](crate::ClientConfig::new)), accepting nothing
    /// until [`VerifierConfig::with_shared_secret`] or [`VerifierConfig::with_key_set`] is called.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let base_url = auth_url(url)?;
        Ok(Self {
            issuer: base_url.to_string(),
            base_url,
            audience: "authenticated".to_owned(),
            shared_secret: None,
            algorithms: Vec::new(),
            public_key: None,
            leeway: Duration::from_secs(10),
            keep_keys: Duration::from_mins(10),
            keep_keys_in_outage: Duration::from_hours(1),
            fetch_interval: Duration::from_secs(5),
            call_timeout: Duration::from_secs(5),
            allow_plain_http: false,
        })
    }

    /// Accepts tokens signed with this secret by HS256.
    #[must_use]
    pub fn with_shared_secret(mut self, secret: SecretString) -> Self {
        self.shared_secret = Some(secret);
        self
    }

    /// Accepts tokens signed by these algorithms with a key of the project's key set.
    #[must_use]
    pub fn with_key_set(mut self, algorithms: impl IntoIterator<Item = KeySetAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // Whoever can change the key set on its way can sign tokens.
        check_transport(&self.base_url, self.allow_plain_http)?;
        if let Some(key) = &self.public_key {
            check_key("publishable key", key)?;
        }
        if self.call_timeout.is_zero() {
            return Err(ConfigError::NoTimeout);
        }
        match &self.shared_secret {
            Some(secret) if secret.expose_secret().trim().is_empty() => {
                Err(ConfigError::EmptySecret)
            }
            None if self.algorithms.is_empty() => Err(ConfigError::NoAlgorithm),
            _ => Ok(()),
        }
    }

    pub(crate) fn http_client(&self) -> Result<reqwest::Client, ConfigError> {
        crate::transport::http_client(&self.base_url, self.call_timeout / 2, USER_AGENT)
    }
}
