use std::time::Duration;

use lapin::ErrorKind;

/// What keeps the broker from being used. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address is none.
    #[error("the address cannot be used: {0}")]
    Url(String),
    /// Wrong user or password.
    #[error("the broker does not accept the user or the password")]
    Credentials,
    /// No such virtual host, or not for this user.
    #[error("the broker does not let the user into the virtual host: {0}")]
    VirtualHost(String),
    /// Nobody answers.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// It does not answer in time.
    #[error("the broker did not answer within {0:?} ({1})")]
    TimedOut(Duration, &'static str),
    /// The user lacks a right.
    #[error("the broker's user lacks a right: {0}")]
    Rights(String),
    /// What is to be declared exists in another form.
    #[error("at the broker {name} exists in another form than is asked for: {said}")]
    Differs {
        /// The queue or exchange.
        name: String,
        /// The broker's words.
        said: String,
    },
    /// A queue was deleted while it was used.
    #[error("the queue {0} is gone from the broker")]
    QueueGone(String),
    /// The connection was cut or closed.
    #[error("the connection to the broker was lost: {0}")]
    Lost(String),
}

const ACCESS_REFUSED: u16 = 403;
const PRECONDITION_FAILED: u16 = 406;
const INVALID_PATH: u16 = 402;
const NOT_ALLOWED: u16 = 530;

impl BrokerError {
    /// What an attempt to connect failed with.
    pub(super) fn connecting(error: &lapin::Error) -> Self {
        match (error.kind(), reply(error)) {
            (_, Some((ACCESS_REFUSED, said))) if said.contains("vhost") => Self::VirtualHost(said),
            (_, Some((ACCESS_REFUSED, _))) => Self::Credentials,
            (_, Some((NOT_ALLOWED | INVALID_PATH, said))) => Self::VirtualHost(said),
            (ErrorKind::IOError(error), _) => Self::Unreachable(error.to_string()),
            _ => Self::Unreachable(error.to_string()),
        }
    }

    /// What a declaration of `name` failed with.
    pub(super) fn declaring(name: &str, error: &lapin::Error) -> Self {
        match reply(error) {
            Some((ACCESS_REFUSED, said)) => Self::Rights(said),
            Some((PRECONDITION_FAILED, said)) => Self::Differs {
                name: name.to_owned(),
                said,
            },
            _ => Self::lost(error),
        }
    }

    /// What a connection that stood broke with.
    pub(super) fn lost(error: &lapin::Error) -> Self {
        match reply(error) {
            Some((ACCESS_REFUSED, said)) => Self::Rights(said),
            Some((_, said)) => Self::Lost(said),
            None => Self::Lost(error.to_string()),
        }
    }
}

/// The broker's reply code and words, where it gave any.
fn reply(error: &lapin::Error) -> Option<(u16, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(said) => Some((said.get_id(), said.get_message().to_string())),
        _ => None,
    }
}

/// Whether what was asked about does not exist.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    const NOT_FOUND: u16 = 404;
    reply(error).is_some_and(|(code, _)| code == NOT_FOUND)
}
