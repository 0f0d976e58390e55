//! MicroBima to vTiger: the insurer's customers as contacts.

pub mod customer;
pub mod mapping;
pub mod plan;
