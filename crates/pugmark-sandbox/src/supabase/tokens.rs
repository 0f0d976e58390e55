//! JSON web tokens: signing keys, signing and verifying.

use std::fmt;
use std::io;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// Claims of a token, in the order in which they are written.
pub(super) type Claims = Map<String, Value>;

/// The project's shared secret and its asymmetric keys.
pub(super) struct SigningKeys {
    secret: String,
    /// The last one signs. Without any the shared secret does.
    asymmetric: Vec<AsymmetricKey>,
}

struct AsymmetricKey {
    kid: String,
    private: EncodingKey,
    public: DecodingKey,
    shown: Value,
}

impl SigningKeys {
    pub(super) fn new(secret: String) -> Self {
        Self {
            secret,
            asymmetric: Vec::new(),
        }
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Makes a new ES256 key the one that signs. The others go on to verify.
    pub(super) fn rotate(&mut self, kid: String) -> io::Result<()> {
        let key = AsymmetricKey::generate(kid).map_err(io::Error::other)?;
        self.asymmetric.push(key);
        Ok(())
    }

    /// Revokes every asymmetric key but the one that signs.
    pub(super) fn revoke_previous(&mut self) {
        let previous = self.asymmetric.len().saturating_sub(1);
        self.asymmetric.drain(..previous);
    }

    /// The key set: asymmetric public keys alone.
    pub(super) fn key_set(&self) -> Value {
        let keys: Vec<&Value> = self.asymmetric.iter().map(|key| &key.shown).collect();
        json!({ "keys": keys })
    }

    /// An access token.
    pub(super) fn sign(&self, claims: &Claims) -> Result<String, Refusal> {
        match self.asymmetric.last() {
            Some(key) => {
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some(key.kid.clone());
                encode(&header, claims, &key.private)
            }
            None => self.sign_with_secret(claims),
        }
    }

    /// A token signed with the shared secret, as the keys of services are.
    pub(super) fn sign_with_secret(&self, claims: &Claims) -> Result<String, Refusal> {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        encode(&Header::new(Algorithm::HS256), claims, &key)
    }

    /// The claims of a good token: one whose key we know, of the algorithm that belongs to the key, and not expired.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let claims = self.verify_signature(token)?;
        let expires = claims.get("exp").and_then(Value::as_i64);
        if expires.is_some_and(|expires| now.as_second() >= expires) {
            return Err(bad("token has invalid claims: token is expired"));
        }
        Ok(claims)
    }

    /// As [`SigningKeys::verify`], but an expired token is as good as any.
    pub(super) fn verify_signature(&self, token: &str) -> Result<Claims, Refusal> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| bad("token is malformed: could not read its header"))?;
        let kid = header.kid.as_deref();
        let known = self.asymmetric.iter().find(|key| Some(&*key.kid) == kid);
        match known {
            Some(key) => decode(token, Algorithm::ES256, &key.public),
            None if header.alg == Algorithm::HS256 => {
                let key = DecodingKey::from_secret(self.secret.as_bytes());
                decode(token, Algorithm::HS256, &key)
            }
            None => Err(bad(&format!(
                "token is unverifiable: unrecognized JWT kid {} for algorithm {:?}",
                kid.unwrap_or("<nil>"),
                header.alg
            ))),
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys")
            .field("asymmetric", &self.asymmetric.len())
            .finish_non_exhaustive()
    }
}

impl AsymmetricKey {
    fn generate(kid: String) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let private = EncodingKey::from_ec_der(pair.to_pkcs8v1()?.as_ref());
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_operations = Some(vec![KeyOperations::Verify]);
        Ok(Self {
            kid,
            private,
            public: DecodingKey::from_jwk(&jwk)?,
            shown: serde_json::to_value(&jwk)?,
        })
    }
}

fn encode(header: &Header, claims: &Claims, key: &EncodingKey) -> Result<String, Refusal> {
    jsonwebtoken::encode(header, claims, key)
        .map_err(|_| Refusal::unexpected("error generating jwt token"))
}

fn decode(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<Claims, Refusal> {
    let mut validation = Validation::new(algorithm);
    // Times are judged by the sandbox's clock, and keys of services have no audience.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, key, &validation)
        .map(|data| data.claims)
        .map_err(|_| bad("token signature is invalid: signature is invalid"))
}

fn bad(why: &str) -> Refusal {
    Refusal::error(
        403,
        "bad_jwt",
        format!("invalid JWT: unable to parse or verify signature, {why}"),
    )
}
