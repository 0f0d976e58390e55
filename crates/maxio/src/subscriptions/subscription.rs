//! A subscription, as the service shows it.

use jiff::Timestamp;
use serde::Deserialize;

use super::state::{CollectionMethod, State};
use crate::customers::Customer;
use crate::id::{PricePointId, SubscriptionId};
use crate::payments::PaymentProfile;
use crate::product::Product;
use crate::reading::{moment, or_default, text, whole};

/// A subscription. What the service leaves out, empty or null is `None` here; what this client does not know is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// The id, for good.
    pub id: SubscriptionId,
    /// The state. A new subscription that is neither active nor in its trial exists nevertheless: look again later.
    pub state: State,
    /// The state before; differs from the state in webhooks only.
    #[serde(default)]
    pub previous_state: Option<State>,
    /// The caller's own key.
    #[serde(default, deserialize_with = "text")]
    pub reference: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// What for.
    #[serde(default)]
    pub product: Option<Product>,
    /// The price point, if it is not the product's own.
    #[serde(default)]
    pub product_price_point_id: Option<PricePointId>,
    /// The price of a period in cents.
    #[serde(default, deserialize_with = "whole")]
    pub product_price_in_cents: Option<i64>,
    /// What is owed in cents.
    #[serde(default, deserialize_with = "whole")]
    pub balance_in_cents: Option<i64>,
    /// What was paid so far, in cents.
    #[serde(default, deserialize_with = "whole")]
    pub total_revenue_in_cents: Option<i64>,
    /// The currency, ISO 4217.
    #[serde(default, deserialize_with = "text")]
    pub currency: Option<String>,
    /// How money is collected.
    #[serde(default)]
    pub payment_collection_method: Option<CollectionMethod>,
    /// `bank_account`, `credit_card` and the like; `None` without a payment profile.
    #[serde(default, deserialize_with = "text")]
    pub payment_type: Option<String>,
    /// The account money is taken from.
    #[serde(default)]
    pub bank_account: Option<PaymentProfile>,
    /// The card money is taken from.
    #[serde(default)]
    pub credit_card: Option<PaymentProfile>,
    /// Days until an invoice is due.
    #[serde(default, deserialize_with = "whole")]
    pub net_terms: Option<i64>,
    /// The coupons.
    #[serde(default, deserialize_with = "or_default")]
    pub coupon_codes: Vec<String>,
    /// When the current period began.
    #[serde(default, deserialize_with = "moment")]
    pub current_period_started_at: Option<Timestamp>,
    /// When it ends. This is where a `next_billing_at` that was asked for can be read.
    #[serde(default, deserialize_with = "moment")]
    pub current_period_ends_at: Option<Timestamp>,
    /// When money is next asked for.
    #[serde(default, deserialize_with = "moment")]
    pub next_assessment_at: Option<Timestamp>,
    /// When the trial began.
    #[serde(default, deserialize_with = "moment")]
    pub trial_started_at: Option<Timestamp>,
    /// When the trial ended or will end.
    #[serde(default, deserialize_with = "moment")]
    pub trial_ended_at: Option<Timestamp>,
    /// When the subscription became active.
    #[serde(default, deserialize_with = "moment")]
    pub activated_at: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(default, deserialize_with = "moment")]
    pub expires_at: Option<Timestamp>,
    /// When it was cancelled.
    #[serde(default, deserialize_with = "moment")]
    pub canceled_at: Option<Timestamp>,
    /// Whether it will be cancelled when the period ends.
    #[serde(default, deserialize_with = "or_default")]
    pub cancel_at_end_of_period: bool,
    /// What was said when it was cancelled.
    #[serde(default, deserialize_with = "text")]
    pub cancellation_message: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<Timestamp>,
}

impl Subscription {
    /// The bank account or card that money is taken from.
    #[must_use]
    pub fn payment_profile(&self) -> Option<&PaymentProfile> {
        self.bank_account.as_ref().or(self.credit_card.as_ref())
    }
}
