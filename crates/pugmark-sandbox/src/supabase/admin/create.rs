//! `POST /admin/users`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::call::{Answer, Call, Success};
use super::super::config::UserSeed;
use super::super::metadata::Metadata;
use super::super::password::{LONGEST, StoredPassword, is_known_hash};
use super::super::refusal::Refusal;
use super::super::shown;
use super::super::state::Stage;
use super::super::users::{AUDIENCE, Identity, User};
use super::params::{UserParams, valid_email, valid_phone};

/// Creates a user. The password rules are not asked.
pub(in super::super) fn create(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let params: UserParams = call.params()?;
    if params.email.is_empty() && params.phone.is_empty() {
        return Err(Refusal::invalid(
            "Cannot create a user without either an email or phone",
        ));
    }
    let aud = Some(params.aud.as_str()).filter(|aud| !aud.is_empty());
    let aud = aud.unwrap_or(AUDIENCE).to_owned();
    let email = free_email(stage, &params.email, &aud)?;
    let phone = free_phone(stage, &params.phone, &aud)?;
    let password = password(stage, &params)?;
    let id = match params.id.as_str() {
        "" => stage.state.uuid(),
        text => own_id(text)?,
    };
    let ban = params.ban()?;

    let mut user = User::new(id, stage.now);
    user.aud = aud;
    user.email = email;
    user.phone = phone;
    user.password = Some(password);
    user.user_metadata = Metadata::of(params.user_metadata.unwrap_or_default());
    describe_origin(stage, &mut user);
    user.app_metadata
        .merge(params.app_metadata.unwrap_or_default());
    if !params.role.is_empty() {
        user.role = params.role.trim().to_owned();
    }
    if params.email_confirm {
        user.confirm_email(stage.now);
    }
    if params.phone_confirm {
        user.phone_confirmed_at = Some(stage.now);
    }
    if let Some(nanoseconds) = ban {
        user.ban(nanoseconds, stage.now);
    }
    insert(stage, &user)?;
    Ok(Success::ok(shown::created(&user)))
}

/// Stores a user on behalf of the sandbox's owner. None when its id or address is taken, or is none.
pub(in super::super) fn seed(stage: &mut Stage<'_>, seed: UserSeed) -> Option<String> {
    let id = match &seed.id {
        Some(text) => own_id(text).ok()?,
        None => stage.state.uuid(),
    };
    let mut user = User::new(id, stage.now);
    user.email = valid_email(&seed.email)
        .ok()
        .filter(|email| !email.is_empty())?;
    user.password = Some(match &seed.password {
        Some(text) => stage.state.hash(text),
        None => StoredPassword::Opaque,
    });
    user.user_metadata = Metadata::of(seed.user_metadata);
    describe_origin(stage, &mut user);
    user.app_metadata.merge(seed.app_metadata);
    if seed.confirmed {
        user.confirm_email(stage.now);
    }
    user.banned_until = seed.banned_until;
    insert(stage, &user).ok()?;
    Some(id.to_string())
}

fn insert(stage: &mut Stage<'_>, user: &User) -> Result<(), Refusal> {
    stage
        .state
        .users
        .insert(user.clone())
        .map_err(|duplicate| Refusal::Duplicate {
            duplicate,
            message: "Database error creating new user",
        })?;
    stage.note_created(user);
    Ok(())
}

fn free_email(stage: &Stage<'_>, text: &str, aud: &str) -> Result<String, Refusal> {
    let email = valid_email(text)?;
    let holder = stage.state.users.by_email(&email);
    if holder.is_some_and(|holder| holder.aud == aud) {
        let message = "A user with this email address has already been registered";
        return Err(Refusal::error(422, "email_exists", message));
    }
    Ok(email)
}

fn free_phone(stage: &Stage<'_>, text: &str, aud: &str) -> Result<String, Refusal> {
    let phone = valid_phone(text)?;
    let holder = stage.state.users.by_phone(&phone);
    if holder.is_some_and(|holder| holder.aud == aud) {
        let message = "Phone number already registered by another user";
        return Err(Refusal::error(422, "phone_exists", message));
    }
    Ok(phone)
}

fn password(stage: &mut Stage<'_>, params: &UserParams) -> Result<StoredPassword, Refusal> {
    let hash = params.password_hash.as_str();
    match params.password.as_deref() {
        Some(_) if !hash.is_empty() => Err(Refusal::invalid(
            "Only a password or a password hash should be provided",
        )),
        None if !hash.is_empty() && !is_known_hash(hash) => {
            Err(Refusal::unexpected("Error creating user"))
        }
        // A foreign hash, or 64 random characters that nobody learns.
        None | Some("") => Ok(StoredPassword::Opaque),
        // Nobody looks at the length before the hash is computed.
        Some(text) if text.len() > LONGEST => Err(Refusal::Panic),
        Some(text) => Ok(stage.state.hash(text)),
    }
}

fn own_id(text: &str) -> Result<Uuid, Refusal> {
    let id = Uuid::parse_str(text)
        .map_err(|_| Refusal::invalid("ID must conform to the uuid v4 format"))?;
    if id.is_nil() {
        return Err(Refusal::invalid("ID cannot be a nil uuid"));
    }
    Ok(id)
}

/// Adds identities and providers for what the user is known by.
fn describe_origin(stage: &mut Stage<'_>, user: &mut User) {
    let mut providers = Vec::new();
    for (provider, value) in [("email", user.email.clone()), ("phone", user.phone.clone())] {
        if !value.is_empty() {
            providers.push(provider);
            user.identities
                .push(identity(stage, user.id, provider, &value, false));
        }
    }
    user.app_metadata.set("provider", json!(providers.first()));
    user.app_metadata.set("providers", json!(providers));
}

/// A way to know a user: `provider` is `email` or `phone`, `value` the address or the number.
pub(in super::super) fn identity(
    stage: &mut Stage<'_>,
    user: Uuid,
    provider: &'static str,
    value: &str,
    verified: bool,
) -> Identity {
    let mut data: serde_json::Map<String, Value> = serde_json::Map::new();
    data.insert(provider.to_owned(), json!(value));
    for kind in ["email", "phone"] {
        data.insert(
            format!("{kind}_verified"),
            json!(verified && kind == provider),
        );
    }
    data.insert("sub".to_owned(), json!(user.to_string()));
    Identity::new(stage.state.uuid(), user, provider, data, stage.now)
}
