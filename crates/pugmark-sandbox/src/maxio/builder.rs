//! What a look-alike of Maxio is started with.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Gateway, ProductSeed};
use super::sandbox::MaxioSandbox;
use super::site::Site;
use super::webhooks;
use crate::clock::Clock;
use crate::server::Bound;
use crate::webhook::WebhookFaults;

/// Builds a [`MaxioSandbox`]. Without any call: a test site in euros with the bogus gateway, an ephemeral port, and one product
/// `default-hr-package` for 299.00 a month.
#[derive(Clone, Debug, Default)]
pub struct MaxioSandboxBuilder {
    config: Config,
}

impl MaxioSandboxBuilder {
    /// Seeds what is left to chance: keys, vault tokens, referral codes.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Port on 127.0.0.1; none or 0 lets the system choose one.
    #[must_use]
    pub fn port(mut self, port: Option<u16>) -> Self {
        self.config.port = port.unwrap_or(0);
        self
    }

    /// The site's subdomain, as `site.json` and webhooks show it; `acme-test` unless said.
    #[must_use]
    pub fn subdomain(mut self, name: &str) -> Self {
        self.config.subdomain = name.to_owned();
        self
    }

    /// The site's currency, an ISO 4217 code; `EUR` unless said.
    #[must_use]
    pub fn currency(mut self, code: &str) -> Self {
        self.config.currency = code.to_owned();
        self
    }

    /// The site's time zone, in which answers write moments; `America/New_York` unless said.
    #[must_use]
    pub fn time_zone(mut self, name: &str) -> Self {
        self.config.time_zone = name.to_owned();
        self
    }

    /// No test site: webhooks go to https only, and nothing can be purged.
    #[must_use]
    pub fn live_site(mut self) -> Self {
        self.config.test_site = false;
        self
    }

    /// An older site, with statements in place of invoices by relationship.
    #[must_use]
    pub fn legacy_statements(mut self) -> Self {
        self.config.relationship_invoicing = false;
        self
    }

    /// The payment gateway; the bogus one unless said.
    #[must_use]
    pub fn gateway(mut self, gateway: Gateway) -> Self {
        self.config.gateway = gateway;
        self
    }

    /// The gateway refuses an IBAN whose check digits are wrong; unless said it takes anything.
    #[must_use]
    pub fn refuse_bad_ibans(mut self) -> Self {
        self.config.refuse_bad_ibans = true;
        self
    }

    /// Whether attributes of a customer that do not exist are refused; they are unless said.
    #[must_use]
    pub fn refuse_unknown_attributes(mut self, on: bool) -> Self {
        self.config.refuse_unknown_attributes = on;
        self
    }

    /// Whether two subscriptions may not have the same reference; they may not unless said. What the real service does is not
    /// documented.
    #[must_use]
    pub fn unique_subscription_references(mut self, on: bool) -> Self {
        self.config.unique_subscription_references = on;
        self
    }

    /// Adds a product. Without any there is `default-hr-package`.
    #[must_use]
    pub fn product(mut self, product: ProductSeed) -> Self {
        self.config.products.push(product);
        self
    }

    /// How many calls are worked on at once; 4 unless said. More wait for their turn.
    #[must_use]
    pub fn limit(mut self, calls: usize) -> Self {
        self.config.limit = calls.max(1);
        self
    }

    /// How long each call takes before it has its effect; no time unless said.
    #[must_use]
    pub fn latency(mut self, time: Duration) -> Self {
        self.config.latency = time;
        self
    }

    /// How much longer a call takes that had to wait for its turn; no time unless said.
    #[must_use]
    pub fn delay_after_queueing(mut self, time: Duration) -> Self {
        self.config.delay_after_queueing = time;
        self
    }

    /// How long [`crate::Fault::HangAfterEffect`] holds a call that its client does not give up; 60 s unless said.
    #[must_use]
    pub fn hang_limit(mut self, time: Duration) -> Self {
        self.config.hang_limit = time;
        self
    }

    /// Clock; the computer's unless said.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.config.clock = clock;
        self
    }

    /// How long the post waits before each of the four further attempts at a webhook; 10, 15, 90 and 180 seconds unless said.
    #[must_use]
    pub fn webhook_waits(mut self, waits: [Duration; 4]) -> Self {
        self.config.webhook_waits = waits;
        self
    }

    /// What goes wrong with webhooks on the way; nothing unless said.
    #[must_use]
    pub fn webhook_faults(mut self, faults: WebhookFaults) -> Self {
        self.config.webhook_faults = faults;
        self
    }

    /// Binds the port and serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be bound or nobody knows the time zone.
    pub async fn start(mut self) -> io::Result<MaxioSandbox> {
        if self.config.products.is_empty() {
            let product = ProductSeed::monthly("default-hr-package", 29_900);
            self.config
                .products
                .push(product.name("Default HR Package"));
        }
        let bound = Bound::take(self.config.port).await?;
        let (site, parcels) = Site::new(self.config)?;
        let site = Arc::new(site);
        tokio::spawn(webhooks::work(Arc::downgrade(&site), parcels));
        let server = bound.serve(Arc::clone(&site));
        Ok(MaxioSandbox::new(site, server))
    }
}
