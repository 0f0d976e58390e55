//! What an answer of Maxio that is not "done" means for an operation.

use std::time::Duration;

use maxio::{Class, Error};
use pugmark_queue::{NotBefore, Release};

use super::Billing;
use crate::crm::breaker::Position;
use crate::delivery::Trouble;
use crate::problem::Code;

/// The vendor advises minutes after "too many calls" and says no more.
const BREATHER: Duration = Duration::from_secs(60);

impl Billing {
    /// Tells the breaker how a call ended.
    pub fn heed(&self, ended: Result<(), &Error>) {
        let Err(error) = ended else {
            return self.breaker.succeeded();
        };
        match error.class() {
            Class::Unavailable => self.breaker.failed(),
            // Seen before: Maxio answers, and as it should.
            Class::Unknown if *error == Error::Duplicate => self.breaker.succeeded(),
            Class::Unknown => self.breaker.failed(),
            Class::Credentials => self.breaker.refused(),
            Class::Throttled => {
                let wish = match error {
                    Error::Throttled { retry_after, .. } => *retry_after,
                    _ => None,
                };
                self.breaker.throttled(Some(wish.unwrap_or(BREATHER)));
            }
            Class::NotSent => {}
            Class::Done | Class::Refused => self.breaker.succeeded(),
        }
    }

    /// Makes no call while Maxio is being left alone.
    ///
    /// # Errors
    /// What the operation waits for.
    pub fn is_open(&self) -> Result<(), Trouble> {
        match self.breaker.position() {
            Position::Closed => Ok(()),
            Position::Open { remaining } => {
                let message = "Maxio is being left alone for a moment after several failures";
                Err(Trouble {
                    release: Release::Later {
                        not_before: NotBefore::After(remaining),
                        code: Code::MaxioUnavailable.to_string(),
                        message: message.to_owned(),
                    },
                    code: Code::MaxioUnavailable,
                    message: message.to_owned(),
                    failed: false,
                })
            }
        }
    }
}

impl Trouble {
    /// What an answer of Maxio means that is neither a refusal of what was sent nor an unclear write: nothing happened, and it
    /// goes on by itself.
    pub fn of_maxio(error: &Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Credentials { .. } => Trouble::unavailable(
                Code::MaxioCredentials,
                format!("{message}. Check MAXIO_API_KEY and MAXIO_API_URL"),
            ),
            Error::SiteBlocked { .. } => Trouble::unavailable(Code::MaxioCredentials, message),
            Error::Throttled { retry_after, .. } => Trouble {
                release: Release::Throttled {
                    retry_after: Some(retry_after.unwrap_or(BREATHER)),
                    code: Code::MaxioThrottled.to_string(),
                    message: message.clone(),
                },
                code: Code::MaxioThrottled,
                message,
                failed: false,
            },
            Error::NotSent(_) => Trouble::later(Code::MaxioUnavailable, message),
            Error::Unknown(_) | Error::Duplicate => Trouble {
                release: Release::Unknown {
                    not_before: None,
                    code: Code::MaxioUnclear.to_string(),
                    message: message.clone(),
                },
                code: Code::MaxioUnclear,
                message,
                failed: false,
            },
            Error::Refused { .. } | Error::NotFound | Error::Invalid(_) => {
                Trouble::refused(Code::MaxioRefused, message)
            }
            _ => Trouble::unavailable(Code::MaxioUnavailable, message),
        }
    }
}
