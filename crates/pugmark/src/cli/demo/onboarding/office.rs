//! The people of the HR company and the mail between their systems: leads become ready, webhooks get lost, mistakes are corrected.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pugmark_sandbox::WebhookRequest;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::leads::{Fate, Lead};
use super::show::Show;
use super::site::{IBAN, READY, Site};
use crate::app::Running;
use crate::cli::CliError;
use crate::store::sync_jobs::{self, Job, JobFilter, Status};

/// Longest time the stream of leads takes, however many.
const STREAM: Duration = Duration::from_secs(6);
const SLOWEST_PACE: Duration = Duration::from_millis(60);
/// How often a webhook arrives that arrives several times.
const COPIES: usize = 5;
/// How often it is looked whether something has come about.
const LOOK: Duration = Duration::from_millis(100);

/// Webhooks by what became of them.
#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) delivered: u64,
    pub(super) lost: u64,
    pub(super) forged: u64,
    /// Genuine ones that were not taken, and forged ones that were.
    pub(super) wrongly_answered: u64,
    /// How long each taken one waited for its answer.
    pub(super) waits: Vec<Duration>,
}

/// Everything that people do.
pub(super) struct Office<'a> {
    site: &'a Site,
    running: &'a Running,
    api: String,
    token: &'a str,
    client: Client,
    pace: Duration,
    patience: Duration,
    /// Leads to come.
    leads: Vec<Lead>,
    /// Leads in vTiger, by their ids there.
    pub(super) written: Vec<(String, Lead)>,
    pub(super) post: Post,
}

impl<'a> Office<'a> {
    pub(super) fn open(
        site: &'a Site,
        running: &'a Running,
        token: &'a str,
        leads: Vec<Lead>,
        patience: Duration,
    ) -> Result<Self, CliError> {
        let address = running
            .address
            .ok_or_else(|| CliError::Other("the API does not listen".to_owned()))?;
        let client = Client::builder()
            .timeout(patience)
            .no_proxy()
            .build()
            .map_err(|error| CliError::Other(error.to_string()))?;
        let number = u32::try_from(leads.len()).unwrap_or(u32::MAX).max(1);
        Ok(Office {
            site,
            running,
            api: format!("http://{address}/api/internal/onboarding/jobs"),
            token,
            client,
            pace: (STREAM / number).min(SLOWEST_PACE),
            patience,
            leads,
            written: Vec::new(),
            post: Post::default(),
        })
    }

    /// Writes the leads, has them become ready, and corrects or cancels what fails.
    pub(super) async fn work(&mut self, show: &Show) -> Result<(), CliError> {
        for lead in std::mem::take(&mut self.leads) {
            let id = self.write(&lead)?;
            self.written.push((id.clone(), lead.clone()));
            self.becomes_ready(&id, lead.fate).await?;
            show.wrote(self.written.len() as u64);
            tokio::time::sleep(self.pace).await;
        }
        for (id, lead) in self.written.clone() {
            match lead.fate {
                Fate::CorrectedInVtiger => {
                    self.failed_job(&id, show).await?;
                    self.correct_in_vtiger(&id, &lead).await?;
                }
                Fate::CorrectedByApi => {
                    let job = self.failed_job(&id, show).await?;
                    let body = json!({ "iban": lead.iban });
                    self.ask(&job, "edit-and-retry", &body).await?;
                }
                Fate::Cancelled => {
                    let job = self.failed_job(&id, show).await?;
                    let body = json!({ "reason": "the client has changed their mind" });
                    self.ask(&job, "cancel", &body).await?;
                    self.correct_in_vtiger(&id, &lead).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, lead: &Lead) -> Result<String, CliError> {
        let iban = lead.typed_iban();
        let fields = [
            ("firstname", lead.first.as_str()),
            ("lastname", &lead.last),
            ("company", &lead.company),
            ("email", &lead.email),
            ("leadstatus", "Contacted"),
            (IBAN, &iban),
        ];
        let made = self.site.crm.insert_as_ui("Leads", &fields);
        made.ok_or_else(|| CliError::Other("the look-alike of vTiger takes no lead".to_owned()))
    }

    /// Somebody sets the status; what the workflow sends goes the way that this lead's mail goes.
    async fn becomes_ready(&mut self, id: &str, fate: Fate) -> Result<(), CliError> {
        if !self.site.crm.edit(id, &[("leadstatus", READY)]) {
            return Err(CliError::Other(format!("the lead {id} is gone")));
        }
        for webhook in self.site.crm.take_webhooks() {
            match fate {
                Fate::Lost => self.post.lost += 1,
                Fate::Repeated => self.post.deliver(&webhook, COPIES).await,
                Fate::Forged => {
                    self.post.forge(&webhook).await;
                    self.post.deliver(&webhook, 1).await;
                }
                _ => self.post.deliver(&webhook, 1).await,
            }
        }
        Ok(())
    }

    async fn correct_in_vtiger(&mut self, id: &str, lead: &Lead) -> Result<(), CliError> {
        let corrected = [(IBAN, lead.iban.as_str()), ("leadstatus", "Contacted")];
        self.site.crm.edit(id, &corrected);
        self.becomes_ready(id, Fate::Plain).await
    }

    /// The lead's job, when it has failed.
    async fn failed_job(&self, lead: &str, show: &Show) -> Result<Job, CliError> {
        let began = Instant::now();
        loop {
            let mut jobs = self.jobs(Some(lead)).await?;
            if let Some(job) = jobs
                .remove(lead)
                .filter(|job| job.standing() == Status::Failed)
            {
                return Ok(job);
            }
            if began.elapsed() > self.patience {
                return Err(CliError::Other(format!(
                    "the lead {lead} was expected to be found faulty, and was not"
                )));
            }
            show.refresh(None);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks Pugmark's API to do something about a job, as a person would.
    async fn ask(&self, job: &Job, what: &str, body: &Value) -> Result<(), CliError> {
        let request = self
            .client
            .post(format!("{}/{}/{what}", self.api, job.job_id));
        let answer = request.bearer_auth(self.token).json(body).send().await;
        let status = answer.map(|answer| answer.status());
        match status {
            Ok(StatusCode::OK | StatusCode::ACCEPTED) => Ok(()),
            Ok(status) => Err(CliError::Other(format!("{what} was answered {status}"))),
            Err(error) => Err(CliError::Other(format!(
                "{what} was not answered: {}",
                error.without_url()
            ))),
        }
    }

    /// The newest job of each lead.
    pub(super) async fn jobs(&self, lead: Option<&str>) -> Result<HashMap<String, Job>, CliError> {
        let filter = JobFilter {
            status: None,
            lead: lead.map(str::to_owned),
            before: None,
            limit: u32::MAX,
        };
        let jobs = sync_jobs::list(&mut self.running.db.read().await?, &filter).await?;
        let mut newest = HashMap::new();
        for job in jobs {
            newest.entry(job.vtiger_lead_id.clone()).or_insert(job);
        }
        Ok(newest)
    }

    /// Waits until every lead's job has ended, for as long as there is progress; says whether they all have.
    pub(super) async fn wait_until_settled(&self, show: &Show) -> Result<bool, CliError> {
        let mut last = (u64::MAX, Instant::now());
        loop {
            let jobs = self.jobs(None).await?;
            let ended = |id: &String| jobs.get(id).is_some_and(|job| !job.standing().is_active());
            let open = self.written.iter().filter(|(id, _)| !ended(id)).count();
            if open == 0 {
                return Ok(true);
            }
            let progress = show.refresh(Some(open as u64));
            if progress != last.0 {
                last = (progress, Instant::now());
            }
            if last.1.elapsed() > self.patience {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Post {
    /// So many copies, all at once.
    async fn deliver(&mut self, webhook: &WebhookRequest, copies: usize) {
        let mut sent = JoinSet::new();
        for _ in 0..copies {
            let copy = webhook.clone();
            sent.spawn(async move {
                let began = Instant::now();
                let status = copy.send().await.ok();
                (status, began.elapsed())
            });
        }
        for (status, waited) in sent.join_all().await {
            self.delivered += 1;
            match status {
                Some(200) => self.waits.push(waited),
                _ => self.wrongly_answered += 1,
            }
        }
    }

    /// Somebody who knows neither the secret nor this lead's digits.
    async fn forge(&mut self, webhook: &WebhookRequest) {
        self.forged += 1;
        if webhook.forged().send().await.ok() != Some(401) {
            self.wrongly_answered += 1;
        }
    }
}
