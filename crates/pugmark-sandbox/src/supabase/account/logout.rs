//! `POST /logout`.

use super::super::call::{Answer, Call, Success};
use super::super::refusal::Refusal;
use super::super::state::Stage;

/// Ends all sessions of the user, this one, or the others.
pub(in super::super) fn logout(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let caller = call.require_user(stage)?;
    let sessions = &mut stage.state.sessions;
    let ended = match (
        call.request.query.text("scope").unwrap_or_default(),
        caller.session,
    ) {
        ("local", Some(session)) => sessions.end(session),
        ("others", Some(session)) => sessions.end_all_of(caller.user.id, Some(session)),
        ("" | "global" | "local" | "others", _) => sessions.end_all_of(caller.user.id, None),
        (other, _) => {
            return Err(Refusal::invalid(format!(
                "Unsupported logout scope {other:?}"
            )));
        }
    };
    stage.note_logged_out(caller.user.id, ended);
    Ok(Success::no_content())
}
