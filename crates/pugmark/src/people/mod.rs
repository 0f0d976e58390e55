//! People who use the console: what they may do, and how they prove who they are. Nothing here knows of HTTP or of the store.

pub mod password;
pub mod role;
pub mod throttle;
pub mod token;

pub use role::{May, Role};
