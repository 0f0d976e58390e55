//! Asking vTiger for leads that are ready: for those whose webhook never came, and where there are no webhooks.
//!
//! A lead that has no job and carries no id of Maxio gets one. One whose job has ended in any way is left: what is done is not
//! repeated, and about what failed or was cancelled a person decides.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use pugmark_queue::db::{Db, DbError};
use pugmark_queue::{Queue, QueueError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vtiger::{CallError, Condition, KeysetQuery, Module, Record};

use super::crm_poll::pause;
use crate::config::Onboarding;
use crate::crm::Crm;
use crate::crm::breaker::Position;
use crate::crm::calls::CallLog;
use crate::flows::onboarding::fields;
use crate::flows::onboarding::known::Known;
use crate::flows::onboarding::lead::Leads;
use crate::flows::onboarding::request::{NewRequest, Outcome, request};
use crate::problem::Code;
use crate::store::sync_jobs;

/// Who asks for these jobs.
const BY: &str = "poll";

/// Looks for leads that are ready.
pub struct LeadPoller {
    db: Db,
    queue: Queue,
    crm: Arc<Crm>,
    leads: Leads,
    settings: Arc<Onboarding>,
}

/// What one look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Leads that are ready.
    pub ready: usize,
    /// Of these, leads that got a job.
    pub started: usize,
}

/// Why a look did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LeadPollError {
    /// The CRM did not answer, or not sensibly.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The store did not.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Nothing says how far a lead is.
    #[error(
        "{module} has no field {field}; onboarding.status_field names the one that says how far a lead is"
    )]
    NoStatus {
        /// The module of leads.
        module: String,
        /// The field looked for.
        field: String,
    },
}

impl From<DbError> for LeadPollError {
    fn from(error: DbError) -> Self {
        LeadPollError::Queue(error.into())
    }
}

/// Fields of the module that a look reads.
struct Asked {
    status: String,
    maxio_ids: Vec<String>,
}

impl LeadPoller {
    /// Polls this CRM for leads as these settings describe them.
    pub fn new(db: Db, queue: Queue, crm: Arc<Crm>, settings: Arc<Onboarding>) -> Self {
        LeadPoller {
            db,
            queue,
            crm,
            leads: Leads::new(settings.clone()),
            settings,
        }
    }

    /// Looks until cancelled. What keeps a look from succeeding is logged and tried again.
    pub async fn run(self, every: Duration, cancelled: CancellationToken) {
        let mut failures = 0;
        loop {
            if self.crm.breaker.position() == Position::Closed {
                failures = match self.look().await {
                    Ok(look) => {
                        if look.started > 0 {
                            tracing::info!(
                                ready = look.ready,
                                started = look.started,
                                "leads without a webhook"
                            );
                        }
                        0
                    }
                    Err(error) => {
                        tracing::warn!(code = %Code::PollFailed, %error, "vTiger could not be asked for leads");
                        failures + 1
                    }
                };
                self.crm.heed_quota();
            }
            let quota = self.crm.client.quota();
            let pause = pause(every, failures, &quota, self.crm.breaker.position());
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look at every lead that is ready. Jobs are committed page by page.
    ///
    /// # Errors
    /// [`LeadPollError`]; what was read before that is committed.
    pub async fn look(&self) -> Result<Look, LeadPollError> {
        let correlation_id = Uuid::now_v7().to_string();
        let client = self
            .crm
            .client
            .clone()
            .with_observer(CallLog::new(self.crm.breaker.clone()))
            .with_correlation_id(&correlation_id);
        let mut look = Look::default();
        // Leads where there are any, otherwise contacts.
        let Some(module) = self.leads.modules(&client).await?.into_iter().next() else {
            return Ok(look);
        };
        let asked = self.asked(&module)?;
        let query = KeysetQuery::by_id(&module.name)
            .fields([&asked.status].into_iter().chain(&asked.maxio_ids))
            .filter(Condition::eq(&asked.status, self.settings.ready.as_str()));
        let mut pages = std::pin::pin!(client.pages(query));
        while let Some(page) = pages.try_next().await? {
            let ready: Vec<String> = page
                .iter()
                .filter(|record| self.is_ready(record, &asked))
                .map(|record| record.id.to_string())
                .collect();
            look.ready += ready.len();
            look.started += self.start(ready).await?;
        }
        Ok(look)
    }

    fn asked(&self, module: &Module) -> Result<Asked, LeadPollError> {
        let configured = self.settings.status_field.as_deref();
        let status =
            fields::status_field(module, configured).ok_or_else(|| LeadPollError::NoStatus {
                module: module.name.clone(),
                field: configured.unwrap_or("for the status").to_owned(),
            })?;
        let written = &self.settings.write;
        let maxio_ids = [&written.customer_id, &written.subscription_id]
            .into_iter()
            .filter_map(|configured| fields::field(module, configured))
            .map(|field| field.name.clone())
            .collect();
        Ok(Asked {
            status: status.name.clone(),
            maxio_ids,
        })
    }

    /// The answer is looked at again: a page may hold more than was asked for.
    fn is_ready(&self, record: &Record, asked: &Asked) -> bool {
        let empty = |name: &String| record.get(name).is_none_or(|value| value.trim().is_empty());
        let status = record.get(&asked.status).unwrap_or_default();
        status.trim().eq_ignore_ascii_case(&self.settings.ready)
            && asked.maxio_ids.iter().all(empty)
    }

    /// Gives those without a job one, in one commit. Says how many.
    async fn start(&self, mut leads: Vec<String>) -> Result<usize, LeadPollError> {
        if leads.is_empty() {
            return Ok(0);
        }
        // Everybody takes leads in the same order, so that nobody waits in a circle.
        leads.sort_unstable();
        let queue = self.queue.clone();
        let started = self.db.write("poll leads", move |conn| {
            Box::pin(async move {
                let mut started = 0;
                for lead in leads {
                    if sync_jobs::current_of(conn, &lead).await?.is_some() {
                        continue;
                    }
                    let new = NewRequest {
                        lead,
                        known: Known::default(),
                        by: BY.to_owned(),
                        by_person: false,
                        correlation_id: Uuid::now_v7().to_string(),
                    };
                    // Nothing is known of it but what the CRM shows, so nothing has to be sealed.
                    let requested = request(conn, &queue, None, &new).await?;
                    started += usize::from(requested.outcome == Outcome::Started);
                }
                Ok::<_, QueueError>(started)
            })
        });
        Ok(started.await?)
    }
}
