//! Asking whether an installation has an operation.

use serde_json::Value as Json;

use crate::client::Client;
use crate::error::{CallError, Invalid, RefusalReason};
use crate::operation::{Effect, Operation};

impl Client {
    /// The result of an operation that not every installation has; `None` when it is missing here, or broken.
    ///
    /// A missing operation and one that PHP breaks off in answer alike (an empty HTTP 500; HTTP 404 on Cloud), and so
    /// does a whole server in trouble. So a `None` is given only after the same server has answered `listtypes`, which
    /// every vTiger has.
    ///
    /// # Errors
    /// [`CallError::Invalid`] for an operation that writes, since its silence proves nothing; otherwise as every read.
    pub async fn probe(&self, operation: &Operation) -> Result<Option<Json>, CallError> {
        if operation.effect == Effect::Write {
            return Err(CallError::Invalid(Invalid::Operation {
                operation: operation.name.clone(),
                problem: "only an operation that changes nothing can be probed".to_owned(),
            }));
        }
        match self.call_operation(operation).await {
            Err(error) if is_missing(&error) => {
                self.list_types().await?;
                Ok(None)
            }
            settled => settled.map(Some),
        }
    }
}

fn is_missing(error: &CallError) -> bool {
    matches!(
        error.reason(),
        Some(RefusalReason::NotAvailable | RefusalReason::NotSupported)
    )
}
