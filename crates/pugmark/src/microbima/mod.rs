//! What MicroBima's application does around a row when it writes one: for the rows that this program writes in its place.

pub mod amount;
pub mod lifecycle;
pub mod partner_api;
pub mod payment;
pub mod requirements;
