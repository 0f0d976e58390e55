//! Endpoints, and the webhooks made for them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// Attempts that a webhook is given in all.
const ATTEMPTS: usize = 5;

/// From so many failures in a row on an endpoint is tried every two hours only, and from so many on not at all.
const PAUSES_AT: u32 = 26;
const DISABLED_AT: u32 = 51;
const PROBE_EVERY: SignedDuration = SignedDuration::from_hours(2);

/// What is kept of webhooks.
#[derive(Debug)]
pub(in super::super) struct Outbox {
    pub(in super::super) enabled: bool,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) webhooks: BTreeMap<u64, Webhook>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            enabled: true,
            endpoints: Vec::new(),
            webhooks: BTreeMap::new(),
        }
    }
}

/// Where webhooks go.
#[derive(Clone, Debug)]
pub(in super::super) struct Endpoint {
    pub(super) id: u64,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    /// Failed attempts in a row.
    failures: u32,
    last_failure: Option<Timestamp>,
}

/// What became of a webhook so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookProgress {
    /// To be sent, or to be sent again.
    Pending,
    /// Acknowledged with 200.
    Delivered,
    /// Given up, until somebody has it replayed.
    Failed,
}

/// A webhook to one endpoint; retries and replays keep its id and its body.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) id: u64,
    pub(super) event: &'static str,
    pub(super) body: String,
    pub(super) endpoint: u64,
    pub(super) url: String,
    pub(super) created_at: Timestamp,
    pub(super) progress: WebhookProgress,
    /// Attempts of the present round: a replay begins anew.
    pub(super) tries: usize,
    /// Attempts ever made.
    pub(super) attempts: usize,
    pub(super) last_sent_at: Option<Timestamp>,
    pub(super) accepted_at: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    pub(super) last_error_at: Option<Timestamp>,
}

impl Endpoint {
    pub(super) fn new(id: u64, url: &str, events: Vec<String>) -> Self {
        Self {
            id,
            url: url.to_owned(),
            events,
            failures: 0,
            last_failure: None,
        }
    }

    pub(super) fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|wanted| wanted == event)
    }

    pub(super) fn status(&self) -> &'static str {
        match self.failures {
            DISABLED_AT.. => "disabled",
            PAUSES_AT.. => "paused",
            _ => "enabled",
        }
    }

    /// Whether it is tried at all at this moment.
    fn is_tried(&self, now: Timestamp) -> bool {
        match self.status() {
            "disabled" => false,
            "paused" => self
                .last_failure
                .is_none_or(|last| now.duration_since(last) >= PROBE_EVERY),
            _ => true,
        }
    }

    fn note(&mut self, delivered: bool, now: Timestamp) {
        if delivered {
            self.failures = 0;
        } else {
            self.failures += 1;
            self.last_failure = Some(now);
        }
    }

    /// Begins with a clean slate, as when somebody enables it again.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
    }
}

impl Outbox {
    pub(super) fn endpoint_mut(&mut self, id: u64) -> Option<&mut Endpoint> {
        self.endpoints.iter_mut().find(|endpoint| endpoint.id == id)
    }

    /// The webhook, if it is to be sent now. One whose endpoint is not tried is given up.
    pub(super) fn take_to_send(&mut self, id: u64, now: Timestamp) -> Option<Webhook> {
        let webhook = self.webhooks.get_mut(&id)?;
        let wanted = |endpoint: &&Endpoint| endpoint.id == webhook.endpoint;
        let endpoint = self.endpoints.iter().find(wanted);
        if endpoint.is_some_and(|endpoint| endpoint.is_tried(now)) {
            webhook.last_sent_at = Some(now);
            return Some(webhook.clone());
        }
        webhook.progress = WebhookProgress::Failed;
        webhook.last_error = Some("The endpoint is not in use".to_owned());
        webhook.last_error_at = Some(now);
        None
    }

    /// Notes how an attempt ended; gives the number of the attempt if there shall be another one.
    pub(super) fn note(&mut self, id: u64, status: Option<u16>, now: Timestamp) -> Option<usize> {
        let webhook = self.webhooks.get_mut(&id)?;
        webhook.tries += 1;
        webhook.attempts += 1;
        let delivered = status == Some(200);
        if delivered {
            webhook.progress = WebhookProgress::Delivered;
            webhook.accepted_at = Some(now);
        } else {
            webhook.last_error =
                Some(status.map_or_else(|| "No answer".to_owned(), |status| status.to_string()));
            webhook.last_error_at = Some(now);
            if webhook.tries >= ATTEMPTS {
                webhook.progress = WebhookProgress::Failed;
            }
        }
        let again = (webhook.progress == WebhookProgress::Pending).then_some(webhook.tries);
        let endpoint = webhook.endpoint;
        if let Some(endpoint) = self.endpoint_mut(endpoint) {
            endpoint.note(delivered, now);
        }
        again
    }

    /// Puts it back to be sent, under the same id; says whether there is such a one.
    pub(super) fn send_again(&mut self, id: u64) -> bool {
        let Some(webhook) = self.webhooks.get_mut(&id) else {
            return false;
        };
        webhook.progress = WebhookProgress::Pending;
        webhook.tries = 0;
        true
    }
}
