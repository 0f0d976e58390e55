//! Capture: database triggers write `change_log`, the relay reads it, the gap sweep heals what no trigger saw.

pub mod gap;
pub mod relay;
pub mod triggers;
