//! What the API shows of an onboarding job. What is sealed in it is never shown.

use std::collections::BTreeMap;

use pugmark_queue::OperationRecord;
use pugmark_queue::db::Ts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config;
use crate::store::sync_jobs::{Job, Status, Step, Taken};

/// An onboarding job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobBody {
    /// UUIDv7.
    job_id: String,
    /// The lead, as the webhook named it.
    vtiger_lead_id: String,
    /// `pending`, `processing`, `maxio_created`, `crm_updated` or `failed`.
    status: String,
    /// Whether a person cancelled it; its status is `failed` then.
    cancelled: bool,
    /// The last step that is finished: `received`, `checked`, `customer`, `payment_profile`, `subscription`, `lead_updated`.
    step: String,
    /// Maxio's id of the customer.
    maxio_customer_id: Option<String>,
    /// Maxio's id of the payment profile.
    maxio_payment_profile_id: Option<String>,
    /// Maxio's id of the subscription.
    maxio_subscription_id: Option<String>,
    /// Why it stands still or is delayed; docs/errors.md explains the code.
    error_code: Option<String>,
    /// The same, for people.
    error_message: Option<String>,
    /// How often it was tried again after it had failed.
    reruns: i32,
    /// `webhook`, `poll`, or who asked for it.
    requested_by: String,
    /// The operation that carries it out, or did last.
    operation_id: Option<String>,
    /// Correlation id of what caused it.
    correlation_id: String,
    /// When it was made, RFC 3339 in UTC.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// When it ended.
    ended_at: Option<String>,
}

fn text(at: Ts) -> String {
    at.timestamp().to_string()
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        JobBody {
            cancelled: job.is_cancelled(),
            job_id: job.job_id.to_string(),
            vtiger_lead_id: job.vtiger_lead_id,
            status: job.status,
            step: job.step,
            maxio_customer_id: job.maxio_customer_id,
            maxio_payment_profile_id: job.maxio_payment_profile_id,
            maxio_subscription_id: job.maxio_subscription_id,
            error_code: job.error_code,
            error_message: job.error_message,
            reruns: job.reruns,
            requested_by: job.requested_by,
            operation_id: job.operation_id.map(|id| id.to_string()),
            correlation_id: job.correlation_id,
            created_at: text(job.created_at),
            updated_at: text(job.updated_at),
            ended_at: job.ended_at.map(text),
        }
    }
}

/// A step of a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepBody {
    /// Its name.
    step: String,
    /// Whether it is finished.
    finished: bool,
    /// From when on it may have had its effect, RFC 3339.
    begun_at: Option<String>,
    /// When it was known to have had it.
    finished_at: Option<String>,
}

/// An onboarding job with all there is to see of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobDetail {
    /// The job.
    #[serde(flatten)]
    job: JobBody,
    /// Its steps, in their order.
    steps: Vec<StepBody>,
    /// What is wrong, by field.
    faults: BTreeMap<String, String>,
    /// What a person can do now, in one sentence.
    what_to_do: String,
    /// When it is tried next; `null` when it is not, or is just being carried out.
    next_attempt_at: Option<String>,
    /// Whether values that a webhook told or a person corrected are kept, sealed.
    has_kept_values: bool,
    /// Address of the lead in vTiger.
    lead_url: Option<String>,
    /// Address of the customer in Maxio.
    maxio_customer_url: Option<String>,
    /// Address of the subscription in Maxio.
    maxio_subscription_url: Option<String>,
}

/// What is shown besides the job itself.
pub(in crate::http) struct Around {
    /// Steps that were begun.
    pub(in crate::http) taken: Vec<Taken>,
    /// The operation that carries it out.
    pub(in crate::http) operation: Option<OperationRecord>,
    /// Address of the lead.
    pub(in crate::http) lead_url: Option<String>,
}

/// Address of something in Maxio: of `customers` or `subscriptions`, by its id.
pub(in crate::http) fn maxio_page(
    maxio: Option<&config::Maxio>,
    folder: &str,
    id: Option<&str>,
) -> Option<String> {
    let id = id.filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    let address = maxio?.url.join(&format!("/{folder}/{id}")).ok()?;
    Some(address.to_string())
}

impl JobDetail {
    pub(super) fn of(job: Job, around: Around, maxio: Option<&config::Maxio>) -> Self {
        let waiting = around
            .operation
            .as_ref()
            .filter(|operation| operation.is_waiting() && job.standing().is_active());
        JobDetail {
            steps: steps(&job, &around.taken),
            faults: job.faults(),
            what_to_do: what_to_do(&job).to_owned(),
            next_attempt_at: waiting.map(|operation| text(operation.next_attempt_at)),
            has_kept_values: job.sealed_data.is_some(),
            lead_url: around.lead_url,
            maxio_customer_url: maxio_page(maxio, "customers", job.maxio_customer_id.as_deref()),
            maxio_subscription_url: maxio_page(
                maxio,
                "subscriptions",
                job.maxio_subscription_id.as_deref(),
            ),
            job: job.into(),
        }
    }
}

fn steps(job: &Job, taken: &[Taken]) -> Vec<StepBody> {
    Step::ALL
        .into_iter()
        .map(|step| {
            let begun = taken.iter().find(|taken| taken.step == step.as_str());
            StepBody {
                step: step.as_str().to_owned(),
                finished: step <= job.reached(),
                begun_at: match step {
                    Step::Received => Some(text(job.created_at)),
                    _ => begun.map(|taken| text(taken.begun_at)),
                },
                finished_at: match step {
                    Step::Received => Some(text(job.created_at)),
                    _ => begun.and_then(|taken| taken.finished_at).map(text),
                },
            }
        })
        .collect()
}

/// What a person can do about a job, in one sentence.
pub(in crate::http) fn what_to_do(job: &Job) -> &'static str {
    match job.standing() {
        Status::Pending | Status::Processing | Status::MaxioCreated if job.error_code.is_some() => {
            "Nothing, unless it lasts: what is in the way is tried again by itself."
        }
        Status::Pending | Status::Processing | Status::MaxioCreated => {
            "Nothing: it goes on by itself."
        }
        Status::CrmUpdated => "Nothing: everything is done.",
        Status::Failed if job.is_cancelled() => {
            "Nothing, unless it was cancelled by mistake: retry has it go on where it stopped."
        }
        Status::Failed if !job.faults().is_empty() => {
            "Correct the fields named in `faults`, in vTiger and then retry, or here with edit-and-retry; it goes on where it stopped."
        }
        Status::Failed => {
            "Put right what the message names, then retry; it goes on where it stopped."
        }
    }
}
