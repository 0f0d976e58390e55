//! The look-alike of vTiger: open-source `webservice.php` 8.0 (or 8.3) and the hosted edition's REST API over one store.
//!
//! Modelled are Contacts, Leads, Accounts, HelpDesk, Documents, Calendar, Events, ModComments, Users, Groups and
//! Currency, all from recorded `describe` answers, and the Roles of the hosted edition. Other modules are listed as on a
//! real installation but answer as to a caller without rights. `sync`, `convertlead`, file and inventory operations die, as
//! on stock. What an administrator can repair is repaired from the start ([`Variant`]) or while running, and Pugmark's own
//! extension can be installed. SQL injection, which the real system allows, is answered like SQL that fails.

mod activities;
mod answers;
mod auth;
mod builder;
mod catalogue;
mod checks;
mod cloud;
mod collation;
mod columns;
mod config;
mod conversion;
mod crm;
mod custom;
mod dialect;
mod entities;
mod extension;
mod failure;
mod latency;
mod noise;
mod operations;
mod passwords;
mod principals;
mod recorded;
mod records;
mod registry;
mod related;
mod release;
mod roles;
mod sandbox;
mod saving;
mod sharing;
mod spoil;
mod state;
mod store;
mod sync;
mod ui;
mod user_operations;
mod users;
mod values;
mod vtql;
mod webservice;
mod widths;
mod workflow;

pub use builder::VtigerSandboxBuilder;
pub use config::{CloudQuota, CustomField, CustomFieldKind, Edition, UserSpec, Variant};
pub use extension::CronReport;
pub use latency::Latency;
pub use release::Release;
pub use sandbox::VtigerSandbox;
pub use store::StoredRecord;
pub use users::{NewUser, StoredUser};
pub use workflow::Workflow;
