//! A user as an answer shows it, and as the sandbox's owner sees it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::metadata::Metadata;
use super::users::{Identity, User};

/// Keys in the server's order. What is empty is left out, except where it is not.
#[derive(Serialize)]
struct ShownUser<'a> {
    id: String,
    aud: &'a str,
    role: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed_at: Option<Timestamp>,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_confirmed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "str::is_empty")]
    new_email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_change_sent_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "str::is_empty")]
    new_phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in_at: Option<Timestamp>,
    app_metadata: &'a Metadata,
    user_metadata: &'a Metadata,
    identities: Option<Vec<ShownIdentity<'a>>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    is_anonymous: bool,
}

#[derive(Serialize)]
struct ShownIdentity<'a> {
    identity_id: String,
    id: &'a str,
    user_id: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    identity_data: Map<String, Value>,
    provider: &'a str,
    last_sign_in_at: Timestamp,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
}

/// A user read from the database.
pub(super) fn read(user: &User) -> Value {
    show(user, user.confirmed_at(), Some(&user.identities))
}

/// A user just stored: what only the database computes is not known yet.
pub(super) fn created(user: &User) -> Value {
    show(user, None, Some(&user.identities))
}

/// A user just changed: what the database computes is as it was when it was read, and so are the identities that were
/// there.
pub(super) fn updated(before: &User, after: &User) -> Value {
    let mut identities = before.identities.clone();
    identities.extend_from_slice(&after.identities[before.identities.len()..]);
    show(after, before.confirmed_at(), Some(&identities))
}

/// A user in a list, whose identities nobody looked up.
pub(super) fn listed(user: &User) -> Value {
    show(user, user.confirmed_at(), None)
}

fn show(user: &User, confirmed_at: Option<Timestamp>, identities: Option<&[Identity]>) -> Value {
    let shown = ShownUser {
        id: user.id.to_string(),
        aud: &user.aud,
        role: &user.role,
        email: &user.email,
        email_confirmed_at: user.email_confirmed_at,
        phone: &user.phone,
        phone_confirmed_at: user.phone_confirmed_at,
        confirmed_at,
        new_email: &user.new_email,
        email_change_sent_at: user.email_change_sent_at,
        new_phone: &user.new_phone,
        last_sign_in_at: user.last_sign_in_at,
        app_metadata: &user.app_metadata,
        user_metadata: &user.user_metadata,
        identities: identities.map(|all| all.iter().map(|one| identity(user, one)).collect()),
        created_at: user.created_at,
        updated_at: user.updated_at,
        banned_until: user.banned_until,
        deleted_at: user.deleted_at,
        is_anonymous: false,
    };
    serde_json::to_value(shown).unwrap_or_default()
}

fn identity<'a>(user: &User, identity: &'a Identity) -> ShownIdentity<'a> {
    let email = identity.data.get("email").and_then(Value::as_str);
    ShownIdentity {
        identity_id: identity.id.to_string(),
        id: &identity.provider_id,
        user_id: user.id.to_string(),
        identity_data: identity.data.object(),
        provider: identity.provider,
        last_sign_in_at: identity.last_sign_in_at,
        created_at: identity.created_at,
        updated_at: identity.updated_at,
        email: email.unwrap_or_default(),
    }
}

/// A user as stored, for the sandbox's owner.
#[derive(Clone, Debug, PartialEq)]
pub struct SupabaseUser {
    /// UUID in lower case.
    pub id: String,
    /// Address in lower case; of a softly deleted user a hash.
    pub email: String,
    /// Digits; empty when there is none.
    pub phone: String,
    /// Database role, as a rule `authenticated`.
    pub role: String,
    /// When the address was confirmed.
    pub email_confirmed_at: Option<Timestamp>,
    /// When the user last signed in.
    pub last_sign_in_at: Option<Timestamp>,
    /// Until when the user is banned; may have passed.
    pub banned_until: Option<Timestamp>,
    /// When the user was softly deleted.
    pub deleted_at: Option<Timestamp>,
    /// What the user may change himself.
    pub user_metadata: Map<String, Value>,
    /// What only administrators may change.
    pub app_metadata: Map<String, Value>,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

impl SupabaseUser {
    pub(super) fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.clone(),
            phone: user.phone.clone(),
            role: user.role.clone(),
            email_confirmed_at: user.email_confirmed_at,
            last_sign_in_at: user.last_sign_in_at,
            banned_until: user.banned_until,
            deleted_at: user.deleted_at,
            user_metadata: user.user_metadata.object(),
            app_metadata: user.app_metadata.object(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}
