//! From an HTTP exchange to done, refused, throttled, unavailable, unknown and the rest.
//!
//! The rule behind every case: a write that was sent is settled only by a readable answer that is not a 5xx. Reads are
//! never unknown, they are repeated.

use super::call::Call;
use super::mask::Secrets;
use super::said::{is_web_page, sentences};
use super::transport::{Answer, Exchange, LARGEST_ANSWER};
use crate::error::{Error, Failure, Trouble};

/// Judges an exchange; `Ok` is an answer with a status of success, its body unread.
pub(crate) fn classify(
    call: &Call,
    exchange: Exchange,
    secrets: &Secrets<'_>,
) -> Result<Answer, Error> {
    let without = |trouble, status, message| Err(without_answer(call, trouble, status, message));
    match exchange {
        Exchange::Answer(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Exchange::Answer(answer) => Err(not_done(call, &answer, secrets)),
        Exchange::NoConnection(message) => {
            let trouble = Trouble::NoConnection;
            Err(Error::Unavailable(failure(call, trouble, None, message)))
        }
        Exchange::TimedOut(after) => {
            let message = format!("no answer within {after:?}");
            without(Trouble::TimedOut, None, message)
        }
        Exchange::Cut { status, message } => without(Trouble::Cut, status, message),
        Exchange::TooLong { status } => {
            let message = format!("the answer is longer than {LARGEST_ANSWER} bytes");
            without(Trouble::TooLong, Some(status), message)
        }
    }
}

fn not_done(call: &Call, answer: &Answer, secrets: &Secrets<'_>) -> Error {
    let status = answer.status;
    let messages = sentences(&answer.body, secrets);
    match status {
        300..400 => redirected(call, answer),
        401 | 403 => Error::Credentials {
            status,
            message: text(messages, status),
        },
        404 | 410 if is_web_page(answer.content_type(), &answer.body) => not_maxio(call, status),
        404 | 410 => Error::NotFound,
        // Of a proxy on the way, which passed nothing on.
        405 | 407 | 421 => not_maxio(call, status),
        // It may have been passed on before the time was over.
        408 | 425 | 499 => server_error(call, status, messages),
        409 => Error::Duplicate,
        429 => Error::Throttled {
            retry_after: answer.retry_after(),
            message: text(messages, status),
        },
        422 if is_blocked(&messages) => Error::SiteBlocked {
            message: messages.join(" "),
        },
        400..500 => Error::Refused { status, messages },
        _ => server_error(call, status, messages),
    }
}

/// The sentences that the service answers to every call of a site that is closed.
fn is_blocked(messages: &[String]) -> bool {
    const BLOCKED: [&str; 3] = [
        "This site has been deleted",
        "Your trial has ended, please contact sales",
        "Site data clearing is in progress",
    ];
    messages
        .iter()
        .any(|message| BLOCKED.iter().any(|known| message.starts_with(known)))
}

fn redirected(call: &Call, answer: &Answer) -> Error {
    let target = answer.location().unwrap_or("nowhere");
    let message =
        format!("the server redirects to {target}; the configured URL must be the final one");
    without_answer(call, Trouble::Redirected, Some(answer.status), message)
}

/// An address at fault, not this call.
fn not_maxio(call: &Call, status: u16) -> Error {
    let message = format!("{}: no Maxio answers at this URL", status_text(status));
    let trouble = Trouble::NotMaxio;
    Error::Unavailable(failure(call, trouble, Some(status), message))
}

fn server_error(call: &Call, status: u16, messages: Vec<String>) -> Error {
    let message = match &*messages {
        [] => status_text(status),
        _ => format!("{}: {}", status_text(status), messages.join(" ")),
    };
    without_answer(call, Trouble::ServerError, Some(status), message)
}

/// Sent, but no usable answer: a read is repeated, a write may have happened.
pub(super) fn without_answer(
    call: &Call,
    trouble: Trouble,
    status: Option<u16>,
    message: String,
) -> Error {
    let failure = failure(call, trouble, status, message);
    if call.reads() {
        Error::Unavailable(failure)
    } else {
        Error::Unknown(failure)
    }
}

fn failure(call: &Call, trouble: Trouble, status: Option<u16>, message: String) -> Failure {
    Failure {
        operation: call.operation,
        trouble,
        status,
        message,
    }
}

fn text(messages: Vec<String>, status: u16) -> String {
    match &*messages {
        [] => status_text(status),
        _ => messages.join(" "),
    }
}

fn status_text(status: u16) -> String {
    let name = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("without a reason");
    format!("HTTP {status} {name}")
}
