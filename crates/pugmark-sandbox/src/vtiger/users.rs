//! Users as the administrator's pages show and change them, and what all ways of changing a user have in common.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::catalogue::ModuleIndex;
use super::failure::{Answer, Failure};
use super::passwords;
use super::principals;
use super::records::{Call, Mode};
use super::roles;
use super::state::State;
use super::store::Cell;
use crate::journal::JournalKind;

/// A user, active or not, without hashes and keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredUser {
    /// `19x<number>`.
    pub id: String,
    /// Login name.
    pub user_name: String,
    /// `first_name`.
    pub first_name: String,
    /// `last_name`.
    pub last_name: String,
    /// `email1`.
    pub email1: String,
    /// `phone_mobile`.
    pub phone_mobile: String,
    /// `Active` or `Inactive`.
    pub status: String,
    /// Role id such as `H5`; kept also where the web service shows it as empty.
    pub roleid: String,
    /// Whether an administrator.
    pub admin: bool,
    /// The reference under which the extension created the user.
    pub reference: Option<String>,
}

/// A user to be made in the administrator's pages: active, no administrator, the last name that of the login.
#[derive(Clone, Debug)]
pub struct NewUser {
    fields: BTreeMap<&'static str, String>,
}

impl NewUser {
    /// A user with this login name and role.
    pub fn new(user_name: &str, roleid: &str) -> Self {
        let fields = [
            ("user_name", user_name),
            ("roleid", roleid),
            ("last_name", user_name),
            ("email1", &format!("{user_name}@example.com")),
            ("is_admin", "off"),
            ("status", "Active"),
        ];
        Self {
            fields: fields.map(|(name, value)| (name, value.to_owned())).into(),
        }
    }

    /// First and last name.
    #[must_use]
    pub fn named(mut self, first: &str, last: &str) -> Self {
        self.fields.insert("first_name", first.to_owned());
        self.fields.insert("last_name", last.to_owned());
        self
    }

    /// `email1`.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        self.fields.insert("email1", email.to_owned());
        self
    }

    /// `phone_mobile`.
    #[must_use]
    pub fn mobile(mut self, number: &str) -> Self {
        self.fields.insert("phone_mobile", number.to_owned());
        self
    }

    /// Inactive from the start.
    #[must_use]
    pub fn inactive(mut self) -> Self {
        self.fields.insert("status", "Inactive".to_owned());
        self
    }

    /// With administrator's rights.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.fields.insert("is_admin", "on".to_owned());
        self
    }
}

/// Every user that is not deleted, by id.
pub(super) fn all(state: &State) -> Vec<StoredUser> {
    let Some(users) = state.catalogue.find("Users") else {
        return Vec::new();
    };
    let rows = state.store.rows(users);
    rows.map(|(number, _)| one(state, users, number)).collect()
}

fn one(state: &State, users: ModuleIndex, number: u64) -> StoredUser {
    let text = |field: &str| state.cell(users, number, field).to_owned();
    let referred = |(_, user): &(&String, &u64)| **user == number;
    StoredUser {
        id: state.canonical.id("Users", number),
        user_name: text("user_name"),
        first_name: text("first_name"),
        last_name: text("last_name"),
        email1: text("email1"),
        phone_mobile: text("phone_mobile"),
        status: text("status"),
        roleid: text("roleid"),
        admin: text("is_admin") == "on",
        reference: state
            .references
            .iter()
            .find(referred)
            .map(|(reference, _)| reference.clone()),
    }
}

/// The undeleted users with this login name, whatever its case.
pub(super) fn named(state: &mut State, user_name: &str) -> Vec<u64> {
    let Some(users) = state.catalogue.find("Users") else {
        return Vec::new();
    };
    match state.catalogue.module(users).field("user_name") {
        Some(field) => state.store.equal_text(users, field, user_name),
        None => Vec::new(),
    }
}

/// The undeleted user that the extension created under this reference.
pub(super) fn of_reference(state: &State, reference: &str) -> Option<u64> {
    let users = state.catalogue.find("Users")?;
    let number = *state.references.get(reference)?;
    state.store.row(users, number).map(|_| number)
}

/// The number of an undeleted user.
pub(super) fn located(state: &State, id: &str) -> Option<u64> {
    let (module, number) = state.locate(state.canonical, id)?;
    (state.catalogue.find("Users") == Some(module)).then_some(number)
}

/// Whether this is the user's password. Nobody knows the password of a user that a sandbox is started with.
pub(super) fn password_is(state: &State, number: u64, password: &str) -> bool {
    let users = state.catalogue.find("Users");
    users.is_some_and(|users| passwords::is(password, state.cell(users, number, "user_password")))
}

impl Call<'_> {
    /// Makes a user in the administrator's pages, which take no login name twice and offer existing roles only.
    pub(super) fn add_user(&mut self, user: &NewUser) -> Result<String, Failure> {
        let field = |name: &str| user.fields.get(name).map_or("", String::as_str);
        let taken = !named(self.state, field("user_name")).is_empty();
        if taken || !roles::exists(self.state, field("roleid")) {
            return Err(Failure::denied());
        }
        let sent: Map<String, Value> = user
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let number = self.store_user(principals::user_fields(self.state, &sent))?;
        Ok(self.dialect.id("Users", number))
    }

    /// Sets a password in the administrator's pages. Says whether there is such a user.
    pub(super) fn set_password_of(&mut self, id: &str, password: &str) -> bool {
        let number = located(self.state, id);
        match number.zip(self.users().ok()) {
            Some((number, users)) => {
                self.set_password(users, number, password);
                true
            }
            None => false,
        }
    }

    /// Deletes a user in the administrator's pages, after giving the records to another. Says whether there are such users.
    pub(super) fn delete_user(&mut self, id: &str, heir: &str) -> bool {
        let (user, heir) = (located(self.state, id), located(self.state, heir));
        match user.zip(heir).filter(|(user, heir)| user != heir) {
            Some((user, heir)) => {
                self.hand_over(user, heir);
                self.remove_user(user).is_ok()
            }
            None => false,
        }
    }

    /// Creates a user through the web service. Nothing is checked.
    pub(super) fn create_user(&mut self, element: &Map<String, Value>) -> Answer {
        let number = self.store_user(principals::user_fields(self.state, element))?;
        Ok(self.whole_record(self.users()?, number, None))
    }

    /// Stores a new user with an access key of its own.
    pub(super) fn store_user(&mut self, mut fields: Vec<(String, String)>) -> Result<u64, Failure> {
        let users = self.users()?;
        let key = principals::new_access_key(self.state);
        fields.push(("accesskey".to_owned(), key));
        let number = self.state.store.next_principal();
        principals::insert_user(self.state, number, &fields);
        principals::complete_user(self.state, users, number);
        self.note_created(users, number);
        Ok(number)
    }

    /// Changes fields of a user.
    pub(super) fn change_user(
        &mut self,
        number: u64,
        fields: &[(String, String)],
    ) -> Result<(), Failure> {
        let users = self.users()?;
        let about = self.state.catalogue.module(users);
        let cells: BTreeMap<usize, Cell> = fields
            .iter()
            .filter_map(|(name, value)| Some((about.field(name)?, Some(value.clone()))))
            .collect();
        self.store_changes(users, number, cells, Mode::Revise);
        Ok(())
    }

    /// Sets a password.
    pub(super) fn set_password(&mut self, users: ModuleIndex, number: u64, password: &str) {
        for field in ["user_password", "confirm_password"] {
            let hash = passwords::hash(password, || self.state.chance());
            if let Some(field) = self.state.catalogue.module(users).field(field) {
                self.state.store.set(users, number, field, Some(hash));
            }
        }
        let id = self.state.canonical.id("Users", number);
        self.note(JournalKind::PasswordSet {
            id,
            module: "Users".into(),
        });
    }

    /// Deletes a user, whose records have another owner by now.
    pub(super) fn remove_user(&mut self, number: u64) -> Result<(), Failure> {
        let users = self.users()?;
        self.state.store.remove(users, number);
        let id = self.state.canonical.id("Users", number);
        self.note(JournalKind::Deleted {
            id,
            module: "Users".into(),
        });
        Ok(())
    }
}
