//! The states of a subscription.

/// State of a subscription. Which are alive, in trouble and ended is the service's own division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// Alive: paid, or to be paid by invoice.
    Active,
    /// Alive: the trial is not over.
    Trialing,
    /// Alive: being renewed at this moment.
    Assessing,
    /// Alive: being signed up at this moment.
    Pending,
    /// Alive: signed up, but not begun.
    AwaitingSignup,
    /// Alive: set aside.
    Paused,
    /// In trouble: a payment failed and is tried again.
    PastDue,
    /// In trouble: a payment could not be tried.
    SoftFailure,
    /// In trouble: given up trying.
    Unpaid,
    /// Ended by somebody.
    Canceled,
    /// Ended by its date.
    Expired,
    /// Ended with its trial.
    TrialEnded,
    /// Ended until it is resumed.
    OnHold,
    /// Ended by the seller's account.
    Suspended,
    /// Never really began.
    FailedToCreate,
}

impl SubscriptionState {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Active,
        Self::Trialing,
        Self::Assessing,
        Self::Pending,
        Self::AwaitingSignup,
        Self::Paused,
        Self::PastDue,
        Self::SoftFailure,
        Self::Unpaid,
        Self::Canceled,
        Self::Expired,
        Self::TrialEnded,
        Self::OnHold,
        Self::Suspended,
        Self::FailedToCreate,
    ];

    /// As it is written, `past_due` for instance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::Assessing => "assessing",
            Self::Pending => "pending",
            Self::AwaitingSignup => "awaiting_signup",
            Self::Paused => "paused",
            Self::PastDue => "past_due",
            Self::SoftFailure => "soft_failure",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::TrialEnded => "trial_ended",
            Self::OnHold => "on_hold",
            Self::Suspended => "suspended",
            Self::FailedToCreate => "failed_to_create",
        }
    }

    /// The state of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more is billed. What is on hold may go on.
    pub(in super::super) fn is_ended(self) -> bool {
        matches!(
            self,
            Self::Canceled | Self::Expired | Self::TrialEnded | Self::FailedToCreate
        )
    }
}
