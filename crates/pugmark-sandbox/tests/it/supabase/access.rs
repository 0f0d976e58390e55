//! Keys, headers and who may call what.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pugmark_sandbox::{Clock, ManualClock, SupabaseSandbox};
use serde_json::{Value, json};

use super::{Caller, refusal, refused, sandbox, with_amina};

fn claims(role: &str) -> serde_json::Map<String, Value> {
    let Value::Object(claims) = json!({ "iss": "supabase", "ref": "sandbox", "role": role }) else {
        unreachable!()
    };
    claims
}

#[tokio::test]
async fn a_call_without_a_key_is_refused_by_the_gateway_with_neither_code_nor_msg() {
    let sandbox = sandbox().await;
    let answer = Caller::nobody(&sandbox).get("/admin/users").await;
    let json = answer.json();
    assert_eq!(
        (answer.status, json["message"].as_str()),
        (401, Some("No API key found in request"))
    );
    assert!(json.get("code").is_none() && json.get("msg").is_none());
    assert!(!answer.headers.contains_key("x-sb-error-code"));
}

#[tokio::test]
async fn a_key_of_another_project_is_refused_by_the_gateway() {
    let sandbox = sandbox().await;
    let other = SupabaseSandbox::builder().seed(6).start().await.unwrap();
    for key in [other.service_key(), other.secret_key(), "nonsense"] {
        let caller = Caller::service(&sandbox).with("apikey", key);
        let answer = caller.get("/admin/users").await;
        assert_eq!(
            (answer.status, answer.json()["message"].as_str()),
            (401, Some("Invalid API key"))
        );
    }
}

#[tokio::test]
async fn the_service_key_of_either_kind_opens_the_admin_routes() {
    let sandbox = sandbox().await;
    let secret = sandbox.secret_key();
    assert!(secret.starts_with("sb_secret_"));
    assert!(sandbox.publishable_key().starts_with("sb_publishable_"));
    for caller in [
        Caller::service(&sandbox),
        Caller::nobody(&sandbox).with("apikey", secret),
        Caller::nobody(&sandbox)
            .with("apikey", secret)
            .with("Authorization", &format!("Bearer {secret}")),
    ] {
        assert_eq!(caller.get("/admin/users").await.status, 200);
    }
}

#[tokio::test]
async fn a_secret_key_that_differs_in_the_two_headers_is_no_token_to_the_server() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox)
        .with("apikey", sandbox.secret_key())
        .with("Authorization", "Bearer sb_secret_another");
    let answer = caller.get("/admin/users").await;
    assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
}

#[tokio::test]
async fn a_secret_key_is_refused_to_browsers_and_a_signed_one_is_not() {
    let sandbox = sandbox().await;
    let browser = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0";
    let caller = Caller::service(&sandbox).with("User-Agent", browser);
    assert_eq!(caller.get("/admin/users").await.status, 200);
    let caller = Caller::nobody(&sandbox)
        .with("apikey", sandbox.secret_key())
        .with("User-Agent", browser);
    assert_eq!(caller.get("/admin/users").await.status, 401);
    let caller = caller.with("User-Agent", "pugmark/1.0");
    assert_eq!(caller.get("/admin/users").await.status, 200);
}

#[tokio::test]
async fn an_admin_route_without_a_proper_bearer_token_is_no_authorization() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    for caller in [
        caller.clone().without("Authorization"),
        caller.clone().with("Authorization", sandbox.service_key()),
        caller.clone().with("Authorization", "Basic YTpi"),
        caller.clone().with("Authorization", "Bearer a b"),
    ] {
        let answer = caller.get("/admin/users").await;
        assert_eq!(refusal(&answer), refused(401, "no_authorization"));
        assert_eq!(
            answer.json()["message"],
            "This endpoint requires a valid Bearer token"
        );
    }
    let shouting = format!("BEARER {}", sandbox.service_key());
    let caller = caller.with("Authorization", &shouting);
    let answer = caller.get("/admin/users").await;
    assert_eq!(answer.status, 200, "the word is known in any case");
}

#[tokio::test]
async fn a_token_that_is_garbled_or_wrongly_signed_is_a_bad_jwt() {
    let sandbox = sandbox().await;
    let forged = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims("service_role"),
        &EncodingKey::from_secret(b"another secret"),
    )
    .unwrap();
    let wrong_algorithm = jsonwebtoken::encode(
        &Header::new(Algorithm::HS512),
        &claims("service_role"),
        &EncodingKey::from_secret(sandbox.jwt_secret().as_bytes()),
    )
    .unwrap();
    for token in ["garbled", forged.as_str(), wrong_algorithm.as_str()] {
        let caller = Caller::service(&sandbox).with("Authorization", &format!("Bearer {token}"));
        let answer = caller.get("/admin/users").await;
        assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with("invalid JWT: unable to parse or verify signature, "),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_service_key_that_has_expired_is_a_bad_jwt() {
    let clock = ManualClock::new("2026-01-15T09:30:00Z".parse().unwrap());
    let sandbox = SupabaseSandbox::builder()
        .clock(Clock::Manual(clock.clone()))
        .start()
        .await
        .unwrap();
    let caller = Caller::service(&sandbox);
    assert_eq!(caller.get("/admin/users").await.status, 200);
    clock.advance(Duration::from_secs(11 * 365 * 86_400));
    let answer = caller.get("/admin/users").await;
    assert_eq!(refusal(&answer), refused(403, "bad_jwt"));
}

#[tokio::test]
async fn any_token_of_an_admin_role_signed_with_the_secret_is_an_administrator() {
    let sandbox = sandbox().await;
    for role in ["service_role", "supabase_admin"] {
        let token = sandbox.sign_service_token(claims(role)).unwrap();
        let caller = Caller::nobody(&sandbox)
            .with("apikey", &token)
            .with("Authorization", &format!("Bearer {token}"));
        assert_eq!(caller.get("/admin/users").await.status, 200, "{role}");
    }
}

#[tokio::test]
async fn a_users_token_and_the_public_keys_are_no_administrators() {
    let (sandbox, id) = with_amina().await;
    let token = sandbox.access_token_for(&id).unwrap();
    let anon = sandbox.anon_key();
    for caller in [
        Caller::user(&sandbox, &token),
        Caller::public(&sandbox),
        Caller::public(&sandbox)
            .with("apikey", anon)
            .with("Authorization", &format!("Bearer {anon}")),
    ] {
        for (method, path) in [
            ("GET", "/admin/users".to_owned()),
            ("POST", "/admin/users".to_owned()),
            ("GET", format!("/admin/users/{id}")),
            ("PUT", format!("/admin/users/{id}")),
            ("DELETE", format!("/admin/users/{id}")),
        ] {
            let answer = caller.send(method, &path, b"{}").await;
            assert_eq!(refusal(&answer), refused(403, "not_admin"), "{method}");
            assert_eq!(answer.json()["message"], "User not allowed");
        }
    }
    assert_eq!(sandbox.users().len(), 1);
}

#[tokio::test]
async fn paths_that_nobody_serves_are_not_found() {
    let sandbox = sandbox().await;
    let caller = Caller::service(&sandbox);
    let answer = caller.get("/nothing").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "404 page not found\n")
    );
    assert_eq!(caller.send("PATCH", "/admin/users", b"").await.status, 405);
    let outside = crate::raw::exchange(sandbox.port(), "GET", "/admin/users", &[], b"").await;
    assert_eq!(
        (outside.status, outside.json()),
        (404, json!({ "error": "requested path is invalid" }))
    );
}
