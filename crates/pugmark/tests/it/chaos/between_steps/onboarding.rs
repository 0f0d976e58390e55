//! Leads that are ready and become a customer with a subscription in Maxio.

use std::path::Path;
use std::process::Command;

use pugmark_sandbox::{Faults, Journal, JournalKind};

use super::Story;
use crate::chaos::oracle::Verdict;
use crate::harness::{World, Writer};
use crate::http::Api;
use crate::onboarding::maxio::{CUSTOMER_FIELD, SUBSCRIPTION_FIELD, Site, killed, with_fields};

pub(super) struct Onboarding {
    site: Site,
    made: u32,
}

impl Onboarding {
    pub(super) async fn of(world: World) -> Self {
        // Nothing but Pugmark keeps a second subscription away.
        let site = Site::with(
            world,
            |maxio| maxio.unique_subscription_references(false),
            |crm| with_fields(crm, "Leads"),
        );
        Self {
            site: site.await,
            made: 0,
        }
    }
}

impl Story for Onboarding {
    /// The lead.
    type Subject = String;

    const NAME: &'static str = "onboarding";

    fn world(&self) -> &World {
        &self.site.world
    }

    fn systems(&self) -> Vec<(Faults, Journal)> {
        let (maxio, crm) = (&self.site.maxio, &self.site.world.crm);
        vec![
            (maxio.faults().clone(), maxio.journal()),
            (crm.faults().clone(), crm.journal()),
        ]
    }

    fn command(&self, folder: &Path) -> Command {
        killed::serve(&self.site, folder)
    }

    async fn prepare(&mut self, _api: &Api, _program: &Writer) -> String {
        self.made += 1;
        self.site
            .lead(&format!("contact{}@acmecorp.com", self.made))
    }

    async fn ask(&mut self, api: &Api, _program: &Writer, lead: &String) {
        self.site.ready(api, lead).await;
    }

    async fn judge(&self, _program: &Writer, lead: &String, verdict: &mut Verdict) {
        let journal = self.site.maxio.journal();
        let customers = journal.count_distinct_by("customers", "reference");
        let customers = customers.get(lead).cloned().unwrap_or_default();
        let subscriptions = journal.count_distinct_by("subscriptions", "reference");
        let reference = format!("lead-{lead}");
        let subscriptions = subscriptions.get(&reference).cloned().unwrap_or_default();
        let profiles = journal.created("payment_profiles");
        let profiles = profiles.iter().filter(|entry| match &entry.kind {
            JournalKind::Created { fields, .. } => fields.get("customer_id") == customers.first(),
            _ => false,
        });
        for (what, number) in [
            ("customers", customers.len()),
            ("subscriptions", subscriptions.len()),
            ("payment profiles", profiles.count()),
        ] {
            match number {
                0 => verdict.lost.push(format!("{lead}: no {what}")),
                1 => {}
                more => verdict.twice.push(format!("{lead}: {more} {what}")),
            }
        }
        let record = self.site.world.crm.record(lead).expect("the lead");
        for (field, made) in [
            (CUSTOMER_FIELD, customers.first()),
            (SUBSCRIPTION_FIELD, subscriptions.first()),
        ] {
            if Some(record.value(field)) != made.map(String::as_str) {
                verdict
                    .lost
                    .push(format!("{lead} does not know {made:?} in {field}"));
            }
        }
    }
}
