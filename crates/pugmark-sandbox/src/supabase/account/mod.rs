//! What users do themselves: one file per verb.

mod logout;
mod refresh;
mod sign_in;
mod tokens;
mod user;

pub(super) use logout::logout;
pub(super) use refresh::{refresh, token_to_refresh};
pub(super) use sign_in::sign_in;
pub(super) use tokens::begin_session;
pub(super) use user::{get, update};
