//! Lead to customer to subscription, in the order that makes nothing twice: look up, create, and after every unclear
//! ending look up again.

use std::future::Future;

use maxio::{Class, Client, Customer, CustomerKey, Error, NewSubscription, Subscription};

use super::{PRODUCT, REFERENCE, bank, orla};

/// How often a step is begun anew before a test counts as lost.
const ATTEMPTS: usize = 6;

/// Somebody who carries a lead through, and notes how each call ended that was not done.
pub(super) struct Carrier<'c> {
    client: &'c Client,
    /// The classes of the errors met, in their order.
    pub(super) met: Vec<Class>,
    tokens: usize,
}

impl<'c> Carrier<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self {
            client,
            met: Vec::new(),
            tokens: 0,
        }
    }

    /// Both steps. `settled` is done when no unclear call can have its effect any more.
    pub(super) async fn carry<S: Future<Output = ()>>(
        &mut self,
        settled: impl Fn() -> S,
    ) -> (Customer, Subscription) {
        let customer = self.customer(&settled).await;
        let subscription = self.subscription(&customer, &settled).await;
        (customer, subscription)
    }

    async fn customer<S: Future<Output = ()>>(&mut self, settled: impl Fn() -> S) -> Customer {
        for _ in 0..ATTEMPTS {
            match self.client.customer_by_reference(REFERENCE).await {
                Ok(Some(customer)) => return customer,
                Ok(None) => {}
                Err(error) => {
                    self.note(&error);
                    continue;
                }
            }
            match self.client.create_customer(&orla()).await {
                Ok(customer) => return customer,
                Err(error) if error.is_reference_taken() => {}
                Err(error) => {
                    self.note(&error);
                    if error.class() == Class::Unknown {
                        settled().await;
                    }
                }
            }
        }
        panic!("no customer: {:?}", self.met);
    }

    async fn subscription<S: Future<Output = ()>>(
        &mut self,
        customer: &Customer,
        settled: impl Fn() -> S,
    ) -> Subscription {
        let mut new = NewSubscription::new(CustomerKey::Id(customer.id.clone()), PRODUCT);
        new.reference = Some(REFERENCE.to_owned());
        new.payment = bank().into();
        for _ in 0..ATTEMPTS {
            match self.client.subscription_by_reference(REFERENCE).await {
                Ok(Some(subscription)) => return subscription,
                Ok(None) => {}
                Err(error) => {
                    self.note(&error);
                    continue;
                }
            }
            // A new attempt after absence was proved; so a new token.
            self.tokens += 1;
            let token = format!("{REFERENCE}-{}", self.tokens);
            match self.client.create_subscription(&new, Some(&token)).await {
                Ok(subscription) => return subscription,
                Err(error) => {
                    self.note(&error);
                    if error.class() == Class::Unknown {
                        settled().await;
                    }
                }
            }
        }
        panic!("no subscription: {:?}", self.met);
    }

    /// Errors that no repetition heals end the test.
    fn note(&mut self, error: &Error) {
        let class = error.class();
        assert!(
            matches!(
                class,
                Class::Unknown | Class::Unavailable | Class::Throttled
            ),
            "{error:?}"
        );
        self.met.push(class);
    }
}
