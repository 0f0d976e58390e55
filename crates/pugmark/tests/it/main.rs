//! Pugmark as a whole: what a written row leads to in the CRM, judged by the CRM's own journal.

mod bench;
mod capture;
mod cloud;
mod console;
mod delivery_model;
mod harness;
mod late;
mod mapping;
mod plan;
mod road;
