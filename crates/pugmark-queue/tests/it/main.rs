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
mod enqueue_many;
mod group_commit;
mod guard;
mod lanes;
mod leases;
mod model;
mod notifications;
mod plans;
mod rabbitmq;
mod retries;
mod seal;
mod search;
mod sessions;
mod sweep;
mod together;
mod worker;
