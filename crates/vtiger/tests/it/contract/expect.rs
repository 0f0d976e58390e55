//! What a recorded answer means, worked out without the client's own code.

use serde_json::Value as Json;
use vtiger::{CallError, Class, RefusalReason};

use super::recording::Recording;

/// What the client must make of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expected {
    /// Done, with this result.
    Done(Json),
    /// Not done.
    Error {
        class: Class,
        code: String,
        message: Option<String>,
        reason: Option<RefusalReason>,
    },
}

/// Operations that change nothing.
const READS: [&str; 8] = [
    "getchallenge",
    "login",
    "listtypes",
    "describe",
    "retrieve",
    "query",
    "me",
    "extendsession",
];

pub(crate) fn expected(recording: &Recording, writes: bool) -> Expected {
    match envelope(&recording.response.body) {
        Some(envelope) if envelope["success"] == true => Expected::Done(envelope["result"].clone()),
        Some(envelope) => refused(recording, writes, &envelope["error"]),
        None => without_json(recording, writes),
    }
}

/// The answer proper: the body itself, or what begins at its last `{"success":`, since noise always came first.
fn envelope(body: &Json) -> Option<Json> {
    match body {
        Json::Object(_) => Some(body.clone()),
        Json::String(text) => serde_json::from_str(&text[text.rfind("{\"success\":")?..]).ok(),
        _ => None,
    }
}

fn refused(recording: &Recording, writes: bool, error: &Json) -> Expected {
    let code = match &error["code"] {
        Json::String(code) => code.clone(),
        number => number.to_string(),
    };
    let message = error["message"].as_str().unwrap().to_owned();
    let class = match code.as_str() {
        "AUTHENTICATION_REQUIRED" | "INVALID_SESSIONID" => Class::SessionLost,
        "INTERNAL_SERVER_ERROR" if writes => Class::Unknown,
        _ => Class::Refused,
    };
    let reason = (class == Class::Refused).then(|| reason(recording.operation(), &code, &message));
    Expected::Error {
        class,
        code,
        message: Some(message),
        reason,
    }
}

/// Section 14 of the facts, as far as recorded.
fn reason(operation: &str, code: &str, message: &str) -> RefusalReason {
    match (code, message) {
        ("ACCESS_DENIED", "username does not exists" | "No username given") => {
            RefusalReason::Credentials
        }
        ("ACCESS_DENIED", "Permission to perform the operation is denied for id") => {
            RefusalReason::InvalidId
        }
        ("ACCESS_DENIED", "Permission to perform the operation is denied for query") => {
            RefusalReason::QuerySyntax
        }
        ("ACCESS_DENIED", text) if text.contains("denied for name :") => {
            RefusalReason::UnknownModule
        }
        ("ACCESS_DENIED", text) if text.contains("attribute denied") => RefusalReason::UnknownField,
        ("ACCESS_DENIED", "Permission to read given object is denied") => {
            RefusalReason::AccessDenied
        }
        ("ACCESS_DENIED", _) if operation == "describe" => RefusalReason::UnknownModule,
        ("ACCESS_DENIED", _) if matches!(operation, "create" | "query" | "sync") => {
            RefusalReason::AccessDenied
        }
        ("ACCESS_DENIED", _) => RefusalReason::MissingOrForbidden,
        ("INVALID_USER_CREDENTIALS" | "INVALID_AUTH_TOKEN" | "AUTHENTICATION_FAILURE", _) => {
            RefusalReason::Credentials
        }
        ("MANDATORY_FIELDS_MISSING", _) => RefusalReason::MandatoryMissing,
        ("REFERENCE_INVALID", _) => RefusalReason::ReferenceInvalid,
        ("INVALID_ID_ATTRIBUTE", _) => RefusalReason::InvalidId,
        ("QUERY_SYNTAX_ERROR", _) => RefusalReason::QuerySyntax,
        ("RECORD_NOT_FOUND", _) => RefusalReason::NotFound,
        ("UNKOWN_ENTITY", _) => RefusalReason::UnknownRelation,
        ("CHANGE_PASSWORD_FAILURE" | "INVALID_OLD_PASSWORD", _) => RefusalReason::PasswordChange,
        ("OPERATION_NOT_SUPPORTED", _) => RefusalReason::NotSupported,
        ("INTERNAL_SERVER_ERROR", _) => RefusalReason::BadInput,
        ("0", "Duplicate(s) detected!") => RefusalReason::Duplicate,
        other => panic!("no expectation for {other:?}"),
    }
}

fn without_json(recording: &Recording, writes: bool) -> Expected {
    let status = recording.response.status;
    let text = recording.response.body.as_str().unwrap_or_default();
    if !writes && text.contains("Unknown operation requested") {
        return Expected::Error {
            class: Class::Refused,
            code: "UNKNOWN_OPERATION".to_owned(),
            message: None,
            reason: Some(RefusalReason::NotAvailable),
        };
    }
    let code = if status == 200 {
        "GARBLED".to_owned()
    } else {
        format!("HTTP_{status}")
    };
    let missing_operation = status == 500 && !READS.contains(&recording.operation());
    let (class, reason) = match (writes, missing_operation) {
        (true, _) => (Class::Unknown, None),
        (false, true) => (Class::Refused, Some(RefusalReason::NotAvailable)),
        (false, false) => (Class::Unavailable, None),
    };
    Expected::Error {
        class,
        code,
        message: None,
        reason,
    }
}

/// The difference between what was expected and what came, if any.
pub(crate) fn difference<T>(
    expected: &Expected,
    actual: &Result<T, CallError>,
    same: impl FnOnce(&Json, &T) -> Result<(), String>,
) -> Option<String> {
    match (expected, actual) {
        (Expected::Done(result), Ok(value)) => same(result, value).err(),
        (Expected::Done(_), Err(error)) => Some(format!("expected done, got {error}")),
        (Expected::Error { .. }, Ok(_)) => Some(format!("expected {expected:?}, got done")),
        (
            Expected::Error {
                class,
                code,
                message,
                reason,
            },
            Err(error),
        ) => {
            let found_message = error.refusal().map(|refusal| refusal.message.as_str());
            let agrees = error.class() == *class
                && error.code() == code
                && (message.is_none() || found_message == message.as_deref())
                && error.reason() == *reason;
            (!agrees).then(|| format!("expected {expected:?}, got {error:?}"))
        }
    }
}
