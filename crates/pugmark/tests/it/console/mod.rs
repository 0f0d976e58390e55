//! The console, as people with a browser meet it.

mod agents;
mod browser;
mod chromium;
mod customers;
mod forms;
mod home;
mod links;
mod logs;
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
