//! The stock operations about users: `changePassword` and `deleteUser`, which work once an administrator has repaired
//! them, and one of the administrator's own that creates a user.

use serde_json::{Value, json};

use super::catalogue::ModuleIndex;
use super::failure::{Answer, Failure};
use super::records::{Call, after_x, leading_digits};
use super::users;

/// Parameters of `changePassword`.
pub(super) struct PasswordChange<'a> {
    pub(super) id: &'a str,
    pub(super) old: &'a str,
    pub(super) new: &'a str,
    pub(super) confirmation: &'a str,
}

/// `changePassword`: an administrator changes anybody's without the old one. Success is reported for ids that do not exist
/// or have no prefix, and nothing at all to somebody who has no right to the change.
pub(super) fn change_password(call: &mut Call<'_>, change: &PasswordChange<'_>) -> Answer {
    let number = leading_digits(after_x(change.id));
    let users = call.users()?;
    if !call.actor.admin {
        if number != call.actor.number {
            return Ok(Value::Null);
        }
        if !users::password_is(call.state, number, change.old) {
            return Err(Failure::refused(
                "INVALID_OLD_PASSWORD",
                "Invalid value given for old password.",
            ));
        }
    }
    if change.new != change.confirmation {
        return Err(Failure::refused(
            "CHANGE_PASSWORD_FAILURE",
            "Failed to change password",
        ));
    }
    if call.state.store.row(users, number).is_some() {
        call.set_password(users, number, change.new);
    }
    Ok(json!({ "message": "Changed password successfully" }))
}

/// `deleteUser`: hands the user's records to another and deletes the user.
pub(super) fn delete_user(call: &mut Call<'_>, id: &str, new_owner: &str) -> Answer {
    call.administrators_only()?;
    let (_, number) = call.resolve(id).map_err(user_not_there)?;
    let (_, heir) = call.resolve(new_owner).map_err(user_not_there)?;
    call.hand_over(number, heir);
    call.remove_user(number)?;
    Ok(json!({ "status": "successful" }))
}

/// This operation's messages have a tail that says nothing.
fn user_not_there(failure: Failure) -> Failure {
    match failure {
        Failure::Refused { code, message } => {
            let tail = if code == "RECORD_NOT_FOUND" {
                ", idComponent = Array"
            } else {
                ", EntityName = "
            };
            Failure::Refused {
                code,
                message: message + tail,
            }
        }
        other => other,
    }
}

/// The administrator's own operation: nothing is checked.
pub(super) fn create_user(call: &mut Call<'_>, element: &Value) -> Answer {
    call.administrators_only()?;
    let fields = element.as_object().cloned().unwrap_or_default();
    let created = call.create_user(&fields)?;
    Ok(json!({ "id": created["id"] }))
}

impl Call<'_> {
    /// The module of the users.
    pub(super) fn users(&self) -> Result<ModuleIndex, Failure> {
        self.state
            .catalogue
            .find("Users")
            .ok_or_else(Failure::denied)
    }
}
