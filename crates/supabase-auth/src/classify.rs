//! From an HTTP exchange to done, refused, throttled, unavailable, unknown and the rest.
//!
//! The rule behind every case: a write that was sent is settled only by a readable answer of the server itself that is
//! not a 5xx. Reads are never unknown, they are repeated.

use serde::de::DeserializeOwned;

use crate::call::{Bearer, Call, Effect};
use crate::error::{CallError, Failure};
use crate::mask::Secrets;
use crate::said::Said;
use crate::transport::{Answer, Exchange};

/// Judges an exchange; `Ok` is an answer with a status of success, its body unread.
pub(crate) fn classify(
    call: &Call,
    exchange: Exchange,
    secrets: &Secrets,
) -> Result<Answer, CallError> {
    match exchange {
        Exchange::Answer(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Exchange::Answer(answer) => Err(not_done(call, &answer, secrets)),
        Exchange::NoConnection(message) => Err(CallError::Unavailable(failure(
            call, "CONNECT", message, None,
        ))),
        Exchange::TimedOut(after) => {
            let message = format!("no answer within {after:?}");
            Err(without_answer(
                call,
                failure(call, "TIMEOUT", message, None),
            ))
        }
        Exchange::Cut { status, message } => {
            Err(without_answer(call, failure(call, "CUT", message, status)))
        }
        Exchange::TooLong { status, limit } => {
            let message = format!("the answer is longer than {limit} bytes");
            Err(garbled(
                call,
                failure(call, "TOO_LONG", message, Some(status)),
            ))
        }
    }
}

/// Reads the JSON of a successful answer.
pub(crate) fn decode<T: DeserializeOwned>(
    call: &Call,
    answer: &Answer,
    what: &str,
) -> Result<T, CallError> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        // The parser's own words quote the value it stumbled over, which may be a token.
        let message = format!(
            "HTTP {} with {} that does not hold {what} (line {}, column {})",
            answer.status,
            answer.content_type().unwrap_or("no content type"),
            error.line(),
            error.column()
        );
        nonsense(call, answer, message)
    })
}

/// A successful answer that does not say what the call was about.
pub(crate) fn nonsense(call: &Call, answer: &Answer, message: String) -> CallError {
    garbled(call, failure(call, "GARBLED", message, Some(answer.status)))
}

fn not_done(call: &Call, answer: &Answer, secrets: &Secrets) -> CallError {
    if (300..400).contains(&answer.status) {
        return redirected(call, answer);
    }
    let said = Said::read(answer, secrets);
    let failure = Failure {
        hint: suspicion(call, answer, &said),
        ..failure(
            call,
            &said.any_code(),
            said.any_message(),
            Some(answer.status),
        )
    };
    match answer.status {
        429 => CallError::Throttled {
            retry_after: answer.retry_after(),
            failure,
        },
        408 | 425 | 499 => without_answer(call, failure),
        status @ 400..500 if is_about_the_key(call, status, &said) => {
            CallError::Credentials(failure)
        }
        404 | 405 | 410 | 421 if !said.by_server => nobody_there(failure),
        400..500 => CallError::Refused(said.into_refusal()),
        _ => without_answer(call, failure),
    }
}

/// A defect that stays looks like an outage that passes: the server answers 500 to both.
fn suspicion(call: &Call, answer: &Answer, said: &Said) -> Option<crate::error::RefusalReason> {
    (answer.status == 500 && said.by_server)
        .then_some(call.suspicion)
        .flatten()
}

/// Whether the key is at fault, and not what was asked for or a user's token.
fn is_about_the_key(call: &Call, status: u16, said: &Said) -> bool {
    match (&call.bearer, status) {
        // The gateway, which looks at the key before anybody else does.
        (_, 401 | 403 | 407) if !said.by_server => true,
        (Bearer::User(_), _) => false,
        (Bearer::Public, 403) => matches!(
            said.code(),
            Some("no_authorization" | "bad_jwt" | "not_admin")
        ),
        (_, 401 | 403) => true,
        _ => false,
    }
}

/// Nothing of Auth answers there: a deployment or a URL at fault, not this call.
fn nobody_there(failure: Failure) -> CallError {
    let message = format!("{}: no Supabase Auth answers at this URL", failure.message);
    CallError::Unavailable(Failure { message, ..failure })
}

fn redirected(call: &Call, answer: &Answer) -> CallError {
    let target = answer.location().unwrap_or("nowhere");
    let message =
        format!("the server redirects to {target}; the configured URL must be the final one");
    let code = format!("HTTP_{}", answer.status);
    without_answer(call, failure(call, &code, message, Some(answer.status)))
}

/// Sent, but no usable answer: a read is repeated, a write may have happened.
fn without_answer(call: &Call, failure: Failure) -> CallError {
    match call.effect {
        Effect::Read => CallError::Unavailable(failure),
        Effect::Write => CallError::Unknown(failure),
    }
}

/// An answer that makes no sense: a read is repeated, a write may have happened.
fn garbled(call: &Call, failure: Failure) -> CallError {
    match call.effect {
        Effect::Read => CallError::Unreadable(failure),
        Effect::Write => CallError::Unknown(failure),
    }
}

fn failure(call: &Call, code: &str, message: String, status: Option<u16>) -> Failure {
    Failure {
        operation: call.operation,
        code: code.to_owned(),
        message,
        http_status: status,
        hint: None,
    }
}
