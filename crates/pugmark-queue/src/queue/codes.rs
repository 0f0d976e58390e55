//! Error codes that the queue itself gives to operations.

/// The worker's lease ran out: it died, hung or lost the database. What it did is unknown.
pub const LEASE_EXPIRED: &str = "LEASE_EXPIRED";
/// The sealed payload was erased before the operation succeeded; a replay needs a new secret.
pub const SECRET_EXPIRED: &str = "SECRET_EXPIRED";
/// The other side was unavailable for longer than the policy's `max_age`.
pub const GAVE_UP_UNAVAILABLE: &str = "GAVE_UP_UNAVAILABLE";
/// The other side throttled for longer than the policy's `max_age`.
pub const GAVE_UP_THROTTLED: &str = "GAVE_UP_THROTTLED";
/// The session was lost again and again for longer than the policy's `max_age`.
pub const GAVE_UP_SESSION_LOST: &str = "GAVE_UP_SESSION_LOST";
/// The outcome stayed unknown for longer than the policy's `max_age`.
pub const GAVE_UP_UNKNOWN: &str = "GAVE_UP_UNKNOWN";
/// The handler panicked. What it did before is unknown.
pub const HANDLER_PANICKED: &str = "HANDLER_PANICKED";
/// A person decided that the operation is not to be carried out.
pub const DISCARDED: &str = "DISCARDED";
/// The worker was stopped while the handler ran, and its grace period ended. What it did is unknown.
pub const SHUTDOWN: &str = "SHUTDOWN";
/// The attempt ended, but the database refused to store what it achieved.
pub const NOT_RECORDED: &str = "NOT_RECORDED";
