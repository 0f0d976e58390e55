//! How a call can end other than done.

use std::fmt;
use std::time::Duration;

use crate::password::PasswordProblems;

/// How a call ended, as far as the caller must act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The server did it and said so.
    Done,
    /// The server (or this client, before sending) will not do it; repeating the same call cannot help.
    Refused,
    /// The key is missing, wrong or of the wrong kind: somebody has to change the configuration. Nothing was executed.
    Credentials,
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
            Self::Credentials => "credentials",
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

/// Every answer that is not "done". Texts never contain keys, tokens or passwords.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The server refused the call and executed nothing.
    #[error("Supabase Auth refused: {0}")]
    Refused(Refusal),
    /// The key is missing, wrong, or not one for this call. Nothing was executed.
    #[error("Supabase Auth does not accept the key: {0}")]
    Credentials(Failure),
    /// Over a call limit. Nothing was executed.
    #[error("Supabase Auth limits the number of calls: {failure}")]
    Throttled {
        /// How long the server asks to wait. Auth itself never says; the gateway may.
        retry_after: Option<Duration>,
        /// What was answered.
        failure: Failure,
    },
    /// The server could not be reached, or could not answer a read. A write that ends so was certainly not executed.
    #[error("Supabase Auth is unavailable: {0}")]
    Unavailable(Failure),
    /// A write that may have happened: look before repeating it.
    #[error("whether Supabase Auth carried this out is unknown: {0}")]
    Unknown(Failure),
    /// The call was not started: it could not have ended before the deadline.
    #[error(transparent)]
    NotSent(NotSent),
    /// A read whose answer made no sense; safe to repeat.
    #[error("the answer of Supabase Auth makes no sense: {0}")]
    Unreadable(Failure),
    /// Refused by this client before sending anything.
    #[error("not sent to Supabase Auth: {0}")]
    Invalid(Invalid),
}

/// A refusal by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the code amounts to.
    pub reason: RefusalReason,
    /// The HTTP status.
    pub status: u16,
    /// The server's own code text (`email_exists`), or `HTTP_<status>` when it gave none.
    pub code: String,
    /// The server's own message, for people; nothing is decided by it.
    pub message: String,
    /// What a weak password lacks; empty for every other refusal.
    pub weak_password: Vec<WeakPasswordReason>,
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
    /// The address belongs to another user, in whatever case.
    EmailExists,
    /// The phone number belongs to another user.
    PhoneExists,
    /// The id chosen for a new user is taken. Only ever a hint: the server answers 500.
    IdExists,
    /// No such user.
    NotFound,
    /// Malformed: an address, a ban duration, the request itself. See the message.
    Malformed,
    /// The password breaks the project's rules; see [`Refusal::weak_password`].
    WeakPassword,
    /// A user's own change to the password they already have.
    SamePassword,
    /// Unknown address, wrong password, or a user without one; the server does not say which.
    WrongCredentials,
    /// The user is banned.
    Banned,
    /// The password is right, but the address was never confirmed.
    EmailNotConfirmed,
    /// The project does not let people sign in this way.
    SignInDisabled,
    /// The user's session has ended: password changed by an admin, signed out, or user deleted.
    SessionGone,
    /// The refresh token is unknown or was used before.
    RefreshTokenGone,
    /// The user's access token is no token, or signed by nobody, or expired.
    BadToken,
    /// The request is larger than the server takes.
    TooLarge,
    /// Anything else; see code and message.
    Other,
}

/// What a weak password lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeakPasswordReason {
    /// Too short.
    Length,
    /// A required set of characters is missing.
    Characters,
    /// Known from a leak.
    Pwned,
    /// A reason this client does not know.
    Other(String),
}

impl From<&str> for WeakPasswordReason {
    fn from(text: &str) -> Self {
        match text {
            "length" => Self::Length,
            "characters" => Self::Characters,
            "pwned" => Self::Pwned,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A call without a proper answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The operation, as in [`CallReport::operation`](crate::CallReport::operation).
    pub operation: &'static str,
    /// A stable code: the server's own, `HTTP_<status>`, or one of this client's (`TIMEOUT`, `CONNECT`, `CUT`,
    /// `GARBLED`, `TOO_LONG`, `PAGING`).
    pub code: String,
    /// What happened, in words.
    pub message: String,
    /// The HTTP status, when one arrived.
    pub http_status: Option<u16>,
    /// On [`CallError::Unknown`]: what such an answer to such a call usually means. Once a look at the user has shown
    /// that nothing was written, this is the reason why, and repeating cannot help.
    pub hint: Option<RefusalReason>,
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
    /// The operation that did not start.
    pub operation: &'static str,
    /// How long a call may take (the call timeout).
    pub needed: Duration,
    /// What was left.
    pub left: Duration,
}

/// Something this client refuses to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The password breaks the configured rules.
    #[error("the password is not acceptable: {0}")]
    Password(#[from] PasswordProblems),
    /// A new user with the nil UUID.
    #[error("the nil UUID cannot be a user's id")]
    NilId,
    /// A ban of no length, or longer than [`Ban::FOREVER`](crate::Ban::FOREVER).
    #[error("a ban must be longer than nothing and at most {longest:?} long")]
    BanDuration {
        /// The longest possible.
        longest: Duration,
    },
    /// A page or page size of zero.
    #[error("pages are counted from 1 and hold at least one user")]
    Page,
    /// A token that cannot be sent in a header.
    #[error("the token contains characters no token has")]
    Token,
}

impl CallError {
    /// What the caller must do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Refused(_) | Self::Invalid(_) => Class::Refused,
            Self::Credentials(_) => Class::Credentials,
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable(_) | Self::Unreadable(_) => Class::Unavailable,
            Self::Unknown(_) => Class::Unknown,
            Self::NotSent(_) => Class::NotSent,
        }
    }

    /// A stable code: the server's own where it gave one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::NotSent(_) => "NOT_SENT",
            Self::Invalid(_) => "INVALID",
            Self::Credentials(failure)
            | Self::Throttled { failure, .. }
            | Self::Unavailable(failure)
            | Self::Unknown(failure)
            | Self::Unreadable(failure) => &failure.code,
        }
    }

    /// The refusal by the server; `None` for everything that is not [`CallError::Refused`].
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The typed reason of a refusal; `None` for everything that is not [`CallError::Refused`].
    #[must_use]
    pub fn reason(&self) -> Option<RefusalReason> {
        self.refusal().map(|refusal| refusal.reason)
    }

    /// The HTTP status, when an answer arrived.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::NotSent(_) | Self::Invalid(_) => None,
            Self::Credentials(failure)
            | Self::Throttled { failure, .. }
            | Self::Unavailable(failure)
            | Self::Unknown(failure)
            | Self::Unreadable(failure) => failure.http_status,
        }
    }
}

impl From<Invalid> for CallError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
