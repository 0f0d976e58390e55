//! Forms that clients fill in: those that are not in the CRM as a whole, and links to the page.

mod links;
mod list;

pub(super) use links::{make, revoke};
pub(super) use list::{again, fragment, page};
