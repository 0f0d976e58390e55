//! What a token says, once it is known who signed it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Number;
use uuid::Uuid;

use super::TokenError;
use crate::metadata::{Metadata, roles_in};

/// The claims of a user's verified access token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The user (`sub`).
    pub user_id: Uuid,
    /// The address, in lower case, at the time the token was issued.
    pub email: Option<String>,
    /// What only an admin may change.
    pub app_metadata: Metadata,
    /// What the user may change themselves. Decide no access by it.
    pub user_metadata: Metadata,
    /// The session; stays the same when tokens are refreshed.
    pub session_id: Option<Uuid>,
    /// Until when the token is good.
    pub expires_at: Timestamp,
    /// How the user proved who they are: `aal1`, or `aal2` with a second factor.
    pub assurance_level: Option<String>,
    /// Whether this is a visitor without address or password.
    pub is_anonymous: bool,
}

impl Claims {
    /// The roles in `app_metadata`, which only an admin can change.
    #[must_use]
    pub fn app_roles(&self) -> Vec<&str> {
        roles_in(&self.app_metadata)
    }
}

#[derive(Deserialize)]
pub(super) struct RawClaims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Number,
    role: Option<String>,
    email: Option<String>,
    app_metadata: Option<Metadata>,
    user_metadata: Option<Metadata>,
    session_id: Option<Uuid>,
    aal: Option<String>,
    is_anonymous: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

impl RawClaims {
    pub(super) fn check(self, issuer: &str, audience: &str) -> Result<Claims, TokenError> {
        if self.is_a_key() {
            return Err(TokenError::NotAUser);
        }
        if self.iss.as_deref() != Some(issuer) {
            return Err(TokenError::Issuer);
        }
        if !self.aud.as_ref().is_some_and(|aud| aud.holds(audience)) {
            return Err(TokenError::Audience);
        }
        let user_id = self.sub.as_deref().and_then(user_id);
        Ok(Claims {
            user_id: user_id.ok_or(TokenError::Malformed)?,
            email: self.email.filter(|email| !email.is_empty()),
            app_metadata: self.app_metadata.unwrap_or_default(),
            user_metadata: self.user_metadata.unwrap_or_default(),
            session_id: self.session_id,
            expires_at: moment(&self.exp).ok_or(TokenError::Malformed)?,
            assurance_level: self.aal,
            is_anonymous: self.is_anonymous.unwrap_or_default(),
        })
    }

    /// The legacy project keys are signed with the same secret as the users' tokens.
    fn is_a_key(&self) -> bool {
        matches!(
            self.role.as_deref(),
            None | Some("" | "anon" | "service_role" | "supabase_admin")
        )
    }
}

fn user_id(text: &str) -> Option<Uuid> {
    text.parse().ok().filter(|id: &Uuid| !id.is_nil())
}

fn moment(seconds: &Number) -> Option<Timestamp> {
    let whole = seconds
        .as_i64()
        .or_else(|| seconds.as_f64().map(|fraction| fraction as i64))?;
    Timestamp::from_second(whole).ok()
}
