//! The gateway in front of the server: it looks at the `apikey`, and knows the keys that are no tokens.

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::tokens::{Claims, SigningKeys};
use crate::wire::Request;

/// How long the token is good that the gateway puts in the place of a key, in seconds.
const STAND_IN_SECONDS: i64 = 60;

/// How long the keys of services are good: ten years, in seconds.
const KEY_SECONDS: i64 = 315_360_000;

/// The project's keys of both kinds.
pub(super) struct ApiKeys {
    /// Signed token of the role `anon`.
    pub(super) anon: String,
    /// Signed token of the role `service_role`.
    pub(super) service: String,
    /// `sb_publishable_...`, for the role `anon`.
    pub(super) publishable: String,
    /// `sb_secret_...`, for the role `service_role`.
    pub(super) secret: String,
}

impl ApiKeys {
    /// `chance` gives the part of a key that nobody can guess.
    pub(super) fn new(
        signing: &SigningKeys,
        now: Timestamp,
        mut chance: impl FnMut() -> String,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            anon: signing.sign_with_secret(&service_claims("anon", now, KEY_SECONDS))?,
            service: signing.sign_with_secret(&service_claims("service_role", now, KEY_SECONDS))?,
            publishable: format!("sb_publishable_{}", chance()),
            secret: format!("sb_secret_{}", chance()),
        })
    }

    /// Lets a request through, or not. Gives the `Authorization` that the server sees.
    pub(super) fn admit(
        &self,
        signing: &SigningKeys,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<String>, Refusal> {
        let authorization = text(&request.headers, "authorization");
        let key = text(&request.headers, "apikey")
            .or_else(|| request.query.text("apikey"))
            .ok_or_else(no_key)?;
        let role = if key == self.secret {
            if is_browser(&request.headers) {
                return Err(secret_in_browser());
            }
            "service_role"
        } else if key == self.publishable {
            "anon"
        } else if is_signed_key(signing, key) {
            return Ok(authorization.map(str::to_owned));
        } else {
            return Err(unknown_key());
        };
        // The server knows tokens only. Another value than the key itself is the caller's own token.
        if authorization.is_none_or(|value| value == format!("Bearer {key}")) {
            let claims = service_claims(role, now, STAND_IN_SECONDS);
            return Ok(Some(format!(
                "Bearer {}",
                signing.sign_with_secret(&claims)?
            )));
        }
        Ok(authorization.map(str::to_owned))
    }
}

/// Whether it is a token of a service. An expired one passes here, and not at the server.
fn is_signed_key(signing: &SigningKeys, key: &str) -> bool {
    let claims = signing.verify_signature(key).unwrap_or_default();
    let role = claims.get("role").and_then(Value::as_str);
    role.is_some_and(|role| matches!(role, "anon" | "service_role" | "supabase_admin"))
}

fn service_claims(role: &str, now: Timestamp, seconds: i64) -> Claims {
    let issued = now.as_second();
    [
        ("iss", json!("supabase")),
        ("ref", json!("sandbox")),
        ("role", json!(role)),
        ("iat", json!(issued)),
        ("exp", json!(issued + seconds)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_browser(headers: &HeaderMap) -> bool {
    text(headers, "user-agent").is_some_and(|agent| agent.contains("Mozilla/"))
}

fn refused(body: Value) -> Refusal {
    Refusal::Gateway { status: 401, body }
}

fn no_key() -> Refusal {
    refused(json!({
        "message": "No API key found in request",
        "hint": "No `apikey` request header or url param was found.",
    }))
}

fn unknown_key() -> Refusal {
    refused(json!({
        "message": "Invalid API key",
        "hint": "Double check your Supabase `anon` or `service_role` API key.",
    }))
}

fn secret_in_browser() -> Refusal {
    refused(json!({
        "message": "Forbidden use of secret API key in browser",
        "hint": "Secret API keys can only be used in a protected environment and should never be used in a browser.",
    }))
}

/// What the platform answers to a path of which no service is known.
pub(super) fn no_service() -> Refusal {
    Refusal::Gateway {
        status: 404,
        body: json!({ "error": "requested path is invalid" }),
    }
}
