//! The look-alike of vTiger: open-source `webservice.php` 8.0 (or 8.3) and the hosted edition's REST API over one store.
//!
//! Modelled are Contacts, Leads, Accounts, HelpDesk, Documents, Calendar, Events, ModComments, Users, Groups and
//! Currency, all from recorded `describe` answers. Other modules are listed as on a real installation but answer as to a
//! caller without rights. `sync`, `convertlead`, file and inventory operations die, as on stock. SQL injection, which the
//! real system allows, is answered like SQL that fails.

mod activities;
mod answers;
mod auth;
mod catalogue;
mod checks;
mod cloud;
mod collation;
mod config;
mod crm;
mod custom;
mod dialect;
mod entities;
mod failure;
mod noise;
mod operations;
mod principals;
mod records;
mod related;
mod release;
mod sandbox;
mod saving;
mod server;
mod spoil;
mod state;
mod store;
mod ui;
mod values;
mod vtql;
mod webservice;
mod widths;

pub use config::{CloudQuota, CustomField, CustomFieldKind, Edition, Latency, UserSpec, Variant};
pub use release::Release;
pub use sandbox::{VtigerSandbox, VtigerSandboxBuilder};
pub use store::StoredRecord;
