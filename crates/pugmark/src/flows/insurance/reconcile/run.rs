//! A run, step by step.

use std::time::Duration;

use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use serde_json::json;
use tracing::Instrument;
use vtiger::Query;

use super::{
    AHEAD, CompareError, Compared, Comparer, Found, PAGE, Reconciler, Repair, Step, Verdict,
};
use crate::crm::CONTACTS;
use crate::problem::Code;
use crate::store::reconcile::{self, Run};
use crate::store::standing::{self, Standing};

/// How soon a run looks again whether fewer of its repairs wait.
const LOOK: Duration = Duration::from_secs(1);
/// How soon a page is tried again that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Runs that are kept with what they found.
const KEPT: i64 = 30;

impl Reconciler {
    /// Does the next page of the run under way.
    ///
    /// # Errors
    /// When the store does not answer. What the CRM does is noted at the run, and it is tried again.
    pub async fn step(&self) -> Result<Step, CompareError> {
        let run = reconcile::latest(&mut self.db.read().await?).await?;
        let Some(run) = run.filter(|run| run.ended_at.is_none()) else {
            return Ok(Step::Idle);
        };
        if let Some(pause) = self.crm.spared_for() {
            return Ok(Step::Wait(pause.min(AGAIN)));
        }
        if run.fix && self.queue.progress(&run.correlation_id).await?.unfinished >= AHEAD {
            return Ok(Step::Wait(LOOK));
        }
        let span = tracing::error_span!("reconcile", correlation_id = %run.correlation_id);
        self.page_of(&run).instrument(span).await
    }

    async fn page_of(&self, run: &Run) -> Result<Step, CompareError> {
        let (client, calls) = self.client(&run.correlation_id);
        let done = self.next_page(run, &client).await;
        let calls = i64::from(calls.count());
        self.crm.heed_quota();
        match done {
            Ok((mut moved, findings)) => {
                moved.calls += calls;
                moved.trouble = None;
                self.store(run, moved, findings).await
            }
            Err(CompareError::Db(error)) => Err(error.into()),
            Err(CompareError::Queue(error)) => Err(error.into()),
            Err(error @ CompareError::NoReferenceField) => {
                let ended = Run {
                    phase: "ended".to_owned(),
                    ended_at: Some(Ts::now()),
                    trouble: Some(format!("{}: {error}", Code::NoReferenceField)),
                    ..run.clone()
                };
                self.store(run, ended, Vec::new()).await
            }
            Err(CompareError::Call(error)) => {
                tracing::warn!(%error, "a page could not be compared; it is tried again");
                let held = Run {
                    calls: run.calls + calls,
                    trouble: Some(error.to_string()),
                    ..run.clone()
                };
                self.store(run, held, Vec::new()).await?;
                Ok(Step::Wait(AGAIN))
            }
        }
    }

    async fn next_page(
        &self,
        run: &Run,
        client: &vtiger::Client,
    ) -> Result<(Run, Vec<Found>), CompareError> {
        let comparer = Comparer::new(&self.db, &self.crm, client, &self.setting).await?;
        let mut moved = run.clone();
        if run.phase == "contacts" {
            if run.place.is_empty() {
                let all = Query::select(CONTACTS);
                moved.contacts_total = i64::try_from(client.count(&all).await?).unwrap_or(i64::MAX);
                moved.customers_total = standing::customers(&mut self.db.read().await?).await?;
            }
            let page = self.contacts_page(run, client, &comparer).await?;
            moved.contacts += page.seen;
            moved.strangers += page.strangers;
            match page.last {
                Some(last) => moved.place = last,
                None => {
                    moved.phase = "customers".to_owned();
                    moved.place = String::new();
                }
            }
            // A server that counts only so far has more of them than it says.
            moved.contacts_total = moved.contacts_total.max(moved.contacts);
            return Ok((moved, page.findings));
        }
        let findings = self.customers_page(run, &mut moved, &comparer).await?;
        Ok((moved, findings))
    }

    async fn customers_page(
        &self,
        run: &Run,
        moved: &mut Run,
        comparer: &Comparer<'_>,
    ) -> Result<Vec<Found>, CompareError> {
        let after = Some(run.place.as_str()).filter(|place| !place.is_empty());
        let page = standing::page(&mut self.db.read().await?, after, PAGE).await?;
        moved.customers += i64::try_from(page.len()).unwrap_or(i64::MAX);
        let mut findings = Vec::new();
        for customer in page.iter().filter(|customer| customer.vtiger_id.is_none()) {
            findings.extend(self.without_contact(run, moved, customer).await?);
        }
        let linked: Vec<String> = page
            .iter()
            .filter(|customer| customer.vtiger_id.is_some())
            .map(|customer| customer.id.clone())
            .collect();
        for compared in comparer.compare(&linked).await? {
            self.note_checked(&compared).await?;
            match compared.verdict {
                Verdict::Equal => moved.equal += 1,
                Verdict::UnderWay => moved.under_way += 1,
                // Nobody misses the contact of a test customer.
                Verdict::Gone if !compared.standing.is_member() => moved.equal += 1,
                _ => findings.push(out_of_step(compared, run.recreate)),
            }
        }
        match page.last() {
            Some(last) if page.len() >= PAGE as usize => moved.place = last.id.clone(),
            _ => {
                moved.phase = "ended".to_owned();
                moved.ended_at = Some(Ts::now());
            }
        }
        Ok(findings)
    }

    /// A customer without a contact: missing, unless it should have none, or its contact was found without a link.
    async fn without_contact(
        &self,
        run: &Run,
        moved: &mut Run,
        customer: &Standing,
    ) -> Result<Option<Found>, CompareError> {
        if !customer.is_member() {
            return Ok(None);
        }
        if customer.unfinished {
            moved.under_way += 1;
            return Ok(None);
        }
        let mut conn = self.db.read().await?;
        if reconcile::of_customer(&mut conn, run.id, "unlinked", &customer.id)
            .await?
            .is_some()
        {
            return Ok(None);
        }
        let found = Found::new("missing", &customer.id, "", json!({}));
        Ok(Some(found.repaired_by(customer, Some(Repair::Create))))
    }

    /// Stamps what was compared: proved equal, known to differ, or passed over.
    pub(super) async fn note_checked(&self, compared: &Compared) -> Result<(), CompareError> {
        let (id, now) = (compared.standing.id.clone(), Ts::now());
        let equal = match compared.verdict {
            Verdict::Equal => Some(true),
            Verdict::UnderWay => None,
            _ => Some(false),
        };
        self.db
            .write("note comparison", move |conn| {
                Box::pin(async move {
                    match equal {
                        Some(equal) => standing::note_checked(conn, &id, equal, now).await,
                        None => standing::note_passed_over(conn, &id, now).await,
                    }
                })
            })
            .await?;
        Ok(())
    }

    /// Stores a page: what was found, what puts it right, and how far the run is are one commit.
    async fn store(
        &self,
        run: &Run,
        moved: Run,
        findings: Vec<Found>,
    ) -> Result<Step, CompareError> {
        let (before, after) = (run.clone(), moved.clone());
        let repairer = match run.fix {
            true => self.repairer(&run.correlation_id, &run.requested_by),
            false => None,
        };
        let counts = self
            .db
            .write("reconcile page", move |conn| {
                Box::pin(async move {
                    if !reconcile::advance(conn, &before, &after).await? {
                        // Another process has done the page, or somebody has stopped the run.
                        return Ok::<_, QueueError>(None);
                    }
                    for found in findings {
                        let finding = found.settle(conn, repairer.as_ref()).await?;
                        reconcile::note(conn, before.id, &finding).await?;
                    }
                    if after.ended_at.is_some() {
                        reconcile::prune(conn, KEPT).await?;
                    }
                    Ok(Some(reconcile::counts(conn, before.id).await?))
                })
            })
            .await?;
        if let (Some(counts), true) = (counts, moved.ended_at.is_some()) {
            let found: i64 = counts.values().map(|(found, _)| found).sum();
            let repaired: i64 = counts.values().map(|(_, repaired)| repaired).sum();
            let (customers, contacts) = (moved.customers, moved.contacts);
            match found {
                0 => tracing::info!(customers, contacts, "both sides are in step"),
                _ => tracing::warn!(
                    code = %Code::OutOfStep,
                    customers,
                    contacts,
                    found,
                    repaired,
                    "both sides were compared and are not in step; `pugmark reconcile --show` lists it"
                ),
            }
        }
        Ok(Step::Done)
    }
}

/// Something that is out of step, with what the rules say about it.
pub(super) fn out_of_step(compared: Compared, recreate: bool) -> Found {
    let seen = compared.standing;
    let (kind, detail, repair) = match compared.verdict {
        Verdict::Different(different) => {
            let detail = different.detail();
            let repair = Repair::Differing(Box::new(different));
            ("different", detail, Some(repair))
        }
        Verdict::Unreadable(reason) => ("unreadable", json!({ "reason": reason }), None),
        // The contact of a test customer is not made again.
        _ => {
            let again = recreate && seen.is_member();
            ("gone", json!({}), again.then_some(Repair::Recreate))
        }
    };
    let contact = seen.vtiger_id.clone().unwrap_or_default();
    Found::new(kind, &seen.id, &contact, detail).repaired_by(&seen, repair)
}
