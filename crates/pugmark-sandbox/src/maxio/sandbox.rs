//! The handle on a running look-alike of Maxio.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::builder::MaxioSandboxBuilder;
use super::profiles::Means;
use super::refusal::Refusal;
use super::site::Site;
use super::state::Stage;
use super::subscriptions::{self, SubscriptionState};
use super::traffic::{MaxioGate, MaxioTraffic};
use super::webhooks::{self, MaxioWebhook, Parcel};
use crate::fault::Faults;
use crate::journal::{Journal, Moment};
use crate::server::Server;

/// A site of Maxio Advanced Billing in memory, served over HTTP/1.1 on 127.0.0.1. Dropping it stops it.
pub struct MaxioSandbox {
    site: Arc<Site>,
    server: Server<Site>,
}

impl MaxioSandbox {
    pub(super) fn new(site: Arc<Site>, server: Server<Site>) -> Self {
        Self { site, server }
    }

    /// Begins to describe a sandbox.
    pub fn builder() -> MaxioSandboxBuilder {
        MaxioSandboxBuilder::default()
    }

    /// `http://127.0.0.1:<port>`, what stands for the host of the site.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// The user name of HTTP Basic; the password is the letter `x`.
    pub fn api_key(&self) -> &str {
        &self.site.api_key
    }

    /// The site's shared key, with which webhooks are signed.
    pub fn webhook_key(&self) -> &str {
        &self.site.webhook_key
    }

    /// The fault plan, to be changed at any time. Operations are `customer.` with `create`, `list`, `lookup`, `read`, `update`,
    /// `delete`, `subscriptions`; `payment_profile.` with `create`, `list`, `read`, `update`, `delete`; `subscription.` with
    /// `create`, `list`, `lookup`, `read`, `update`, `cancel`, `delayed_cancel`, `keep`, `hold`, `resume`, `reactivate`,
    /// `activate`, `purge`, `change_payment_profile`; `product.` with `list`, `lookup`, `read`; `site.read`; `endpoint.` with
    /// `create`, `list`, `update`; `webhook.` with `list`, `settings`, `replay`.
    pub fn faults(&self) -> &Faults {
        self.site.faults()
    }

    /// The journal of calls, effects and faults. Modules are `customers`, `payment_profiles` and `subscriptions`; fields go by
    /// their names on the wire, `reference` among them. Of one request, by its `request_no`, `Begun` says when work began,
    /// `Created` or `Updated` when its effect was stored, and `Call` when the answer was ready. No number of an account is
    /// ever noted.
    pub fn journal(&self) -> Journal {
        self.site.journal().clone()
    }

    /// The calls in progress at this moment, and the most there ever were.
    pub fn traffic(&self) -> MaxioTraffic {
        self.site.traffic.seen()
    }

    /// Waits until the condition holds for the calls in progress; says whether it came to hold in time.
    pub async fn wait_for_traffic(
        &self,
        condition: impl FnMut(&MaxioTraffic) -> bool,
        timeout: Duration,
    ) -> bool {
        self.site.traffic.wait_until(condition, timeout).await
    }

    /// Holds calls of this operation (of all, when it is empty) before they have their effect.
    pub fn hold_before_effect(&self, operation: &str) -> MaxioGate {
        self.site.traffic.gate(operation, Moment::BeforeEffect)
    }

    /// Holds the answers of this operation (of all, when it is empty); the effect is stored by then.
    pub fn hold_answers(&self, operation: &str) -> MaxioGate {
        self.site.traffic.gate(operation, Moment::AfterEffect)
    }

    /// Every customer, in the order in which they were made, as answers show them without the wrapper.
    pub fn customers(&self) -> Vec<Value> {
        self.look(|stage| {
            let times = stage.times();
            let all = stage.state.customers.all();
            all.map(|customer| customer.shown(&times)).collect()
        })
    }

    /// The customer with this reference, as answers show it without the wrapper.
    pub fn customer_by_reference(&self, reference: &str) -> Option<Value> {
        self.look(|stage| {
            let customer = stage.state.customers.by_reference(reference)?;
            Some(customer.shown(&stage.times()))
        })
    }

    /// Every payment profile, as answers show them without the wrapper, and without the token of the vault, which on test sites
    /// is the number of the account.
    pub fn payment_profiles(&self) -> Vec<Value> {
        self.look(|stage| {
            let times = stage.times();
            let shown = stage.state.profiles.values().map(|one| one.shown(&times));
            shown.map(without_token).collect()
        })
    }

    /// Whether the payment profile is a bank account with this IBAN, byte for byte.
    pub fn iban_is(&self, payment_profile: u64, wanted: &str) -> bool {
        let state = self.site.state();
        let profile = state.profiles.get(&payment_profile);
        profile.is_some_and(|profile| {
            matches!(&profile.means, Means::Bank { iban: Some(iban), .. } if iban == wanted)
        })
    }

    /// Every subscription, in the order in which they were made, as answers show them without the wrapper.
    pub fn subscriptions(&self) -> Vec<Value> {
        self.look(|stage| {
            let all = stage.state.subscriptions.all();
            let times = stage.times();
            let shown = all.map(|one| one.shown(stage, &times, one.state));
            shown.map(without_inner_token).collect()
        })
    }

    /// The oldest subscription with this reference, as answers show it without the wrapper.
    pub fn subscription_by_reference(&self, reference: &str) -> Option<Value> {
        self.look(|stage| {
            let found = stage.state.subscriptions.by_reference(reference)?;
            let shown = found.shown(stage, &stage.times(), found.state);
            Some(without_inner_token(shown))
        })
    }

    /// Puts a subscription into another state, as the service does for reasons of its own, and raises the events that go with
    /// it. False for an unknown subscription.
    pub fn set_subscription_state(&self, id: u64, state: SubscriptionState) -> bool {
        self.act(|stage| subscriptions::set_state(stage, id, state))
    }

    /// The bank paid a direct debit: a subscription in trouble is active again. False for an unknown subscription.
    pub fn direct_debit_paid(&self, subscription: u64) -> bool {
        self.act(|stage| subscriptions::debit_paid(stage, subscription))
    }

    /// The bank sent a direct debit back: the subscription is past due. False for an unknown subscription.
    pub fn direct_debit_rejected(&self, subscription: u64) -> bool {
        self.act(|stage| subscriptions::debit_rejected(stage, subscription))
    }

    /// A period ends and the next one is billed. False for an unknown subscription.
    pub fn renew(&self, subscription: u64) -> bool {
        self.act(|stage| subscriptions::renew(stage, subscription))
    }

    /// From now on the gateway declines every payment, or no longer.
    pub fn decline_payments(&self, on: bool) {
        self.site.state().declines = on;
    }

    /// Adds a webhook endpoint for these events; gives its id.
    pub fn add_webhook_endpoint(&self, url: &str, events: &[&str]) -> u64 {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        self.look(|stage| webhooks::add_endpoint(stage, url, events))
    }

    /// Sends the test ping to every endpoint.
    pub fn send_test_webhook(&self) {
        self.look(|stage| stage.raise_test());
    }

    /// Every webhook, in the order in which they were made.
    pub fn webhooks(&self) -> Vec<MaxioWebhook> {
        self.site.state().outbox.shown()
    }

    /// Waits until the condition holds for the webhooks; says whether it came to hold in time.
    pub async fn wait_for_webhooks(
        &self,
        mut condition: impl FnMut(&[MaxioWebhook]) -> bool,
        timeout: Duration,
    ) -> bool {
        let holds = |site: &Site| condition(&site.state().outbox.shown());
        self.site.wait_for_webhooks(holds, timeout).await
    }

    /// Waits until every webhook was delivered or given up; says whether that came about in time.
    pub async fn webhooks_settled(&self, timeout: Duration) -> bool {
        let settled = Site::webhooks_settled;
        self.site.wait_for_webhooks(settled, timeout).await
    }

    /// Delivers what [`crate::webhook::WebhookFault::HoldBack`] still holds back.
    pub fn release_held_webhooks(&self) {
        self.site.post.drop_in(Parcel::HeldBack);
    }

    /// Closes the port and cuts every connection: clients meet "connection refused". Calls being executed still have
    /// their effect.
    pub async fn go_down(&self) {
        self.server.go_down().await;
    }

    /// Opens the same port again.
    ///
    /// # Errors
    /// When another program has taken the port meanwhile.
    pub async fn come_back(&self) -> io::Result<()> {
        self.server.come_back().await
    }

    /// Stops serving.
    pub async fn shutdown(self) {
        self.server.go_down().await;
    }

    fn look<T>(&self, act: impl FnOnce(&mut Stage<'_>) -> T) -> T {
        self.site.on_stage(None, act)
    }

    fn act(&self, act: impl FnOnce(&mut Stage<'_>) -> Result<(), Refusal>) -> bool {
        self.look(act).is_ok()
    }
}

fn without_token(mut profile: Value) -> Value {
    if let Some(fields) = profile.as_object_mut() {
        fields.remove("vault_token");
    }
    profile
}

fn without_inner_token(mut subscription: Value) -> Value {
    for kind in ["bank_account", "credit_card"] {
        if let Some(profile) = subscription.get_mut(kind) {
            *profile = without_token(profile.take());
        }
    }
    subscription
}

impl fmt::Debug for MaxioSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaxioSandbox")
            .field("address", &self.server.address())
            .finish_non_exhaustive()
    }
}
