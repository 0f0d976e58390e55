//! The customer: looked for by the lead's reference, made, or completed.

use maxio::{Customer, Error};

use super::Attempt;
use crate::flows::onboarding::check::Wanted;
use crate::flows::onboarding::steps;
use crate::flows::onboarding::stop::{self, Stop};
use crate::store::sync_jobs::{Reached, Step};

impl Attempt<'_> {
    pub(super) async fn see_to_customer(&mut self, wanted: &Wanted) -> Result<(), Stop> {
        if let Some(found) = self.customer_there().await? {
            return self.adopt_customer(&found, wanted).await;
        }
        self.not_in_shadow(format!(
            "make a customer with the reference {}, a {} and a subscription to {}, and tell the lead",
            self.lead(),
            if wanted.bank.is_some() { "bank account" } else { "bill by invoice" },
            self.tools.billing.settings.product,
        ))?;
        self.begin_step(Step::Customer, None).await?;
        let new = &wanted.customer;
        let made = self
            .ask(|maxio| async move { maxio.create_customer(new).await })
            .await?;
        let error = match made {
            Ok(made) => return self.customer_is(&made).await,
            Err(error) => error,
        };
        self.not_made(Step::Customer, &error).await?;
        match &error {
            // An earlier call has arrived after all, or is just arriving.
            Error::Unknown(_) => match self.customer_there().await? {
                Some(found) => self.adopt_customer(&found, wanted).await,
                // The reference protects from a second one, so it may be sent again at any time.
                None => Err(stop::unclear(error.to_string(), None)),
            },
            refused if refused.is_reference_taken() => match self.customer_there().await? {
                Some(found) => self.adopt_customer(&found, wanted).await,
                None => Err(self.refused("the customer", &error)),
            },
            _ => Err(self.refused("the customer", &error)),
        }
    }

    async fn customer_there(&self) -> Result<Option<Customer>, Stop> {
        let reference = self.lead();
        self.read(|maxio| async move { maxio.customer_by_reference(reference).await })
            .await
    }

    async fn customer_is(&mut self, customer: &Customer) -> Result<(), Stop> {
        let reached = Reached {
            customer: Some(customer.id.to_string()),
            ..Reached::default()
        };
        self.reached(Step::Customer, reached).await
    }

    async fn adopt_customer(&mut self, found: &Customer, wanted: &Wanted) -> Result<(), Stop> {
        let edited = &self.known.edited;
        let change = steps::completion(found, &wanted.customer, |name| edited.contains_key(name));
        if !change.is_empty() {
            self.not_in_shadow(format!("complete the customer {}", found.id))?;
            let (id, change) = (&found.id, &change);
            let changed = self
                .ask(|maxio| async move { maxio.update_customer(id, change).await })
                .await?;
            match changed {
                Ok(_) => {}
                // The same change twice is the change once.
                Err(error @ Error::Unknown(_)) => {
                    return Err(stop::unclear(error.to_string(), None));
                }
                Err(error) => return Err(self.refused("the customer", &error)),
            }
        }
        self.customer_is(found).await
    }
}
