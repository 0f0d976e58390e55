//! A user to be made.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::ban::Ban;
use crate::error::Invalid;
use crate::metadata::Metadata;
use crate::password::{PasswordRules, check_password};

/// A user to be made. `Debug` does not show the password.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// An id of our own choice makes a repeated create recognisable. Without one the server chooses.
    pub id: Option<Uuid>,
    /// The address; stored in lower case.
    pub email: String,
    /// The password. Without one the server makes up a random one that nobody learns.
    pub password: Option<SecretString>,
    /// Whether the address counts as confirmed. Otherwise the user exists, but cannot sign in. No mail is sent either way.
    pub email_confirm: bool,
    /// What the user may change themselves.
    pub user_metadata: Metadata,
    /// What only an admin may change.
    pub app_metadata: Metadata,
    /// A ban from the beginning.
    pub ban: Option<Ban>,
}

impl NewUser {
    /// A user with this address, not confirmed, and nothing else.
    #[must_use]
    pub fn new(email: impl Into<String>) -> Self {
        Self {
            id: None,
            email: email.into(),
            password: None,
            email_confirm: false,
            user_metadata: Metadata::new(),
            app_metadata: Metadata::new(),
            ban: None,
        }
    }

    /// The request, after all that can be checked here: the server would break down on an over-long password, and make
    /// a user with a weak one.
    pub(crate) fn body(&self, rules: &PasswordRules) -> Result<Map<String, Json>, Invalid> {
        let mut body = Map::new();
        if let Some(id) = self.id {
            if id.is_nil() {
                return Err(Invalid::NilId);
            }
            body.insert("id".to_owned(), Json::from(id.to_string()));
        }
        body.insert("email".to_owned(), Json::from(self.email.trim()));
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

pub(crate) fn put_password(
    body: &mut Map<String, Json>,
    password: Option<&SecretString>,
    rules: &PasswordRules,
) -> Result<(), Invalid> {
    if let Some(password) = password {
        check_password(password.expose_secret(), rules)?;
        body.insert("password".to_owned(), Json::from(password.expose_secret()));
    }
    Ok(())
}

/// What a new user and a change have in common; what is not asked for is left out.
pub(crate) fn put_rest(
    body: &mut Map<String, Json>,
    email_confirm: bool,
    [user_metadata, app_metadata]: [&Metadata; 2],
    ban: Option<Ban>,
) -> Result<(), Invalid> {
    if email_confirm {
        body.insert("email_confirm".to_owned(), Json::Bool(true));
    }
    for (name, metadata) in [
        ("user_metadata", user_metadata),
        ("app_metadata", app_metadata),
    ] {
        if !metadata.is_empty() {
            body.insert(name.to_owned(), Json::Object(metadata.clone()));
        }
    }
    if let Some(ban) = ban {
        body.insert("ban_duration".to_owned(), Json::from(ban.text()?));
    }
    Ok(())
}
