//! From an event to the webhooks of every endpoint that asked for it.

use serde_json::{Value, json};

use super::super::state::{SITE_ID, Stage};
use super::super::subscriptions::SubscriptionState;
use super::super::times::Times;
use super::encode;
use super::event::Event;
use super::outbox::{Webhook, WebhookProgress};
use super::post::Parcel;

impl Stage<'_> {
    pub(in super::super) fn raise_for_customer(&mut self, event: Event, id: u64) {
        let customer = self.state.customers.get(id);
        let shown = customer.map(|customer| customer.shown(&Times::webhook()));
        self.raise(event, json!({ "customer": shown }));
    }

    pub(in super::super) fn raise_for_subscription(&mut self, event: Event, id: u64) {
        let shown = self.subscription_shown(id, None);
        self.raise(event, json!({ "subscription": shown }));
    }

    /// The one event whose subscription shows the state before.
    pub(in super::super) fn raise_state_change(&mut self, id: u64, before: SubscriptionState) {
        let shown = self.subscription_shown(id, Some(before));
        let event = Event::SubscriptionStateChange;
        self.raise(event, json!({ "subscription": shown }));
    }

    pub(in super::super) fn raise_for_payment(&mut self, event: Event, id: u64, cents: i64) {
        let failed = matches!(
            event,
            Event::PaymentFailure | Event::RenewalFailure | Event::DirectDebitPaymentRejected
        );
        let transaction = json!({
            "id": self.state.next_id(),
            "subscription_id": id,
            "type": "Payment",
            "success": !failed,
            "amount_in_cents": cents,
            "created_at": Times::webhook().of(self.now),
        });
        let shown = self.subscription_shown(id, None);
        self.raise(
            event,
            json!({ "subscription": shown, "transaction": transaction }),
        );
    }

    pub(in super::super) fn raise_signup_failure(&mut self, customer: u64, product: u64) {
        let times = Times::webhook();
        let customer = self.state.customers.get(customer);
        let product = self.state.product(product);
        let payload = json!({
            "customer": customer.map(|customer| customer.shown(&times)),
            "product": product.map(|product| product.shown(&times, &product.price_points[0])),
        });
        self.raise(Event::SignupFailure, payload);
    }

    fn subscription_shown(&self, id: u64, before: Option<SubscriptionState>) -> Option<Value> {
        let subscription = self.state.subscriptions.get(id)?;
        let before = before.unwrap_or(subscription.state);
        Some(subscription.shown(self, &Times::webhook(), before))
    }

    fn raise(&mut self, event: Event, what: Value) {
        let mut payload = json!({
            "event_id": self.state.next_id(),
            "site": { "id": SITE_ID, "subdomain": self.config.subdomain },
        });
        for (name, value) in what.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        self.post_to_all(event.name(), &payload, false);
    }

    /// What the service sends to every endpoint when somebody asks for a test.
    pub(in super::super) fn raise_test(&mut self) {
        self.post_to_all("test", &json!({ "chargify": "testing" }), true);
    }

    fn post_to_all(&mut self, event: &'static str, payload: &Value, whoever: bool) {
        if !self.state.outbox.enabled {
            return;
        }
        let endpoints = self.state.outbox.endpoints.iter();
        let wanted = endpoints.filter(|endpoint| whoever || endpoint.wants(event));
        let addresses: Vec<_> = wanted
            .map(|endpoint| (endpoint.id, endpoint.url.clone()))
            .collect();
        for (endpoint, url) in addresses {
            let id = self.state.next_id();
            let webhook = Webhook {
                id,
                event,
                body: encode::body(id, event, payload),
                endpoint,
                url,
                created_at: self.now,
                progress: WebhookProgress::Pending,
                tries: 0,
                attempts: 0,
                last_sent_at: None,
                accepted_at: None,
                last_error: None,
                last_error_at: None,
            };
            self.state.outbox.webhooks.insert(id, webhook);
            self.post.drop_in(Parcel::Webhook(id));
        }
    }
}
