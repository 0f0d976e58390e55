//! The console, as people with a browser meet it.

mod browser;
mod forms;
mod logs;
mod operations;
mod planted;
mod problems;
mod routes;
mod sessions;

pub(crate) use browser::{Browser, form_token};
