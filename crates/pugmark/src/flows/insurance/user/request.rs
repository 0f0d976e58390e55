//! What is asked for, as it stands in an operation. The password is not part of it: it is sealed beside it.

use pugmark_queue::{NewOperation, Operation, Priority};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::delivery::Trouble;
use crate::flows::insurance::plan::{USER, kind, user_lane};
use crate::problem::Code;

/// What `user.create` is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "account", rename_all = "lowercase")]
pub enum Request {
    /// Everything: login, ambassador and, if wanted, a user of the CRM.
    New(NewStaff),
    /// A user of the CRM for an ambassador who is there.
    Existing,
}

/// A member of the staff to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewStaff {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// In lower case.
    pub email: String,
    /// 254#########.
    pub phone_number: String,
    /// The partner worked for.
    pub partner_id: i32,
    /// Pay per registration, in cents.
    pub per_registration_rate_cents: i32,
    /// MicroBima's roles, as `user_metadata` shows them.
    pub roles: Vec<String>,
    /// Whether a user of the CRM is made, too.
    pub create_vtiger_user: bool,
    /// Who asked for it, as MicroBima's `createdBy` holds it.
    pub created_by: String,
}

impl NewStaff {
    /// First and last name, as MicroBima shows them.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

impl Request {
    pub(super) fn read(payload: &Value) -> Result<Self, Trouble> {
        Request::deserialize(payload).map_err(|error| {
            Trouble::refused(
                Code::RowUnreadable,
                format!("what the operation holds cannot be read: {error}"),
            )
        })
    }

    /// Whether a user of the CRM comes of it.
    pub fn wants_crm_user(&self) -> bool {
        match self {
            Request::New(new) => new.create_vtiger_user,
            Request::Existing => true,
        }
    }
}

/// Makes login, ambassador and, if wanted, a user of the CRM. `user` is the id that the login will have.
pub fn create(user: &str, new: NewStaff, password: &SecretString) -> NewOperation {
    NewOperation {
        payload: json!(Request::New(new)),
        secret: Some(bytes(password)),
        ..operation(kind::USER_CREATE, user, Operation::Create)
    }
}

/// Makes a user of the CRM for an ambassador who has none, and sets this password in both systems.
pub fn sync(user: &str, password: &SecretString) -> NewOperation {
    NewOperation {
        payload: json!(Request::Existing),
        secret: Some(bytes(password)),
        ..operation(kind::USER_CREATE, user, Operation::Create)
    }
}

/// Sets this password in Supabase and, where there is a user of the CRM, there.
pub fn reset(user: &str, password: &SecretString) -> NewOperation {
    NewOperation {
        payload: json!({}),
        secret: Some(bytes(password)),
        ..operation(kind::USER_PASSWORD_RESET, user, Operation::Update)
    }
}

/// Brings the user of the CRM to the state of the ambassador's row; merges into one that waits.
pub fn update(user: &str) -> NewOperation {
    NewOperation {
        coalesce_key: Some(format!("user:{user}")),
        payload: json!({}),
        ..operation(kind::USER_UPDATE, user, Operation::Update)
    }
}

fn operation(kind: &str, user: &str, operation: Operation) -> NewOperation {
    NewOperation {
        lane: user_lane(user),
        // Somebody waits in front of a screen.
        priority: Priority::Urgent,
        ..NewOperation::new(kind, USER, user, operation)
    }
}

fn bytes(password: &SecretString) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(password.expose_secret().as_bytes().to_vec())
}
