//! The console, as people with a browser meet it.

mod browser;
mod chromium;
mod forms;
mod links;
mod people;
mod routes;
mod sessions;
mod sign_in;
mod supabase;
mod theme;

pub(crate) use browser::{Browser, form_token};
