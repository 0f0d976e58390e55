//! The ways in which a call fails, and the two forms of an error's body.

use http::HeaderMap;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::password::Weakness;
use super::users::Duplicate;
use crate::journal::Outcome;
use crate::wire::Reply;

/// Header in which a client names the form of errors that it understands.
const VERSION_HEADER: &str = "x-supabase-api-version";

/// From this version on errors have the newer form.
const NEWER: Date = date(2024, 1, 1);

/// Form of an error's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `code` is the HTTP status.
    Initial,
    /// `code` is the error's name.
    Version20240101,
}

impl Form {
    /// The form that the caller asks for. A version that is no date is ignored.
    pub(super) fn asked_by(headers: &HeaderMap) -> Self {
        let version = headers
            .get(VERSION_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Date::strptime("%Y-%m-%d", text).ok());
        match version {
            Some(version) if version >= NEWER => Self::Version20240101,
            _ => Self::Initial,
        }
    }
}

/// Why a call fails.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// The gateway refuses before the server is asked.
    Gateway { status: u16, body: Value },
    /// An error of the server with this code.
    Error {
        status: u16,
        code: &'static str,
        message: String,
    },
    /// The password is too weak.
    Weak(Weakness),
    /// An error in OAuth's form.
    OAuth {
        error: &'static str,
        description: &'static str,
    },
    /// A unique index refuses the row. The server did not expect it.
    Duplicate {
        duplicate: Duplicate,
        message: &'static str,
    },
    /// The server's program panics.
    Panic,
    /// No such path.
    NoRoute,
    /// The path knows no such method.
    NoMethod,
}

impl Refusal {
    pub(super) fn error(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::Error {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::error(400, "validation_failed", message)
    }

    pub(super) fn unexpected(message: &str) -> Self {
        Self::error(500, "unexpected_failure", message)
    }

    pub(super) fn too_many() -> Self {
        Self::error(429, "over_request_rate_limit", "Request rate limit reached")
    }

    /// As the journal notes it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Gateway { .. } | Self::NoRoute | Self::NoMethod => Outcome::WebServer,
            Self::Error { code, .. } => Outcome::Refused((*code).to_owned()),
            Self::Weak(_) => Outcome::Refused("weak_password".to_owned()),
            Self::OAuth { error, .. } => Outcome::Refused((*error).to_owned()),
            Self::Duplicate { .. } => Outcome::Refused("unexpected_failure".to_owned()),
            Self::Panic => Outcome::Fatal,
        }
    }

    /// As it is sent. `error_id` names the request in the server's log.
    pub(super) fn reply(&self, form: Form, error_id: &str) -> Reply {
        let mut reply = match self {
            Self::Gateway { status, body } => return answer(*status, body),
            Self::NoRoute => {
                let text = "404 page not found\n".to_owned();
                return Reply::new(404, "text/plain; charset=utf-8", text);
            }
            Self::NoMethod => return Reply::new(405, "", String::new()),
            Self::Error {
                status,
                code,
                message,
            } => with_code(code, error(form, *status, code, message, error_id)),
            Self::Weak(weakness) => weak(form, weakness),
            Self::OAuth { error, description } => answer(
                400,
                &json!({ "error": error, "error_description": description }),
            ),
            Self::Duplicate { duplicate, message } => {
                with_code("unexpected_failure", database(form, duplicate, message))
            }
            Self::Panic => error(
                form,
                500,
                "unexpected_failure",
                "Internal Server Error",
                error_id,
            ),
        };
        if form == Form::Version20240101 {
            reply
                .headers
                .push((VERSION_HEADER, "2024-01-01".to_owned()));
        }
        reply
    }
}

/// A JSON answer.
pub(super) fn answer(status: u16, body: &Value) -> Reply {
    Reply::new(status, "application/json", body.to_string())
}

fn with_code(code: &str, mut reply: Reply) -> Reply {
    reply.headers.push(("x-sb-error-code", code.to_owned()));
    reply
}

fn error(form: Form, status: u16, code: &str, message: &str, error_id: &str) -> Reply {
    let body = match form {
        Form::Initial => {
            let mut body = json!({ "code": status, "error_code": code, "msg": message });
            if status >= 500 {
                body["error_id"] = json!(error_id);
            }
            body
        }
        Form::Version20240101 => json!({ "code": code, "message": message }),
    };
    answer(status, &body)
}

/// The newer form goes without the code's header.
fn weak(form: Form, weakness: &Weakness) -> Reply {
    const CODE: &str = "weak_password";
    let reasons = json!({ "reasons": weakness.reasons });
    match form {
        Form::Initial => with_code(
            CODE,
            answer(
                422,
                &json!({ "code": 422, "error_code": CODE, "msg": weakness.message, "weak_password": reasons }),
            ),
        ),
        Form::Version20240101 => answer(
            422,
            &json!({ "code": CODE, "message": weakness.message, "weak_password": reasons }),
        ),
    }
}

/// In the older form the database speaks for itself.
fn database(form: Form, duplicate: &Duplicate, message: &str) -> Reply {
    let body = match form {
        Form::Initial => json!({
            "code": "23505",
            "message": format!(
                "duplicate key value violates unique constraint \"{}\"",
                duplicate.constraint
            ),
            "detail": format!("Key ({})=({}) already exists.", duplicate.column, duplicate.value),
        }),
        Form::Version20240101 => json!({ "code": "unexpected_failure", "message": message }),
    };
    answer(500, &body)
}
