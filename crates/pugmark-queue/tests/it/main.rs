//! The conformance suite: each case is written once and runs on SQLite and on PostgreSQL.

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
mod worker;
