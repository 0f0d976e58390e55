//! Pugmark: durable two-way sync between vTiger CRM and the systems that run a business.
//!
//! ARCHITECTURE.md is the tour of the house. A change takes one way: [`capture`] notices it, [`flows`] plan it, the queue
//! keeps it, [`delivery`] brings it to the CRM and the store records what came of it.

pub mod app;
pub mod billing;
pub mod broker;
pub mod capture;
pub mod cli;
pub mod config;
pub mod crm;
pub mod delivery;
pub mod desk;
pub mod doctor;
pub mod flows;
pub mod http;
pub mod logins;
pub mod microbima;
pub mod passwords;
pub mod people;
pub mod problem;
pub mod schedule;
pub mod shared;
pub mod store;
pub mod telemetry;
