//! The console, as people with a browser meet it.

mod agents;
mod browser;
mod chromium;
mod conflicts;
mod conversions;
mod customers;
mod desks;
mod filters;
mod forms;
mod home;
mod inbox;
mod jobs;
mod links;
mod logs;
mod mapping;
mod onboarding_forms;
mod operations;
mod people;
pub(crate) mod planted;
mod problems;
mod routes;
mod screenshots;
mod sessions;
mod settings;
mod sign_in;
mod supabase;
mod system;
mod theme;
mod tokens;

pub(crate) use browser::{Browser, form_token};
