//! The payment profile: the bank account, where the lead pays by one.

use maxio::{Error, NewBankAccount, PaymentProfile, PaymentProfileId};
use pugmark_queue::NotBefore;

use super::Attempt;
use crate::flows::onboarding::check::Wanted;
use crate::flows::onboarding::steps::{self, ProfileDo};
use crate::flows::onboarding::stop::{self, Stop};
use crate::store::sync_jobs::{Reached, Step};

impl Attempt<'_> {
    pub(super) async fn see_to_profile(&mut self, wanted: &Wanted) -> Result<(), Stop> {
        let Some(bank) = wanted.bank.clone() else {
            return self.reached(Step::PaymentProfile, Reached::default()).await;
        };
        let (begun, now) = self.begun(Step::PaymentProfile).await?;
        let settle = self.tools.billing.settings.settle_window();
        let profiles = self.profiles().await?;
        match steps::profile(&profiles, &bank, begun.as_ref(), now, settle) {
            ProfileDo::Adopt(found) => return self.profile_is(&found.id).await,
            ProfileDo::Wait(until) => return Err(stop::settling("payment profile", until)),
            ProfileDo::Create => {}
        }
        self.not_in_shadow("make a bank account and a subscription, and tell the lead")?;
        self.begin_step(Step::PaymentProfile, None).await?;
        let account = NewBankAccount {
            customer_id: self.customer_id()?,
            bank: bank.clone(),
        };
        let new = &account;
        let made = self
            .ask(|maxio| async move { maxio.create_bank_account(new).await })
            .await?;
        let error = match made {
            Ok(made) => return self.profile_is(&made.id).await,
            Err(error) => error,
        };
        self.not_made(Step::PaymentProfile, &error).await?;
        if !matches!(error, Error::Unknown(_)) {
            return Err(self.refused("the payment profile", &error));
        }
        let (begun, now) = self.begun(Step::PaymentProfile).await?;
        let profiles = self.profiles().await?;
        match steps::profile(&profiles, &bank, begun.as_ref(), now, settle) {
            ProfileDo::Adopt(found) => self.profile_is(&found.id).await,
            ProfileDo::Wait(until) => {
                Err(stop::unclear(error.to_string(), Some(NotBefore::At(until))))
            }
            ProfileDo::Create => Err(stop::unclear(error.to_string(), None)),
        }
    }

    async fn profiles(&self) -> Result<Vec<PaymentProfile>, Stop> {
        let customer = &self.customer_id()?;
        self.read(|maxio| async move { maxio.payment_profiles(customer).await })
            .await
    }

    async fn profile_is(&mut self, id: &PaymentProfileId) -> Result<(), Stop> {
        let reached = Reached {
            payment_profile: Some(id.to_string()),
            ..Reached::default()
        };
        self.reached(Step::PaymentProfile, reached).await
    }

    /// Whether the payment profile made so far is that of another account than the lead has by now: a person has corrected it.
    pub(super) async fn profile_is_outdated(&self, wanted: &Wanted) -> Result<bool, Stop> {
        let Some(bank) = &wanted.bank else {
            return Ok(false);
        };
        let Some(id) = self.profile_id() else {
            return Ok(true);
        };
        let profiles = self.profiles().await?;
        let known = profiles.iter().find(|profile| profile.id == id);
        Ok(known.is_none_or(|profile| profile.shows(bank) == Some(false)))
    }
}
