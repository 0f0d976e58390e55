//! The subscription: looked for in two ways, and made with a token by which Maxio knows a repeated call.

use maxio::{CollectionMethod, CustomerKey, Error, NewSubscription, Payment, Subscription};
use pugmark_queue::NotBefore;
use uuid::Uuid;

use super::{Attempt, customer_gone};
use crate::delivery::Trouble;
use crate::flows::onboarding::check::{Faults, Wanted};
use crate::flows::onboarding::steps::{self, Sought, SubscriptionDo, Token};
use crate::flows::onboarding::stop::{self, Stop};
use crate::problem::Code;
use crate::store::sync_jobs::{Reached, Step};

impl Attempt<'_> {
    pub(super) async fn see_to_subscription(
        &mut self,
        wanted: Option<&Wanted>,
    ) -> Result<(), Stop> {
        if let Some(wanted) = wanted
            && self.job.reruns > 0
            && self.profile_is_outdated(wanted).await?
        {
            self.see_to_profile(wanted).await?;
        }
        let token = match self.decide_on_subscription().await? {
            SubscriptionDo::Adopt(found) => return self.subscription_is(&found).await,
            SubscriptionDo::Wait(until) => return Err(stop::settling("subscription", until)),
            SubscriptionDo::Occupied(why) => return Err(occupied(why)),
            SubscriptionDo::Create(token) => token,
        };
        self.not_in_shadow(format!(
            "make a subscription to {}, and tell the lead",
            self.tools.billing.settings.product
        ))?;
        let by_invoice = match wanted {
            Some(wanted) => wanted.bank.is_none(),
            None => self.job.maxio_payment_profile_id.is_none(),
        };
        let new = self.new_subscription(by_invoice).await?;
        match token {
            Token::Same(token) => match self.make_subscription(&new, token).await? {
                // What was sent earlier has arrived and come to nothing: its window is over, and it is not to be seen.
                Made::SeenBefore => self.make_with_new_token(&new).await,
                made => self.conclude(made).await,
            },
            Token::New => self.make_with_new_token(&new).await,
        }
    }

    async fn make_with_new_token(&mut self, new: &NewSubscription) -> Result<(), Stop> {
        let made = self
            .make_subscription(new, Uuid::now_v7().to_string())
            .await?;
        self.conclude(made).await
    }

    async fn conclude(&mut self, made: Made) -> Result<(), Stop> {
        match made {
            Made::There(subscription) => self.subscription_is(&subscription).await,
            Made::Occupied(why) => Err(occupied(why)),
            Made::Refused(error) => Err(self.refused("the subscription", &error)),
            Made::SeenBefore => self.not_to_be_seen(&Error::Duplicate).await,
            Made::Unclear(error) => self.not_to_be_seen(&error).await,
        }
    }

    async fn not_to_be_seen(&self, error: &Error) -> Result<(), Stop> {
        let (begun, _) = self.begun(Step::Subscription).await?;
        let settle = self.tools.billing.settings.settle_window();
        let until = begun.map(|begun| NotBefore::At(steps::settled_at(&begun, settle)));
        Err(stop::unclear(
            format!("{error}. Pugmark looks in Maxio before it sends anything again"),
            until,
        ))
    }

    /// Sends it, and looks for it where the answer does not say that it is there.
    async fn make_subscription(
        &mut self,
        new: &NewSubscription,
        token: String,
    ) -> Result<Made, Stop> {
        self.begin_step(Step::Subscription, Some(token.clone()))
            .await?;
        let token = &token;
        let made = self
            .ask(|maxio| async move { maxio.create_subscription(new, Some(token)).await })
            .await?;
        let error = match made {
            Ok(made) => return Ok(Made::There(Box::new(made))),
            Err(error) => error,
        };
        let refused = matches!(
            error,
            Error::Refused { .. } | Error::NotFound | Error::Invalid(_)
        );
        if !refused && error.class() != maxio::Class::Unknown {
            self.not_made(Step::Subscription, &error).await?;
            return Ok(Made::Refused(error));
        }
        // Also after a refusal: an earlier call may have landed, which is why this one was refused.
        match self.decide_on_subscription().await? {
            SubscriptionDo::Adopt(found) => return Ok(Made::There(found)),
            SubscriptionDo::Occupied(why) if !refused => return Ok(Made::Occupied(why)),
            _ => {}
        }
        self.not_made(Step::Subscription, &error).await?;
        Ok(match error {
            Error::Duplicate => Made::SeenBefore,
            Error::Unknown(_) => Made::Unclear(error),
            _ => Made::Refused(error),
        })
    }

    /// Asks in two different ways whether the subscription is there.
    async fn decide_on_subscription(&self) -> Result<SubscriptionDo, Stop> {
        let reference = &self.subscription_reference();
        let found = self
            .read(|maxio| async move { maxio.subscription_by_reference(reference).await })
            .await?;
        let customer = &self.customer_id()?;
        let of_customer = match found {
            Some(_) => Vec::new(),
            None => {
                let listed = self
                    .ask(|maxio| async move { maxio.customer_subscriptions(customer).await })
                    .await?;
                match listed {
                    Ok(listed) => listed,
                    Err(Error::NotFound) => return Err(customer_gone(customer)),
                    Err(error) => return Err(Trouble::of_maxio(&error).into()),
                }
            }
        };
        let (begun, now) = self.begun(Step::Subscription).await?;
        let settings = &self.tools.billing.settings;
        Ok(steps::subscription(&Sought {
            reference,
            customer,
            product: &settings.product,
            found: found.as_ref(),
            of_customer: &of_customer,
            begun: begun.as_ref(),
            now,
            settle: settings.settle_window(),
        }))
    }

    async fn new_subscription(&self, by_invoice: bool) -> Result<NewSubscription, Stop> {
        let settings = &self.tools.billing.settings;
        let key = CustomerKey::Id(self.customer_id()?);
        let mut new = NewSubscription::new(key, &settings.product);
        new.product_price_point_handle = settings.price_point.clone();
        new.reference = Some(self.subscription_reference());
        new.net_terms = settings.net_terms.map(u16::from);
        new.next_billing_at = steps::first_bill(settings.next_billing, jiff::Timestamp::now());
        let method = match by_invoice {
            true => self.invoice_method().await?,
            false => CollectionMethod::Automatic,
        };
        new.payment_collection_method = Some(method);
        if !by_invoice && let Some(id) = self.profile_id() {
            new.payment = Payment::Profile(id);
        }
        Ok(new)
    }

    /// What this site calls "by invoice".
    async fn invoice_method(&self) -> Result<CollectionMethod, Stop> {
        let billing = &self.tools.billing;
        let site = self
            .read(|maxio| async move { billing.site(&maxio).await.cloned() })
            .await?;
        Ok(match site.relationship_invoicing_enabled {
            true => CollectionMethod::Remittance,
            false => CollectionMethod::Invoice,
        })
    }

    async fn subscription_is(&mut self, subscription: &Subscription) -> Result<(), Stop> {
        let reached = Reached {
            subscription: Some(subscription.id.to_string()),
            ..Reached::default()
        };
        self.reached(Step::Subscription, reached).await
    }
}

/// What came of sending a subscription.
enum Made {
    /// It is there.
    There(Box<Subscription>),
    /// Something else is.
    Occupied(String),
    /// Certainly not.
    Refused(Error),
    /// Maxio has seen the token before, and the subscription is not to be seen.
    SeenBefore,
    /// Nobody knows, and it is not to be seen.
    Unclear(Error),
}

fn occupied(why: String) -> Stop {
    Stop::Failed(Code::MaxioOccupied, why, Faults::new())
}
