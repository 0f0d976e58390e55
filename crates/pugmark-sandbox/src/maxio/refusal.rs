//! The ways in which a call fails, and the shapes of their bodies.

use serde_json::{Value, json};

use crate::journal::Outcome;
use crate::wire::Reply;

/// Content type of every answer that is meant for programs.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// What the service says when it has had too much; the support's reference follows.
const TOO_MANY: &str = "Your request was denied due to a usage violation. You can track this request with support by referencing";

/// Why a call fails.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// No key, or a wrong one: 401 in plain text.
    AccessDenied,
    /// No such record, or no such path: 404 without a body.
    NotFound,
    /// The body is no JSON: 400.
    NoJson,
    /// The `uniqueness_token` was seen before: 409.
    Duplicate,
    /// Validation, a declined payment: 422 with a list.
    Invalid(Vec<String>),
    /// The wrapping object is missing or empty: 422 with a map.
    Blank(&'static str),
    /// Some operations: 422 with a map of lists.
    Base(String),
    /// Some operations: 422 with the singular key.
    One(String),
    /// A subscription cannot be purged: 400 with the subscription.
    Unpurged(Value),
    /// The body is too large for the web server: 413.
    TooLarge,
}

impl Refusal {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(vec![message.into()])
    }

    /// As the journal notes it: by a word for what kind of refusal it is, never by a value of the request.
    pub(super) fn outcome(&self) -> Outcome {
        let word = match self {
            Self::AccessDenied | Self::NotFound | Self::NoJson | Self::TooLarge => {
                return Outcome::WebServer;
            }
            Self::Duplicate => "DuplicateSubmissionError",
            Self::Invalid(_) | Self::Base(_) | Self::One(_) | Self::Unpurged(_) => "invalid",
            Self::Blank(_) => "blank",
        };
        Outcome::Refused(word.to_owned())
    }

    /// As it is sent.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::AccessDenied => {
                let mut reply = Reply::new(
                    401,
                    "text/plain; charset=utf-8",
                    "HTTP Basic: Access denied.\n".to_owned(),
                );
                let challenge = "Basic realm=\"Application\"".to_owned();
                reply.headers.push(("www-authenticate", challenge));
                reply
            }
            Self::NotFound => Reply::new(404, JSON, String::new()),
            Self::NoJson => answer(400, &json!({ "status": 400, "error": "Bad Request" })),
            Self::Duplicate => answer(
                409,
                &json!({ "errors": ["DuplicatePrevention::DuplicateSubmissionError"] }),
            ),
            Self::Invalid(messages) => answer(422, &json!({ "errors": messages })),
            Self::Blank(wrapper) => {
                answer(422, &json!({ "errors": { *wrapper: "can't be blank" } }))
            }
            Self::Base(message) => answer(422, &json!({ "errors": { "base": [message] } })),
            Self::One(message) => answer(422, &json!({ "error": message })),
            Self::Unpurged(subscription) => answer(400, subscription),
            Self::TooLarge => Reply::web_server_page(413),
        }
    }
}

/// A JSON answer.
pub(super) fn answer(status: u16, body: &Value) -> Reply {
    Reply::new(status, JSON, body.to_string())
}

/// The site asks for less: plain text, and no time to wait unless a test wants one.
pub(super) fn too_many(reference: &str) -> Reply {
    Reply::new(
        429,
        "text/plain; charset=utf-8",
        format!("{TOO_MANY} {reference}."),
    )
}
