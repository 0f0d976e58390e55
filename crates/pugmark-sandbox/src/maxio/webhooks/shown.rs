//! Webhooks as the sandbox's owner sees them.

use std::fmt;

use super::outbox::{Outbox, Webhook, WebhookProgress};

/// A webhook to one endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct MaxioWebhook {
    /// Its id, the same on every retry and replay.
    pub id: u64,
    /// Name of the event, `signup_success` for instance.
    pub event: String,
    /// Address of the endpoint.
    pub url: String,
    /// The body, as it is sent each time.
    pub body: String,
    /// How often it was sent.
    pub attempts: usize,
    /// What became of it.
    pub progress: WebhookProgress,
}

impl fmt::Debug for MaxioWebhook {
    /// Without the body, in which tokens of vaults stand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaxioWebhook")
            .field("id", &self.id)
            .field("event", &self.event)
            .field("attempts", &self.attempts)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl From<&Webhook> for MaxioWebhook {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id,
            event: webhook.event.to_owned(),
            url: webhook.url.clone(),
            body: webhook.body.clone(),
            attempts: webhook.attempts,
            progress: webhook.progress,
        }
    }
}

impl Outbox {
    /// Every webhook, in the order in which they were made.
    pub(in super::super) fn shown(&self) -> Vec<MaxioWebhook> {
        self.webhooks.values().map(MaxioWebhook::from).collect()
    }
}
