//! Pugmark as a whole: what a written row leads to in the CRM, judged by the CRM's own journal.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod bad_input;
mod bench;
mod capture;
mod cli;
mod cloud;
mod configuration;
mod console;
mod crash;
mod delivery;
mod delivery_model;
mod demo;
mod doctor;
mod faults;
mod harness;
mod http;
mod late;
mod mapping;
mod migrations;
mod plan;
mod program;
mod query_plans;
mod road;
mod shadow;
mod twins;
