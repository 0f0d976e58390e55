//! Access and refresh tokens of a session.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::refusal::Refusal;
use super::super::shown;
use super::super::state::Stage;
use super::super::tokens::Claims;
use super::super::users::User;
use crate::journal::JournalKind;

/// Tokens that were just issued.
pub(in super::super) struct Issued {
    pub(in super::super) access_token: String,
    refresh_token: String,
    expires_in: i64,
    expires_at: i64,
}

impl Issued {
    /// As both grants answer.
    pub(super) fn shown(&self, user: &User) -> Value {
        json!({
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "expires_at": self.expires_at,
            "refresh_token": self.refresh_token,
            "user": shown::read(user),
        })
    }
}

/// Begins a session: gives its tokens and the user as he is now.
pub(in super::super) fn begin_session(
    stage: &mut Stage<'_>,
    user: &User,
) -> Result<(Issued, User), Refusal> {
    let mut user = user.clone();
    user.last_sign_in_at = Some(stage.now);
    user.updated_at = stage.now;
    let session = stage.state.uuid();
    let refresh_token = new_refresh_token(stage);
    let issued = issue(stage, &user, session, stage.now.as_second(), refresh_token)?;
    let sessions = &mut stage.state.sessions;
    sessions.begin(session, user.id, issued.refresh_token.clone(), stage.now);
    let replaced = stage.state.users.replace(user.clone());
    replaced.map_err(|_| Refusal::unexpected("Error updating user"))?;
    stage.note(JournalKind::LoggedIn {
        user_id: user.id.to_string(),
    });
    Ok((issued, user))
}

pub(super) fn new_refresh_token(stage: &mut Stage<'_>) -> String {
    stage.state.text(12)
}

/// Tokens of a session that began at `signed_in_at` (Unix seconds).
pub(super) fn issue(
    stage: &Stage<'_>,
    user: &User,
    session: Uuid,
    signed_in_at: i64,
    refresh_token: String,
) -> Result<Issued, Refusal> {
    let issued_at = stage.now.as_second();
    let expires_in = i64::try_from(stage.config.token_lifetime.as_secs()).unwrap_or(i64::MAX);
    let expires_at = issued_at.saturating_add(expires_in);
    let claims: Claims = [
        ("iss", json!(stage.issuer)),
        ("sub", json!(user.id.to_string())),
        ("aud", json!(user.aud)),
        ("exp", json!(expires_at)),
        ("iat", json!(issued_at)),
        ("email", json!(user.email)),
        ("phone", json!(user.phone)),
        ("app_metadata", json!(user.app_metadata)),
        ("user_metadata", json!(user.user_metadata)),
        ("role", json!(user.role)),
        ("aal", json!("aal1")),
        (
            "amr",
            json!([{ "method": "password", "timestamp": signed_in_at }]),
        ),
        ("session_id", json!(session.to_string())),
        ("is_anonymous", json!(false)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    Ok(Issued {
        access_token: stage.state.signing.sign(&claims)?,
        refresh_token,
        expires_in,
        expires_at,
    })
}
