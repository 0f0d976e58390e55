//! The client against servers that behave like Supabase Auth, its gateway, and worse.

// Clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod classification;
mod configuration;
mod creating;
mod deadlines;
mod deleting;
mod observing;
mod passwords;
mod reading;
mod roles;
mod searching;
mod server;
mod sessions;
mod updating;
mod verifying;
