//! Subscriptions: what a customer pays for, and how.

mod new;
mod state;
mod subscription;

pub use new::{CustomerKey, NewSubscription, Payment};
pub use state::{CollectionMethod, Phase, State};
pub use subscription::Subscription;

use serde_json::Value as Json;

use crate::client::Client;
use crate::error::{Error, Invalid};
use crate::id::SubscriptionId;
use crate::wire::{Call, found, same_reference};

impl Client {
    /// The subscription with exactly this reference (`GET /subscriptions/lookup.json`).
    ///
    /// # Errors
    /// [`Error`]; never [`Error::Unknown`], as this only reads. An answer about another reference is unreadable.
    pub async fn subscription_by_reference(
        &self,
        reference: &str,
    ) -> Result<Option<Subscription>, Error> {
        let path = ["subscriptions", "lookup.json"];
        let call = Call::get("subscription_by_reference", path)
            .query("reference", Invalid::filled("reference", reference)?);
        let subscription: Option<Subscription> = found(self.one(&call, "subscription").await)?;
        if let Some(subscription) = &subscription {
            same_reference(&call, reference, subscription.reference.as_deref())?;
        }
        Ok(subscription)
    }

    /// The subscription with this id (`GET /subscriptions/{id}.json`).
    ///
    /// # Errors
    /// [`Error`]; never [`Error::Unknown`], as this only reads.
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, Error> {
        let file = format!("{id}.json");
        let call = Call::get("subscription", ["subscriptions", &file]);
        found(self.one(&call, "subscription").await)
    }

    /// Makes a subscription (`POST /subscriptions.json`). Money that is due at once is taken at once.
    ///
    /// `token` is the uniqueness token: for 60 minutes the service answers [`Error::Duplicate`] to a second call with it,
    /// **whatever the first one came to**, a refusal included. Store it before calling; use the same one to send the same
    /// attempt again, and a new one for a new attempt. The reference alone does not protect from making two.
    ///
    /// # Errors
    /// [`Error`]; after [`Error::Unknown`] and [`Error::Duplicate`] look the reference up. An attempt that is still running
    /// is given up by the service after 120 s; before that, absence proves nothing.
    pub async fn create_subscription(
        &self,
        subscription: &NewSubscription,
        token: Option<&str>,
    ) -> Result<Subscription, Error> {
        let mut call = Call::post("create_subscription", ["subscriptions.json"])
            .secret_body("subscription", subscription.fields()?);
        if let Some(token) = token {
            let token = Invalid::filled("uniqueness_token", token)?;
            call = call.top_level("uniqueness_token", Json::from(token));
        }
        self.one(&call, "subscription").await
    }
}
