//! What a job knows of its lead besides what the CRM says: what the webhook told, and what a person corrected.

use std::collections::BTreeMap;

use pugmark_queue::{OperationId, SealError, Sealer};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bank data may be among it, so it has no `Debug`, and is sealed wherever it is stored.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Values by the name that the webhook gave them: the CRM's API names, or `cf_` and a label's words.
    #[serde(default)]
    pub received: BTreeMap<String, String>,
    /// Values by the names of `[onboarding.lead]`; they count before everything else.
    #[serde(default)]
    pub edited: BTreeMap<String, String>,
}

impl Known {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty() && self.edited.is_empty()
    }

    /// This, with newer values over the old ones.
    #[must_use]
    pub fn with(mut self, newer: Known) -> Self {
        self.received.extend(newer.received);
        self.edited.extend(newer.edited);
        self
    }

    /// Seals it for the job.
    ///
    /// # Errors
    /// [`SealError`], which never says what was sealed.
    pub fn seal(&self, sealer: &Sealer, job: Uuid) -> Result<Vec<u8>, SealError> {
        let text = serde_json::to_vec(self).map_err(|_| SealError::CannotSeal)?;
        sealer.seal(OperationId(job), &Zeroizing::new(text))
    }

    /// Opens what was sealed for the job.
    ///
    /// # Errors
    /// [`SealError`]: another key, or tampered with.
    pub fn open(sealer: &Sealer, job: Uuid, sealed: &[u8]) -> Result<Self, SealError> {
        let text = sealer.open(OperationId(job), sealed)?;
        serde_json::from_slice(&text).map_err(|_| SealError::DoesNotOpen)
    }
}
