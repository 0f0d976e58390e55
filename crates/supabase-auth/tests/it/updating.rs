//! Changing users: only what is asked for, and the odd answers.

use std::time::Duration;

use serde_json::{Map, json};
use supabase_auth::{
    Ban, CallError, Changes, Class, Invalid, PasswordProblem, RefusalReason, WeakPasswordReason,
};

use crate::server::{AMINA, Answer, Server, amina};

async fn refused(changes: &Changes, answer: Answer) -> CallError {
    let server = Server::always(answer).await;
    server
        .client()
        .update_user(AMINA, changes)
        .await
        .unwrap_err()
}

/// The body that is sent for these changes.
async fn sent(changes: &Changes) -> serde_json::Value {
    let server = Server::always(Answer::ok(&amina())).await;
    server.client().update_user(AMINA, changes).await.unwrap();
    let request = server.only_request();
    assert_eq!(
        request.line(),
        "PUT /auth/v1/admin/users/11111111-2222-4333-8444-555555555555"
    );
    request.body
}

#[tokio::test]
async fn only_what_is_set_is_sent() {
    assert_eq!(sent(&Changes::default()).await, json!({}));
    assert_eq!(
        sent(&Changes::password("N3w-S3cret!".into())).await,
        json!({"password": "N3w-S3cret!"})
    );
    assert_eq!(
        sent(&Changes::email(" amina@example.org")).await,
        json!({"email": "amina@example.org"})
    );
    let metadata = Changes {
        email_confirm: true,
        user_metadata: Map::from_iter([
            ("display_name".to_owned(), json!(null)),
            ("n".to_owned(), json!({"b": 2})),
        ]),
        app_metadata: Map::from_iter([("tenant".to_owned(), json!("t2"))]),
        ..Changes::default()
    };
    assert_eq!(
        sent(&metadata).await,
        json!({
            "email_confirm": true, "user_metadata": {"display_name": null, "n": {"b": 2}},
            "app_metadata": {"tenant": "t2"}
        })
    );
}

#[tokio::test]
async fn bans_are_written_as_go_durations_which_know_no_days() {
    let table = [
        (Ban::FOREVER, "876000h"),
        (Ban::Lifted, "none"),
        (Ban::For(Duration::from_secs(86_400)), "24h"),
        (Ban::For(Duration::from_secs(90)), "90s"),
        (Ban::For(Duration::from_millis(1_500)), "1s500000000ns"),
    ];
    for (ban, text) in table {
        assert_eq!(
            sent(&Changes::ban(ban)).await,
            json!({"ban_duration": text})
        );
    }
}

#[tokio::test]
async fn a_ban_of_no_length_which_would_lift_the_ban_is_not_sent() {
    let server = Server::always(Answer::ok(&amina())).await;
    for length in [Duration::ZERO, Duration::from_secs(876_001 * 3_600)] {
        let changes = Changes::ban(Ban::For(length));
        let error = server
            .client()
            .update_user(AMINA, &changes)
            .await
            .unwrap_err();
        assert!(matches!(
            error,
            CallError::Invalid(Invalid::BanDuration { .. })
        ));
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn ban_and_unban_are_changes_like_others() {
    let mut banned = amina();
    banned["banned_until"] = json!("2126-01-15T09:30:00Z");
    let server = Server::start(move |request| {
        match request.body["ban_duration"].as_str() {
            Some("876000h") => Answer::ok(&banned),
            _ => Answer::ok(&amina()),
        }
        .into()
    })
    .await;
    let now = "2026-02-01T00:00:00Z".parse().unwrap();
    let client = server.client();
    assert!(client.ban(AMINA).await.unwrap().is_banned_at(now));
    assert!(!client.unban(AMINA).await.unwrap().is_banned_at(now));
    assert_eq!(server.requests()[1].body, json!({"ban_duration": "none"}));
}

#[tokio::test]
async fn a_weak_password_comes_with_its_reasons_in_both_forms() {
    let weak = json!({"reasons": ["length", "characters", "pwned", "novel"]});
    let forms = [
        json!({"code": "weak_password", "message": "Too weak.", "weak_password": weak}),
        json!({"code": 422, "error_code": "weak_password", "msg": "Too weak.", "weak_password": weak}),
    ];
    for form in forms {
        let changes = Changes::password("S3cret-Pass!".into());
        let error = refused(&changes, Answer::json(422, &form)).await;
        let refusal = error.refusal().unwrap();
        assert_eq!(refusal.reason, RefusalReason::WeakPassword);
        assert_eq!(refusal.message, "Too weak.");
        assert_eq!(
            refusal.weak_password,
            [
                WeakPasswordReason::Length,
                WeakPasswordReason::Characters,
                WeakPasswordReason::Pwned,
                WeakPasswordReason::Other("novel".to_owned()),
            ]
        );
    }
}

#[tokio::test]
async fn a_password_that_breaks_the_configured_rules_is_not_sent() {
    let server = Server::always(Answer::ok(&amina())).await;
    let mut config = server.config();
    config.password_rules.min_bytes = 12;
    let client = supabase_auth::Client::new(config).unwrap();
    let changes = Changes::password("elevenchars".into());
    let error = client.update_user(AMINA, &changes).await.unwrap_err();
    let CallError::Invalid(Invalid::Password(problems)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(problems.reasons(), [PasswordProblem::TooShort { min: 12 }]);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn somebody_elses_address_is_answered_like_an_outage_but_hinted_at() {
    let forms = [
        (
            "23505",
            json!({
                "code": "23505", "detail": "Key (email)=(b@example.com) already exists.",
                "message": "duplicate key value violates unique constraint \"users_email_partial_key\""
            }),
        ),
        (
            "unexpected_failure",
            json!({"code": "unexpected_failure", "message": "Error updating user"}),
        ),
        (
            "unexpected_failure",
            json!({"code": 500, "error_code": "unexpected_failure", "msg": "Error updating user", "error_id": "x"}),
        ),
    ];
    for (code, form) in forms {
        let error = refused(&Changes::email("b@example.com"), Answer::json(500, &form)).await;
        let CallError::Unknown(failure) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(failure.code, code);
        assert_eq!(failure.hint, Some(RefusalReason::EmailExists));
        // Without a new address the same answer is a defect of the server like any other.
        let error = refused(&Changes::ban(Ban::Lifted), Answer::json(500, &form)).await;
        assert!(matches!(error, CallError::Unknown(failure) if failure.hint.is_none()));
    }
}

#[tokio::test]
async fn the_servers_other_refusals_keep_their_code() {
    let table = [
        (404, "user_not_found", RefusalReason::NotFound),
        (400, "validation_failed", RefusalReason::Malformed),
        (422, "same_password", RefusalReason::SamePassword),
    ];
    for (status, code, reason) in table {
        let error = refused(&Changes::default(), Answer::error(status, code, "whatever")).await;
        assert_eq!((error.reason(), error.code()), (Some(reason), code));
    }
}

#[tokio::test]
async fn a_panic_of_the_server_is_unknown() {
    let panic =
        json!({"code": 500, "error_code": "unexpected_failure", "msg": "Internal Server Error"});
    let error = refused(&Changes::default(), Answer::json(500, &panic)).await;
    assert_eq!(
        (error.class(), error.code()),
        (Class::Unknown, "unexpected_failure")
    );
}
