//! Somebody who signs tokens, and the server that shows their keys.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use supabase_auth::{KeySetAlgorithm, TokenVerifier, VerifierConfig};

use crate::server::{AMINA, Answer, Reply, Server};

pub(crate) const SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters";

/// A private key and the name its public half goes by.
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
    pub(crate) kid: Option<String>,
}

impl Signer {
    pub(crate) fn shared_secret(secret: &str) -> Self {
        Self {
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(secret.as_bytes()),
            kid: None,
        }
    }

    pub(crate) fn es256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(key.as_ref()),
            kid: Some(kid.to_owned()),
        }
    }

    pub(crate) fn ed25519(kid: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self {
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(key.as_ref()),
            kid: Some(kid.to_owned()),
        }
    }

    pub(crate) fn rs256(kid: &str) -> Self {
        let key = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        Self {
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            kid: Some(kid.to_owned()),
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.kid);
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// The public key as the server shows it.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["key_ops"] = json!(["verify"]);
        jwk
    }
}

/// What the server says in its key set; can be changed while it runs.
#[derive(Clone)]
pub(crate) struct Shown(Arc<Mutex<Reply>>);

impl Shown {
    pub(crate) fn show(&self, reply: impl Into<Reply>) {
        *self.0.lock().unwrap() = reply.into();
    }

    pub(crate) fn show_keys(&self, signers: &[&Signer]) {
        self.show(key_set(signers));
    }
}

pub(crate) fn key_set(signers: &[&Signer]) -> Answer {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    Answer::ok(&json!({"keys": keys})).header("Cache-Control", "public, max-age=600")
}

/// A server that shows these keys.
pub(crate) async fn showing(signers: &[&Signer]) -> (Server, Shown) {
    let shown = Shown(Arc::new(Mutex::new(key_set(signers).into())));
    let answer = shown.clone();
    let server = Server::start(move |request| {
        assert_eq!(request.line(), "GET /auth/v1/.well-known/jwks.json");
        answer.0.lock().unwrap().clone()
    })
    .await;
    (server, shown)
}

/// Accepts everything the key set shows, and asks again as often as it likes.
pub(crate) fn eager(server: &Server) -> VerifierConfig {
    let mut config = VerifierConfig::new(&server.url())
        .unwrap()
        .with_key_set(KeySetAlgorithm::ALL);
    config.fetch_interval = Duration::ZERO;
    config
}

pub(crate) fn verifier(config: VerifierConfig) -> TokenVerifier {
    TokenVerifier::new(config).unwrap()
}

/// A verifier of tokens signed with [`SECRET`], for which no server is needed.
pub(crate) fn with_secret() -> TokenVerifier {
    let config = VerifierConfig::new("https://abc.supabase.co").unwrap();
    verifier(config.with_shared_secret(SECRET.into()))
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// What the server puts into a token.
pub(crate) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": AMINA, "aud": "authenticated", "exp": now() + 3600, "iat": now(),
        "email": "amina@example.com", "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"], "roles": ["admin"]},
        "user_metadata": {"roles": ["brand_ambassador"]}, "role": "authenticated", "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now()}],
        "session_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "is_anonymous": false
    })
}

/// [`claims`] of the project of [`with_secret`].
pub(crate) fn good() -> Value {
    claims("https://abc.supabase.co/auth/v1")
}

/// [`claims`] of a server of ours.
pub(crate) fn good_at(server: &Server) -> Value {
    claims(&format!("{}/auth/v1", server.url()))
}
