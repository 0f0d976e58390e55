//! A budget of calls that several clients share.

use std::time::Duration;

use async_trait::async_trait;

use crate::quota::Quota;

/// Gives leave for calls to vTiger Cloud, whose limits hold for an instance and not for a process.
#[async_trait]
pub trait CallBudget: Send + Sync {
    /// Leave to make one call now; may wait for a moment. Dropping the waiting future gives it up.
    ///
    /// # Errors
    /// [`OverBudget`] when no call may be made for a while; the call ends as [`CallError::Throttled`](crate::CallError) unsent.
    async fn spend(&self) -> Result<Box<dyn Spent>, OverBudget>;
}

/// A call that was given leave. Dropped without an answer, it is not known whether it counted.
pub trait Spent: Send {
    /// The call was answered; `quota` is what this answer alone says of the limits. Must not block.
    fn answered(self: Box<Self>, quota: &Quota);
}

/// No call may be made for a while.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {limit} is used up; no call is made for {} s", .wait.as_secs_f64().ceil())]
pub struct OverBudget {
    /// Which limit: `call limit of this minute`.
    pub limit: &'static str,
    /// How long.
    pub wait: Duration,
}
