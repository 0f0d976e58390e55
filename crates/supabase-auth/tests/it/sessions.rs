//! Signing in, staying signed in, asking who one is.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use supabase_auth::{CallError, Class, Client, Invalid, RefusalReason, WeakPasswordReason};

use crate::server::{ADMIN_KEY, AMINA, Answer, PUBLIC_KEY, Reply, Server, amina};

fn session() -> Value {
    json!({
        "access_token": "eyJ.access.sig", "token_type": "bearer", "expires_in": 3600, "expires_at": 1_768_473_000,
        "refresh_token": "v1s4kq2hbn6t", "user": amina()
    })
}

fn password() -> SecretString {
    "S3cret-Pass!".into()
}

#[tokio::test]
async fn signing_in_gives_a_session_with_hidden_tokens() {
    let server = Server::always(Answer::ok(&session())).await;
    let session = server
        .client()
        .sign_in("amina@example.com", &password())
        .await
        .unwrap();
    assert_eq!(session.access_token.expose_secret(), "eyJ.access.sig");
    assert_eq!(session.refresh_token.expose_secret(), "v1s4kq2hbn6t");
    assert_eq!(session.expires_at.unwrap().as_second(), 1_768_473_000);
    assert_eq!(session.user.id, AMINA);
    assert!(session.weak_password.is_none());
    let shown = format!("{session:?}");
    assert!(!shown.contains("eyJ") && !shown.contains("v1s4"), "{shown}");
    let request = server.only_request();
    assert_eq!(request.line(), "POST /auth/v1/token");
    assert_eq!(request.param("grant_type"), Some("password"));
    assert_eq!(
        request.body,
        json!({"email": "amina@example.com", "password": "S3cret-Pass!"})
    );
    assert_eq!(request.headers["apikey"], PUBLIC_KEY);
    assert_eq!(
        request.headers["authorization"],
        format!("Bearer {PUBLIC_KEY}")
    );
}

#[tokio::test]
async fn without_a_publishable_key_the_admin_key_opens_the_gateway() {
    let server = Server::always(Answer::ok(&session())).await;
    let mut config = server.config();
    config.public_key = None;
    let client = Client::new(config).unwrap();
    client
        .sign_in("amina@example.com", &password())
        .await
        .unwrap();
    assert_eq!(server.only_request().headers["apikey"], ADMIN_KEY);
}

#[tokio::test]
async fn a_password_that_became_weak_still_signs_in_and_says_why_it_is_weak() {
    let mut weak = session();
    weak["weak_password"] =
        json!({"message": "Password should be …", "reasons": ["length", "pwned"]});
    let server = Server::always(Answer::ok(&weak)).await;
    let session = server
        .client()
        .sign_in("amina@example.com", &password())
        .await;
    let weak = session.unwrap().weak_password.unwrap();
    assert_eq!(weak.message, "Password should be …");
    assert_eq!(
        weak.reasons().collect::<Vec<_>>(),
        [WeakPasswordReason::Length, WeakPasswordReason::Pwned]
    );
}

#[tokio::test]
async fn the_reasons_not_to_sign_in_are_told_apart() {
    let table = [
        (400, "validation_failed", RefusalReason::Malformed),
        (400, "invalid_credentials", RefusalReason::WrongCredentials),
        (400, "user_banned", RefusalReason::Banned),
        (400, "email_not_confirmed", RefusalReason::EmailNotConfirmed),
        (
            422,
            "email_provider_disabled",
            RefusalReason::SignInDisabled,
        ),
    ];
    for (status, code, reason) in table {
        let server = Server::always(Answer::error(status, code, "no")).await;
        let error = server
            .client()
            .sign_in("amina@example.com", &password())
            .await
            .unwrap_err();
        assert_eq!(
            (error.class(), error.reason()),
            (Class::Refused, Some(reason))
        );
    }
}

#[tokio::test]
async fn a_lost_sign_in_can_be_repeated_and_a_lost_refresh_cannot() {
    let server = Server::always(Reply::Close).await;
    let client = server.client();
    let error = client.sign_in("amina@example.com", &password()).await;
    assert_eq!(error.unwrap_err().class(), Class::Unavailable);
    let error = client.refresh(&"v1s4kq2hbn6t".into()).await;
    assert_eq!(error.unwrap_err().class(), Class::Unknown);
}

#[tokio::test]
async fn refreshing_sends_the_token_and_takes_the_next_one() {
    let server = Server::always(Answer::ok(&session())).await;
    let session = server.client().refresh(&"old-refresh-token".into()).await;
    assert_eq!(
        session.unwrap().refresh_token.expose_secret(),
        "v1s4kq2hbn6t"
    );
    let request = server.only_request();
    assert_eq!(request.param("grant_type"), Some("refresh_token"));
    assert_eq!(request.body, json!({"refresh_token": "old-refresh-token"}));
}

#[tokio::test]
async fn a_refresh_token_that_is_gone_and_a_ban_are_refusals() {
    for (code, reason) in [
        ("refresh_token_not_found", RefusalReason::RefreshTokenGone),
        (
            "refresh_token_already_used",
            RefusalReason::RefreshTokenGone,
        ),
        ("user_banned", RefusalReason::Banned),
    ] {
        let server = Server::always(Answer::error(400, code, "Invalid Refresh Token")).await;
        let error = server.client().refresh(&"old".into()).await.unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{code}");
    }
}

#[tokio::test]
async fn asking_for_oneself_sends_the_users_token_and_the_publishable_key() {
    let server = Server::always(Answer::ok(&amina())).await;
    let user = server
        .client()
        .user(&"eyJ.access.sig".into())
        .await
        .unwrap();
    assert_eq!(user.id, AMINA);
    let request = server.only_request();
    assert_eq!(request.line(), "GET /auth/v1/user");
    assert_eq!(request.headers["apikey"], PUBLIC_KEY);
    assert_eq!(request.headers["authorization"], "Bearer eyJ.access.sig");
}

#[tokio::test]
async fn a_users_bad_token_is_the_users_affair_and_a_bad_key_is_ours() {
    for (status, code, reason) in [
        (403, "bad_jwt", RefusalReason::BadToken),
        (401, "no_authorization", RefusalReason::BadToken),
        (403, "session_not_found", RefusalReason::SessionGone),
        (403, "user_banned", RefusalReason::Banned),
        (403, "user_not_found", RefusalReason::NotFound),
    ] {
        let server = Server::always(Answer::error(status, code, "no")).await;
        let error = server.client().user(&"eyJ".into()).await.unwrap_err();
        assert_eq!(
            (error.class(), error.reason()),
            (Class::Refused, Some(reason)),
            "{code}"
        );
    }
    let gateway = Answer::json(401, &json!({"message": "Invalid API key"}));
    let server = Server::always(gateway).await;
    let client = server.client();
    let error = client.user(&"eyJ".into()).await.unwrap_err();
    assert_eq!(error.class(), Class::Credentials);
    let error = client.sign_in("amina@example.com", &password()).await;
    assert_eq!(error.unwrap_err().class(), Class::Credentials);
}

#[tokio::test]
async fn a_token_with_a_line_end_in_it_is_not_sent() {
    let server = Server::always(Answer::ok(&amina())).await;
    let error = server
        .client()
        .user(&"abc\r\nX-Evil: 1".into())
        .await
        .unwrap_err();
    assert_eq!(error, CallError::Invalid(Invalid::Token));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_unreadable_session_is_described_without_its_tokens() {
    let mut odd = session();
    odd["refresh_token"] = json!({"nested": "v1s4kq2hbn6t"});
    odd["expires_at"] = json!("eyJ.access.sig");
    let server = Server::always(Answer::ok(&odd)).await;
    let error = server
        .client()
        .sign_in("amina@example.com", &password())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreadable(_)));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("eyJ") && !shown.contains("v1s4"), "{shown}");
}
