//! How a call can end other than done.

use std::fmt;
use std::time::Duration;

/// How a call ended, as far as the caller must act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// vTiger did it and said so.
    Done,
    /// vTiger (or this client, before sending) will not do it; repeating the same call cannot help.
    Refused,
    /// The session was lost, renewed, and lost again; nothing was executed.
    SessionLost,
    /// Over a call limit; nothing was executed.
    Throttled,
    /// No usable answer, and either nothing was executed or the call only reads; safe to repeat.
    Unavailable,
    /// A write that may have happened.
    Unknown,
    /// Not started, because it could not have ended before the deadline.
    NotSent,
}

impl Class {
    /// The stable lower-case name, as used in metrics and attempt rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::SessionLost => "session_lost",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::NotSent => "not_sent",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Every answer that is not "done". Texts never contain access keys, session names or passwords.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// vTiger refused the call and executed nothing.
    #[error("vTiger refused: {0}")]
    Refused(Refusal),
    /// The session was renewed once and lost again. Nothing was executed.
    #[error("the vTiger session was lost twice: {0}")]
    SessionLost(Failure),
    /// Over a call limit. Nothing was executed.
    #[error("vTiger limits the number of calls: {failure}")]
    Throttled {
        /// How long the server asks to wait, if it says.
        retry_after: Option<Duration>,
        /// What was answered.
        failure: Failure,
    },
    /// vTiger could not be reached, or could not answer a read. A write that ends so was certainly not executed.
    #[error("vTiger is unavailable: {0}")]
    Unavailable(Failure),
    /// A write that may have happened: look before repeating it.
    #[error("whether vTiger carried this out is unknown: {0}")]
    Unknown(Failure),
    /// The call was not started: it could not have ended before the deadline.
    #[error(transparent)]
    NotSent(NotSent),
    /// A read whose answer made no sense; safe to repeat.
    #[error("vTiger's answer makes no sense: {0}")]
    Unreadable(Failure),
    /// Refused by this client before sending anything.
    #[error("not sent to vTiger: {0}")]
    Invalid(Invalid),
}

/// A refusal by vTiger, with the reason worked out from its code and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the code and message amount to.
    pub reason: RefusalReason,
    /// vTiger's own code (`ACCESS_DENIED`; `0` for a duplicate), or `HTTP_<status>` when a web server refused.
    pub code: String,
    /// vTiger's own message.
    pub message: String,
    /// The field concerned: its name on open source, its label on Cloud, where the message tells.
    pub field: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

/// What a refusal amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The calling user lacks the right.
    AccessDenied,
    /// The record is missing, deleted or hidden from the calling user; vTiger does not say which.
    MissingOrForbidden,
    /// No such module, or no right to it.
    UnknownModule,
    /// No such field, or no right to it.
    UnknownField,
    /// A mandatory field has no value (also: the element was not readable JSON).
    MandatoryMissing,
    /// A reference points to a record of the wrong module or is no id.
    ReferenceInvalid,
    /// The id does not belong to the module of its prefix, or its prefix is unknown.
    InvalidId,
    /// A field marked unique already has this value in another record.
    Duplicate,
    /// The query is not valid VTQL.
    QuerySyntax,
    /// No such record (on open source only inactive users answer so).
    NotFound,
    /// The lead was converted before.
    AlreadyConverted,
    /// The operation does not exist, is called by the wrong HTTP method, or is switched off.
    NotSupported,
    /// The operation is registered but cannot work on this installation (facts: broken on PHP 8), or is absent.
    NotAvailable,
    /// A value vTiger cannot digest.
    BadInput,
    /// Wrong user name or access key, or an inactive user.
    Credentials,
    /// The old password is wrong or the new ones do not match.
    PasswordChange,
    /// A related-list label that does not exist.
    UnknownRelation,
    /// The request is larger than the web server takes.
    TooLarge,
    /// A web server or firewall in front of vTiger refused the request.
    Blocked,
    /// Anything else; see code and message.
    Other,
}

/// A call without a proper answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The web service operation.
    pub operation: String,
    /// A stable code: vTiger's own, `HTTP_<status>`, or one of this client's (`TIMEOUT`, `CONNECT`, `CUT`, `GARBLED`,
    /// `NO_RESULT`, `TOO_LONG`, `LOGIN_GATE`).
    pub code: String,
    /// What happened, in words.
    pub message: String,
    /// The HTTP status, when one arrived.
    pub http_status: Option<u16>,
    /// What vTiger said, or what the answer usually means, when that may not be believed on its own.
    ///
    /// On [`CallError::Unknown`]: once a look at the records has shown that nothing was written, this is the reason why.
    pub hint: Option<Box<Refusal>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} [{}] {}",
            self.operation, self.code, self.message
        )
    }
}

/// A call that was not started, because its whole timeout did not fit before the deadline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{operation} was not started: it may take {needed:?}, but only {left:?} were left before the deadline"
)]
pub struct NotSent {
    /// The operation that did not start (`login` when the time ran out while logging in).
    pub operation: String,
    /// How long a call may take (the call timeout).
    pub needed: Duration,
    /// What was left.
    pub left: Duration,
}

/// Something this client refuses to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Not a record id.
    #[error(transparent)]
    Id(#[from] crate::id::InvalidRecordId),
    /// The module has no such field.
    #[error("module {module} has no field `{field}`")]
    UnknownField {
        /// The module.
        module: String,
        /// The unknown field.
        field: String,
    },
    /// A query that cannot be expressed or would not be safe.
    #[error("query on {module}: {problem}")]
    Query {
        /// The module.
        module: String,
        /// What is wrong.
        problem: String,
    },
    /// A URL longer than web servers take.
    #[error(
        "the request URL would be {length} bytes long, more than {limit}; ask for fewer values at once"
    )]
    UrlTooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// An operation name or parameter that cannot be sent.
    #[error("operation `{operation}`: {problem}")]
    Operation {
        /// The operation.
        operation: String,
        /// What is wrong.
        problem: String,
    },
    /// The operation exists on the other edition only.
    #[error("operation `{operation}` does not exist on this edition of vTiger")]
    WrongEdition {
        /// The operation.
        operation: String,
    },
}

impl CallError {
    /// What the caller must do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Refused(_) | Self::Invalid(_) => Class::Refused,
            Self::SessionLost(_) => Class::SessionLost,
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable(_) | Self::Unreadable(_) => Class::Unavailable,
            Self::Unknown(_) => Class::Unknown,
            Self::NotSent(_) => Class::NotSent,
        }
    }

    /// A stable code: vTiger's own where it gave one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::SessionLost(failure)
            | Self::Throttled { failure, .. }
            | Self::Unavailable(failure)
            | Self::Unknown(failure)
            | Self::Unreadable(failure) => &failure.code,
            Self::NotSent(_) => "NOT_SENT",
            Self::Invalid(_) => "INVALID",
        }
    }

    /// The refusal itself, or what an uncertain answer hints at.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::SessionLost(failure)
            | Self::Throttled { failure, .. }
            | Self::Unavailable(failure)
            | Self::Unknown(failure)
            | Self::Unreadable(failure) => failure.hint.as_deref(),
            Self::NotSent(_) | Self::Invalid(_) => None,
        }
    }

    /// The typed reason of a refusal; `None` for everything that is not [`CallError::Refused`].
    #[must_use]
    pub fn reason(&self) -> Option<RefusalReason> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason),
            _ => None,
        }
    }

    /// The HTTP status, when an answer arrived that is not a vTiger refusal.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::SessionLost(failure)
            | Self::Throttled { failure, .. }
            | Self::Unavailable(failure)
            | Self::Unknown(failure)
            | Self::Unreadable(failure) => failure.http_status,
            Self::Refused(_) | Self::NotSent(_) | Self::Invalid(_) => None,
        }
    }
}

impl CallError {
    /// The same error with vTiger's own words rewritten.
    pub(crate) fn with_texts(self, rewrite: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.with_texts(&rewrite)),
            Self::SessionLost(failure) => Self::SessionLost(failure.with_texts(&rewrite)),
            Self::Throttled {
                retry_after,
                failure,
            } => Self::Throttled {
                retry_after,
                failure: failure.with_texts(&rewrite),
            },
            Self::Unavailable(failure) => Self::Unavailable(failure.with_texts(&rewrite)),
            Self::Unknown(failure) => Self::Unknown(failure.with_texts(&rewrite)),
            Self::Unreadable(failure) => Self::Unreadable(failure.with_texts(&rewrite)),
            Self::NotSent(_) | Self::Invalid(_) => self,
        }
    }
}

impl Refusal {
    fn with_texts(self, rewrite: &impl Fn(&str) -> String) -> Self {
        Self {
            reason: self.reason,
            code: rewrite(&self.code),
            message: rewrite(&self.message),
            field: self.field.as_deref().map(rewrite),
        }
    }
}

impl Failure {
    fn with_texts(self, rewrite: &impl Fn(&str) -> String) -> Self {
        Self {
            code: rewrite(&self.code),
            message: rewrite(&self.message),
            hint: self.hint.map(|hint| Box::new(hint.with_texts(rewrite))),
            ..self
        }
    }
}

impl From<Invalid> for CallError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<crate::id::InvalidRecordId> for CallError {
    fn from(invalid: crate::id::InvalidRecordId) -> Self {
        Self::Invalid(Invalid::Id(invalid))
    }
}
