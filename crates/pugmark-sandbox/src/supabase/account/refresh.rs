//! `POST /token?grant_type=refresh_token`.

use serde::Deserialize;

use super::super::call::{Answer, Call, Success, null_is_absent};
use super::super::refusal::Refusal;
use super::super::sessions::Standing;
use super::super::state::Stage;
use super::tokens::{issue, new_refresh_token};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(deserialize_with = "null_is_absent")]
    refresh_token: String,
}

/// The refresh token that a call presents.
pub(in super::super) fn token_to_refresh(call: &Call<'_>) -> Option<String> {
    Some(call.params::<Params>().ok()?.refresh_token)
}

/// Gives new tokens to a session, whose refresh token changes each time.
pub(in super::super) fn refresh(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let Params { refresh_token } = call.params()?;
    if refresh_token.is_empty() {
        return Err(Refusal::OAuth {
            error: "invalid_request",
            description: "refresh_token required",
        });
    }
    let found = stage.state.sessions.of_token(&refresh_token);
    let session = found.ok_or_else(not_found)?;
    let (id, signed_in_at) = (session.id, session.signed_in_at.as_second());
    let standing = session.standing(&refresh_token);
    let user = stage.state.users.get(session.user).cloned();
    let user = user.ok_or_else(not_found)?;
    if user.is_banned(stage.now) {
        let message = "Invalid Refresh Token: User Banned";
        return Err(Refusal::error(400, "user_banned", message));
    }
    let token = match standing {
        Standing::Active => {
            let token = new_refresh_token(stage);
            stage.state.sessions.rotate(id, token.clone());
            token
        }
        Standing::Superseded(newest) => newest,
        Standing::Used => {
            stage.state.sessions.compromise(id);
            let message = "Invalid Refresh Token: Already Used";
            return Err(Refusal::error(400, "refresh_token_already_used", message));
        }
    };
    stage.actor = Some(user.email.clone());
    let issued = issue(stage, &user, id, signed_in_at, token)?;
    Ok(Success::ok(issued.shown(&user)))
}

fn not_found() -> Refusal {
    Refusal::error(
        400,
        "refresh_token_not_found",
        "Invalid Refresh Token: Refresh Token Not Found",
    )
}
