//! Tests of the sandbox from outside, over real connections.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod cloud;
mod contract;
mod faults;
mod journal;
mod raw;
mod releases;
mod sessions;
mod store;
mod users;
mod values;
