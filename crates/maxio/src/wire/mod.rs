//! From a call to its answer: what is sent, one exchange over HTTP, and what the answer amounts to.

mod call;
mod classify;
mod mask;
mod reading;
mod said;
mod transport;

pub(crate) use call::{Call, Fields};
pub(crate) use classify::classify;
pub(crate) use mask::Secrets;
pub(crate) use reading::{found, items, same_reference, unreadable, wrapped};
pub(crate) use transport::{Answer, Exchange, exchange, http_client};
