//! Users: who is active, in which role, under which name; whether new ones can be created; their passwords.

use futures::TryStreamExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::config::Edition;
use crate::error::{CallError, Invalid, Refusal, RefusalReason};
use crate::id::RecordId;
use crate::module::{FieldType, Module};
use crate::operation::Operation;
use crate::record::Record;
use crate::vtql::{Condition, Filter, KeysetQuery};

const USERS: &str = "Users";

/// What is asked of a user: nothing that opens a door. `select *` shows an administrator everybody's hashes and keys.
const HARMLESS: [&str; 6] = [
    "id",
    "user_name",
    "first_name",
    "last_name",
    "email1",
    "status",
];

/// A user of the CRM, without hashes and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The record id (`19x5`).
    pub id: RecordId,
    /// The login name.
    pub user_name: String,
    /// The first name; empty when there is none.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The first e-mail address.
    pub email1: String,
    /// `Active`, where told; open source never shows others.
    pub status: String,
}

/// Whether [`Client::create`] can make users, as far as the description of `Users` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserCreation {
    /// It can: an administrator made `roleid` a plain value. vTiger then checks nothing but presence, not even that the
    /// user name is new.
    Possible,
    /// It cannot: the mandatory `roleid` is described as a reference to nothing, so that no value is accepted. So it is
    /// on every fresh open-source vTiger from 7.0 on.
    RoleNotAccepted,
    /// The calling user may not create users.
    NotPermitted,
    /// Nobody documents it (Cloud); users are made in the settings pages and cost a licence.
    Undocumented,
}

impl User {
    fn from_record(record: &Record) -> Self {
        let text = |field| record.get(field).unwrap_or_default().to_owned();
        Self {
            id: record.id.clone(),
            user_name: text("user_name"),
            first_name: text("first_name"),
            last_name: text("last_name"),
            email1: text("email1"),
            status: text("status"),
        }
    }
}

impl Module {
    /// Whether users can be created on this installation, judged by the description of `Users` alone; nothing is sent.
    #[must_use]
    pub fn user_creation(&self) -> UserCreation {
        if self.edition == Edition::Cloud {
            return UserCreation::Undocumented;
        }
        if !self.createable {
            return UserCreation::NotPermitted;
        }
        match self.field("roleid") {
            Some(role) if role.editable && !matches!(role.field_type, FieldType::Reference(_)) => {
                UserCreation::Possible
            }
            _ => UserCreation::RoleNotAccepted,
        }
    }

    /// The condition that a user has this role (`H5`), as this installation wants it asked.
    ///
    /// Where `roleid` is described as a reference, `=` finds nobody; `like` drops what stands before the `x` of its
    /// pattern and compares the rest.
    ///
    /// # Errors
    /// [`Invalid::UnknownField`] when this description has no `roleid`, [`Invalid::Query`] when `role` is no role id
    /// (letters and digits).
    pub fn role_is(&self, role: &str) -> Result<Condition, Invalid> {
        if role.is_empty() || !role.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Invalid::Query {
                module: self.name.clone(),
                problem: "a role is named by letters and digits, such as H5".to_owned(),
            });
        }
        let field = self.field("roleid").ok_or_else(|| Invalid::UnknownField {
            module: self.name.clone(),
            field: "roleid".to_owned(),
        })?;
        Ok(match (&field.field_type, self.edition) {
            (FieldType::Reference(_), Edition::OpenSource) => {
                Condition::like("roleid", format!("0x{role}"))
            }
            // Cloud shows plain role ids, whatever it calls their type.
            (FieldType::Reference(_), Edition::Cloud) => Condition::like("roleid", role),
            _ => Condition::eq("roleid", role),
        })
    }
}

impl Client {
    /// The active users of a role (`H5`), by ascending id. Users below it in the hierarchy are not among them.
    ///
    /// An empty list is believed only when a count agrees.
    ///
    /// # Errors
    /// [`CallError::Invalid`] for what is no role id; [`CallError::Refused`] when the calling user may not see users;
    /// otherwise as every read.
    pub async fn active_users_of_role(&self, role: &str) -> Result<Vec<User>, CallError> {
        let users = self.describe(USERS).await?;
        self.active_users(&users, users.role_is(role)?).await
    }

    /// Those of these users who are active, by ascending id. Ids of anything but users lead to nobody.
    ///
    /// # Errors
    /// As [`Client::active_users_of_role`].
    pub async fn active_users_among(&self, ids: &[RecordId]) -> Result<Vec<User>, CallError> {
        let users = self.describe(USERS).await?;
        // vTiger compares the number alone: a group of that number would pass for the user.
        let prefix = users.id_prefix.as_str();
        let asked = || ids.iter().filter(|id| id.prefix() == prefix);
        if asked().next().is_none() {
            return Ok(Vec::new());
        }
        self.active_users(&users, Condition::ids(asked())).await
    }

    /// The active users who log in by this name, by ascending id; names are compared without case.
    ///
    /// One at most, unless somebody made a second one past vTiger's own pages, which alone check that names are unique.
    /// None is no proof that the name is free: open source never shows inactive users.
    ///
    /// # Errors
    /// As [`Client::active_users_of_role`].
    pub async fn active_users_named(&self, user_name: &str) -> Result<Vec<User>, CallError> {
        let users = self.describe(USERS).await?;
        self.active_users(&users, Condition::eq("user_name", user_name))
            .await
    }

    /// The active user who logs in by this name: of several (see [`Client::active_users_named`]) the one who spells it
    /// exactly so, else the first.
    ///
    /// # Errors
    /// As [`Client::active_users_of_role`].
    pub async fn find_active_user(&self, user_name: &str) -> Result<Option<User>, CallError> {
        let mut users = self.active_users_named(user_name).await?;
        let exactly = users.iter().position(|user| user.user_name == user_name);
        Ok((!users.is_empty()).then(|| users.swap_remove(exactly.unwrap_or(0))))
    }

    async fn active_users(
        &self,
        users: &Module,
        condition: Condition,
    ) -> Result<Vec<User>, CallError> {
        let known = |name: &&str| users.field(name).is_some();
        let mut filter = Filter::from(condition);
        if known(&"status") {
            filter = filter.and(Condition::eq("status", "Active"));
        }
        let query = KeysetQuery::by_id(USERS)
            .fields(HARMLESS.into_iter().filter(known))
            .filter(filter);
        let pages: Vec<Vec<Record>> = self.pages(query).try_collect().await?;
        Ok(pages.iter().flatten().map(User::from_record).collect())
    }

    /// Gives a user a new password; the calling user must be an administrator. The access key stays.
    ///
    /// vTiger reports success for ids of users who do not exist, too: look the user up before.
    ///
    /// # Errors
    /// [`CallError::Refused`] with [`RefusalReason::NotAvailable`] where the operation is missing or broken, as on every
    /// fresh open-source vTiger: nothing was changed. With [`RefusalReason::AccessDenied`] when the calling user is no
    /// administrator. [`CallError::Unknown`] as every write; setting the same password again does no harm.
    pub async fn change_password(
        &self,
        user: &RecordId,
        new: &SecretString,
    ) -> Result<(), CallError> {
        let new = new.expose_secret();
        let operation = password_change(user, new, new);
        if new.is_empty() {
            return Err(CallError::Invalid(Invalid::Operation {
                operation: operation.name,
                problem: "the new password is empty".to_owned(),
            }));
        }
        let error = match self.call_operation(&operation).await {
            Ok(Json::Null) => return Err(CallError::Refused(not_an_administrator())),
            Ok(result) if result.get("message").is_some() => return Ok(()),
            Ok(_) => {
                let message = "the answer does not say that the password was changed";
                return Err(unexpected_result(&operation, message));
            }
            Err(error) => error,
        };
        match is_unavailable(&error) {
            Some(hint) if self.breaks_before_comparing(user, new).await => {
                Err(CallError::Refused(hint))
            }
            _ => Err(error),
        }
    }

    /// Whether the operation breaks even when the two new passwords differ. Comparing them comes before writing, so an
    /// operation that never gets there has written nothing. (Should a server compare nothing, it sets what is wanted.)
    async fn breaks_before_comparing(&self, user: &RecordId, new: &str) -> bool {
        let differing = password_change(user, new, &format!("{new}-"));
        self.call_operation(&differing)
            .await
            .is_err_and(|error| is_unavailable(&error).is_some())
    }
}

/// The old password is left out: an administrator needs none, and vTiger reads an absent one as an empty one.
fn password_change(user: &RecordId, new: &str, confirmation: &str) -> Operation {
    Operation::write("changePassword")
        .param("id", user.as_str())
        .param("newPassword", new)
        .param("confirmPassword", confirmation)
}

/// The answer of an operation whose file is missing (a text) or whose parameters do not fit its function (an empty 500).
fn is_unavailable(error: &CallError) -> Option<Refusal> {
    let uncertain = matches!(error, CallError::Unknown(_));
    error
        .refusal()
        .filter(|hint| uncertain && hint.reason == RefusalReason::NotAvailable)
        .cloned()
}

/// vTiger answers nothing at all when somebody else's password is not for the calling user to change.
fn not_an_administrator() -> Refusal {
    Refusal {
        reason: RefusalReason::AccessDenied,
        code: "NO_RESULT".to_owned(),
        message: "only an administrator may change the password of another user".to_owned(),
        field: None,
    }
}
