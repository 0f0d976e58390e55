//! A user, as the server shows them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::metadata::{Metadata, roles_in};

/// A user. What the server leaves out, empty or null is `None` here; what this client does not know is ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct User {
    /// The id, for good.
    pub id: Uuid,
    /// The audience of the user's tokens, usually `authenticated`.
    #[serde(default, deserialize_with = "text")]
    pub aud: Option<String>,
    /// The role in the database, usually `authenticated`; not one of [`User::roles`].
    #[serde(default, deserialize_with = "text")]
    pub role: Option<String>,
    /// The address, in lower case.
    #[serde(default, deserialize_with = "text")]
    pub email: Option<String>,
    /// The phone number.
    #[serde(default, deserialize_with = "text")]
    pub phone: Option<String>,
    /// An address the user asked to change to and has not confirmed.
    #[serde(default, deserialize_with = "text")]
    pub new_email: Option<String>,
    /// Since when the address is confirmed. Without it the user cannot sign in.
    #[serde(default, deserialize_with = "time")]
    pub email_confirmed_at: Option<Timestamp>,
    /// When the user last signed in.
    #[serde(default, deserialize_with = "time")]
    pub last_sign_in_at: Option<Timestamp>,
    /// When the user was invited by mail.
    #[serde(default, deserialize_with = "time")]
    pub invited_at: Option<Timestamp>,
    /// Until when the user is banned; may be past.
    #[serde(default, deserialize_with = "time")]
    pub banned_until: Option<Timestamp>,
    /// When the user was deleted softly.
    #[serde(default, deserialize_with = "time")]
    pub deleted_at: Option<Timestamp>,
    /// When the user was made.
    #[serde(default, deserialize_with = "time")]
    pub created_at: Option<Timestamp>,
    /// When the user was last changed.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: Option<Timestamp>,
    /// What the user may change themselves. Decide no access by it.
    #[serde(default, deserialize_with = "or_default")]
    pub user_metadata: Metadata,
    /// What only an admin may change.
    #[serde(default, deserialize_with = "or_default")]
    pub app_metadata: Metadata,
    /// The ways the user signs in. Lists do not show them: `None` there.
    #[serde(default)]
    pub identities: Option<Vec<Identity>>,
    /// Whether this is a visitor without address or password.
    #[serde(default, deserialize_with = "or_default")]
    pub is_anonymous: bool,
}

/// One way a user signs in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Identity {
    /// The identity's own id; older servers have none.
    #[serde(default)]
    pub identity_id: Option<Uuid>,
    /// The user's id at the provider; for `email` the user's own id.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// `email`, `phone`, `google` and the like.
    #[serde(default, deserialize_with = "text")]
    pub provider: Option<String>,
    /// The address at the provider.
    #[serde(default, deserialize_with = "text")]
    pub email: Option<String>,
    /// What the provider told.
    #[serde(default, deserialize_with = "or_default")]
    pub identity_data: Metadata,
    /// When the user last signed in this way.
    #[serde(default, deserialize_with = "time")]
    pub last_sign_in_at: Option<Timestamp>,
}

impl User {
    /// The roles in `user_metadata`, which the user can change: for show, not for access.
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        roles_in(&self.user_metadata)
    }

    /// The roles in `app_metadata`, which only an admin can change.
    #[must_use]
    pub fn app_roles(&self) -> Vec<&str> {
        roles_in(&self.app_metadata)
    }

    /// Whether a ban is running at this moment.
    #[must_use]
    pub fn is_banned_at(&self, moment: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| until > moment)
    }

    /// Whether this is the user with that address, in whatever case.
    #[must_use]
    pub fn has_email(&self, email: &str) -> bool {
        let lower = |text: &str| text.trim().to_lowercase();
        self.email
            .as_deref()
            .is_some_and(|own| lower(own) == lower(email))
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// RFC 3339 with a fraction of any width. A moment that cannot be read is an error: taken for absent it could pass a
/// banned user for a free one.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    text(deserializer)?
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
