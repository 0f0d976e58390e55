//! System: what runs, what it talks to, which settings are in force, and what `pugmark doctor` finds.

mod checkup;
mod in_force;
mod view;

pub(super) use checkup::{check, fragment as checkup_fragment, page as checkup};
pub(super) use in_force::page as in_force;
pub(super) use view::{fragment, page};
