//! One attempt at a job: what it has at hand, how it asks Maxio and vTiger, and how it commits what is done.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use maxio::{Class, Error};
use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{Claimed, NotBefore, QueueError, Release, Sealer};
use uuid::Uuid;
use vtiger::{CallError, Client, Deadline};

use super::known::Known;
use super::lead::Leads;
use super::request::known_of;
use super::stop::Stop;
use crate::billing::Billing;
use crate::config::{Mode, Onboarding};
use crate::crm::breaker::Position;
use crate::crm::calls::CallLog;
use crate::delivery::{Deliverer, Trouble};
use crate::problem::Code;
use crate::store::sync_jobs::{self, Begun, Job, Reached, Reopened, Status, Step};

/// What every operation of the flow works with.
#[derive(Clone)]
pub struct Tools {
    /// The store, the queue and the CRM.
    pub deliverer: Deliverer,
    /// Maxio.
    pub billing: Arc<Billing>,
    /// What the operator chose.
    pub settings: Arc<Onboarding>,
    /// Reads leads.
    pub leads: Arc<Leads>,
    /// Opens what is known of leads; `None` without `PUGMARK_SEAL_KEY`.
    pub sealer: Option<Arc<Sealer>>,
}

pub(super) struct Attempt<'a> {
    pub(super) tools: &'a Tools,
    pub(super) operation: &'a Claimed,
    pub(super) calls: &'a Arc<CallLog>,
    pub(super) job: Job,
    pub(super) known: Known,
}

impl<'a> Attempt<'a> {
    /// Takes the job up, unless it has ended or another operation carries it out.
    pub(super) async fn begin(
        tools: &'a Tools,
        operation: &'a Claimed,
        calls: &'a Arc<CallLog>,
    ) -> Result<Self, Stop> {
        let job = the_job(tools, operation).await?;
        let mut attempt = Attempt {
            tools,
            operation,
            calls,
            known: known_of(tools.sealer.as_deref(), &job),
            job,
        };
        if attempt.was_replayed() {
            attempt.reopen().await?;
        }
        attempt
            .commit("begin job", |_, _, _| Box::pin(async { Ok(true) }))
            .await?;
        Ok(attempt)
    }

    /// The job has failed, and somebody had its dead letter tried again at the queue's desk.
    fn was_replayed(&self) -> bool {
        self.job.standing() == Status::Failed
            && !self.job.is_cancelled()
            && self.job.operation_id == Some(self.operation.id)
    }

    async fn reopen(&mut self) -> Result<(), Stop> {
        let (queue, lease) = (self.queue().clone(), self.operation.lease.clone());
        let seen = self.job.clone();
        let write = self.tools.deliverer.db.write("reopen job", move |conn| {
            Box::pin(async move {
                queue.check_lease(conn, &lease).await?;
                let now = queue.now(conn).await?;
                let new = Reopened {
                    operation_id: lease.operation,
                    sealed_data: seen.sealed_data.as_deref(),
                    requested_by: &seen.requested_by,
                    correlation_id: &seen.correlation_id,
                };
                sync_jobs::reopen(conn, &seen, &new, now).await?;
                Ok::<_, QueueError>(sync_jobs::get(conn, seen.job_id).await?)
            })
        });
        if let Some(job) = write.await? {
            self.job = job;
        }
        Ok(())
    }

    pub(super) fn queue(&self) -> &pugmark_queue::Queue {
        &self.tools.deliverer.queue
    }

    /// The lead's id as Maxio's reference and vTiger's record.
    pub(super) fn lead(&self) -> &str {
        self.job.vtiger_lead_id.trim()
    }

    /// The subscription's reference.
    pub(super) fn subscription_reference(&self) -> String {
        format!("lead-{}", self.lead())
    }

    /// The CRM, for a call that starts now. None is made while it is being left alone.
    pub(super) fn crm(&self) -> Result<Client, Stop> {
        let crm = &self.tools.deliverer.crm;
        match crm.breaker.position() {
            Position::Closed => Ok(crm
                .client
                .clone()
                .with_observer(self.calls.clone())
                .until(Deadline::moving(self.operation.moving_deadline()))
                .with_correlation_id(self.correlation_id())),
            Position::Open { remaining } => {
                let message =
                    "vTiger is being left alone for a moment after several failures".to_owned();
                Err(Stop::Wait(Trouble {
                    release: Release::Later {
                        not_before: NotBefore::After(remaining),
                        code: Code::CrmUnavailable.to_string(),
                        message: message.clone(),
                    },
                    code: Code::CrmUnavailable,
                    message,
                    failed: false,
                }))
            }
        }
    }

    fn correlation_id(&self) -> &str {
        let ids = &self.operation.correlation_ids;
        ids.first().map_or("", String::as_str)
    }

    /// What an answer of the CRM means that is not "done".
    pub(super) fn crm_trouble(&self, module: &str, error: &CallError) -> Stop {
        Trouble::of_call(&self.tools.deliverer.crm, module, error).into()
    }

    /// Asks Maxio. The call begins only if its whole timeout fits into the lease; the breaker and the attempt's row are told.
    pub(super) async fn ask<'c, T, F>(
        &'c self,
        call: impl FnOnce(maxio::Client) -> F,
    ) -> Result<Result<T, Error>, Stop>
    where
        F: Future<Output = Result<T, Error>> + Send + 'c,
    {
        let billing = &self.tools.billing;
        billing.is_open()?;
        let client = billing.client.clone().with_observer(self.calls.clone());
        let result = call(client.until(self.operation.deadline())).await;
        billing.heed(result.as_ref().map(|_| ()));
        Ok(result)
    }

    /// Asks Maxio for something that changes nothing there.
    pub(super) async fn read<'c, T, F>(
        &'c self,
        call: impl FnOnce(maxio::Client) -> F,
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, Error>> + Send + 'c,
    {
        let answer = self.ask(call).await?;
        answer.map_err(|error| Trouble::of_maxio(&error).into())
    }

    /// In shadow mode the attempt ends before its first write.
    pub(super) fn not_in_shadow(&self, would: impl Into<String>) -> Result<(), Stop> {
        match self.tools.deliverer.mode {
            Mode::Shadow => Err(Stop::Shadow(would.into())),
            Mode::Live => Ok(()),
        }
    }

    /// What was begun of a step and is not known to have ended, and the time by the clock that noted it.
    pub(super) async fn begun(&self, step: Step) -> Result<(Option<Begun>, Ts), Stop> {
        let mut conn = self.tools.deliverer.db.read().await?;
        let begun = sync_jobs::begun(&mut conn, self.job.job_id, step).await?;
        let now = self.queue().now(&mut conn).await?;
        Ok((begun.filter(|begun| begun.finished_at.is_none()), now))
    }

    /// Notes that a step may have its effect from now on.
    pub(super) async fn begin_step(
        &mut self,
        step: Step,
        token: Option<String>,
    ) -> Result<(), Stop> {
        self.commit("begin step", move |conn, job, now| {
            Box::pin(async move {
                sync_jobs::begin(conn, job, step, token.as_deref(), now).await?;
                Ok(true)
            })
        })
        .await
    }

    /// A creation that did not come about. What certainly had no effect is noted as such.
    pub(super) async fn not_made(&mut self, step: Step, error: &Error) -> Result<(), Stop> {
        if error.class() == Class::Unknown {
            return Ok(());
        }
        self.commit("withdraw step", move |conn, job, _| {
            Box::pin(async move {
                sync_jobs::forget(conn, job, step).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Notes a finished step with what it has brought.
    pub(super) async fn reached(&mut self, step: Step, reached: Reached) -> Result<(), Stop> {
        self.commit("finish step", move |conn, job, now| {
            Box::pin(async move {
                if sync_jobs::begun(conn, job, step).await?.is_none() {
                    sync_jobs::begin(conn, job, step, None, now).await?;
                }
                sync_jobs::finish(conn, job, step, now).await?;
                Ok(sync_jobs::set_reached(conn, job, step, &reached, now).await?)
            })
        })
        .await
    }

    /// Commits a part of the work, guarded by the lease and by the job, which somebody may have cancelled meanwhile.
    pub(super) async fn commit<F>(&mut self, label: &'static str, work: F) -> Result<(), Stop>
    where
        F: for<'c> FnOnce(&'c mut Conn, Uuid, Ts) -> BoxFuture<'c, Result<bool, QueueError>>
            + Send
            + 'static,
    {
        let (queue, lease) = (self.queue().clone(), self.operation.lease.clone());
        let (id, operation) = (self.job.job_id, self.operation.id);
        let write = self.tools.deliverer.db.write(label, move |conn| {
            Box::pin(async move {
                queue.check_lease(conn, &lease).await?;
                let now = queue.now(conn).await?;
                // Holds the job's row until the end of the transaction: nobody can cancel it in between.
                if !sync_jobs::set_working(conn, id, now).await? {
                    return Ok::<_, QueueError>(None);
                }
                let job = sync_jobs::get(conn, id).await?;
                if job.and_then(|job| job.operation_id) != Some(operation) {
                    return Ok(None);
                }
                if !work(conn, id, now).await? {
                    return Ok(None);
                }
                Ok(sync_jobs::get(conn, id).await?)
            })
        });
        match write.await? {
            Some(job) => {
                self.job = job;
                Ok(())
            }
            None => Err(Stop::Over(
                "the job was cancelled, has ended, or is carried out by another operation"
                    .to_owned(),
            )),
        }
    }
}

pub(super) async fn the_job(tools: &Tools, operation: &Claimed) -> Result<Job, Stop> {
    let missing = || Stop::Over("there is no such job (any more)".to_owned());
    let id: Uuid = operation.entity_id.parse().map_err(|_no_id| missing())?;
    let mut conn = tools.deliverer.db.read().await?;
    let job = sync_jobs::get(&mut conn, id).await?;
    job.ok_or_else(missing)
}
