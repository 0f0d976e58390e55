//! An onboarding job as one line of a list.

use pugmark_queue::db::Ts;

use crate::config;
use crate::http::api::onboarding_jobs::maxio_page;
use crate::http::console::masking;
use crate::http::console::moment::Moment;
use crate::store::sync_jobs::{Job, Status, Step};

/// How a job stands, by colour and by word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
}

impl Badge {
    pub(super) fn of(job: &Job) -> Self {
        let (class, word) = match job.standing() {
            Status::Failed if job.is_cancelled() => ("", "Cancelled"),
            Status::Failed => ("bad", "Stands still"),
            Status::CrmUpdated => ("good", "Done"),
            _ if job.error_code.is_some() => ("wait", "Delayed"),
            Status::Pending => ("", "Waiting"),
            Status::Processing | Status::MaxioCreated => ("brand", "Under way"),
        };
        Badge { class, word }
    }
}

/// What a step is called.
pub(super) fn label(step: Step) -> &'static str {
    match step {
        Step::Received => "Received",
        Step::Checked => "Check of the lead",
        Step::Customer => "Customer in Maxio",
        Step::PaymentProfile => "Payment profile",
        Step::Subscription => "Subscription",
        Step::LeadUpdated => "Ids on the lead",
    }
}

/// The step behind this one; none behind the last.
pub(super) fn next(step: Step) -> Option<Step> {
    Step::ALL.into_iter().find(|other| *other > step)
}

/// One line.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) lead: String,
    pub(super) badge: Badge,
    /// The step that it stands at, which is not finished; empty when all are.
    pub(super) at: &'static str,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) customer: Option<String>,
    pub(super) customer_url: Option<String>,
    pub(super) reruns: i32,
    pub(super) changed: Moment,
}

impl Line {
    /// `personal`: whoever looks may see personal data.
    pub(super) fn of(job: Job, maxio: Option<&config::Maxio>, personal: bool, now: Ts) -> Self {
        let cancelled = job.is_cancelled();
        Line {
            id: job.job_id.to_string(),
            badge: Badge::of(&job),
            at: next(job.reached()).map(label).unwrap_or_default(),
            changed: Moment::of(job.updated_at, now),
            customer_url: maxio_page(maxio, "customers", job.maxio_customer_id.as_deref()),
            code: job.error_code.filter(|_| !cancelled),
            message: job
                .error_message
                .map(|message| masking::told(&message, personal)),
            customer: job.maxio_customer_id,
            reruns: job.reruns,
            lead: masking::told(&job.vtiger_lead_id, personal),
        }
    }
}
