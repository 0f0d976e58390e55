use crate::OperationId;
use crate::db::DbError;
use crate::seal::SealError;

/// What the queue refuses or cannot do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The lease was lost: another attempt may run or have run, and nothing was changed.
    #[error("the lease on operation {0} was lost")]
    LeaseLost(OperationId),
    /// There is no such operation (any more).
    #[error("there is no operation {0}")]
    NotFound(OperationId),
    /// A worker is at it; wait until it is done.
    #[error("operation {0} is being carried out")]
    Running(OperationId),
    /// It is finished; there is nothing to retry or discard.
    #[error("operation {0} is finished")]
    Finished(OperationId),
    /// The sealed part was erased after its time; a retry needs it again.
    #[error("the secret of operation {0} was erased, enter a new one")]
    SecretNeeded(OperationId),
    /// The operation cannot be stored as it is.
    #[error("the operation is invalid: {0}")]
    Invalid(String),
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for QueueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl QueueError {
    /// True when nothing was committed and the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Db(error) if error.is_retryable())
    }
}
