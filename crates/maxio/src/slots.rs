//! How many calls run at once. A site works on four requests at a time and makes the others wait.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Gives permission for one call to the site at a time.
///
/// A client of its own counts for itself ([`Settings::at_once`](crate::Settings::at_once)). An application of several
/// processes brings an implementation that they share, since the limit is the site's:
/// [`Client::with_slots`](crate::Client::with_slots).
#[async_trait]
pub trait Slots: Send + Sync {
    /// Waits until one more call may run. The call lasts as long as the slot lives. A caller that cannot wait any longer
    /// drops the future, which must leave nothing taken.
    async fn take(&self) -> Result<Slot, SlotsError>;
}

/// Permission for one call; given back by being dropped.
pub struct Slot {
    _held: Box<dyn Send>,
}

impl Slot {
    /// A slot that is given back by dropping `held`.
    #[must_use]
    pub fn holding(held: impl Send + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// No permission can be had: whatever the processes share is not reachable. Its text must hold no secret.
#[derive(Debug, thiserror::Error)]
#[error("no permission for a call can be had: {0}")]
pub struct SlotsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SlotsError {
    /// With its cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// The slots of a single client and its clones.
pub(crate) struct LocalSlots(Arc<Semaphore>);

impl LocalSlots {
    pub(crate) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }
}

#[async_trait]
impl Slots for LocalSlots {
    async fn take(&self) -> Result<Slot, SlotsError> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        permit.map(Slot::holding).map_err(SlotsError::new)
    }
}
