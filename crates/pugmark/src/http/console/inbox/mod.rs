//! The inbox of webhooks: what was delivered, how its sender proved itself or why it was refused, what it led to, and doing once
//! more what a delivery calls for.

mod detail;
mod list;
mod refused;
mod resending;
mod shown;

pub(super) use detail::page as detail;
pub(super) use list::{fragment, page};
pub(super) use refused::page as refused;
pub(super) use resending::resend;
