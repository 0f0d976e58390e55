//! Webhooks: whether a delivery is genuine, and what it says.
//!
//! A delivery is a hint. It may come late, twice and out of order, so read the subscription before acting on it. No time is
//! signed: what protects from replays is [`Event::id`], which is the same for every repetition. Only an answer of exactly
//! 200 within about 15 s counts as received.

mod event;
mod form;
mod signature;

pub use event::{Event, Unreadable};
pub use signature::verify;

/// The header with the signature that [`verify`] checks.
pub const SIGNATURE_HEADER: &str = "X-Chargify-Webhook-Signature-Hmac-Sha-256";
/// The header that repeats the id. It is not signed; the one in the body is.
pub const ID_HEADER: &str = "X-Chargify-Webhook-Id";
