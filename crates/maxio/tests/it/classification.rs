//! How a call ended, in every form in which somebody can say that it did not end well.

use std::time::Duration;

use maxio::{Class, Client, Error, NewCustomer, Trouble};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::rough::{Reply, Rough};
use crate::service::{API_KEY, Service, customer, json_answer, settings};

fn john() -> NewCustomer {
    NewCustomer::new("John", "Doe", "contact@acmecorp.example")
}

/// The errors of a write and of a read.
async fn both(client: &Client) -> (Error, Error) {
    let write = client.create_customer(&john()).await.unwrap_err();
    let read = client.site().await.unwrap_err();
    (write, read)
}

/// The errors of a write and of a read that get this answer.
async fn errors(answer: ResponseTemplate) -> (Error, Error) {
    let service = Service::answering(answer).await;
    let errors = both(&service.client()).await;
    assert_eq!(service.requests().await.len(), 2, "nothing is repeated");
    errors
}

async fn refused(status: u16, body: Value) -> Vec<String> {
    let (write, read) = errors(json_answer(status, &body)).await;
    assert_eq!(write, read);
    assert_eq!(write.class(), Class::Refused);
    let Error::Refused {
        status: got,
        messages,
    } = write
    else {
        panic!("{write:?}");
    };
    assert_eq!(got, status);
    messages
}

fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw("<html><body>no</body></html>", "text/html")
}

fn text(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(text, "text/plain")
}

#[tokio::test]
async fn every_form_of_a_refusal_becomes_sentences() {
    let cases = [
        (
            json!({"errors": ["First name: cannot be blank.", "Email address: cannot be blank."]}),
            vec![
                "First name: cannot be blank.",
                "Email address: cannot be blank.",
            ],
        ),
        (
            json!({"errors": {"customer": "can't be blank"}}),
            vec!["customer: can't be blank"],
        ),
        (
            json!({"errors": {"base": ["This subscription cannot be activated."]}}),
            vec!["This subscription cannot be activated."],
        ),
        (
            json!({"error": "The subscription is already canceled"}),
            vec!["The subscription is already canceled"],
        ),
        (
            json!({"errors": ["Card needs 3-D Secure"], "gateway_payment_id": "pi_1", "action_link": "https://x"}),
            vec!["Card needs 3-D Secure"],
        ),
        (
            json!({"errors": [{"title": "Authentication", "detail": "needed", "links": {"action_link": "https://x"}}]}),
            vec!["Authentication: needed"],
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(refused(422, body).await, expected);
    }
    assert_eq!(refused(400, json!({"errors": ["odd"]})).await, ["odd"]);
}

#[tokio::test]
async fn a_refusal_without_words_still_names_its_status() {
    let (write, _) = errors(ResponseTemplate::new(422)).await;
    assert_eq!(
        write.to_string(),
        "Maxio refused (HTTP 422): without a reason"
    );
}

#[tokio::test]
async fn the_refusals_that_steer_are_told_apart() {
    let taken = json!({"errors": ["Last name: cannot be blank.", "Reference: must be unique - that value has been taken."]});
    let (error, _) = errors(json_answer(422, &taken)).await;
    assert!(error.is_reference_taken() && !error.is_payment_method_missing());
    let unpaid = json!({"errors": ["No payment method was on file for the €299.00 balance"]});
    let (error, _) = errors(json_answer(422, &unpaid)).await;
    assert!(error.is_payment_method_missing() && !error.is_reference_taken());
    let other = json!({"errors": ["Email address: must be a valid email format."]});
    let (error, _) = errors(json_answer(422, &other)).await;
    assert!(!error.is_payment_method_missing() && !error.is_reference_taken());
}

#[tokio::test]
async fn a_wrong_key_is_a_matter_of_configuration() {
    for status in [401, 403] {
        let (write, read) = errors(text(status, "HTTP Basic: Access denied.\n")).await;
        assert_eq!(write, read);
        assert_eq!(write.class(), Class::Credentials);
        assert!(
            matches!(&write, Error::Credentials { status: got, message }
                if *got == status && message == "HTTP Basic: Access denied."),
            "{write:?}"
        );
    }
    let (error, _) = errors(html(403)).await;
    assert!(error.to_string().contains("HTTP 403 Forbidden"), "{error}");
}

#[tokio::test]
async fn a_closed_site_is_no_fault_of_the_data() {
    for message in [
        "This site has been deleted.",
        "Your trial has ended, please contact sales.",
        "Site data clearing is in progress. Please try later.",
    ] {
        let (write, read) = errors(json_answer(422, &json!({"errors": [message]}))).await;
        assert_eq!(write, read);
        assert_eq!(write.class(), Class::Credentials);
        assert!(matches!(&write, Error::SiteBlocked { message: got } if got == message));
    }
    let of_a_subscription = json!({"errors": ["The trial has ended."]});
    assert_eq!(
        refused(422, of_a_subscription).await,
        ["The trial has ended."]
    );
}

#[tokio::test]
async fn a_missing_record_is_told_with_or_without_words() {
    for answer in [
        ResponseTemplate::new(404),
        ResponseTemplate::new(404).set_body_raw("", "text/html"),
        ResponseTemplate::new(404).set_body_raw(" ", "application/json"),
        json_answer(404, &json!("Customer not found")),
        json_answer(404, &json!({"errors": ["not found"]})),
        text(404, "Not Found"),
    ] {
        let (write, read) = errors(answer).await;
        assert_eq!((write, read), (Error::NotFound, Error::NotFound));
    }
}

#[tokio::test]
async fn a_web_page_that_says_not_found_proves_no_absence() {
    let service = Service::answering(html(404)).await;
    let client = service.client();
    let (write, read) = both(&client).await;
    for error in [&write, &read] {
        assert_eq!(error.class(), Class::Unavailable, "{error:?}");
        assert_eq!(error.failure().unwrap().trouble, Trouble::NotMaxio);
    }
    let looked_up = client.customer_by_reference("10x456").await.unwrap_err();
    assert_eq!(looked_up.class(), Class::Unavailable);
}

#[tokio::test]
async fn a_used_token_is_a_duplicate_whose_outcome_must_be_looked_up() {
    let body = json!({"errors": ["DuplicatePrevention::DuplicateSubmissionError"]});
    let (write, _) = errors(json_answer(409, &body)).await;
    assert_eq!(write, Error::Duplicate);
    assert_eq!(write.class(), Class::Unknown);
}

#[tokio::test]
async fn throttled_calls_say_how_long_to_wait_if_anybody_knows() {
    let said = "Your request was denied due to a usage violation.";
    let waits = [
        (text(429, said), None),
        (
            text(429, said).insert_header("Retry-After", "17"),
            Some(Duration::from_secs(17)),
        ),
        (
            text(429, said)
                .insert_header("Date", "Thu, 15 Jan 2026 09:30:00 GMT")
                .insert_header("Retry-After", "Thu, 15 Jan 2026 09:31:30 GMT"),
            Some(Duration::from_secs(90)),
        ),
        (
            text(429, said).insert_header("Retry-After", "18446744073709551615"),
            Some(Duration::from_secs(24 * 60 * 60)),
        ),
        (text(429, said).insert_header("Retry-After", "soon"), None),
    ];
    for (answer, expected) in waits {
        let (write, read) = errors(answer).await;
        assert_eq!(write, read);
        assert_eq!(write.class(), Class::Throttled);
        let Error::Throttled {
            retry_after,
            message,
        } = write
        else {
            panic!("{write:?}");
        };
        assert_eq!((retry_after, message.as_str()), (expected, said));
    }
}

#[tokio::test]
async fn a_server_error_is_unknown_for_a_write_and_unavailable_for_a_read() {
    for status in [500, 502, 503, 504, 520, 408, 425, 499] {
        let json = json_answer(status, &json!({"errors": ["Something broke"]}));
        for answer in [html(status), json] {
            let (write, read) = errors(answer).await;
            assert_eq!(
                (write.class(), read.class()),
                (Class::Unknown, Class::Unavailable),
                "{status}"
            );
            let failure = write.failure().unwrap();
            assert_eq!(
                (failure.trouble, failure.status),
                (Trouble::ServerError, Some(status))
            );
            assert_eq!(failure.operation, "create_customer");
        }
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_unknown_for_a_write_and_unavailable_for_a_read() {
    let answers = [
        html(200),
        ResponseTemplate::new(201),
        json_answer(200, &json!([])),
        json_answer(200, &json!({"id": 5})),
        json_answer(200, &json!({"customer": null, "site": null})),
        json_answer(
            201,
            &json!({"customer": {"id": {}}, "site": {"test": "perhaps"}}),
        ),
        text(200, "{\"customer\":"),
    ];
    for answer in answers {
        let (write, read) = errors(answer).await;
        assert_eq!(
            (write.class(), read.class()),
            (Class::Unknown, Class::Unavailable)
        );
        for error in [write, read] {
            assert_eq!(error.failure().unwrap().trouble, Trouble::Unreadable);
        }
    }
}

#[tokio::test]
async fn the_field_that_makes_no_sense_is_named_without_its_value() {
    let mut odd = customer();
    odd["verified"] = json!("s3cret");
    let (write, _) = errors(json_answer(201, &json!({"customer": odd}))).await;
    let shown = format!("{write} {write:?}");
    assert!(
        shown.contains("`verified`") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn an_answer_larger_than_agreed_is_not_read() {
    let long = "x".repeat(8 * 1024 * 1024);
    let (write, read) = errors(json_answer(
        201,
        &json!({"customer": {"id": 1, "note": long}}),
    ))
    .await;
    assert_eq!(
        (write.class(), read.class()),
        (Class::Unknown, Class::Unavailable)
    );
    assert_eq!(write.failure().unwrap().trouble, Trouble::TooLong);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Service::json(201, json!({"customer": customer()})).await;
    let target = format!("{}?token=abcdef", elsewhere.settings().url);
    for status in [302, 307, 308] {
        let answer = ResponseTemplate::new(status).insert_header("Location", target.as_str());
        let (write, read) = errors(answer).await;
        assert_eq!(
            (write.class(), read.class()),
            (Class::Unknown, Class::Unavailable)
        );
        assert_eq!(write.failure().unwrap().trouble, Trouble::Redirected);
        assert!(!write.to_string().contains("abcdef"), "{write}");
    }
    assert!(elsewhere.requests().await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_unknown_for_a_write_and_unavailable_for_a_read() {
    for reply in [
        Reply::Close,
        Reply::CutBody(json!({"customer": customer(), "site": {}})),
    ] {
        let server = Rough::always(reply).await;
        let (write, read) = both(&server.client()).await;
        assert_eq!(
            (write.class(), read.class()),
            (Class::Unknown, Class::Unavailable)
        );
        assert_eq!(write.failure().unwrap().trouble, Trouble::Cut);
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown_for_a_write() {
    let server = Rough::always(Reply::Hang).await;
    let mut settings = server.settings();
    settings.call_timeout = Duration::from_millis(1_500);
    let (write, read) = both(&Client::new(settings).unwrap()).await;
    assert_eq!(
        (write.class(), read.class()),
        (Class::Unknown, Class::Unavailable)
    );
    assert_eq!(write.failure().unwrap().trouble, Trouble::TimedOut);
    assert_eq!(
        server.requests(),
        2,
        "a read that took too long is not repeated"
    );
}

#[tokio::test]
async fn no_connection_means_that_nothing_happened() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let client = Client::new(settings(&format!("http://{address}"))).unwrap();
    let (write, read) = both(&client).await;
    for error in [write, read] {
        assert_eq!(error.class(), Class::Unavailable, "{error:?}");
        assert_eq!(error.failure().unwrap().trouble, Trouble::NoConnection);
        assert!(!format!("{error:?}").contains(API_KEY));
    }
}

#[test]
fn classes_and_troubles_have_stable_names() {
    let classes = [
        (Class::Done, "done"),
        (Class::Refused, "refused"),
        (Class::Credentials, "credentials"),
        (Class::Throttled, "throttled"),
        (Class::Unavailable, "unavailable"),
        (Class::Unknown, "unknown"),
        (Class::NotSent, "not_sent"),
    ];
    for (class, name) in classes {
        assert_eq!(class.to_string(), name);
    }
    let troubles = [
        (Trouble::NoConnection, "no_connection"),
        (Trouble::NoSlot, "no_slot"),
        (Trouble::Cut, "cut"),
        (Trouble::TimedOut, "timed_out"),
        (Trouble::ServerError, "server_error"),
        (Trouble::Unreadable, "unreadable"),
        (Trouble::TooLong, "too_long"),
        (Trouble::Redirected, "redirected"),
        (Trouble::NotMaxio, "not_maxio"),
    ];
    for (trouble, name) in troubles {
        assert_eq!(trouble.as_str(), name);
    }
}
