//! `GET /user` and `PUT /user`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::admin::{check_strength, set_password, valid_email, valid_phone};
use super::super::call::{Answer, Call, Success, null_is_absent};
use super::super::refusal::Refusal;
use super::super::shown;
use super::super::state::Stage;
use super::super::users::User;

/// The user whose access token it is.
pub(in super::super) fn get(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let caller = call.require_user(stage)?;
    Ok(Success::ok(shown::read(&caller.user)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(deserialize_with = "null_is_absent")]
    email: String,
    #[serde(deserialize_with = "null_is_absent")]
    phone: String,
    password: Option<String>,
    data: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
}

/// The user's own change. His other sessions end with his password, this one goes on.
pub(in super::super) fn update(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let caller = call.require_user(stage)?;
    let before = caller.user;
    let params: Params = call.params()?;
    let email = valid_email(&params.email)?;
    let phone = valid_phone(&params.phone)?;
    if let Some(password) = &params.password {
        check_strength(stage, password)?;
    }
    if params.app_metadata.is_some() {
        let message = "Updating app_metadata requires admin privileges";
        return Err(Refusal::error(403, "not_admin", message));
    }
    check_free(stage, &before, &email, &phone)?;

    let mut after = before.clone();
    after.updated_at = stage.now;
    if let Some(password) = &params.password {
        if !password.is_empty() && before.password_is(password) {
            let message = "New password should be different from the old password.";
            return Err(Refusal::error(422, "same_password", message));
        }
        set_password(stage, &mut after, password);
    }
    after.user_metadata.merge(params.data.unwrap_or_default());
    if !email.is_empty() && email != before.email {
        // The new address counts when the user follows the link in a mail, which is not modelled.
        after.new_email = email;
        after.email_change_sent_at = Some(stage.now);
    }
    if !phone.is_empty() && phone != before.phone {
        return Err(Refusal::unexpected("Unable to get SMS provider"));
    }
    let replaced = stage.state.users.replace(after.clone());
    replaced.map_err(|duplicate| Refusal::Duplicate {
        duplicate,
        message: "Error updating user",
    })?;
    stage.note_updated(&before, &after);
    if params.password.is_some() {
        stage.note_password_set(after.id);
        let ended = stage.state.sessions.end_all_of(after.id, caller.session);
        stage.note_logged_out(after.id, ended);
    }
    Ok(Success::ok(shown::updated(&before, &after)))
}

fn check_free(stage: &Stage<'_>, user: &User, email: &str, phone: &str) -> Result<(), Refusal> {
    let users = &stage.state.users;
    let taken = |holder: Option<&User>| holder.is_some_and(|holder| holder.id != user.id);
    if taken(users.by_email(email)) {
        let message = "A user with this email address has already been registered";
        return Err(Refusal::error(422, "email_exists", message));
    }
    if taken(users.by_phone(phone)) {
        let message = "A user with this phone number has already been registered";
        return Err(Refusal::error(422, "phone_exists", message));
    }
    Ok(())
}
