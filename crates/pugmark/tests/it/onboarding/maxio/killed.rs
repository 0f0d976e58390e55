//! The real program is killed at any moment: every lead that was answered is set up, once.

use std::path::Path;

use pugmark_sandbox::FaultPlan;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::crash;
use crate::harness::{on_both_databases, seed};
use crate::http::Answer;
use crate::program::Serving;

on_both_databases!(killed_at_any_moment_every_lead_is_set_up_once);

const KILLS: usize = 15;

/// `pugmark serve` between both look-alikes.
pub(crate) fn serve(site: &Site, folder: &Path) -> std::process::Command {
    let mut command = crash::serve(&site.world, folder);
    command
        .env("MAXIO_API_URL", site.maxio.url())
        .env("MAXIO_API_KEY", site.maxio.api_key())
        .env("MAXIO_WEBHOOK_SECRET", site.maxio.webhook_key())
        .env("PUGMARK__MAXIO__CALL_TIMEOUT", "700ms")
        .env("PUGMARK__MAXIO__LONGEST_EXECUTION", "500ms")
        .env("PUGMARK__MAXIO__GATEWAY", "test")
        .env("PUGMARK__ONBOARDING__POLL", "0s")
        .env("PUGMARK_SEAL_KEY", "07".repeat(32))
        .env("VTIGER_WEBHOOK_SECRET", super::super::sending::SECRET);
    command
}

/// Leads as they become ready, and what was answered for them.
struct Office<'a> {
    site: &'a Site,
    rng: StdRng,
    leads: Vec<String>,
    answered: Vec<(String, String)>,
}

impl Office<'_> {
    /// Works until the program does not answer any more.
    async fn work(&mut self, api: &Api) {
        loop {
            let again = self.rng.random_bool(0.3) && !self.leads.is_empty();
            let lead = match again {
                true => self.leads[self.rng.random_range(0..self.leads.len())].clone(),
                false => {
                    let lead = self
                        .site
                        .lead(&format!("c{}@acmecorp.com", self.leads.len()));
                    self.leads.push(lead.clone());
                    lead
                }
            };
            let body = format!(
                r#"{{"id":"{lead}","data":{{"n":"{}"}}}}"#,
                self.rng.random_range(0..u32::MAX)
            );
            let Some(received) = send(api, &body).await else {
                return;
            };
            if received.status == 200
                && let Some(job) = received.json["jobId"].as_str()
            {
                self.answered.push((lead, job.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(5..60))).await;
        }
    }
}

/// `None` when there was no answer.
async fn send(api: &Api, body: &str) -> Option<Answer> {
    let response = signed(api, body).send().await.ok()?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await.ok()?;
    let json = serde_json::from_str(&text).unwrap_or_default();
    Some(Answer {
        status,
        headers,
        text,
        json,
    })
}

async fn killed_at_any_moment_every_lead_is_set_up_once(world: World) {
    let seed = seed();
    let maxio = |maxio: MaxioSandboxBuilder| {
        maxio
            .latency(Duration::from_millis(15))
            .unique_subscription_references(false)
    };
    let site = Site::with(world, maxio, |crm| with_fields(crm, "Leads")).await;
    let folder = tempfile::tempdir().expect("a folder");
    site.maxio.faults().set(FaultPlan::typical(seed, 0.1));
    let mut lives = StdRng::seed_from_u64(seed ^ 1);
    let mut office = Office {
        site: &site,
        rng: StdRng::seed_from_u64(seed ^ 2),
        leads: Vec::new(),
        answered: Vec::new(),
    };
    for _ in 0..KILLS {
        let serving = Serving::start(serve(&site, folder.path())).await;
        let api = Api::at(serving.address);
        let life = Duration::from_millis(lives.random_range(50..1_200));
        let killing = async {
            tokio::time::sleep(life).await;
            // SIGKILL.
            drop(serving);
        };
        tokio::join!(killing, office.work(&api));
    }
    site.maxio.faults().clear();
    let program = site.program().await;
    let cut_short = program
        .count("vtiger_sync_attempts WHERE ended = 'EXPIRED' OR ended IS NULL")
        .await;
    assert!(cut_short > 0, "no kill struck an attempt");
    let serving = Serving::start(serve(&site, folder.path())).await;
    program.wait_until_idle().await;
    let api = Api::at(serving.address);
    assert!(!office.answered.is_empty(), "or the test shows nothing");
    for (lead, job) in &office.answered {
        let job = site.job(&api, job).await;
        assert_eq!(
            job.status,
            "crm_updated",
            "PUGMARK_SEED={seed} {lead}: {job:?}\n{}",
            serving.log()
        );
        site.assert_set_up(lead);
    }
    let seen = site.maxio.traffic();
    eprintln!(
        "{KILLS} kills, {} leads, {cut_short} attempts cut short, {} faults, at most {} calls at once",
        office.leads.len(),
        site.maxio.journal().faults().len(),
        seen.most_in_progress,
    );
    assert_eq!(serving.stop().await, 0);
}
