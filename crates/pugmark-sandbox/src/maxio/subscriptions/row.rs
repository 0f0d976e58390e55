//! A subscription: the row, and how answers show it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::money;
use super::super::state::Stage;
use super::super::table::Row;
use super::super::times::Times;
use super::status::SubscriptionState;

/// A row.
#[derive(Clone, Debug)]
pub(in super::super) struct Subscription {
    pub(in super::super) id: u64,
    pub(in super::super) customer: u64,
    pub(in super::super) product: u64,
    pub(in super::super) price_point: u64,
    /// What a period costs; a custom price may differ from the price point's.
    pub(in super::super) price_in_cents: i64,
    pub(in super::super) profile: Option<u64>,
    pub(in super::super) state: SubscriptionState,
    pub(in super::super) reference: Option<String>,
    pub(in super::super) collection_method: &'static str,
    pub(in super::super) balance_in_cents: i64,
    pub(in super::super) total_revenue_in_cents: i64,
    pub(in super::super) signup_payment_id: Option<u64>,
    pub(in super::super) signup_revenue_in_cents: i64,
    pub(in super::super) period_started_at: Timestamp,
    pub(in super::super) period_ends_at: Timestamp,
    pub(in super::super) trial_started_at: Option<Timestamp>,
    pub(in super::super) trial_ended_at: Option<Timestamp>,
    pub(in super::super) activated_at: Option<Timestamp>,
    pub(in super::super) expires_at: Option<Timestamp>,
    pub(in super::super) created_at: Timestamp,
    pub(in super::super) updated_at: Timestamp,
    pub(in super::super) canceled_at: Option<Timestamp>,
    pub(in super::super) cancellation_message: Option<String>,
    pub(in super::super) cancellation_method: Option<&'static str>,
    pub(in super::super) reason_code: Option<String>,
    pub(in super::super) delayed_cancel_at: Option<Timestamp>,
    pub(in super::super) next_product: Option<u64>,
    pub(in super::super) net_terms: Option<String>,
    pub(in super::super) receives_invoice_emails: bool,
    pub(in super::super) referral_code: String,
    pub(in super::super) currency: String,
}

impl Row for Subscription {
    fn id(&self) -> u64 {
        self.id
    }

    fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }
}

impl Subscription {
    /// As answers show it, with customer, product and what pays in full. `previous` differs from the state in webhooks only.
    pub(in super::super) fn shown(
        &self,
        stage: &Stage<'_>,
        times: &Times,
        previous: SubscriptionState,
    ) -> Value {
        let state = &*stage.state;
        let product = state.product(self.product);
        let point = product.map(|product| product.price_point(self.price_point));
        let next_product = self.next_product.and_then(|id| state.product(id));
        let profile = self.profile.and_then(|id| state.profiles.get(&id));
        let assessed = (!self.state.is_ended()).then_some(self.period_ends_at);
        let mut shown = json!({
            "id": self.id,
            "state": self.state.name(),
            "previous_state": previous.name(),
            "balance_in_cents": self.balance_in_cents,
            "total_revenue_in_cents": self.total_revenue_in_cents,
            "product_price_in_cents": self.price_in_cents,
            "product_version_number": 1,
            "current_period_started_at": times.of(self.period_started_at),
            "current_period_ends_at": times.of(self.period_ends_at),
            "next_assessment_at": times.maybe(assessed),
            "trial_started_at": times.maybe(self.trial_started_at),
            "trial_ended_at": times.maybe(self.trial_ended_at),
            "activated_at": times.maybe(self.activated_at),
            "expires_at": times.maybe(self.expires_at),
            "created_at": times.of(self.created_at),
            "updated_at": times.of(self.updated_at),
            "cancellation_message": self.cancellation_message,
            "cancellation_method": self.cancellation_method,
            "cancel_at_end_of_period": self.delayed_cancel_at.is_some(),
            "canceled_at": times.maybe(self.canceled_at),
            "delayed_cancel_at": times.maybe(self.delayed_cancel_at),
            "signup_payment_id": self.signup_payment_id,
            "signup_revenue": money::decimal(self.signup_revenue_in_cents),
            "coupon_code": null,
            "coupon_codes": [],
            "payment_collection_method": self.collection_method,
            "snap_day": null,
            "reason_code": self.reason_code,
            "receives_invoice_emails": self.receives_invoice_emails,
            "net_terms": self.net_terms,
            "payment_type": profile.map(|profile| profile.payment_type()),
            "referral_code": self.referral_code,
            "reference": self.reference,
            "currency": self.currency,
            "next_product_id": next_product.map(|product| product.id),
            "next_product_handle": next_product.map(|product| &product.seed.handle),
            "product_price_point_id": self.price_point,
            "product_price_point_type": product.map(|product| {
                if product.price_points[0].id == self.price_point { "default" } else { "catalog" }
            }),
            "group": null,
            "customer": state.customers.get(self.customer).map(|customer| customer.shown(times)),
            "product": product.zip(point).map(|(product, point)| product.shown(times, point)),
        });
        if let Some(profile) = profile {
            shown[profile.payment_type()] = profile.shown(times);
        }
        shown
    }

    /// What the journal compares and notes.
    pub(in super::super) fn facts(&self, stage: &Stage<'_>) -> BTreeMap<String, String> {
        let handle = |id| {
            stage
                .state
                .product(id)
                .map(|product| product.seed.handle.clone())
        };
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        [
            ("customer_id", self.customer.to_string()),
            ("product_handle", handle(self.product).unwrap_or_default()),
            ("reference", self.reference.clone().unwrap_or_default()),
            ("state", self.state.name().to_owned()),
            (
                "payment_collection_method",
                self.collection_method.to_owned(),
            ),
            (
                "payment_profile_id",
                self.profile.map(|id| id.to_string()).unwrap_or_default(),
            ),
            ("balance_in_cents", self.balance_in_cents.to_string()),
            ("current_period_ends_at", self.period_ends_at.to_string()),
            ("canceled_at", time(self.canceled_at)),
            ("delayed_cancel_at", time(self.delayed_cancel_at)),
            ("reason_code", self.reason_code.clone().unwrap_or_default()),
            (
                "next_product_handle",
                self.next_product.and_then(handle).unwrap_or_default(),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}
