//! What a look-alike of Maxio is made of: the site, its gateway, its catalogue.

use std::time::Duration;

use crate::clock::Clock;
use crate::webhook::WebhookFaults;

/// The payment gateway behind the site. It decides which bank fields a payment profile needs, and what is kept of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gateway {
    /// The gateway of test sites: any bank data will do, and the vault token of an account is its number.
    #[default]
    Bogus,
    /// SEPA direct debit through Stripe: an IBAN, and a site in euros.
    StripeSepa,
    /// GoCardless: the bank's name, an account, and a complete billing address including the state.
    GoCardless,
}

impl Gateway {
    /// Name of its vault in `current_vault`.
    pub(super) fn vault(self) -> &'static str {
        match self {
            Self::Bogus => "bogus",
            Self::StripeSepa => "stripe_connect",
            Self::GoCardless => "gocardless",
        }
    }
}

/// A price point of a product, beside the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PricePointSeed {
    pub(super) handle: String,
    pub(super) price_in_cents: i64,
}

/// A product of the site's catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductSeed {
    pub(super) handle: String,
    pub(super) name: String,
    pub(super) price_in_cents: i64,
    pub(super) interval: i64,
    pub(super) by_days: bool,
    pub(super) initial_charge_in_cents: i64,
    pub(super) trial_days: i64,
    pub(super) archived: bool,
    pub(super) price_points: Vec<PricePointSeed>,
}

impl ProductSeed {
    /// A product billed every month, without a trial or a first charge. The price is in cents.
    pub fn monthly(handle: &str, price_in_cents: i64) -> Self {
        Self {
            handle: handle.to_owned(),
            name: handle.to_owned(),
            price_in_cents,
            interval: 1,
            by_days: false,
            initial_charge_in_cents: 0,
            trial_days: 0,
            archived: false,
            price_points: Vec::new(),
        }
    }

    /// Its name; the handle unless said.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Bills every so many days.
    #[must_use]
    pub fn every_days(mut self, days: i64) -> Self {
        self.interval = days;
        self.by_days = true;
        self
    }

    /// Adds a charge at the beginning, in cents.
    #[must_use]
    pub fn initial_charge(mut self, cents: i64) -> Self {
        self.initial_charge_in_cents = cents;
        self
    }

    /// Begins with so many days for nothing.
    #[must_use]
    pub fn trial_days(mut self, days: i64) -> Self {
        self.trial_days = days;
        self
    }

    /// Is in the archive: shown, but no longer sold.
    #[must_use]
    pub fn archived(mut self) -> Self {
        self.archived = true;
        self
    }

    /// Adds a price point with a price of its own, in cents.
    #[must_use]
    pub fn price_point(mut self, handle: &str, price_in_cents: i64) -> Self {
        self.price_points.push(PricePointSeed {
            handle: handle.to_owned(),
            price_in_cents,
        });
        self
    }
}

/// Everything a sandbox is started with.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) seed: u64,
    pub(super) port: u16,
    pub(super) subdomain: String,
    pub(super) currency: String,
    pub(super) time_zone: String,
    pub(super) test_site: bool,
    pub(super) relationship_invoicing: bool,
    pub(super) gateway: Gateway,
    pub(super) refuse_bad_ibans: bool,
    pub(super) refuse_unknown_attributes: bool,
    pub(super) unique_subscription_references: bool,
    pub(super) products: Vec<ProductSeed>,
    pub(super) limit: usize,
    pub(super) latency: Duration,
    pub(super) delay_after_queueing: Duration,
    pub(super) hang_limit: Duration,
    pub(super) clock: Clock,
    pub(super) webhook_waits: [Duration; 4],
    pub(super) webhook_faults: WebhookFaults,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            port: 0,
            subdomain: "acme-test".to_owned(),
            currency: "EUR".to_owned(),
            time_zone: "America/New_York".to_owned(),
            test_site: true,
            relationship_invoicing: true,
            gateway: Gateway::default(),
            refuse_bad_ibans: false,
            refuse_unknown_attributes: true,
            unique_subscription_references: true,
            products: Vec::new(),
            limit: 4,
            latency: Duration::ZERO,
            delay_after_queueing: Duration::ZERO,
            hang_limit: Duration::from_secs(60),
            clock: Clock::default(),
            webhook_waits: [10, 15, 90, 180].map(Duration::from_secs),
            webhook_faults: WebhookFaults::default(),
        }
    }
}
