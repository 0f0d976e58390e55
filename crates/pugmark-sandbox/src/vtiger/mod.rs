//! The look-alike of vTiger: open-source `webservice.php` 8.0 and the hosted edition's REST API over one store.

mod auth;
mod catalogue;
mod cloud;
mod collation;
mod config;
mod crm;
mod dialect;
mod entities;
mod failure;
mod noise;
mod operations;
mod principals;
mod records;
mod related;
mod sandbox;
mod server;
mod state;
mod store;
mod ui;
mod values;
mod vtql;
mod webservice;
mod widths;

pub use config::{CloudQuota, CustomField, CustomFieldKind, Edition, Latency, UserSpec, Variant};
pub use sandbox::{VtigerSandbox, VtigerSandboxBuilder};
pub use store::StoredRecord;
