//! What the service tells the world about.

/// An event that the sandbox raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Event {
    SignupSuccess,
    SignupFailure,
    SubscriptionStateChange,
    RenewalSuccess,
    RenewalFailure,
    PaymentSuccess,
    PaymentFailure,
    DirectDebitPaymentPending,
    DirectDebitPaymentPaidOut,
    DirectDebitPaymentRejected,
    BillingDateChange,
    SubscriptionProductChange,
    SubscriptionCardUpdate,
    PendingCancellationChange,
    CustomerCreate,
    CustomerUpdate,
}

impl Event {
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::SignupSuccess => "signup_success",
            Self::SignupFailure => "signup_failure",
            Self::SubscriptionStateChange => "subscription_state_change",
            Self::RenewalSuccess => "renewal_success",
            Self::RenewalFailure => "renewal_failure",
            Self::PaymentSuccess => "payment_success",
            Self::PaymentFailure => "payment_failure",
            Self::DirectDebitPaymentPending => "direct_debit_payment_pending",
            Self::DirectDebitPaymentPaidOut => "direct_debit_payment_paid_out",
            Self::DirectDebitPaymentRejected => "direct_debit_payment_rejected",
            Self::BillingDateChange => "billing_date_change",
            Self::SubscriptionProductChange => "subscription_product_change",
            Self::SubscriptionCardUpdate => "subscription_card_update",
            Self::PendingCancellationChange => "pending_cancellation_change",
            Self::CustomerCreate => "customer_create",
            Self::CustomerUpdate => "customer_update",
        }
    }
}

/// Every event that an endpoint can be subscribed to, those that the sandbox never raises among them.
pub(super) const SUBSCRIBABLE: [&str; 36] = [
    "signup_success",
    "signup_failure",
    "subscription_state_change",
    "renewal_success",
    "renewal_failure",
    "payment_success",
    "payment_failure",
    "direct_debit_payment_pending",
    "direct_debit_payment_paid_out",
    "direct_debit_payment_rejected",
    "billing_date_change",
    "subscription_product_change",
    "subscription_card_update",
    "pending_cancellation_change",
    "expiration_date_change",
    "expiring_card",
    "customer_create",
    "customer_update",
    "invoice_issued",
    "dunning_step_reached",
    "refund_success",
    "refund_failure",
    "upgrade_downgrade_success",
    "upgrade_downgrade_failure",
    "trial_end_notice",
    "upcoming_renewal_notice",
    "component_allocation_change",
    "metered_usage",
    "prepaid_usage",
    "statement_closed",
    "statement_settled",
    "subscription_prepayment_account_balance_changed",
    "subscription_service_credit_account_balance_changed",
    "subscription_bank_account_update",
    "pending_payment_created",
    "pending_payment_completed",
];
