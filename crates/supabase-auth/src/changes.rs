//! A change to a user.

use secrecy::SecretString;
use serde_json::{Map, Value as Json};

use crate::ban::Ban;
use crate::error::Invalid;
use crate::metadata::Metadata;
use crate::new_user::{put_password, put_rest};
use crate::password::PasswordRules;

/// A change to a user: only what is set here is changed. `Debug` does not show the password.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// A new address. Takes effect at once; whether the old one was confirmed stays as it was.
    pub email: Option<String>,
    /// A new password. Ends every session of the user, also when it is the one they had.
    pub password: Option<SecretString>,
    /// Confirms the address. There is no way back: `false` changes nothing.
    pub email_confirm: bool,
    /// Keys to set (`null` removes one); a value is replaced as a whole. Other keys are kept.
    pub user_metadata: Metadata,
    /// Keys to set (`null` removes one); a value is replaced as a whole. Other keys are kept.
    pub app_metadata: Metadata,
    /// A ban, or its end.
    pub ban: Option<Ban>,
}

impl Changes {
    /// A new password and nothing else.
    #[must_use]
    pub fn password(password: SecretString) -> Self {
        Self {
            password: Some(password),
            ..Self::default()
        }
    }

    /// A new address and nothing else.
    #[must_use]
    pub fn email(email: impl Into<String>) -> Self {
        Self {
            email: Some(email.into()),
            ..Self::default()
        }
    }

    /// A ban, or its end, and nothing else.
    #[must_use]
    pub fn ban(ban: Ban) -> Self {
        Self {
            ban: Some(ban),
            ..Self::default()
        }
    }

    pub(crate) fn body(&self, rules: &PasswordRules) -> Result<Map<String, Json>, Invalid> {
        let mut body = Map::new();
        if let Some(email) = &self.email {
            body.insert("email".to_owned(), Json::from(email.trim()));
        }
        put_password(&mut body, self.password.as_ref(), rules)?;
        put_rest(
            &mut body,
            self.email_confirm,
            [&self.user_metadata, &self.app_metadata],
            self.ban,
        )?;
        Ok(body)
    }
}
