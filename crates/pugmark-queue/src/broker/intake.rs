use async_trait::async_trait;

use super::Message;

/// Takes in operations of other programs.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Stores what the message asks for, so that it is committed when this returns; only then is the message acknowledged. It
    /// may come more than once, also to another process: the second time must change nothing.
    ///
    /// # Errors
    /// [`NotTaken`]; the message is not lost.
    async fn take(&self, message: &Message) -> Result<(), NotTaken>;
}

/// Why an operation was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Never: it goes to the dead-letter queue.
    #[error("{reason}")]
    Rubbish {
        /// For the people who look there, with the name of what is wrong. No values.
        reason: String,
        /// The body may hold a secret, so it is left out there.
        withhold: bool,
    },
    /// Not now, for instance because the store does not answer: it is tried again in a moment, and remains with the broker.
    #[error("{0}")]
    Later(String),
}
