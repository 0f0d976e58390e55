//! vTiger to Maxio: a lead that is ready becomes a customer with a subscription, and the lead is told; and the onboarding form.

pub mod arrivals;
pub mod attempt;
pub mod check;
pub mod fields;
pub mod form;
pub mod known;
pub mod lead;
mod lead_update;
pub mod onboard;
pub mod refusals;
pub mod request;
pub mod steps;
mod stop;
pub mod subscription_state;

/// Kinds of operations, by which they are also called in the queue.
pub mod kind {
    /// Sets a lead up in Maxio. Entity: [`JOB`](super::JOB); lane: the lead's; no payload.
    pub const ONBOARD: &str = "maxio.onboard";
    /// Brings what the lead shows of its subscription up to date. Entity: [`JOB`](super::JOB); lane: the lead's.
    pub const SUBSCRIPTION: &str = "maxio.subscription";
    /// Writes an onboarding form to the lead or contact. Entity: [`FORM`](super::FORM); lane: the record's.
    pub const LEAD_UPDATE: &str = "lead.update";
}

/// Kinds of operations that this flow plans.
pub const KINDS: [&str; 3] = [kind::ONBOARD, kind::SUBSCRIPTION, kind::LEAD_UPDATE];

/// Entity type of onboarding jobs; the id is the job's.
pub const JOB: &str = "SYNC_JOB";
/// Entity type of submitted forms; the id is the submission's.
pub const FORM: &str = "ONBOARDING_FORM";
