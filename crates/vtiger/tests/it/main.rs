//! The client against servers that behave like vTiger: recorded, scripted and misbehaving ones.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adapting;
mod classification;
mod cloud;
mod configuration;
mod contract;
mod correlation;
mod counting;
mod extension;
mod observing;
mod other_releases;
mod paging;
mod probing;
mod properties;
mod reading;
mod redaction;
mod server;
mod sessions;
mod users;
