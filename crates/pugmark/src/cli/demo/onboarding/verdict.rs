//! The oracle: compares the leads as they were written with what the look-alikes of Maxio and vTiger really hold.

use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, CellAlignment, Table};
use pugmark_sandbox::{MaxioSandbox, StoredRecord};
use serde::Serialize;

use super::leads::{Fate, Lead};
use super::made::{AllMade, Made};
use super::office::Office;
use super::site::{CUSTOMER, DONE, READY, SUBSCRIPTION, Site};
use crate::cli::CliError;
use crate::store::sync_jobs::{Job, Status};

/// Calls that Maxio works on at once.
const MOST_AT_ONCE: usize = 4;

/// What came of the leads.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    leads: u64,
    set_up: u64,
    failed: u64,
    /// What the jobs say that have failed for good.
    reasons: Vec<String>,
    corrected: u64,
    cancelled: u64,
    webhooks_delivered: u64,
    webhooks_lost: u64,
    webhooks_forged: u64,
    wrongly_answered: u64,
    customers: u64,
    payment_profiles: u64,
    subscriptions: u64,
    faults_injected: u64,
    duplicates: u64,
    lost: u64,
    leaked: u64,
    /// Leads set up that show other ids or another status than they should.
    leads_wrong: u64,
    /// Payment profiles that are missing or hold another account than the lead's.
    accounts_wrong: u64,
    /// Jobs that did not fail as they should, or do not name the field.
    failures_wrong: u64,
    crm_calls: u64,
    maxio_calls: u64,
    most_at_once: usize,
    acknowledgement_p99_ms: f64,
    settled: bool,
    seconds: f64,
}

impl Verdict {
    /// Nothing lost, nothing twice, nothing told wrongly, nothing where it does not belong.
    pub(super) fn is_fine(&self) -> bool {
        self.settled
            && self.most_at_once <= MOST_AT_ONCE
            && [
                self.wrongly_answered,
                self.duplicates,
                self.lost,
                self.leaked,
                self.leads_wrong,
                self.accounts_wrong,
                self.failures_wrong,
            ] == [0; 7]
    }

    pub(super) fn to_json(&self) -> String {
        // Numbers, texts and booleans only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn to_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        for (name, value, meaning) in self.rows() {
            table.add_row(vec![
                Cell::new(name),
                Cell::new(value).set_alignment(CellAlignment::Right),
                Cell::new(meaning),
            ]);
        }
        table
    }

    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let row = |name, value: u64, meaning: &str| (name, value.to_string(), meaning.to_owned());
        let reasons = match self.reasons.is_empty() {
            true => String::new(),
            false => format!(":\n{}", self.reasons.join("\n")),
        };
        vec![
            row(
                "leads",
                self.leads,
                "set to \"Ready for Finance Setup\" in vTiger",
            ),
            row(
                "set up",
                self.set_up,
                &format!("{} of them after somebody corrected them", self.corrected),
            ),
            row(
                "failed",
                self.failed,
                &format!(
                    "as they should; {} without naming what is wrong{reasons}",
                    self.failures_wrong
                ),
            ),
            row(
                "cancelled",
                self.cancelled,
                "by a person; nothing followed when the workflow fired again",
            ),
            row(
                "webhooks",
                self.webhooks_delivered,
                &format!(
                    "delivered, repeated ones among them; {} lost, {} forged, {} wrongly answered",
                    self.webhooks_lost, self.webhooks_forged, self.wrongly_answered
                ),
            ),
            (
                "acknowledgement",
                format!("{:.1} ms", self.acknowledgement_p99_ms),
                "99 of 100 webhooks were answered within; their jobs are stored by then".to_owned(),
            ),
            row("customers", self.customers, "that Maxio's journal shows"),
            row(
                "payment profiles",
                self.payment_profiles,
                &format!(
                    "bank accounts; {} missing or with another IBAN than the lead's",
                    self.accounts_wrong
                ),
            ),
            row(
                "subscriptions",
                self.subscriptions,
                "one for each lead that was set up",
            ),
            row(
                "faults injected",
                self.faults_injected,
                "5xx, cut and hanging answers, 429, by Maxio and vTiger",
            ),
            row(
                "duplicates",
                self.duplicates,
                "customers, profiles or subscriptions made twice",
            ),
            row(
                "lost",
                self.lost,
                "leads without a subscription that should have one",
            ),
            row(
                "leaked",
                self.leaked,
                "things in Maxio of leads that must not be there",
            ),
            row(
                "told wrongly",
                self.leads_wrong,
                "leads that show other ids or another status than they should",
            ),
            row(
                "calls",
                self.maxio_calls,
                &format!(
                    "to Maxio, at most {} at once ({MOST_AT_ONCE} are allowed); {} to vTiger",
                    self.most_at_once, self.crm_calls
                ),
            ),
            (
                "time",
                format!("{:.1} s", self.seconds),
                match self.settled {
                    true => "until every job had ended".to_owned(),
                    false => "GAVE UP: there are jobs that have not ended".to_owned(),
                },
            ),
        ]
    }

    /// Adds what became of a lead that must be set up.
    fn judge_set_up(
        &mut self,
        lead: &Lead,
        record: Option<&StoredRecord>,
        made: &Made,
        maxio: &MaxioSandbox,
    ) {
        self.duplicates += made.surplus();
        let Some(subscription) = made.subscriptions.first() else {
            self.lost += 1;
            return;
        };
        self.set_up += 1;
        let corrected = [Fate::CorrectedInVtiger, Fate::CorrectedByApi];
        self.corrected += u64::from(corrected.contains(&lead.fate));
        let account = made.profiles.first().and_then(|id| id.parse().ok());
        let is_right = account.is_some_and(|id| maxio.iban_is(id, &lead.iban));
        self.accounts_wrong += u64::from(!is_right);
        let shows = record.is_some_and(|record| {
            made.customers
                .first()
                .is_some_and(|id| record.value(CUSTOMER) == id)
                && record.value(SUBSCRIPTION) == subscription
                && record.value("leadstatus") == DONE
        });
        self.leads_wrong += u64::from(!shows);
    }

    /// Adds what became of a lead that must not be set up.
    fn judge_left(
        &mut self,
        lead: &Lead,
        record: Option<&StoredRecord>,
        made: &Made,
        job: Option<&Job>,
    ) {
        self.leaked += made.count();
        let untold = record.is_some_and(|record| {
            record.value(CUSTOMER).is_empty()
                && record.value(SUBSCRIPTION).is_empty()
                && record.value("leadstatus") == READY
        });
        self.leads_wrong += u64::from(!untold);
        let failed = job.filter(|job| job.standing() == Status::Failed);
        let as_it_should = match (failed, lead.fate.fault()) {
            (Some(job), Some(field)) => {
                let faults = job.faults();
                let why = faults.get(field);
                self.reasons
                    .extend(why.map(|why| format!("{}: {field} {why}", lead.company)));
                self.failed += 1;
                why.is_some() && faults.len() == 1
            }
            (Some(job), None) => {
                self.cancelled += u64::from(job.is_cancelled());
                job.is_cancelled()
            }
            (None, _) => false,
        };
        self.failures_wrong += u64::from(!as_it_should);
    }
}

pub(super) async fn judge(
    office: &Office<'_>,
    site: &Site,
    settled: bool,
    elapsed: Duration,
) -> Result<Verdict, CliError> {
    let (crm, maxio) = (site.crm.journal(), site.maxio.journal());
    let jobs = office.jobs(None).await?;
    let mut verdict = Verdict {
        leads: office.written.len() as u64,
        webhooks_delivered: office.post.delivered,
        webhooks_lost: office.post.lost,
        webhooks_forged: office.post.forged,
        wrongly_answered: office.post.wrongly_answered,
        customers: maxio.count_created("customers"),
        payment_profiles: maxio.count_created("payment_profiles"),
        subscriptions: maxio.count_created("subscriptions"),
        faults_injected: (crm.faults().len() + maxio.faults().len()) as u64,
        crm_calls: crm.count_calls(None),
        maxio_calls: maxio.count_calls(None),
        most_at_once: site.maxio.traffic().most_in_progress,
        acknowledgement_p99_ms: percentile(&office.post.waits, 99).as_secs_f64() * 1_000.0,
        settled,
        seconds: elapsed.as_secs_f64(),
        ..Verdict::default()
    };
    let mut all_made = AllMade::of(&site.maxio);
    for (id, lead) in &office.written {
        let record = site.crm.record(id);
        let made = all_made.take(id);
        if lead.fate.is_set_up() {
            verdict.judge_set_up(lead, record.as_ref(), &made, &site.maxio);
        } else {
            verdict.judge_left(lead, record.as_ref(), &made, jobs.get(id));
        }
    }
    // What nobody's lead accounts for, whatever its reference is.
    let made = verdict.customers + verdict.payment_profiles + verdict.subscriptions;
    verdict.leaked += made.saturating_sub(all_made.accounted);
    Ok(verdict)
}

/// The smallest wait that so many of a hundred do not exceed.
fn percentile(waits: &[Duration], of_hundred: usize) -> Duration {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * of_hundred).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Verdict {
        Verdict {
            settled: true,
            ..Verdict::default()
        }
    }

    #[test]
    fn anything_wrong_makes_the_whole_wrong() {
        assert!(fine().is_fine());
        let wrongs: [fn(&mut Verdict); 9] = [
            |verdict| verdict.settled = false,
            |verdict| verdict.most_at_once = 5,
            |verdict| verdict.wrongly_answered = 1,
            |verdict| verdict.duplicates = 1,
            |verdict| verdict.lost = 1,
            |verdict| verdict.leaked = 1,
            |verdict| verdict.leads_wrong = 1,
            |verdict| verdict.accounts_wrong = 1,
            |verdict| verdict.failures_wrong = 1,
        ];
        for (number, wrong) in wrongs.into_iter().enumerate() {
            let mut verdict = fine();
            wrong(&mut verdict);
            assert!(!verdict.is_fine(), "{number}");
        }
    }

    #[test]
    fn ninety_nine_of_a_hundred_wait_no_longer() {
        let waits: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&waits, 99), Duration::from_millis(198));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
