//! From an HTTP exchange to done, refused, throttled, unavailable, unknown and the rest.
//!
//! The rule behind every case: a write that was sent is settled only by a readable answer of vTiger itself. Reads are
//! never unknown, they are repeated.

use serde_json::Value as Json;

use crate::answer::Envelope;
use crate::config::Edition;
use crate::error::{CallError, Failure, Refusal, RefusalReason};
use crate::operation::{Effect, Operation};
use crate::refusal::{self, Verdict};
use crate::transport::{Answer, Exchange};

/// What vTiger prints when it includes a file that does not exist; the call may have been carried out before.
const RESTRICTED_FILE: &[u8] = b"Sorry! Attempt to access restricted file";

/// What PHP prints of an operation nobody registered, where it prints errors at all.
const UNKNOWN_OPERATION: &str = "WebServiceException: Unknown operation requested in";

/// Judges an exchange; `Ok` is the `result` of a successful answer.
pub(crate) fn classify(
    edition: Edition,
    operation: &Operation,
    exchange: Exchange,
) -> Result<Json, CallError> {
    match exchange {
        Exchange::Answer(answer) => classify_answer(edition, operation, &answer),
        Exchange::NoConnection(message) => Err(CallError::Unavailable(failure(
            operation, "CONNECT", message, None,
        ))),
        Exchange::TimedOut(after) => Err(without_answer(
            operation,
            failure(
                operation,
                "TIMEOUT",
                format!("no answer within {after:?}"),
                None,
            ),
        )),
        Exchange::Cut { status, message } => Err(without_answer(
            operation,
            failure(operation, "CUT", message, status),
        )),
        Exchange::TooLong { status, limit } => {
            let message = format!("the answer is longer than {limit} bytes");
            Err(garbled(
                operation,
                failure(operation, "TOO_LONG", message, Some(status)),
            ))
        }
    }
}

fn classify_answer(
    edition: Edition,
    operation: &Operation,
    answer: &Answer,
) -> Result<Json, CallError> {
    // A limiter stands in front of the program it protects.
    if answer.status == 429 {
        let failure = failure(
            operation,
            "HTTP_429",
            status_text(answer),
            Some(answer.status),
        );
        return Err(CallError::Throttled {
            retry_after: answer.retry_after,
            failure,
        });
    }
    match Envelope::find(&answer.body) {
        Some(Envelope::Success(result)) if answer.status < 300 || answer.status >= 500 => {
            Ok(result)
        }
        Some(Envelope::Failure { code, message }) => Err(judged(
            operation,
            refusal::judge(edition, operation, &code, &message),
            answer.status,
        )),
        _ => Err(without_json(edition, operation, answer)),
    }
}

/// vTiger's own verdict, turned into an error of the right class.
fn judged(operation: &Operation, verdict: Verdict, status: u16) -> CallError {
    let failure_of = |refusal: Refusal| Failure {
        operation: operation.name.clone(),
        code: refusal.code.clone(),
        message: refusal.message.clone(),
        http_status: Some(status),
        hint: Some(Box::new(refusal)),
    };
    match verdict {
        Verdict::Refused(refusal) => CallError::Refused(refusal),
        Verdict::SessionLost(refusal) => CallError::SessionLost(failure_of(refusal)),
        Verdict::Uncertain(refusal) => without_answer(operation, failure_of(refusal)),
    }
}

fn without_json(edition: Edition, operation: &Operation, answer: &Answer) -> CallError {
    match answer.status {
        200..300 => not_json(operation, answer),
        300..400 => redirected(operation, answer),
        400..500 => client_error(edition, operation, answer),
        _ => server_error(operation, answer),
    }
}

fn not_json(operation: &Operation, answer: &Answer) -> CallError {
    let kind = answer.content_type.as_deref().unwrap_or("no content type");
    let message = format!(
        "HTTP {} with {kind} instead of vTiger's JSON",
        answer.status
    );
    let mut failure = failure(operation, "GARBLED", message, Some(answer.status));
    failure.hint = hint_in_text(operation, &answer.body).map(Box::new);
    unless_unavailable(operation, failure, garbled)
}

/// A read that this installation cannot execute will not get better by itself.
fn unless_unavailable(
    operation: &Operation,
    mut failure: Failure,
    otherwise: fn(&Operation, Failure) -> CallError,
) -> CallError {
    match failure.hint.take() {
        Some(hint)
            if operation.effect == Effect::Read && hint.reason == RefusalReason::NotAvailable =>
        {
            CallError::Refused(*hint)
        }
        hint => otherwise(operation, Failure { hint, ..failure }),
    }
}

/// What a text in place of an answer usually means.
fn hint_in_text(operation: &Operation, body: &[u8]) -> Option<Refusal> {
    let hint = |reason, code: &str, message: &str| Refusal {
        reason,
        code: code.to_owned(),
        message: message.to_owned(),
        field: None,
    };
    let not_available = |code, message| {
        (!works_everywhere(operation)).then(|| hint(RefusalReason::NotAvailable, code, message))
    };
    if body.trim_ascii_start().starts_with(RESTRICTED_FILE) {
        let writes_a_record = matches!(
            operation.name.as_str(),
            "create" | "revise" | "update" | "pugmark.upsert"
        );
        if !writes_a_record {
            let message = "the operation's file is missing on this installation";
            return not_available("RESTRICTED_FILE", message);
        }
        // The record is written with the owner it was given, then the owner's file is not found.
        let message = "the owner may not exist; vTiger then stores the record all the same and prints no answer";
        Some(Refusal {
            field: Some("assigned_user_id".to_owned()),
            ..hint(RefusalReason::BadInput, "RESTRICTED_FILE", message)
        })
    } else if String::from_utf8_lossy(body).contains(UNKNOWN_OPERATION) {
        let message = "the operation is missing on this installation";
        not_available("UNKNOWN_OPERATION", message)
    } else {
        None
    }
}

fn redirected(operation: &Operation, answer: &Answer) -> CallError {
    let target = answer.location.as_deref().unwrap_or("nowhere");
    let message =
        format!("the server redirects to {target}; the configured URL must be the final one");
    without_answer(
        operation,
        failure(operation, &http_code(answer), message, Some(answer.status)),
    )
}

/// 4xx: on Cloud vTiger's own refusals, with the text in the status line; otherwise a web server's.
fn client_error(edition: Edition, operation: &Operation, answer: &Answer) -> CallError {
    let operation_is_missing = edition == Edition::Cloud
        && matches!(answer.status, 404 | 405)
        && !works_everywhere(operation);
    if edition == Edition::Cloud
        && !operation_is_missing
        && let Some(phrase) = &answer.reason
    {
        let (code, message) = refusal::split_phrase(phrase, &http_code(answer));
        return judged(
            operation,
            refusal::judge(edition, operation, &code, &message),
            answer.status,
        );
    }
    let reason = match answer.status {
        401 | 407 => RefusalReason::Credentials,
        403 if edition == Edition::Cloud => RefusalReason::Credentials,
        403 => RefusalReason::Blocked,
        404 | 405 if operation_is_missing => RefusalReason::NotAvailable,
        // Nothing of vTiger answers there: a deployment or a URL at fault, not this call.
        404 | 405 | 410 | 421 => {
            let message = format!("{}: no vTiger answers at this URL", status_text(answer));
            return CallError::Unavailable(failure(
                operation,
                &http_code(answer),
                message,
                Some(answer.status),
            ));
        }
        408 | 425 | 499 => {
            return without_answer(
                operation,
                failure(
                    operation,
                    &http_code(answer),
                    status_text(answer),
                    Some(answer.status),
                ),
            );
        }
        413 | 414 | 431 => RefusalReason::TooLarge,
        _ => RefusalReason::Other,
    };
    CallError::Refused(Refusal {
        reason,
        code: http_code(answer),
        message: status_text(answer),
        field: None,
    })
}

/// 5xx without JSON: a PHP fatal (500, empty) or a gateway. vTiger has no transactions, so a write may be half done.
fn server_error(operation: &Operation, answer: &Answer) -> CallError {
    let fatal = answer.status == 500 && answer.body.trim_ascii().is_empty();
    let mut failure = failure(
        operation,
        &http_code(answer),
        status_text(answer),
        Some(answer.status),
    );
    if fatal {
        failure.hint = Some(Box::new(fatal_hint(operation)));
    }
    unless_unavailable(operation, failure, without_answer)
}

/// What an empty HTTP 500 means most of the time.
fn fatal_hint(operation: &Operation) -> Refusal {
    let (reason, message) = if works_everywhere(operation) {
        (
            RefusalReason::BadInput,
            "PHP broke off, usually because of a value it cannot digest",
        )
    } else {
        (
            RefusalReason::NotAvailable,
            "the operation is missing on this installation, or broken on its PHP version",
        )
    };
    Refusal {
        reason,
        code: "HTTP_500".to_owned(),
        message: message.to_owned(),
        field: None,
    }
}

/// Whether every vTiger has the operation and can execute it.
fn works_everywhere(operation: &Operation) -> bool {
    matches!(
        operation.name.as_str(),
        "getchallenge"
            | "login"
            | "listtypes"
            | "describe"
            | "retrieve"
            | "query"
            | "me"
            | "create"
            | "update"
            | "revise"
            | "delete"
            | "extendsession"
            | "relatedtypes"
            | "retrieve_related"
            | "query_related"
    )
}

/// Sent, but no usable answer: a read is repeated, a write may have happened.
fn without_answer(operation: &Operation, failure: Failure) -> CallError {
    match operation.effect {
        Effect::Read => CallError::Unavailable(failure),
        Effect::Write => CallError::Unknown(failure),
    }
}

/// An answer that makes no sense: a read is repeated, a write may have happened.
pub(crate) fn garbled(operation: &Operation, failure: Failure) -> CallError {
    match operation.effect {
        Effect::Read => CallError::Unreadable(failure),
        Effect::Write => CallError::Unknown(failure),
    }
}

/// A successful answer whose result is not what the operation returns.
pub(crate) fn unexpected_result(operation: &Operation, message: impl Into<String>) -> CallError {
    garbled(
        operation,
        failure(operation, "NO_RESULT", message.into(), Some(200)),
    )
}

pub(crate) fn failure(
    operation: &Operation,
    code: &str,
    message: String,
    status: Option<u16>,
) -> Failure {
    Failure {
        operation: operation.name.clone(),
        code: code.to_owned(),
        message,
        http_status: status,
        hint: None,
    }
}

fn http_code(answer: &Answer) -> String {
    format!("HTTP_{}", answer.status)
}

fn status_text(answer: &Answer) -> String {
    let canonical = http::StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let text = answer
        .reason
        .as_deref()
        .or(canonical)
        .unwrap_or("no reason given");
    format!("HTTP {} {text}", answer.status)
}
