//! How one record is brought to a CRM that has no idempotency.
//!
//! [`protocol`] decides, [`crate::flows`] does the I/O it asks for. The decision is kept free of I/O so that the very
//! code that runs in production is also the code that the model checker explores (`tests/it/delivery_model.rs`).

pub mod protocol;
