//! Payment profiles: the home of bank accounts and cards. A customer has none of these data itself.

mod bank;
mod profile;

pub use bank::{BankDetails, BillingAddress, NewBankAccount};
pub use profile::PaymentProfile;

use crate::client::Client;
use crate::error::Error;
use crate::id::CustomerId;
use crate::wire::Call;

impl Client {
    /// The customer's payment profiles, all pages (`GET /payment_profiles.json?customer_id=…`). An unknown customer has
    /// none.
    ///
    /// # Errors
    /// [`Error`]; never [`Error::Unknown`], as this only reads.
    pub async fn payment_profiles(&self, id: &CustomerId) -> Result<Vec<PaymentProfile>, Error> {
        let call =
            || Call::get("payment_profiles", ["payment_profiles.json"]).query("customer_id", id);
        let profiles = self
            .pages(call, "payment_profile", |profile: &PaymentProfile| {
                profile.id.clone()
            })
            .await?;
        // A filter that is not understood would show everybody's accounts.
        Ok(profiles
            .into_iter()
            .filter(|profile| profile.customer_id.as_ref() == Some(id))
            .collect())
    }

    /// Makes a bank account for a customer (`POST /payment_profiles.json`).
    ///
    /// Nothing protects from making two: list and compare before ([`PaymentProfile::shows`]). The account does not become
    /// the default of subscriptions that exist. The payer's mandate for direct debit must have been collected elsewhere.
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is no such customer. After [`Error::Unknown`] list and compare.
    pub async fn create_bank_account(
        &self,
        account: &NewBankAccount,
    ) -> Result<PaymentProfile, Error> {
        let call = Call::post("create_bank_account", ["payment_profiles.json"])
            .secret_body("payment_profile", account.fields()?);
        self.one(&call, "payment_profile").await
    }
}
