//! The client against servers that behave like Maxio Advanced Billing, and worse.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod classification;
mod configuration;
mod customers;
mod lookalike;
mod observing;
mod payments;
mod products_and_site;
mod repeating;
mod rough;
mod secrets;
mod service;
mod slots;
mod subscriptions;
mod webhooks;
