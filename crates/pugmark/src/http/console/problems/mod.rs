//! Problems: what failed, by cause and flow; what Pugmark does about it, and what a person can do.

mod code;
mod marking;
mod state;
mod view;

pub(super) use code::page as code;
pub(super) use marking::mark;
pub(super) use state::State as Standing;
pub(super) use view::{fragment, page};
