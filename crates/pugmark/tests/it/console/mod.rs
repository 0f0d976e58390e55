//! The console, as people with a browser meet it.

mod browser;
mod chromium;
mod forms;
mod home;
mod links;
mod logs;
mod mapping;
mod operations;
mod people;
mod planted;
mod problems;
mod routes;
mod sessions;
mod settings;
mod sign_in;
mod supabase;
mod system;
mod theme;
mod tokens;

pub(crate) use browser::{Browser, form_token};
