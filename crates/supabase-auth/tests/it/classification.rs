//! How a call ended, in every form in which somebody can say that it did not end well.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use supabase_auth::{CallError, Changes, Class, Client, ClientConfig, RefusalReason};

use crate::server::{ADMIN_KEY, AMINA, Answer, Reply, Server, amina};

/// The errors of a write and of a read that get this reply.
async fn errors(reply: impl Into<Reply>) -> (CallError, CallError) {
    let server = Server::always(reply).await;
    let client = server.client();
    let changes = Changes::password("S3cret-Pass!".into());
    let write = client.update_user(AMINA, &changes).await.unwrap_err();
    let read = client.get_user(AMINA).await.unwrap_err();
    assert_eq!(server.requests().len(), 2, "nothing is repeated");
    (write, read)
}

async fn classes(reply: impl Into<Reply>) -> (Class, Class) {
    let (write, read) = errors(reply).await;
    (write.class(), read.class())
}

#[tokio::test]
async fn every_form_of_an_error_gives_the_same_code_and_message() {
    let forms = [
        Answer::json(422, &json!({"code": "email_exists", "message": "taken"})),
        Answer::json(
            422,
            &json!({"code": 422, "error_code": "email_exists", "msg": "taken"}),
        ),
        Answer::json(422, &json!({"code": 422, "msg": "taken"}))
            .header("x-sb-error-code", "email_exists"),
        Answer::json(
            422,
            &json!({"error": "email_exists", "error_description": "taken"}),
        ),
    ];
    for form in forms {
        let (error, _) = errors(form.clone()).await;
        assert_eq!(error.reason(), Some(RefusalReason::EmailExists), "{form:?}");
        assert_eq!(error.code(), "email_exists");
        assert_eq!(error.refusal().unwrap().message, "taken");
    }
}

#[tokio::test]
async fn the_code_in_the_body_goes_before_the_header() {
    let body = json!({"code": 422, "error_code": "weak_password", "msg": "no"});
    let (error, _) = errors(Answer::json(422, &body).header("x-sb-error-code", "other")).await;
    assert_eq!(error.code(), "weak_password");
}

#[tokio::test]
async fn an_error_without_any_code_is_named_by_its_status() {
    let old = json!({"code": 404, "msg": "User not found"});
    let (error, _) = errors(Answer::json(404, &old)).await;
    assert_eq!((error.class(), error.code()), (Class::Refused, "HTTP_404"));
    assert_eq!(
        error.reason(),
        Some(RefusalReason::Other),
        "nothing is decided by a message"
    );
}

#[tokio::test]
async fn a_text_in_place_of_a_code_is_not_taken_for_one() {
    let body = json!({"code": "no code\nbut an attack on the log", "message": "m"});
    let (error, _) = errors(Answer::json(400, &body)).await;
    assert_eq!(error.code(), "HTTP_400");
}

#[tokio::test]
async fn a_wrong_key_is_a_matter_of_configuration() {
    let answers = [
        Answer::json(401, &json!({"message": "No API key found in request"})),
        Answer::json(
            401,
            &json!({"message": "Invalid API key", "hint": "Double check"}),
        ),
        Answer::error(
            401,
            "no_authorization",
            "This endpoint requires a valid Bearer token",
        ),
        Answer::error(
            403,
            "bad_jwt",
            "invalid JWT: unable to parse or verify signature",
        ),
        Answer::error(403, "not_admin", "User not allowed"),
        Answer::json(
            403,
            &json!({"code": 403, "error_code": "not_admin", "msg": "User not allowed"}),
        ),
        Answer::new(403, "text/html", "<html>forbidden</html>"),
    ];
    for answer in answers {
        assert_eq!(
            classes(answer.clone()).await,
            (Class::Credentials, Class::Credentials),
            "{answer:?}"
        );
    }
    let (error, _) = errors(Answer::error(403, "not_admin", "User not allowed")).await;
    assert_eq!(
        (error.code(), error.http_status()),
        ("not_admin", Some(403))
    );
}

#[tokio::test]
async fn throttled_calls_say_how_long_to_wait_if_anybody_knows() {
    let server_limit = Answer::error(429, "over_request_rate_limit", "Request rate limit reached");
    let (write, _) = errors(server_limit).await;
    assert_eq!(write.code(), "over_request_rate_limit");
    assert!(matches!(
        write,
        CallError::Throttled {
            retry_after: None,
            ..
        }
    ));
    let gateway = Answer::new(429, "text/html", "slow down").header("Retry-After", "17");
    let (_, read) = errors(gateway).await;
    assert!(matches!(
        read,
        CallError::Throttled { retry_after: Some(wait), .. } if wait == Duration::from_secs(17)
    ));
    let dated = Answer::new(429, "text/html", "slow down")
        .header("Date", "Thu, 15 Jan 2026 09:30:00 GMT")
        .header("Retry-After", "Thu, 15 Jan 2026 09:31:30 GMT");
    let (write, _) = errors(dated).await;
    assert!(matches!(
        write,
        CallError::Throttled { retry_after: Some(wait), .. } if wait == Duration::from_secs(90)
    ));
}

#[tokio::test]
async fn a_server_error_is_unknown_for_a_write_and_unavailable_for_a_read() {
    for status in [500, 501, 502, 503, 504, 520, 522, 530] {
        let html = Answer::new(status, "text/html", "<html>bad gateway</html>");
        let json = Answer::error(status, "request_timeout", "Processing took too long");
        for answer in [html, json] {
            assert_eq!(
                classes(answer).await,
                (Class::Unknown, Class::Unavailable),
                "{status}"
            );
        }
    }
}

#[tokio::test]
async fn a_request_timeout_of_a_proxy_is_unknown_for_a_write() {
    for status in [408, 425, 499] {
        let answer = Answer::new(status, "text/plain", "timeout");
        assert_eq!(
            classes(answer).await,
            (Class::Unknown, Class::Unavailable),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_for_a_write_and_unavailable_for_a_read() {
    for reply in [Reply::Close, Reply::CutBody(Answer::ok(&amina()))] {
        assert_eq!(classes(reply).await, (Class::Unknown, Class::Unavailable));
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown_for_a_write() {
    let server = Server::always(Reply::Hang).await;
    let mut config = server.config();
    config.call_timeout = Duration::from_millis(1_500);
    let client = Client::new(config).unwrap();
    let write = client.ban(AMINA).await.unwrap_err();
    assert_eq!((write.class(), write.code()), (Class::Unknown, "TIMEOUT"));
    let read = client.get_user(AMINA).await.unwrap_err();
    assert_eq!((read.class(), read.code()), (Class::Unavailable, "TIMEOUT"));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_unknown_for_a_write_and_unreadable_for_a_read() {
    let answers = [
        Answer::new(200, "text/html", "<html>hello</html>"),
        Answer::ok(&json!({"id": "not-a-uuid"})),
        Answer::ok(&json!([])),
    ];
    for answer in answers {
        let (write, read) = errors(answer).await;
        assert!(matches!(write, CallError::Unknown(_)), "{write:?}");
        assert!(matches!(read, CallError::Unreadable(_)), "{read:?}");
        assert_eq!(read.class(), Class::Unavailable);
    }
}

#[tokio::test]
async fn an_answer_larger_than_agreed_is_not_read() {
    let server = Server::always(Answer::ok(&amina())).await;
    let mut config = server.config();
    config.max_answer_bytes = 100;
    let client = Client::new(config).unwrap();
    let write = client.ban(AMINA).await.unwrap_err();
    assert_eq!((write.class(), write.code()), (Class::Unknown, "TOO_LONG"));
    let read = client.get_user(AMINA).await.unwrap_err();
    assert_eq!(
        (read.class(), read.code()),
        (Class::Unavailable, "TOO_LONG")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::always(Answer::ok(&amina())).await;
    let target = format!("{}/?token=abcdef", elsewhere.url());
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let answer = Answer::new(status.as_u16(), "text/html", "").header("Location", &target);
        let (write, read) = errors(answer).await;
        assert_eq!(
            (write.class(), read.class()),
            (Class::Unknown, Class::Unavailable)
        );
        assert!(!write.to_string().contains("abcdef"), "{write}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn no_connection_means_that_nothing_happened() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let config = ClientConfig::new(&format!("http://{address}"), ADMIN_KEY.into()).unwrap();
    let error = Client::new(config).unwrap().ban(AMINA).await.unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::Unavailable, "CONNECT")
    );
}

#[tokio::test]
async fn errors_repeat_neither_keys_nor_passwords_even_if_the_answer_does() {
    let echo = format!("no user for S3cret-Pass! with {ADMIN_KEY}");
    for status in [400, 401, 429, 500] {
        let answer = Answer::json(status, &json!({"code": "echo", "message": echo}));
        let (write, _) = errors(answer).await;
        let shown = format!("{write} {write:?}");
        assert!(shown.contains("no user for *** with ***"), "{shown}");
    }
}

#[test]
fn classes_have_stable_names() {
    let names = [
        Class::Done,
        Class::Refused,
        Class::Credentials,
        Class::Throttled,
        Class::Unavailable,
        Class::Unknown,
        Class::NotSent,
    ]
    .map(|class| class.to_string());
    assert_eq!(
        names,
        [
            "done",
            "refused",
            "credentials",
            "throttled",
            "unavailable",
            "unknown",
            "not_sent"
        ]
    );
}
