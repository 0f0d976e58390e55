//! The lead as it is now, turned into what Maxio is sent.

use std::sync::Arc;
use std::time::Duration;

use vtiger::{CallError, Module};

use super::Attempt;
use crate::crm::CONTACTS;
use crate::delivery::Trouble;
use crate::flows::onboarding::check::{self, Faults, Wanted};
use crate::flows::onboarding::fields;
use crate::flows::onboarding::lead::{Found, Lead, Leads};
use crate::flows::onboarding::refusals::sentence;
use crate::flows::onboarding::stop::Stop;
use crate::problem::Code;
use crate::store::sync_jobs::Step;

impl Attempt<'_> {
    /// Reads the lead and turns it into what Maxio is sent.
    pub(super) async fn the_lead(&self) -> Result<Wanted, Stop> {
        let (tools, client) = (self.tools, self.crm()?);
        let failed = |error: CallError| self.crm_trouble(CONTACTS, &error);
        let modules = tools.leads.modules(&client).await.map_err(failed)?;
        let maxio = &tools.billing.settings;
        let id = Leads::id(self.lead(), &modules).map_err(|fault| {
            let values = tools.leads.values_known(&self.known);
            let mut faults = check::check_given(&values, maxio.collection, maxio.gateway);
            faults.insert(check::LEAD_ID.to_owned(), fault);
            unfit(faults)
        })?;
        let values = tools.leads.values_known(&self.known);
        let email = values.get("email");
        let found = tools
            .leads
            .find(&client, &modules, &id, email.as_deref())
            .await;
        let Found::There(lead) = found.map_err(failed)? else {
            return Err(self.gone());
        };
        if self.job.reached() == Step::Received {
            self.is_ready(&lead, &modules)?;
            self.can_be_told(&lead)?;
        }
        let values = tools.leads.values(&client, &lead, &self.known).await;
        let values = values.map_err(failed)?;
        let checked = check::check(self.lead(), &values, maxio.collection, maxio.gateway);
        checked.map_err(|mut faults| {
            explain_missing(&mut faults, &tools.leads.missing(&lead.module), &lead);
            unfit(faults)
        })
    }

    /// Nobody but the CRM itself may have said that the lead is ready, and it may say something else by now.
    fn is_ready(&self, lead: &Lead, modules: &[Arc<Module>]) -> Result<(), Stop> {
        let leads = &self.tools.leads;
        let by_machine = ["webhook", "poll"].contains(&self.job.requested_by.as_str());
        if !by_machine || leads.said_ready(modules, &self.known) {
            return Ok(());
        }
        match leads.status(lead) {
            Some(status) if leads.is_ready(&status) => Ok(()),
            status => {
                let shown = status.unwrap_or_default();
                let ready = &self.tools.settings.ready;
                Err(Stop::CalledOff(
                    Code::LeadNotReady,
                    format!(
                        "The lead is no longer ready: its status is `{shown}`, not `{ready}`. Nothing was made in Maxio. Set the \
                         status to `{ready}` again, or retry the job then"
                    ),
                ))
            }
        }
    }

    /// Whether the lead has fields for Maxio's ids. Without them nothing is made, because nobody in the CRM would ever see it.
    fn can_be_told(&self, lead: &Lead) -> Result<(), Stop> {
        let settings = &self.tools.settings;
        let ids = [&settings.write.customer_id, &settings.write.subscription_id];
        let missing: Vec<&str> = ids
            .into_iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty() && fields::field(&lead.module, name).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(self.no_field(&lead.module.name, &missing))
    }

    /// It goes on by itself when the fields are there.
    pub(in crate::flows::onboarding) fn no_field(&self, module: &str, missing: &[&str]) -> Stop {
        let crm = &self.tools.deliverer.crm;
        let recheck = crm.settings.describe_for.min(Duration::from_secs(60));
        Stop::Wait(Trouble::blocked(
            "setting:onboarding.write".to_owned(),
            recheck,
            Code::LeadFieldMissing,
            format!(
                "vTiger's {module} have no field named or labelled {}, so the lead could not be told what comes of it. Make a text \
                 field with that label, or set [onboarding.write] to fields that exist; it is noticed within minutes",
                missing.join(" and ")
            ),
        ))
    }

    pub(in crate::flows::onboarding) fn gone(&self) -> Stop {
        let made: String = [
            ("customer", &self.job.maxio_customer_id),
            ("subscription", &self.job.maxio_subscription_id),
        ]
        .into_iter()
        .filter_map(|(what, id)| id.as_ref().map(|id| format!(" {what} {id}")))
        .collect();
        let made = match made.is_empty() {
            true => "Nothing was made in Maxio".to_owned(),
            false => format!("In Maxio there are:{made}"),
        };
        Stop::Failed(
            Code::LeadGone,
            format!(
                "The lead {} is gone from vTiger, or Pugmark's user may not see it, and no single contact with its e-mail address \
                 came out of it. {made}. Restore the lead and retry the job, or cancel it",
                self.lead()
            ),
            Faults::new(),
        )
    }
}

fn unfit(faults: Faults) -> Stop {
    let message = sentence("The lead cannot be set up in Maxio as it is", &faults);
    Stop::Failed(Code::LeadUnfit, message, faults)
}

/// Says of what is empty that there is no field for it.
fn explain_missing(faults: &mut Faults, missing: &[(&'static str, String)], lead: &Lead) {
    for (name, configured) in missing {
        if let Some(fault) = faults.get_mut(*name)
            && fault.starts_with("is empty")
        {
            fault.push_str(&format!(
                ". vTiger's {} have no field named or labelled `{configured}` (onboarding.lead.{name})",
                lead.module.name
            ));
        }
    }
}
