//! Everything the project knows, and what a call works with.

use jiff::Timestamp;
use uuid::{Builder, Uuid};

use super::config::Config;
use super::password::StoredPassword;
use super::sessions::Sessions;
use super::tokens::SigningKeys;
use super::users::{User, Users};
use crate::fault::mix;
use crate::journal::{Change, Journal, JournalKind};

/// Module name under which the journal notes users.
pub(super) const MODULE: &str = "users";

/// The whole state; one lock guards it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) users: Users,
    pub(super) sessions: Sessions,
    pub(super) signing: SigningKeys,
    seed: u64,
    chance: u64,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = Self {
            users: Users::default(),
            sessions: Sessions::default(),
            signing: SigningKeys::new(String::new()),
            seed,
            chance: 0,
        };
        let secret = state.text(40);
        state.signing = SigningKeys::new(secret);
        state
    }

    /// The next number of the sandbox's own chance: the same seed and the same calls give the same numbers.
    fn chance(&mut self) -> u64 {
        self.chance += 1;
        mix(self.seed, 0x7362, self.chance)
    }

    fn bytes(&mut self) -> [u8; 16] {
        let (first, second) = (self.chance(), self.chance());
        (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
    }

    /// A random UUID of version 4.
    pub(super) fn uuid(&mut self) -> Uuid {
        Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A random text of small letters and digits.
    pub(super) fn text(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..length)
            .map(|_| char::from(ALPHABET[(self.chance() % 32) as usize]))
            .collect()
    }

    pub(super) fn hash(&mut self, password: &str) -> StoredPassword {
        let salt = self.bytes();
        StoredPassword::of(password, salt)
    }
}

/// What a call works with.
pub(super) struct Stage<'a> {
    pub(super) state: &'a mut State,
    pub(super) journal: &'a Journal,
    pub(super) config: &'a Config,
    /// `iss` of access tokens.
    pub(super) issuer: &'a str,
    pub(super) now: Timestamp,
    /// None when the sandbox's owner does it.
    pub(super) request_no: Option<u64>,
    /// Who does it, as soon as that is known.
    pub(super) actor: Option<String>,
}

impl Stage<'_> {
    pub(super) fn note(&self, kind: JournalKind) {
        self.journal
            .append(self.now, self.request_no, self.actor.clone(), kind);
    }

    pub(super) fn note_created(&self, user: &User) {
        let mut fields = user.facts();
        fields.retain(|_, value| !value.is_empty());
        self.note(JournalKind::Created {
            id: user.id.to_string(),
            module: MODULE.to_owned(),
            fields,
        });
    }

    pub(super) fn note_updated(&self, before: &User, after: &User) {
        let (old, new) = (before.facts(), after.facts());
        let changed = new
            .into_iter()
            .zip(old.into_values())
            .filter(|((_, new), old)| new != old)
            .map(|((name, new), old)| (name, Change { old, new }))
            .collect();
        self.note(JournalKind::Updated {
            id: after.id.to_string(),
            module: MODULE.to_owned(),
            changed,
        });
    }

    pub(super) fn note_password_set(&self, user: Uuid) {
        self.note(JournalKind::PasswordSet {
            id: user.to_string(),
            module: MODULE.to_owned(),
        });
    }

    pub(super) fn note_logged_out(&self, user: Uuid, sessions: usize) {
        if sessions > 0 {
            self.note(JournalKind::LoggedOut {
                user_id: user.to_string(),
                sessions,
            });
        }
    }
}
