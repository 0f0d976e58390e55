//! Customers. `reference` is the caller's own key: unique on the site where it is given.

mod changes;
mod customer;

pub use changes::{CustomerChange, NewCustomer};
pub use customer::Customer;

use crate::client::Client;
use crate::error::{Error, Invalid};
use crate::id::CustomerId;
use crate::subscriptions::Subscription;
use crate::wire::{Call, found, same_reference};

impl Client {
    /// The customer with exactly this reference (`GET /customers/lookup.json`).
    ///
    /// # Errors
    /// [`Error`]; never [`Error::Unknown`], as this only reads. An answer about another reference is unreadable.
    pub async fn customer_by_reference(&self, reference: &str) -> Result<Option<Customer>, Error> {
        let call = Call::get("customer_by_reference", ["customers", "lookup.json"])
            .query("reference", Invalid::filled("reference", reference)?);
        let customer: Option<Customer> = found(self.one(&call, "customer").await)?;
        if let Some(customer) = &customer {
            same_reference(&call, reference, customer.reference.as_deref())?;
        }
        Ok(customer)
    }

    /// Makes a customer (`POST /customers.json`). A repeated reference is refused, see [`Error::is_reference_taken`];
    /// without a reference nothing protects from making two.
    ///
    /// # Errors
    /// [`Error`]; after [`Error::Unknown`] look the reference up.
    pub async fn create_customer(&self, customer: &NewCustomer) -> Result<Customer, Error> {
        let call = Call::post("create_customer", ["customers.json"]).body("customer", customer);
        self.one(&call, "customer").await
    }

    /// Changes the fields that are set and leaves the others (`PUT /customers/{id}.json`).
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is no such customer. After [`Error::Unknown`] it may be repeated: the
    /// same change twice is the change once.
    pub async fn update_customer(
        &self,
        id: &CustomerId,
        change: &CustomerChange,
    ) -> Result<Customer, Error> {
        if change.is_empty() {
            return Err(Invalid::NoChange.into());
        }
        let file = format!("{id}.json");
        let call = Call::put("update_customer", ["customers", &file]).body("customer", change);
        self.one(&call, "customer").await
    }

    /// The customer's subscriptions, ended ones too (`GET /customers/{id}/subscriptions.json`).
    ///
    /// # Errors
    /// [`Error`]; [`Error::NotFound`] when there is no such customer.
    pub async fn customer_subscriptions(
        &self,
        id: &CustomerId,
    ) -> Result<Vec<Subscription>, Error> {
        let path = ["customers", id.as_str(), "subscriptions.json"];
        let call = Call::get("customer_subscriptions", path);
        self.list(&call, "subscription").await
    }
}
