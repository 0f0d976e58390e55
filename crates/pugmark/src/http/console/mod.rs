//! The console: server-rendered pages, our own stylesheet and script, nothing from anywhere else.
//!
//! A screen is a handler in the list of `screens`, which says what whoever asks must be allowed to do; a template that extends
//! `console/layout.html`; and an entry in `nav`. The `guard` stands before every one of them: who it is, whether they may, whether
//! a form was meant.

pub mod accounts;
mod agents;
mod alerts;
mod answered;
mod assets;
mod attempts;
mod audit;
mod conflicts;
mod conversions;
mod cookies;
mod customers;
mod explained;
mod filters;
pub mod first;
mod forms;
mod frame;
mod guard;
mod home;
mod inbox;
mod jobs;
mod link;
mod logs;
mod mapping;
mod masking;
mod moment;
mod nav;
mod operations;
mod people;
mod person;
mod problems;
mod screens;
mod session;
mod settings;
mod sign_in;
mod sign_out;
mod sync_badge;
mod system;
mod texts;
mod theme;
mod tokens;
pub mod when;

use axum::Router;

pub use frame::{Frame, Theme, go, not_found, not_taken, show, store_down, trouble};
pub use guard::FIELD;
pub use nav::{Entry, Group};
pub use person::Person;
pub use screens::{Kind, Screen, Screens, screens};
pub use texts::Words;

use super::AppState;
use crate::config;
use crate::people::password::Passwords;

/// What the console's handlers share.
pub struct Console {
    /// How long sessions and links last.
    pub settings: config::Console,
    /// Where people reach this server from outside.
    pub public_url: Option<String>,
    /// Hashes passwords.
    pub passwords: Passwords,
}

impl Console {
    /// A console with these settings, reached at `public_url` from outside.
    pub fn new(settings: config::Console, public_url: Option<String>) -> Self {
        Console {
            settings,
            public_url,
            passwords: Passwords::default(),
        }
    }
}

/// The console's pages and assets.
pub fn routes() -> Router<AppState> {
    screens().router()
}
