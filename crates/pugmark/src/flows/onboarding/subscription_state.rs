//! `maxio.subscription`: what the lead shows of its subscription is brought up to date.
//!
//! A state operation: the subscription is read again when it runs, so any number of Maxio's events merge into one.

use async_trait::async_trait;
use pugmark_queue::{Claimed, Handled, Handler, NewOperation, Operation};
use serde_json::{Value, json};
use tracing::Instrument;

use super::attempt::{Attempt, Tools, the_job};
use super::known::Known;
use super::stop::{self, Stop};
use super::{JOB, kind};
use crate::crm::calls::CallLog;
use crate::flows::insurance::inbound::record_lane;
use crate::problem::Code;
use crate::store::sync_jobs::Job;

/// Brings what the lead of this job shows up to date; merges into one that waits.
pub fn operation(job: &Job, correlation_id: &str, by: &str) -> NewOperation {
    let id = job.job_id.to_string();
    NewOperation {
        lane: record_lane(&job.vtiger_lead_id),
        coalesce_key: Some(format!("subscription:{id}")),
        correlation_id: correlation_id.to_owned(),
        requested_by: Some(by.to_owned()),
        ..NewOperation::new(kind::SUBSCRIPTION, JOB, &id, Operation::Update)
    }
}

/// Tells leads how things stand with their subscriptions.
pub struct SubscriptionHandler {
    tools: Tools,
}

impl SubscriptionHandler {
    /// A handler that works with these.
    pub fn new(tools: Tools) -> Self {
        SubscriptionHandler { tools }
    }

    async fn bring_up_to_date(
        &self,
        operation: &Claimed,
        calls: &std::sync::Arc<CallLog>,
    ) -> Result<Value, Stop> {
        let mut attempt = Attempt {
            tools: &self.tools,
            operation,
            calls,
            job: the_job(&self.tools, operation).await?,
            known: Known::default(),
        };
        let news = attempt.news(false).await?;
        if news.values.is_empty() {
            return Err(Stop::Over(
                "there is nothing that the lead is to be told".to_owned(),
            ));
        }
        match attempt.write_news(&news, false).await {
            // It was for people to throw away.
            Err(Stop::Failed(Code::LeadGone, why, _)) => {
                Ok(json!({ "result": "gone", "why": why }))
            }
            told => told,
        }
    }

    async fn carry_out(&self, operation: &Claimed) -> Handled {
        let calls = CallLog::without_answers(self.tools.deliverer.crm.breaker.clone());
        let ended = self.bring_up_to_date(operation, &calls).await;
        self.tools.deliverer.crm.heed_quota();
        // How the job stands is not touched by it.
        stop::handled(&self.tools.deliverer.queue, operation, None, ended, &calls)
    }
}

#[async_trait]
impl Handler for SubscriptionHandler {
    async fn run(&self, operation: &Claimed) -> Handled {
        let span = tracing::error_span!("job", job_id = operation.entity_id);
        self.carry_out(operation).instrument(span).await
    }
}
