//! The post: carries webhooks one after the other, and again those that were not acknowledged.

use std::sync::Weak;

use tokio::sync::mpsc;

use super::super::site::Site;
use super::encode;
use super::outbox::WebhookProgress;
use crate::webhook::Courier;

/// What the post has to do.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Parcel {
    /// Send the webhook with this id.
    Webhook(u64),
    /// Deliver what faults held back.
    HeldBack,
}

/// Where webhooks are thrown in.
#[derive(Debug)]
pub(in super::super) struct PostBox {
    parcels: mpsc::UnboundedSender<Parcel>,
}

impl PostBox {
    pub(in super::super) fn new() -> (Self, mpsc::UnboundedReceiver<Parcel>) {
        let (parcels, post) = mpsc::unbounded_channel();
        (Self { parcels }, post)
    }

    pub(in super::super) fn drop_in(&self, parcel: Parcel) {
        // Nobody listens any more only when the sandbox goes away.
        let _ = self.parcels.send(parcel);
    }

    fn weak(&self) -> mpsc::WeakUnboundedSender<Parcel> {
        self.parcels.downgrade()
    }
}

/// Works until the site is gone.
pub(in super::super) async fn work(site: Weak<Site>, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    let faults = site
        .upgrade()
        .map(|site| site.config.webhook_faults.clone());
    let mut courier = Courier::new(faults.unwrap_or_default());
    while let Some(parcel) = parcels.recv().await {
        let Some(site) = site.upgrade() else { break };
        match parcel {
            Parcel::Webhook(id) => site.carry(&mut courier, id).await,
            Parcel::HeldBack => courier.release_held().await,
        }
        site.webhooks_moved();
    }
}

impl Site {
    async fn carry(&self, courier: &mut Courier, id: u64) {
        let now = self.config.clock.now();
        let Some(webhook) = self.state().outbox.take_to_send(id, now) else {
            return;
        };
        let request = encode::request(&webhook.url, &self.webhook_key, id, &webhook.body);
        let status = courier.carry(request).await;
        let now = self.config.clock.now();
        let again = self.state().outbox.note(id, status, now);
        if let Some(attempts) = again {
            self.send_later(id, attempts);
        }
    }

    fn send_later(&self, id: u64, attempts: usize) {
        let waits = &self.config.webhook_waits;
        let wait = waits.get(attempts - 1).copied().unwrap_or_default();
        let parcels = self.post.weak();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Some(parcels) = parcels.upgrade() {
                let _ = parcels.send(Parcel::Webhook(id));
            }
        });
    }

    /// Whether every webhook was delivered or given up.
    pub(in super::super) fn webhooks_settled(&self) -> bool {
        let state = self.state();
        let mut webhooks = state.outbox.webhooks.values();
        webhooks.all(|webhook| webhook.progress != WebhookProgress::Pending)
    }
}
