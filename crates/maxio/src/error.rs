//! How a call can end other than done.

use std::fmt;
use std::time::Duration;

/// How a call ended, as far as the caller must act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The service did it and said so.
    Done,
    /// The service (or this client, before sending) will not do it; repeating the same call cannot help.
    Refused,
    /// The key or the site is not usable: somebody has to change the configuration. Nothing was executed.
    Credentials,
    /// Too many calls; nothing was executed.
    Throttled,
    /// No usable answer, and either nothing was executed or the call only reads; safe to repeat.
    Unavailable,
    /// A write that may have happened: look before repeating it.
    Unknown,
    /// Not started, because it could not begin in time.
    NotSent,
}

impl Class {
    /// The stable lower-case name, as used in metrics and logs.
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

/// Every answer that is not "done". Texts never contain the API key or the bank data of the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service refused what was asked, mostly 422. Nothing was executed.
    #[error("Maxio refused (HTTP {status}): {}", sentences(.messages))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What is wrong, one sentence each, in no certain order. Match on a stable fragment, not on a whole text.
        messages: Vec<String>,
    },
    /// No such record, or the record a write names is not there.
    #[error("Maxio knows no such record")]
    NotFound,
    /// The API key is wrong (401) or may not do this (403). Nothing was executed.
    #[error(
        "Maxio does not accept the API key (HTTP {status}): {message}; check the key and that it belongs to this site"
    )]
    Credentials {
        /// The HTTP status.
        status: u16,
        /// What was answered.
        message: String,
    },
    /// The whole site is blocked: deleted, its trial over, or its data being cleared. Nothing was executed.
    #[error("Maxio has closed this site: {message}")]
    SiteBlocked {
        /// What was answered.
        message: String,
    },
    /// The uniqueness token was seen within the last 60 minutes, **whatever came of it**. Look up what the call was to
    /// make; if it is not there, a new attempt needs a new token.
    #[error("Maxio has seen this uniqueness token before")]
    Duplicate,
    /// Too many calls. Nothing was executed. Without a time the vendor advises minutes, and fewer calls at once.
    #[error("Maxio limits the number of calls: {message}")]
    Throttled {
        /// How long the service asks to wait, a day at most. It is not documented to say.
        retry_after: Option<Duration>,
        /// What was answered.
        message: String,
    },
    /// The service could not be reached, or could not answer a read. A write that ends so was certainly not executed.
    #[error("Maxio is unavailable: {0}")]
    Unavailable(Failure),
    /// A write that may have happened: look before repeating it.
    #[error("whether Maxio carried this out is unknown: {0}")]
    Unknown(Failure),
    /// The call was not begun in time; see [`Client::call_by`](crate::Client::call_by).
    #[error(transparent)]
    NotSent(NotSent),
    /// Refused by this client before sending anything.
    #[error("not sent to Maxio: {0}")]
    Invalid(#[from] Invalid),
}

fn sentences(messages: &[String]) -> String {
    match messages {
        [] => "without a reason".to_owned(),
        _ => messages.join(" "),
    }
}

/// A call without a proper answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The operation: the name of the client's method.
    pub operation: &'static str,
    /// What went wrong.
    pub trouble: Trouble,
    /// The HTTP status, when one arrived.
    pub status: Option<u16>,
    /// What happened, in words.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.operation, self.message)
    }
}

/// Why there is no proper answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// No connection was made, so nothing was sent: name, TCP or TLS.
    NoConnection,
    /// [`Slots::take`](crate::Slots::take) failed, so nothing was sent.
    NoSlot,
    /// The connection broke after sending began.
    Cut,
    /// The call timeout passed.
    TimedOut,
    /// The service, or somebody in front of it, could not answer: 5xx and the like.
    ServerError,
    /// The answer was read and makes no sense.
    Unreadable,
    /// The answer is larger than this client reads.
    TooLong,
    /// A redirect. It is not followed: it would carry the key elsewhere.
    Redirected,
    /// A web page says "not found": there is something else than Maxio at this address.
    NotMaxio,
}

impl Trouble {
    /// The stable lower-case name, as used in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::NoSlot => "no_slot",
            Self::Cut => "cut",
            Self::TimedOut => "timed_out",
            Self::ServerError => "server_error",
            Self::Unreadable => "unreadable",
            Self::TooLong => "too_long",
            Self::Redirected => "redirected",
            Self::NotMaxio => "not_maxio",
        }
    }
}

/// A call that was not begun before the moment set by [`Client::call_by`](crate::Client::call_by).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} was not sent to Maxio: it could not begin in time{}", if *.waited { ", as all calls that may run at once were taken" } else { "" })]
pub struct NotSent {
    /// The operation that did not begin.
    pub operation: &'static str,
    /// Whether the time went by waiting for a slot.
    pub waited: bool,
}

/// Something this client refuses to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A reference, handle or token of nothing but blanks would name anything or nothing.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A change that changes nothing; the service answers 422.
    #[error("the change of the customer contains no field")]
    NoChange,
    /// Neither an IBAN nor an account number.
    #[error("the bank details hold neither bank_iban nor bank_account_number")]
    NoAccount,
    /// Net terms beyond what the service takes.
    #[error("net_terms are {days} days; at most 180 are possible")]
    NetTerms {
        /// What was asked for, in days.
        days: u16,
    },
}

impl Error {
    /// What the caller must do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { .. } | Self::NotFound | Self::Invalid(_) => Class::Refused,
            Self::Credentials { .. } | Self::SiteBlocked { .. } => Class::Credentials,
            Self::Throttled { .. } => Class::Throttled,
            Self::Unavailable(_) => Class::Unavailable,
            // An earlier use of the token may have made the record.
            Self::Unknown(_) | Self::Duplicate => Class::Unknown,
            Self::NotSent(_) => Class::NotSent,
        }
    }

    /// A stable code in lower case, as used in metrics and logs; for calls without a proper answer [`Trouble::as_str`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::NotFound => "not_found",
            Self::Credentials { .. } => "credentials",
            Self::SiteBlocked { .. } => "site_blocked",
            Self::Duplicate => "duplicate",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable(failure) | Self::Unknown(failure) => failure.trouble.as_str(),
            Self::NotSent(_) => "not_sent",
            Self::Invalid(_) => "invalid",
        }
    }

    /// The sentences of a refusal; empty for everything else.
    #[must_use]
    pub fn messages(&self) -> &[String] {
        match self {
            Self::Refused { messages, .. } => messages,
            _ => &[],
        }
    }

    /// Whether the refusal says that another record has this `reference`: look it up and adopt it.
    #[must_use]
    pub fn is_reference_taken(&self) -> bool {
        self.says(|message| message.contains("reference") && message.contains("must be unique"))
    }

    /// Whether the refusal says that money is due at once and there is nothing to take it from: send a payment profile,
    /// collect by remittance, or bill later.
    #[must_use]
    pub fn is_payment_method_missing(&self) -> bool {
        self.says(|message| message.contains("no payment method was on file"))
    }

    /// Asks each sentence of a refusal, in lower case.
    fn says(&self, fragment: impl Fn(&str) -> bool) -> bool {
        self.messages()
            .iter()
            .any(|message| fragment(&message.to_lowercase()))
    }

    /// Why there is no proper answer; `None` when there was one, or when nothing was tried.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Unavailable(failure) | Self::Unknown(failure) => Some(failure),
            _ => None,
        }
    }
}

impl Invalid {
    /// A text that names something, if it is one.
    pub(crate) fn filled<'t>(field: &'static str, text: &'t str) -> Result<&'t str, Self> {
        if text.trim().is_empty() {
            return Err(Self::Empty { field });
        }
        Ok(text)
    }
}
