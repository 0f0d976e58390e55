//! `DELETE /admin/users/{id}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::call::{Answer, Call, Success, null_is_absent};
use super::super::refusal::Refusal;
use super::super::state::{MODULE, Stage};
use super::super::users::User;
use super::load;
use crate::journal::JournalKind;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(deserialize_with = "null_is_absent")]
    should_soft_delete: bool,
}

/// Deletes a user and his sessions: the row as well, or everything that tells who it was.
pub(in super::super) fn delete(stage: &mut Stage<'_>, call: &Call<'_>, id: &str) -> Answer {
    let user = load(stage, id)?;
    let params: Params = if call.has_body() {
        call.params()?
    } else {
        Params::default()
    };
    if !params.should_soft_delete {
        stage.state.users.remove(user.id);
        stage.note(JournalKind::Deleted {
            id: user.id.to_string(),
            module: MODULE.to_owned(),
        });
    } else if user.deleted_at.is_none() {
        forget(stage, &user)?;
    }
    let ended = stage.state.sessions.end_all_of(user.id, None);
    stage.note_logged_out(user.id, ended);
    Ok(Success::ok(json!({})))
}

/// Keeps the row, and nothing that tells who it was.
fn forget(stage: &mut Stage<'_>, user: &User) -> Result<(), Refusal> {
    let mut gone = user.clone();
    gone.email = obscured(user.id, &user.email);
    // The column was once 15 characters wide.
    gone.phone = obscured(user.id, &user.phone)[..15].to_owned();
    gone.new_email = obscured(user.id, &user.new_email);
    gone.new_phone = obscured(user.id, &user.new_phone)[..15].to_owned();
    gone.password = None;
    gone.user_metadata.clear();
    gone.app_metadata.clear();
    gone.deleted_at = Some(stage.now);
    gone.updated_at = stage.now;
    for identity in &mut gone.identities {
        let known_as = format!("{}:{}", identity.provider, identity.provider_id);
        identity.provider_id = obscured(user.id, &known_as);
        identity.data.clear();
    }
    let replaced = stage.state.users.replace(gone.clone());
    replaced.map_err(|duplicate| Refusal::Duplicate {
        duplicate,
        message: "Error soft deleting user",
    })?;
    stage.note_updated(user, &gone);
    Ok(())
}

fn obscured(user: Uuid, value: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{user}{value}")))
}
