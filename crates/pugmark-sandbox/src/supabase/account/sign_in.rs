//! `POST /token?grant_type=password`.

use serde::Deserialize;

use super::super::call::{Answer, Call, Success, null_is_absent};
use super::super::password::{LONGEST, weakness};
use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::super::users::{AUDIENCE, User};
use super::tokens::begin_session;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(deserialize_with = "null_is_absent")]
    email: String,
    #[serde(deserialize_with = "null_is_absent")]
    phone: String,
    #[serde(deserialize_with = "null_is_absent")]
    password: String,
}

/// Signs in. A ban is told before the password is looked at, a missing confirmation only to who knows the password.
pub(in super::super) fn sign_in(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let params: Params = call.params()?;
    let user = find(stage, &params)?;
    if user.password.is_none() {
        return Err(wrong_credentials());
    }
    if user.is_banned(stage.now) {
        return Err(Refusal::error(400, "user_banned", "User is banned"));
    }
    if !user.password_is(&params.password) {
        return Err(wrong_credentials());
    }
    if user.email_confirmed_at.is_none() {
        let message = "Email not confirmed";
        return Err(Refusal::error(400, "email_not_confirmed", message));
    }
    stage.actor = Some(user.email.clone());
    let (issued, user) = begin_session(stage, &user)?;
    let mut body = issued.shown(&user);
    if let Some(weakness) = still_allowed_weakness(stage, &params.password) {
        body["weak_password"] = weakness;
    }
    Ok(Success::ok(body))
}

fn find(stage: &Stage<'_>, params: &Params) -> Result<User, Refusal> {
    match (params.email.as_str(), params.phone.as_str()) {
        ("", "") => Err(Refusal::invalid("missing email or phone")),
        // Signing in by phone is off, as it is in a new project.
        ("", _) => Err(Refusal::error(
            422,
            "phone_provider_disabled",
            "Phone logins are disabled",
        )),
        (email, "") if stage.config.email_sign_in => {
            let user = stage.state.users.by_email(email);
            user.filter(|user| user.aud == AUDIENCE)
                .cloned()
                .ok_or_else(wrong_credentials)
        }
        (_, "") => Err(Refusal::error(
            422,
            "email_provider_disabled",
            "Email logins are disabled",
        )),
        _ => Err(Refusal::invalid(
            "Only an email address or phone number should be provided on login.",
        )),
    }
}

fn wrong_credentials() -> Refusal {
    Refusal::error(400, "invalid_credentials", "Invalid login credentials")
}

/// A password that is too weak by today's rules still opens, and the answer says so.
fn still_allowed_weakness(stage: &Stage<'_>, password: &str) -> Option<serde_json::Value> {
    let readable = password.len() <= LONGEST;
    let weakness = weakness(&stage.config.password_rules, password).filter(|_| readable)?;
    Some(weakness.shown())
}
