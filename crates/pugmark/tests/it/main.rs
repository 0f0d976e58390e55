//! Pugmark as a whole: what a written row leads to in the CRM, judged by the CRM's own journal.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod api;
mod attached;
mod bad_input;
mod bench;
mod broken_capture;
mod capture;
mod checklist;
mod cli;
mod cloud;
mod configuration;
mod console;
mod correlation;
mod crash;
mod crash_everything;
mod delivery;
mod delivery_model;
mod demo;
mod derived_events;
mod doctor;
mod faults;
mod field_mapping;
mod gap;
mod generator;
mod harness;
mod http;
mod late;
mod mapping;
mod microbima;
mod migrations;
mod notes;
mod payments;
mod plan;
mod pooler;
mod program;
mod query_plans;
mod reconcile;
mod retry_sweep;
mod road;
mod rows;
mod shadow;
mod tasks;
mod twins;
