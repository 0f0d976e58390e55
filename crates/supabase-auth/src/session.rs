//! What a user does: signing in, staying signed in, asking who they are.

use http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::admin::user_in;
use crate::call::{Bearer, Call};
use crate::classify::decode;
use crate::client::Client;
use crate::error::{CallError, WeakPasswordReason};
use crate::user::User;

/// A session. `Debug` shows no token.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    /// The signed token of the user; see [`TokenVerifier`](crate::TokenVerifier).
    pub access_token: SecretString,
    /// Good for one [`Client::refresh`].
    pub refresh_token: SecretString,
    /// For how many seconds from now the access token is good.
    #[serde(default)]
    pub expires_in: Option<u64>,
    /// Until when the access token is good.
    #[serde(default, with = "jiff::fmt::serde::timestamp::second::optional")]
    pub expires_at: Option<Timestamp>,
    /// The user.
    pub user: User,
    /// Set on sign-in when the password, though right, no longer keeps the project's rules.
    #[serde(default)]
    pub weak_password: Option<WeakPassword>,
}

/// Why a password that still works should be changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WeakPassword {
    /// In words, for people.
    #[serde(default)]
    pub message: String,
    /// What it lacks: `length`, `characters`, `pwned`.
    #[serde(default)]
    reasons: Vec<String>,
}

impl WeakPassword {
    /// What the password lacks.
    pub fn reasons(&self) -> impl Iterator<Item = WeakPasswordReason> {
        self.reasons
            .iter()
            .map(|reason| WeakPasswordReason::from(reason.as_str()))
    }
}

impl Client {
    /// Signs a user in by address and password.
    ///
    /// The server limits sign-ins per IP address, and these all come from ours.
    ///
    /// # Errors
    /// As every read; refused as [`WrongCredentials`](crate::RefusalReason::WrongCredentials),
    /// [`Banned`](crate::RefusalReason::Banned) (reported before the password is looked at) or
    /// [`EmailNotConfirmed`](crate::RefusalReason::EmailNotConfirmed) (only with the right password).
    pub async fn sign_in(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<Session, CallError> {
        let call = Call::read("sign_in", Method::POST, "token")
            .query("grant_type", "password")
            .body(Map::from_iter([
                ("email".to_owned(), Json::from(email)),
                ("password".to_owned(), Json::from(password.expose_secret())),
            ]))
            .bearer(Bearer::Public)
            .hiding([password]);
        self.send(call, session_in).await
    }

    /// Exchanges a refresh token for a new access and refresh token of the same session.
    ///
    /// # Errors
    /// As every write, since the old token is used up;
    /// [`RefreshTokenGone`](crate::RefusalReason::RefreshTokenGone), [`Banned`](crate::RefusalReason::Banned).
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<Session, CallError> {
        let call = Call::write("refresh", Method::POST, "token")
            .query("grant_type", "refresh_token")
            .body(Map::from_iter([(
                "refresh_token".to_owned(),
                Json::from(refresh_token.expose_secret()),
            )]))
            .bearer(Bearer::Public)
            .hiding([refresh_token]);
        self.send(call, session_in).await
    }

    /// The user an access token belongs to, as the server sees it now: unlike a
    /// [`TokenVerifier`](crate::TokenVerifier) it knows of ended sessions and bans.
    ///
    /// # Errors
    /// As every read; [`BadToken`](crate::RefusalReason::BadToken),
    /// [`SessionGone`](crate::RefusalReason::SessionGone), [`Banned`](crate::RefusalReason::Banned).
    pub async fn user(&self, access_token: &SecretString) -> Result<User, CallError> {
        let call =
            Call::read("user", Method::GET, "user").bearer(Bearer::User(access_token.clone()));
        self.send(call, |call, answer| user_in(call, answer, None))
            .await
    }
}

fn session_in(call: &Call, answer: &crate::transport::Answer) -> Result<Session, CallError> {
    decode(call, answer, "a session")
}
