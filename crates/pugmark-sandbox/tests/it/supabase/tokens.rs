//! Access tokens and the key set.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use pugmark_sandbox::{Clock, ManualClock, Signing, SupabaseSandbox};
use serde_json::{Value, json};

use super::{Caller, PASSWORD, amina, refusal, refused, text, with_amina};

/// A token's claims, unverified.
pub(crate) fn payload(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn validation(sandbox: &SupabaseSandbox, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["authenticated"]);
    validation.set_issuer(&[format!("{}/auth/v1", sandbox.url())]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}

async fn key_set(sandbox: &SupabaseSandbox) -> JwkSet {
    let answer = Caller::nobody(sandbox).get("/.well-known/jwks.json").await;
    assert_eq!(answer.status, 200, "open to everybody");
    serde_json::from_slice(&answer.body).unwrap()
}

/// Verifies a token as a client does: by the key set alone.
async fn verify(sandbox: &SupabaseSandbox, token: &str) -> Option<Value> {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid?;
    let keys = key_set(sandbox).await;
    let key = DecodingKey::from_jwk(keys.find(&kid)?).unwrap();
    let validation = validation(sandbox, Algorithm::ES256);
    let data = jsonwebtoken::decode(token, &key, &validation).unwrap();
    Some(data.claims)
}

async fn es256() -> (SupabaseSandbox, String) {
    let sandbox = SupabaseSandbox::builder()
        .signing(Signing::Es256)
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    (sandbox, id)
}

#[tokio::test]
async fn a_token_says_who_until_when_and_by_which_session() {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock))
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    let signed_in = Caller::public(&sandbox)
        .sign_in("amina@example.com", PASSWORD)
        .await
        .json();
    let mut claims = payload(&text(&signed_in, "access_token"));
    let session = claims["session_id"].take();
    uuid::Uuid::parse_str(session.as_str().unwrap()).unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": format!("{}/auth/v1", sandbox.url()), "sub": id, "aud": "authenticated",
            "exp": 1_768_473_000, "iat": 1_768_469_400, "email": "amina@example.com", "phone": "",
            "app_metadata": { "provider": "email", "providers": ["email"] },
            "user_metadata": { "email_verified": true }, "role": "authenticated", "aal": "aal1",
            "amr": [{ "method": "password", "timestamp": 1_768_469_400 }], "session_id": null,
            "is_anonymous": false,
        })
    );
}

#[tokio::test]
async fn an_older_project_signs_with_its_secret_and_shows_no_key() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    assert_eq!(part(&token, 0), json!({ "typ": "JWT", "alg": "HS256" }));
    let key = DecodingKey::from_secret(sandbox.jwt_secret().as_bytes());
    let data = jsonwebtoken::decode::<Value>(&token, &key, &validation(&sandbox, Algorithm::HS256));
    assert_eq!(data.unwrap().claims["sub"], *id);
    let answer = Caller::nobody(&sandbox).get("/.well-known/jwks.json").await;
    assert_eq!(answer.json(), json!({ "keys": [] }));
}

#[tokio::test]
async fn a_newer_project_signs_with_a_key_of_its_key_set() {
    let (sandbox, id) = es256().await;
    let token = sandbox.access_token_for(&id).unwrap();
    assert_eq!(verify(&sandbox, &token).await.unwrap()["sub"], *id);
    let answer = Caller::nobody(&sandbox).get("/.well-known/jwks.json").await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=600");
    let key = answer.json()["keys"][0].clone();
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (
            &json!("EC"),
            &json!("P-256"),
            &json!("ES256"),
            &json!("sig")
        )
    );
    assert_eq!(key["key_ops"], json!(["verify"]));
    assert_eq!(key["kid"], part(&token, 0)["kid"]);
    assert!(key.get("d").is_none(), "the public half alone");
    let user = Caller::user(&sandbox, &token).get("/user").await;
    assert_eq!(user.status, 200);
    let service = Caller::service(&sandbox).get("/admin/users").await;
    assert_eq!(service.status, 200, "keys of services stay HS256");
}

#[tokio::test]
async fn a_new_key_signs_and_the_one_before_goes_on_to_verify_until_it_is_revoked() {
    let (sandbox, id) = es256().await;
    let old = sandbox.access_token_for(&id).unwrap();
    let kid = sandbox.rotate_keys().unwrap();
    let new = sandbox.access_token_for(&id).unwrap();
    assert_eq!(part(&new, 0)["kid"], *kid);
    assert_eq!(key_set(&sandbox).await.keys.len(), 2);
    for token in [&old, &new] {
        assert!(verify(&sandbox, token).await.is_some());
        assert_eq!(Caller::user(&sandbox, token).get("/user").await.status, 200);
    }
    sandbox.revoke_previous_keys();
    assert!(verify(&sandbox, &old).await.is_none(), "its kid is unknown");
    let answer = Caller::user(&sandbox, &old).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
    assert_eq!(Caller::user(&sandbox, &new).get("/user").await.status, 200);
}

#[tokio::test]
async fn an_older_project_moves_over_with_its_first_rotation() {
    let (sandbox, id) = with_amina().await;
    let old = sandbox.access_token_for(&id).unwrap();
    sandbox.rotate_keys().unwrap();
    let new = sandbox.access_token_for(&id).unwrap();
    assert_eq!(part(&new, 0)["alg"], "ES256");
    for token in [old, new] {
        let user = Caller::user(&sandbox, &token).get("/user").await;
        assert_eq!(user.status, 200);
    }
}

#[tokio::test]
async fn a_token_of_another_projects_key_is_refused() {
    let (sandbox, id) = es256().await;
    let (other, _) = es256().await;
    let other_id = other.users()[0].id.clone();
    // Both made their key's kid from the same seed: only the signature tells.
    assert_eq!(id, other_id);
    let token = other.access_token_for(&other_id).unwrap();
    let answer = Caller::user(&sandbox, &token).get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
}

#[tokio::test]
async fn a_token_expires_by_the_sandboxes_clock() {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .token_lifetime(Duration::from_secs(60))
        .start()
        .await
        .unwrap();
    let id = amina(&sandbox);
    let token = sandbox.access_token_for(&id).unwrap();
    let caller = Caller::user(&sandbox, &token);
    clock.advance(Duration::from_secs(59));
    assert_eq!(caller.get("/user").await.status, 200);
    clock.advance(Duration::from_secs(1));
    let answer = caller.get("/user").await;
    assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
    assert!(text(&answer.json(), "message").contains("token is expired"));
}

#[tokio::test]
async fn an_old_token_still_verifies_offline_after_its_session_ended() {
    let (sandbox, id) = es256().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let body = json!({ "password": PASSWORD });
    Caller::service(&sandbox).update(&id, &body).await;
    assert_eq!(
        Caller::user(&sandbox, &token).get("/user").await.status,
        403
    );
    assert!(verify(&sandbox, &token).await.is_some());
}
