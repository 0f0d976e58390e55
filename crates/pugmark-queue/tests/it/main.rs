//! The conformance suite: each case is written once and runs on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this is tests, also what clippy does not take for one"
)]

mod harness;

mod coalescing;
mod database;
mod desk;
mod group_commit;
mod lanes;
mod leases;
mod model;
mod plans;
mod retries;
mod seal;
mod sweep;
mod together;
mod worker;
