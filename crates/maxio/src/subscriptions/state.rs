//! The states of a subscription and the ways money is collected. Words this client does not know are kept, not refused.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a state amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Running, or about to.
    Live,
    /// Running, but the money does not come.
    Problem,
    /// Over, or held.
    Ended,
    /// A state this client does not know: look at the service's documentation.
    Unclear,
}

macro_rules! words {
    (
        $(#[$what:meta])*
        $name:ident { $($(#[$means:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$what])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$means])* $variant,)*
            /// A word this client does not know.
            Other(Box<str>),
        }

        impl $name {
            /// The service's word for it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.into()),
                }
            }
        }

        impl FromStr for $name {
            type Err = Infallible;

            fn from_str(word: &str) -> Result<Self, Infallible> {
                Ok(Self::from(word))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|word| Self::from(&*word))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// The state of a subscription. See [`State::phase`] for what it amounts to.
    State {
        /// Paid for, or at least billed.
        Active = "active",
        /// In its trial.
        Trialing = "trialing",
        /// Being renewed at this moment.
        Assessing = "assessing",
        /// Being made.
        Pending = "pending",
        /// To start at a later date.
        AwaitingSignup = "awaiting_signup",
        /// Paused.
        Paused = "paused",
        /// The last payment failed.
        PastDue = "past_due",
        /// The last payment failed for a passing reason.
        SoftFailure = "soft_failure",
        /// Given up asking for the money, but not ended.
        Unpaid = "unpaid",
        /// Cancelled.
        Canceled = "canceled",
        /// At the end of its life.
        Expired = "expired",
        /// The trial ended and nothing follows.
        TrialEnded = "trial_ended",
        /// Held.
        OnHold = "on_hold",
        /// Suspended.
        Suspended = "suspended",
        /// Could not be made.
        FailedToCreate = "failed_to_create",
    }
}

impl State {
    /// What the state amounts to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Active
            | Self::Trialing
            | Self::Assessing
            | Self::Pending
            | Self::AwaitingSignup
            | Self::Paused => Phase::Live,
            Self::PastDue | Self::SoftFailure | Self::Unpaid => Phase::Problem,
            Self::Canceled
            | Self::Expired
            | Self::TrialEnded
            | Self::OnHold
            | Self::Suspended
            | Self::FailedToCreate => Phase::Ended,
            Self::Other(_) => Phase::Unclear,
        }
    }
}

words! {
    /// How money is collected.
    CollectionMethod {
        /// Taken from the payment profile when due. With money due at once and no profile, the service refuses.
        Automatic = "automatic",
        /// An invoice, paid later.
        Remittance = "remittance",
        /// From a balance paid before.
        Prepaid = "prepaid",
        /// An invoice, on sites without Relationship Invoicing.
        Invoice = "invoice",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_state_has_a_phase() {
        let live = "active trialing assessing pending awaiting_signup paused";
        let problem = "past_due soft_failure unpaid";
        let ended = "canceled expired trial_ended on_hold suspended failed_to_create";
        for (words, phase) in [
            (live, Phase::Live),
            (problem, Phase::Problem),
            (ended, Phase::Ended),
            ("dormant", Phase::Unclear),
        ] {
            for word in words.split(' ') {
                let state = State::from(word);
                assert_eq!(state.phase(), phase, "{word}");
                assert_eq!(state.to_string(), word);
            }
        }
    }
}
