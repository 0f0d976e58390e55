//! The console, as people with a browser meet it.

mod browser;
mod chromium;
mod conflicts;
mod conversions;
mod desks;
mod forms;
mod home;
mod inbox;
mod jobs;
mod links;
mod logs;
mod onboarding_forms;
mod operations;
mod people;
mod planted;
mod problems;
mod routes;
mod sessions;
mod sign_in;
mod supabase;
mod theme;

pub(crate) use browser::{Browser, form_token};
