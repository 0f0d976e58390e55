//! Capture: database triggers write `change_log`, the relay reads it, the gap sweep heals what no trigger saw.

pub mod attach;
pub mod change;
pub mod gap;
pub(crate) mod image;
pub mod relay;
pub mod triggers;
pub mod watched;
