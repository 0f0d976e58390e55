//! `PUT /admin/users/{id}`.

use serde_json::json;

use super::super::call::{Answer, Call, Success};
use super::super::password::{LONGEST, weakness};
use super::super::refusal::Refusal;
use super::super::shown;
use super::super::state::Stage;
use super::super::users::User;
use super::create::identity;
use super::load;
use super::params::{UserParams, valid_email, valid_phone};

/// Changes what is given. Everything is checked before anything is written, except what only the database sees.
pub(in super::super) fn update(stage: &mut Stage<'_>, call: &Call<'_>, id: &str) -> Answer {
    let before = load(stage, id)?;
    let params: UserParams = call.params()?;
    let email = valid_email(&params.email)?;
    let phone = valid_phone(&params.phone)?;
    let ban = params.ban()?;
    if let Some(password) = &params.password {
        check_strength(stage, password)?;
    }

    let mut after = before.clone();
    after.updated_at = stage.now;
    if !params.role.is_empty() {
        after.role = params.role.trim().to_owned();
    }
    if params.email_confirm {
        after.confirm_email(stage.now);
    }
    if params.phone_confirm {
        after.phone_confirmed_at = Some(stage.now);
    }
    if let Some(password) = &params.password {
        set_password(stage, &mut after, password);
    }
    if !email.is_empty() {
        set_known_by(stage, &mut after, "email", &email, params.email_confirm);
        after.email = email;
    }
    if !phone.is_empty() {
        set_known_by(stage, &mut after, "phone", &phone, params.phone_confirm);
        after.phone = phone;
    }
    after
        .app_metadata
        .merge(params.app_metadata.unwrap_or_default());
    after
        .user_metadata
        .merge(params.user_metadata.unwrap_or_default());
    if let Some(nanoseconds) = ban {
        after.ban(nanoseconds, stage.now);
    }
    store(stage, &before, &after)?;
    if params.password.is_some() {
        stage.note_password_set(after.id);
        let ended = stage.state.sessions.end_all_of(after.id, None);
        stage.note_logged_out(after.id, ended);
    }
    Ok(Success::ok(shown::updated(&before, &after)))
}

fn store(stage: &mut Stage<'_>, before: &User, after: &User) -> Result<(), Refusal> {
    let replaced = stage.state.users.replace(after.clone());
    replaced.map_err(|duplicate| Refusal::Duplicate {
        duplicate,
        message: "Error updating user",
    })?;
    stage.note_updated(before, after);
    Ok(())
}

/// The project's rules, and the limit of the hash.
pub(in super::super) fn check_strength(stage: &Stage<'_>, password: &str) -> Result<(), Refusal> {
    if password.len() > LONGEST {
        return Err(Refusal::invalid(format!(
            "Password cannot be longer than {LONGEST} characters"
        )));
    }
    weakness(&stage.config.password_rules, password)
        .map_or(Ok(()), |weakness| Err(Refusal::Weak(weakness)))
}

/// Sets the password; an empty one, where the rules allow it, leaves the user without.
pub(in super::super) fn set_password(stage: &mut Stage<'_>, user: &mut User, password: &str) {
    user.password = (!password.is_empty()).then(|| stage.state.hash(password));
}

/// Changes the identity of this provider, or adds one.
fn set_known_by(
    stage: &mut Stage<'_>,
    user: &mut User,
    provider: &'static str,
    value: &str,
    verified: bool,
) {
    let known = user
        .identities
        .iter_mut()
        .find(|identity| identity.provider == provider);
    match known {
        Some(identity) => {
            identity.data.set(provider, json!(value));
            identity
                .data
                .set(&format!("{provider}_verified"), json!(verified));
            identity.updated_at = stage.now;
        }
        None => {
            let added = identity(stage, user.id, provider, value, verified);
            user.identities.push(added);
        }
    }
}
