//! What vTiger's error codes and messages mean.

use crate::config::Edition;
use crate::error::{Refusal, RefusalReason};
use crate::operation::{Effect, Operation};

/// What an error answer amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Checked and refused before anything was executed.
    Refused(Refusal),
    /// The session is gone; nothing was executed.
    SessionLost(Refusal),
    /// An error from the middle of the execution.
    Uncertain(Refusal),
}

/// Weighs an error code and its message.
pub(crate) fn judge(edition: Edition, operation: &Operation, code: &str, message: &str) -> Verdict {
    let refusal = named(operation, code, message);
    match code {
        "AUTHENTICATION_REQUIRED"
        | "INVALID_SESSIONID"
        | "SESSION_EXPIRED"
        | "SESSION_LEFT_IDLE"
            if edition == Edition::OpenSource =>
        {
            Verdict::SessionLost(refusal)
        }
        // Anything PHP throws that is not one of vTiger's own refusals ends up here, also from the middle of a save, and
        // vTiger 8 has no transactions.
        "INTERNAL_SERVER_ERROR" | "DATABASE_QUERY_ERROR" | "DATABASEQUERYERROR" | "" => {
            uncertain(operation, refusal)
        }
        _ => Verdict::Refused(refusal),
    }
}

/// A refusal with the reason worked out from its code and message.
pub(crate) fn named(operation: &Operation, code: &str, message: &str) -> Refusal {
    Refusal {
        reason: reason_of(operation, code, message),
        code: code.to_owned(),
        message: message.to_owned(),
        field: field_of(message),
    }
}

fn uncertain(operation: &Operation, refusal: Refusal) -> Verdict {
    // A query that PHP cannot digest stays so; other reads carry nothing that could upset it, so the server is at fault.
    let is_question = operation.effect == Effect::Read && operation.parameter("query").is_some();
    if is_question && !refusal.code.is_empty() {
        Verdict::Refused(refusal)
    } else {
        Verdict::Uncertain(refusal)
    }
}

fn reason_of(operation: &Operation, code: &str, message: &str) -> RefusalReason {
    match code {
        "ACCESS_DENIED" => denied(operation, message),
        "MANDATORY_FIELDS_MISSING" => RefusalReason::MandatoryMissing,
        "REFERENCE_INVALID" => RefusalReason::ReferenceInvalid,
        "INVALID_ID_ATTRIBUTE" => RefusalReason::InvalidId,
        "RECORD_NOT_FOUND" | "RECORD_DELETED" => RefusalReason::NotFound,
        "QUERY_SYNTAX_ERROR" => RefusalReason::QuerySyntax,
        "LEAD_ALREADY_CONVERTED" => RefusalReason::AlreadyConverted,
        "OPERATION_NOT_SUPPORTED" | "UNKNOWN_OPERATION" => RefusalReason::NotSupported,
        "UNKOWN_ENTITY" | "UNKNOWN_ENTITY" => RefusalReason::UnknownRelation,
        "CHANGE_PASSWORD_FAILURE" | "INVALID_OLD_PASSWORD" => RefusalReason::PasswordChange,
        "INVALID_USER_CREDENTIALS"
        | "INVALID_AUTH_TOKEN"
        | "AUTHENTICATION_REQUIRED"
        | "AUTHENTICATION_FAILURE"
        | "INVALID_SESSIONID"
        | "SESSION_EXPIRED"
        | "SESSION_LEFT_IDLE"
        | "HTTP_401"
        | "HTTP_403" => RefusalReason::Credentials,
        "INTERNAL_SERVER_ERROR" | "DATABASE_QUERY_ERROR" | "DATABASEQUERYERROR" => {
            RefusalReason::BadInput
        }
        "HTTP_404" | "HTTP_405" => RefusalReason::NotSupported,
        "HTTP_413" | "HTTP_414" | "HTTP_431" => RefusalReason::TooLarge,
        _ if message.starts_with("Duplicate(s) detected") || code.contains("DUPLICATE") => {
            RefusalReason::Duplicate
        }
        _ => RefusalReason::Other,
    }
}

/// `ACCESS_DENIED` has a dozen meanings; only the message tells them apart.
fn denied(operation: &Operation, message: &str) -> RefusalReason {
    if message.ends_with("attribute denied.") {
        RefusalReason::UnknownField
    } else if message.contains("denied for name") {
        RefusalReason::UnknownModule
    } else if message.ends_with("denied for id") {
        RefusalReason::InvalidId
    } else if message.ends_with("denied for query") {
        RefusalReason::QuerySyntax
    } else if operation.name == "getchallenge" || operation.name == "login" {
        RefusalReason::Credentials
    } else if is_bare_denial(message) && operation.name == "describe" {
        RefusalReason::UnknownModule
    } else if is_bare_denial(message) && operation.concerns_a_record() {
        RefusalReason::MissingOrForbidden
    } else {
        RefusalReason::AccessDenied
    }
}

/// Whether the message says no more than "denied". `deleteUser` appends the name of the module it could not work out.
fn is_bare_denial(message: &str) -> bool {
    let bare = "Permission to perform the operation is denied";
    message
        .strip_prefix(bare)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(", EntityName ="))
}

/// The field a message names: its name on open source, its label on Cloud.
fn field_of(message: &str) -> Option<String> {
    let named = message
        .strip_suffix(" does not have a value")
        .or_else(|| message.strip_prefix("Invalid reference specified for "))
        .or_else(|| {
            message
                .strip_prefix("Permission to access ")?
                .strip_suffix(" attribute denied.")
        })?;
    let field = named.trim().trim_matches(['\'', '.']);
    (!field.is_empty()).then(|| field.to_owned())
}

/// Splits a Cloud reason phrase `CODE:message`; without a colon it is all message and `default_code` stands in.
pub(crate) fn split_phrase(phrase: &str, default_code: &str) -> (String, String) {
    match phrase.split_once(':') {
        Some((code, message)) if is_code(code.trim()) => {
            (code.trim().to_owned(), message.trim().to_owned())
        }
        _ if is_code(phrase.trim()) => (phrase.trim().to_owned(), phrase.trim().to_owned()),
        _ => (default_code.to_owned(), phrase.trim().to_owned()),
    }
}

fn is_code(text: &str) -> bool {
    text.contains('_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        || text == "0"
}
