//! The admin routes: one file per verb.

mod create;
mod delete;
mod list;
mod params;
mod update;

pub(super) use create::{create, seed};
pub(super) use delete::delete;
pub(super) use list::list;
pub(super) use params::{valid_email, valid_phone};
pub(super) use update::{check_strength, set_password, update};

use uuid::Uuid;

use super::call::{Answer, Success};
use super::refusal::Refusal;
use super::shown;
use super::state::Stage;
use super::users::User;

/// `GET /admin/users/{id}`.
pub(super) fn get(stage: &Stage<'_>, id: &str) -> Answer {
    Ok(Success::ok(shown::read(&load(stage, id)?)))
}

/// The user of a path. An id that is none is not found either.
fn load(stage: &Stage<'_>, id: &str) -> Result<User, Refusal> {
    let id = Uuid::parse_str(id)
        .map_err(|_| Refusal::error(404, "validation_failed", "user_id must be an UUID"))?;
    let user = stage.state.users.get(id).cloned();
    user.ok_or_else(|| Refusal::error(404, "user_not_found", "User not found"))
}
