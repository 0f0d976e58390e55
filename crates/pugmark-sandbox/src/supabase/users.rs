//! The table of users, with its unique indexes.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::metadata::Metadata;
use super::password::StoredPassword;

/// Audience of every ordinary user.
pub(super) const AUDIENCE: &str = "authenticated";

/// A way in which a user can be known: by e-mail address or by phone.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: Uuid,
    /// The user's id, until the user is softly deleted.
    pub(super) provider_id: String,
    pub(super) provider: &'static str,
    pub(super) data: Metadata,
    pub(super) last_sign_in_at: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: Uuid,
    pub(super) aud: String,
    pub(super) role: String,
    /// In lower case; empty when there is none.
    pub(super) email: String,
    /// Digits alone; empty when there is none.
    pub(super) phone: String,
    pub(super) password: Option<StoredPassword>,
    pub(super) email_confirmed_at: Option<Timestamp>,
    pub(super) phone_confirmed_at: Option<Timestamp>,
    /// An address that waits for its confirmation.
    pub(super) new_email: String,
    pub(super) new_phone: String,
    pub(super) email_change_sent_at: Option<Timestamp>,
    pub(super) last_sign_in_at: Option<Timestamp>,
    pub(super) app_metadata: Metadata,
    pub(super) user_metadata: Metadata,
    pub(super) identities: Vec<Identity>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) banned_until: Option<Timestamp>,
    pub(super) deleted_at: Option<Timestamp>,
}

impl User {
    pub(super) fn new(id: Uuid, now: Timestamp) -> Self {
        let now = as_kept(now);
        Self {
            id,
            aud: AUDIENCE.to_owned(),
            role: AUDIENCE.to_owned(),
            email: String::new(),
            phone: String::new(),
            password: None,
            email_confirmed_at: None,
            phone_confirmed_at: None,
            new_email: String::new(),
            new_phone: String::new(),
            email_change_sent_at: None,
            last_sign_in_at: None,
            app_metadata: Metadata::default(),
            user_metadata: Metadata::default(),
            identities: Vec::new(),
            created_at: now,
            updated_at: now,
            banned_until: None,
            deleted_at: None,
        }
    }

    /// A column that the database computes.
    pub(super) fn confirmed_at(&self) -> Option<Timestamp> {
        match (self.email_confirmed_at, self.phone_confirmed_at) {
            (Some(email), Some(phone)) => Some(email.min(phone)),
            (email, phone) => email.or(phone),
        }
    }

    pub(super) fn is_banned(&self, now: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    pub(super) fn password_is(&self, text: &str) -> bool {
        self.password
            .as_ref()
            .is_some_and(|password| password.is(text))
    }

    /// Marks the address as confirmed, also in the metadata.
    pub(super) fn confirm_email(&mut self, now: Timestamp) {
        self.email_confirmed_at = Some(now);
        self.user_metadata.set("email_verified", Value::Bool(true));
    }

    /// Bans until so many nanoseconds from now, or lifts the ban with none.
    pub(super) fn ban(&mut self, nanoseconds: i64, now: Timestamp) {
        let until = now.checked_add(jiff::SignedDuration::from_nanos(nanoseconds));
        self.banned_until = until.ok().filter(|_| nanoseconds != 0);
    }

    /// Times as the database keeps them: to the microsecond.
    fn settle(&mut self) {
        for time in [
            &mut self.email_confirmed_at,
            &mut self.phone_confirmed_at,
            &mut self.email_change_sent_at,
            &mut self.last_sign_in_at,
            &mut self.banned_until,
            &mut self.deleted_at,
        ] {
            *time = time.map(as_kept);
        }
        self.updated_at = as_kept(self.updated_at);
        for identity in &mut self.identities {
            identity.last_sign_in_at = as_kept(identity.last_sign_in_at);
            identity.created_at = as_kept(identity.created_at);
            identity.updated_at = as_kept(identity.updated_at);
        }
    }

    /// What the journal compares and notes: never the password.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let facts = [
            ("email", self.email.clone()),
            ("phone", self.phone.clone()),
            ("role", self.role.clone()),
            ("new_email", self.new_email.clone()),
            ("email_confirmed_at", time(self.email_confirmed_at)),
            ("phone_confirmed_at", time(self.phone_confirmed_at)),
            ("banned_until", time(self.banned_until)),
            ("deleted_at", time(self.deleted_at)),
            ("user_metadata", self.user_metadata.text()),
            ("app_metadata", self.app_metadata.text()),
        ];
        facts
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl Identity {
    pub(super) fn new(
        id: Uuid,
        user: Uuid,
        provider: &'static str,
        data: Map<String, Value>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            provider_id: user.to_string(),
            provider,
            data: Metadata::of(data),
            last_sign_in_at: now,
            created_at: as_kept(now),
            updated_at: as_kept(now),
        }
    }
}

fn as_kept(at: Timestamp) -> Timestamp {
    let micros = at.as_microsecond();
    Timestamp::from_microsecond(micros).unwrap_or(at)
}

/// Two rows would share a value of a unique index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    pub(super) constraint: &'static str,
    pub(super) column: &'static str,
    pub(super) value: String,
}

/// The rows in the order in which they were created.
#[derive(Debug, Default)]
pub(super) struct Users {
    rows: BTreeMap<u64, User>,
    by_id: HashMap<Uuid, u64>,
    by_email: HashMap<String, u64>,
    by_phone: HashMap<String, u64>,
    last: u64,
}

impl Users {
    pub(super) fn get(&self, id: Uuid) -> Option<&User> {
        self.rows.get(self.by_id.get(&id)?)
    }

    /// The user with this address, whatever its case.
    pub(super) fn by_email(&self, email: &str) -> Option<&User> {
        self.rows.get(self.by_email.get(&email.to_lowercase())?)
    }

    pub(super) fn by_phone(&self, phone: &str) -> Option<&User> {
        self.rows.get(self.by_phone.get(phone)?)
    }

    /// All rows, the youngest first.
    pub(super) fn youngest_first(&self) -> Vec<&User> {
        let mut all: Vec<&User> = self.rows.values().rev().collect();
        all.sort_by_key(|user| std::cmp::Reverse(user.created_at));
        all
    }

    pub(super) fn insert(&mut self, mut user: User) -> Result<(), Duplicate> {
        if self.by_id.contains_key(&user.id) {
            return Err(Duplicate {
                constraint: "users_pkey",
                column: "id",
                value: user.id.to_string(),
            });
        }
        self.check_unique(&user)?;
        user.settle();
        self.last += 1;
        self.place(self.last, user);
        Ok(())
    }

    /// Replaces the row with the same id; without one there is nothing to replace.
    pub(super) fn replace(&mut self, mut user: User) -> Result<(), Duplicate> {
        self.check_unique(&user)?;
        if let Some((number, _)) = self.take(user.id) {
            user.settle();
            self.place(number, user);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        self.take(id);
    }

    fn check_unique(&self, user: &User) -> Result<(), Duplicate> {
        let taken = |index: &HashMap<String, u64>, value: &String| {
            let holder = index.get(value).and_then(|number| self.rows.get(number));
            holder.is_some_and(|holder| holder.id != user.id)
        };
        let duplicate = |constraint, column, value: &String| Duplicate {
            constraint,
            column,
            value: value.clone(),
        };
        if taken(&self.by_email, &user.email) {
            return Err(duplicate("users_email_partial_key", "email", &user.email));
        }
        if taken(&self.by_phone, &user.phone) {
            return Err(duplicate("users_phone_key", "phone", &user.phone));
        }
        Ok(())
    }

    fn place(&mut self, number: u64, user: User) {
        self.by_id.insert(user.id, number);
        if !user.email.is_empty() {
            self.by_email.insert(user.email.clone(), number);
        }
        if !user.phone.is_empty() {
            self.by_phone.insert(user.phone.clone(), number);
        }
        self.rows.insert(number, user);
    }

    fn take(&mut self, id: Uuid) -> Option<(u64, User)> {
        let number = self.by_id.remove(&id)?;
        let user = self.rows.remove(&number)?;
        self.by_email.remove(&user.email);
        self.by_phone.remove(&user.phone);
        Some((number, user))
    }
}
