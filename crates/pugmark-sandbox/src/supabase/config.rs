//! What a look-alike of Supabase Auth is made of: signing, password rules, users that are there from the start.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::clock::Clock;

/// How access tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// HS256 with the project's shared secret and without `kid`, as older projects do. The key set is empty.
    #[default]
    Hs256,
    /// ES256 with a `kid` that the key set shows.
    Es256,
}

/// Which kinds of characters a password must contain, as the project's settings offer them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequiredCharacters {
    /// No demand.
    #[default]
    None,
    /// A letter and a digit.
    LettersAndDigits,
    /// A small letter, a capital letter and a digit.
    CasesAndDigits,
    /// A small letter, a capital letter, a digit and a symbol.
    CasesDigitsAndSymbols,
}

impl RequiredCharacters {
    /// The sets of characters, of each of which one is demanded.
    pub(super) fn sets(self) -> &'static [&'static str] {
        const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";
        const CAPITAL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const DIGITS: &str = "0123456789";
        const SYMBOLS: &str = "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~";
        match self {
            Self::None => &[],
            Self::LettersAndDigits => &[LETTERS, DIGITS],
            Self::CasesAndDigits => &[SMALL, CAPITAL, DIGITS],
            Self::CasesDigitsAndSymbols => &[SMALL, CAPITAL, DIGITS, SYMBOLS],
        }
    }
}

/// The project's password rules. They are applied to changes, not to new users.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRules {
    /// Least length in bytes.
    pub min_length: usize,
    /// Demanded kinds of characters.
    pub required: RequiredCharacters,
    /// Passwords that count as leaked; none when the check is off.
    pub leaked: Vec<String>,
}

impl Default for PasswordRules {
    /// Six characters of any kind, leaked or not: the settings of a new project.
    fn default() -> Self {
        Self {
            min_length: 6,
            required: RequiredCharacters::None,
            leaked: Vec::new(),
        }
    }
}

impl fmt::Debug for PasswordRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordRules")
            .field("min_length", &self.min_length)
            .field("required", &self.required)
            .field("leaked", &self.leaked.len())
            .finish()
    }
}

/// A user that is there without having been created over HTTP.
#[derive(Clone)]
pub struct UserSeed {
    pub(super) id: Option<String>,
    pub(super) email: String,
    pub(super) password: Option<String>,
    pub(super) confirmed: bool,
    pub(super) user_metadata: Map<String, Value>,
    pub(super) app_metadata: Map<String, Value>,
    pub(super) banned_until: Option<Timestamp>,
}

impl UserSeed {
    /// A confirmed user without a password that anybody knows.
    pub fn new(email: &str) -> Self {
        Self {
            id: None,
            email: email.to_owned(),
            password: None,
            confirmed: true,
            user_metadata: Map::new(),
            app_metadata: Map::new(),
            banned_until: None,
        }
    }

    /// Chooses the id, a UUID.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Gives it a password, whatever the rules say.
    #[must_use]
    pub fn password(mut self, text: &str) -> Self {
        self.password = Some(text.to_owned());
        self
    }

    /// Leaves the address unconfirmed.
    #[must_use]
    pub fn unconfirmed(mut self) -> Self {
        self.confirmed = false;
        self
    }

    /// Sets a key of `user_metadata`.
    #[must_use]
    pub fn user_metadata(mut self, key: &str, value: Value) -> Self {
        self.user_metadata.insert(key.to_owned(), value);
        self
    }

    /// Sets a key of `app_metadata`.
    #[must_use]
    pub fn app_metadata(mut self, key: &str, value: Value) -> Self {
        self.app_metadata.insert(key.to_owned(), value);
        self
    }

    /// Bans the user.
    #[must_use]
    pub fn banned_until(mut self, until: Timestamp) -> Self {
        self.banned_until = Some(until);
        self
    }
}

impl fmt::Debug for UserSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSeed")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}

/// Everything a sandbox is started with.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) seed: u64,
    pub(super) port: u16,
    pub(super) signing: Signing,
    pub(super) password_rules: PasswordRules,
    pub(super) email_sign_in: bool,
    pub(super) token_lifetime: Duration,
    pub(super) latency: Duration,
    pub(super) hang_limit: Duration,
    pub(super) clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            port: 0,
            signing: Signing::default(),
            password_rules: PasswordRules::default(),
            email_sign_in: true,
            token_lifetime: Duration::from_secs(3600),
            latency: Duration::ZERO,
            hang_limit: Duration::from_secs(60),
            clock: Clock::default(),
        }
    }
}
