//! The ways in which the application itself fails a call.

use serde_json::{Value, json};

/// A failure as the program meets it; how it looks on the wire depends on the edition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// `success:false` with a code and a message.
    Refused {
        /// Text, except for duplicates, where it is the number 0.
        code: Value,
        message: String,
    },
    /// PHP died.
    Fatal,
    /// PHP stopped with a line of text, the effect being done if it was a write.
    Restricted,
    /// A line of noise, then the error for an unknown exception.
    Noise(String),
}

/// Result of an operation.
pub(super) type Answer = Result<Value, Failure>;

/// The answer of a program that stops itself.
pub(super) const RESTRICTED: &str = "Sorry! Attempt to access restricted file.";

impl Failure {
    pub(super) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::Refused {
            code: json!(code),
            message: message.into(),
        }
    }

    pub(super) fn denied() -> Self {
        Self::refused(
            "ACCESS_DENIED",
            "Permission to perform the operation is denied",
        )
    }

    /// Denied for an id, a name or a query: the message says for what.
    pub(super) fn denied_for(what: &str) -> Self {
        Self::refused(
            "ACCESS_DENIED",
            format!("Permission to perform the operation is denied for {what}"),
        )
    }

    /// The record exists, and the caller may not see it.
    pub(super) fn unreadable() -> Self {
        Self::refused("ACCESS_DENIED", "Permission to read given object is denied")
    }

    pub(super) fn wrong_id() -> Self {
        Self::refused("INVALID_ID_ATTRIBUTE", "Id specified is incorrect")
    }

    pub(super) fn not_found() -> Self {
        Self::refused(
            "RECORD_NOT_FOUND",
            "Record you are trying to access is not found",
        )
    }

    pub(super) fn mandatory(field: &str) -> Self {
        Self::refused(
            "MANDATORY_FIELDS_MISSING",
            format!("{field} does not have a value"),
        )
    }

    pub(super) fn duplicate() -> Self {
        Self::Refused {
            code: json!(0),
            message: "Duplicate(s) detected!".into(),
        }
    }

    pub(super) fn unknown_error() -> Self {
        Self::refused(
            "INTERNAL_SERVER_ERROR",
            "Unknown Error while processing request",
        )
    }

    pub(super) fn syntax(message: String) -> Self {
        Self::refused("QUERY_SYNTAX_ERROR", message)
    }
}
