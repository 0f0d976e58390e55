//! Making users.

use serde_json::{Map, json};
use supabase_auth::{Ban, CallError, Class, Invalid, NewUser, RefusalReason};
use uuid::Uuid;

use crate::server::{AMINA, Answer, Reply, Server, amina};

fn new_amina() -> NewUser {
    NewUser {
        id: Some(AMINA),
        password: Some("S3cret-Pass!".into()),
        email_confirm: true,
        ..NewUser::new("Amina@Example.com")
    }
}

async fn refused(answer: Answer) -> CallError {
    let server = Server::always(answer).await;
    server.client().create_user(&new_amina()).await.unwrap_err()
}

#[tokio::test]
async fn a_new_user_is_sent_complete_and_comes_back_as_stored() {
    // Without `confirmed_at`, which only later reads show, and with the answer's 200.
    let mut stored = amina();
    stored.as_object_mut().unwrap().remove("confirmed_at");
    let server = Server::always(Answer::ok(&stored)).await;
    let mut user = new_amina();
    user.user_metadata = Map::from_iter([("roles".to_owned(), json!(["brand_ambassador"]))]);
    user.app_metadata = Map::from_iter([("tenant".to_owned(), json!("microbima"))]);
    user.ban = Some(Ban::FOREVER);
    let created = server.client().create_user(&user).await.unwrap();
    assert_eq!(created.id, AMINA);
    assert!(created.has_email("AMINA@example.com"));
    assert_eq!(
        created.identities.unwrap()[0].provider.as_deref(),
        Some("email")
    );
    let request = server.only_request();
    assert_eq!(request.line(), "POST /auth/v1/admin/users");
    assert_eq!(
        request.body,
        json!({
            "id": "11111111-2222-4333-8444-555555555555", "email": "Amina@Example.com", "password": "S3cret-Pass!",
            "email_confirm": true, "user_metadata": {"roles": ["brand_ambassador"]},
            "app_metadata": {"tenant": "microbima"}, "ban_duration": "876000h"
        })
    );
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_sent() {
    let server = Server::always(Answer::ok(&amina())).await;
    let user = NewUser::new(" amina@example.com ");
    server.client().create_user(&user).await.unwrap();
    assert_eq!(
        server.only_request().body,
        json!({"email": "amina@example.com"})
    );
}

#[tokio::test]
async fn the_servers_refusals_are_told_apart_by_code() {
    let table = [
        (400, "validation_failed", RefusalReason::Malformed),
        (422, "email_exists", RefusalReason::EmailExists),
        (422, "phone_exists", RefusalReason::PhoneExists),
        (400, "bad_json", RefusalReason::Malformed),
        (413, "request_entity_too_large", RefusalReason::TooLarge),
        (418, "something_new", RefusalReason::Other),
    ];
    for (status, code, reason) in table {
        // The message says something else on purpose: nothing may be decided by it.
        let error = refused(Answer::error(status, code, "User not found")).await;
        assert_eq!(error.class(), Class::Refused, "{code}");
        assert_eq!(error.reason(), Some(reason), "{code}");
        assert_eq!((error.code(), error.http_status()), (code, Some(status)));
        assert_eq!(error.refusal().unwrap().message, "User not found");
    }
}

#[tokio::test]
async fn a_body_too_large_for_the_gateway_is_refused_too() {
    let error = refused(Answer::new(413, "text/html", "<html>too large</html>")).await;
    assert_eq!(error.reason(), Some(RefusalReason::TooLarge));
    assert_eq!(error.code(), "HTTP_413");
}

#[tokio::test]
async fn a_500_is_unknown_and_hints_that_the_chosen_id_is_taken() {
    let broken = Answer::error(
        500,
        "unexpected_failure",
        "Database error creating new user",
    );
    let error = refused(broken.clone()).await;
    let CallError::Unknown(failure) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.hint, Some(RefusalReason::IdExists));
    assert_eq!(failure.code, "unexpected_failure");
    assert_eq!(error.reason(), None, "a hint is no refusal");

    let server = Server::always(broken).await;
    let without_id = NewUser::new("amina@example.com");
    let error = server.client().create_user(&without_id).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown(failure) if failure.hint.is_none()));
}

#[tokio::test]
async fn a_broken_gateway_gives_no_hint() {
    for status in [500, 502, 503, 504, 520, 530] {
        let error = refused(Answer::new(status, "text/html", "<html>no</html>")).await;
        let CallError::Unknown(failure) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(failure.hint, None);
        assert_eq!(failure.code, format!("HTTP_{status}"));
    }
}

#[tokio::test]
async fn passwords_the_server_would_choke_on_or_wave_through_are_not_sent() {
    let server = Server::always(Answer::ok(&amina())).await;
    for password in ["", "short", &"x".repeat(73), &"ä".repeat(37)] {
        let mut user = new_amina();
        user.password = Some(password.into());
        let error = server.client().create_user(&user).await.unwrap_err();
        assert!(
            matches!(error, CallError::Invalid(Invalid::Password(_))),
            "{error:?}"
        );
        assert_eq!(error.class(), Class::Refused);
    }
    assert!(server.requests().is_empty());
    let mut longest = new_amina();
    longest.password = Some("ä".repeat(36).into());
    server.client().create_user(&longest).await.unwrap();
}

#[tokio::test]
async fn the_nil_id_is_not_sent() {
    let server = Server::always(Answer::ok(&amina())).await;
    let mut user = new_amina();
    user.id = Some(Uuid::nil());
    let error = server.client().create_user(&user).await.unwrap_err();
    assert_eq!(error, CallError::Invalid(Invalid::NilId));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_success_that_is_no_user_or_somebody_else_leaves_it_unknown() {
    let mut other = amina();
    other["id"] = json!("99999999-2222-4333-8444-555555555555");
    let answers = [
        Answer::ok(&other),
        Answer::ok(&json!({"user": amina()})),
        Answer::ok(&json!(null)),
        Answer::new(200, "text/html", "<html>welcome</html>"),
        Answer::new(200, "application/json", ""),
    ];
    for answer in answers {
        let error = refused(answer).await;
        assert_eq!((error.class(), error.code()), (Class::Unknown, "GARBLED"));
    }
}

#[tokio::test]
async fn a_connection_cut_after_sending_leaves_it_unknown_and_nothing_is_repeated() {
    for reply in [Reply::Close, Reply::CutBody(Answer::ok(&amina()))] {
        let server = Server::always(reply).await;
        let error = server.client().create_user(&new_amina()).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Unknown, "CUT"));
        assert_eq!(server.requests().len(), 1);
    }
}
