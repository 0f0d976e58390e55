//! Onboarding: a lead that is ready becomes a customer with a subscription in Maxio.

mod intake;
pub(crate) mod jobs_api;
mod lead_poll;
mod lead_storm;
pub(crate) mod maxio;
pub(crate) mod sending;
mod together;
