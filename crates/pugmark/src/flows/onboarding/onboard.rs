//! `maxio.onboard`: a lead that is ready becomes a customer with a payment profile and a subscription, and is told their ids.
//!
//! What [`steps`] decides is done here. Each finished step is committed under the operation's lease before the next
//! one begins, and what may have its effect is noted before it is sent: after a crash, a lost lease or a lost answer the next
//! attempt goes on behind the last finished step, and looks before it repeats the one that was under way.

mod customer;
mod payment_profile;
mod reading_lead;
mod subscription;

use async_trait::async_trait;
use maxio::{CustomerId, Error, PaymentProfileId};
use pugmark_queue::{Claimed, Handled, Handler};
use serde_json::{Value, json};
use tracing::Instrument;

use super::attempt::{Attempt, Tools};
use super::check::Faults;
use super::refusals::{faults, sentence};
use super::steps::{self, Next};
use super::stop::{self, Stop};
use crate::crm::calls::CallLog;
use crate::delivery::Trouble;
use crate::problem::Code;
use crate::store::sync_jobs::{Reached, Step};

/// Sets leads up in Maxio.
pub struct OnboardHandler {
    tools: Tools,
}

impl OnboardHandler {
    /// A handler that works with these.
    pub fn new(tools: Tools) -> Self {
        OnboardHandler { tools }
    }

    async fn carry_out(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::without_answers(self.tools.deliverer.crm.breaker.clone());
        let ended = async {
            Attempt::begin(&self.tools, operation, &calls)
                .await?
                .carry_out()
                .await
        };
        let ended = ended.await;
        self.tools.deliverer.crm.heed_quota();
        let queue = &self.tools.deliverer.queue;
        let job = operation.entity_id.parse().ok();
        stop::handled(queue, operation, job, ended, &calls)
    }
}

#[async_trait]
impl Handler for OnboardHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let span = tracing::error_span!("job", job_id = operation.entity_id);
        self.carry_out(operation).instrument(span).await
    }
}

impl Attempt<'_> {
    async fn carry_out(&mut self) -> Result<Value, Stop> {
        let wanted = match self.needs_lead() {
            true => Some(self.the_lead().await?),
            false => None,
        };
        loop {
            match (steps::next(self.job.reached()), &wanted) {
                (Next::Check, _) => self.reached(Step::Checked, Reached::default()).await?,
                (Next::Customer, Some(wanted)) => self.see_to_customer(wanted).await?,
                (Next::PaymentProfile, Some(wanted)) => self.see_to_profile(wanted).await?,
                (Next::Subscription, wanted) => self.see_to_subscription(wanted.as_ref()).await?,
                (Next::Tell, _) => self.tell().await?,
                (Next::Nothing, _) => return Ok(self.outcome()),
                // The lead is read whenever these are still to come.
                (Next::Customer | Next::PaymentProfile, None) => {
                    return Err(Stop::Over("the job has changed meanwhile".to_owned()));
                }
            }
        }
    }

    fn outcome(&self) -> Value {
        json!({
            "result": "set up",
            "customer": self.job.maxio_customer_id,
            "paymentProfile": self.job.maxio_payment_profile_id,
            "subscription": self.job.maxio_subscription_id,
        })
    }

    /// Whether something is still to be made from the lead's values: also a payment profile that a person may have corrected.
    fn needs_lead(&self) -> bool {
        let reached = self.job.reached();
        reached < Step::PaymentProfile || (reached == Step::PaymentProfile && self.job.reruns > 0)
    }

    pub(in crate::flows::onboarding) fn customer_id(&self) -> Result<CustomerId, Stop> {
        let id = self.job.maxio_customer_id.as_deref();
        id.and_then(|id| id.parse().ok()).ok_or_else(|| {
            Stop::Over("the job names no customer of Maxio, although it should".to_owned())
        })
    }

    fn profile_id(&self) -> Option<PaymentProfileId> {
        self.job.maxio_payment_profile_id.as_deref()?.parse().ok()
    }

    /// What Maxio did not make, and certainly so.
    fn refused(&self, what: &str, error: &Error) -> Stop {
        match error {
            Error::Refused { messages, .. } => {
                let faults = faults(messages);
                Stop::Failed(
                    Code::MaxioRefused,
                    sentence(&format!("Maxio did not make {what}"), &faults),
                    faults,
                )
            }
            Error::NotFound => match self.customer_id() {
                Ok(id) => customer_gone(&id),
                Err(stop) => stop,
            },
            error => Trouble::of_maxio(error).into(),
        }
    }
}

fn customer_gone(id: &CustomerId) -> Stop {
    Stop::Failed(
        Code::MaxioOccupied,
        format!(
            "The customer {id} that was made for this lead is gone from Maxio. Somebody has deleted it there: cancel the job, and \
             start a new one if the lead is to be set up once more"
        ),
        Faults::new(),
    )
}
