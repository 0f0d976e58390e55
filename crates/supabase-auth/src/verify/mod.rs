//! Verifying access tokens without asking the server about each.

mod claims;
mod config;
mod key;
mod key_source;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use secrecy::ExposeSecret;

pub use claims::Claims;
pub use config::{KeySetAlgorithm, VerifierConfig};

use crate::config::ConfigError;
use crate::error::CallError;
use claims::RawClaims;
use key_source::KeySource;

/// A token longer than this is not looked at, in bytes.
const LONGEST_TOKEN: usize = 32 * 1024;

/// Verifies access tokens. Cheap to clone; clones share the keys.
///
/// Which algorithms are accepted is a matter of configuration, and which one goes with a key a matter of the key: the
/// token's own word is only ever compared with that. A valid token proves who somebody was when it was issued: a ban, a
/// new password or a role withdrawn since then shows only in the next token, or by [`Client::user`](crate::Client::user).
#[derive(Clone)]
pub struct TokenVerifier {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    audience: String,
    leeway: u64,
    secret: Option<DecodingKey>,
    algorithms: Vec<KeySetAlgorithm>,
    keys: Arc<KeySource>,
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TokenVerifier")
            .field("issuer", &self.shared.issuer)
            .field("audience", &self.shared.audience)
            .field("shared_secret", &self.shared.secret.is_some())
            .field("algorithms", &self.shared.algorithms)
            .finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// A verifier for the tokens of a project. Connects to nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration is unsafe, or would accept no token at all.
    pub fn new(config: VerifierConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let keys = KeySource::new(&config)?;
        let secret = config
            .shared_secret
            .map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()));
        let shared = Shared {
            issuer: config.issuer,
            audience: config.audience,
            leeway: config.leeway.as_secs(),
            secret,
            algorithms: config.algorithms,
            keys: Arc::new(keys),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Verifies an access token (without `Bearer`) and reads what it says.
    ///
    /// Asks the server for its keys when they are not known yet, too old, or lack the one the token names.
    ///
    /// # Errors
    /// [`TokenError`]; all but [`TokenError::KeysUnavailable`] are the token's fault.
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header =
            jsonwebtoken::decode_header(token).map_err(|_unreadable| TokenError::Malformed)?;
        // Critical extensions must be understood or the token refused (RFC 7515, section 4.1.11); this knows none.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let shared = &self.shared;
        let raw = if header.alg == Algorithm::HS256 {
            let secret = shared.secret.as_ref().ok_or(TokenError::Algorithm)?;
            self.signed_by(token, secret, Algorithm::HS256)?
        } else {
            let (algorithm, kid) = self.named_key(&header)?;
            let key = shared.keys.key(kid).await?;
            if key.algorithm != algorithm {
                return Err(TokenError::Algorithm);
            }
            self.signed_by(token, &key.key, algorithm.into())?
        };
        raw.check(&shared.issuer, &shared.audience)
    }

    /// The key of the key set a token wants to be checked with, and by which algorithm.
    fn named_key<'h>(&self, header: &'h Header) -> Result<(KeySetAlgorithm, &'h str), TokenError> {
        let algorithm = KeySetAlgorithm::try_from(header.alg)?;
        if !self.shared.algorithms.contains(&algorithm) {
            return Err(TokenError::Algorithm);
        }
        let kid = header.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        Ok((algorithm, kid))
    }

    /// Signature and times.
    fn signed_by(
        &self,
        token: &str,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<RawClaims, TokenError> {
        use jsonwebtoken::errors::ErrorKind;
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.shared.leeway;
        validation.validate_nbf = true;
        // Issuer and audience are checked with the other claims, to say exactly which one is wrong.
        validation.validate_aud = false;
        match jsonwebtoken::decode::<RawClaims>(token, key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                ErrorKind::ExpiredSignature => TokenError::Expired,
                ErrorKind::ImmatureSignature => TokenError::NotYetValid,
                ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                _ => TokenError::Malformed,
            }),
        }
    }
}

/// Why a token is not accepted. Texts repeat nothing of the token.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a token, or one that lacks a claim every access token has. Unsigned tokens (`alg` of `none`) end here.
    #[error("not a readable access token")]
    Malformed,
    /// Signed by an algorithm that is not configured, or not the one of the key it names.
    #[error("the token is signed by an algorithm that is not accepted")]
    Algorithm,
    /// Names no key, or one that is not in the key set.
    #[error("the token's key is not among the project's keys")]
    UnknownKey,
    /// Signed by somebody else, or changed since.
    #[error("the token's signature does not match")]
    Signature,
    /// Too old.
    #[error("the token has expired")]
    Expired,
    /// From the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Issued by another server or project.
    #[error("the token was issued by somebody else")]
    Issuer,
    /// Meant for somebody else.
    #[error("the token is meant for another audience")]
    Audience,
    /// A key of the project (`anon`, `service_role`), not a user's token.
    #[error("the token is not a user's")]
    NotAUser,
    /// The keys could not be fetched, so nothing is known about the token.
    #[error("the project's keys are not available: {0}")]
    KeysUnavailable(CallError),
}
