//! Tests of the sandbox from outside, over real connections.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod activities;
mod cloud;
mod contract;
mod extension;
mod faults;
mod journal;
mod latency;
mod maxio;
mod outbox;
mod pages;
mod people;
mod raw;
mod receiver;
mod releases;
mod sessions;
mod store;
mod supabase;
mod sync;
mod upsert;
mod users;
mod values;
mod workflows;
