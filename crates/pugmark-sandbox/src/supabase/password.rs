//! Passwords: the rules, and what is kept of one.

use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::config::PasswordRules;

/// bcrypt reads no more bytes.
pub(super) const LONGEST: usize = 72;

/// Why a password is too weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weakness {
    pub(super) message: String,
    pub(super) reasons: Vec<&'static str>,
}

impl Weakness {
    /// As a sign-in shows it beside the tokens.
    pub(super) fn shown(&self) -> Value {
        json!({ "message": self.message, "reasons": self.reasons })
    }
}

/// What is wrong with a password of at most [`LONGEST`] bytes by the project's rules.
pub(super) fn weakness(rules: &PasswordRules, password: &str) -> Option<Weakness> {
    let mut messages = Vec::new();
    let mut reasons = Vec::new();
    if password.len() < rules.min_length {
        reasons.push("length");
        messages.push(format!(
            "Password should be at least {} characters.",
            rules.min_length
        ));
    }
    let sets = rules.required.sets();
    if sets
        .iter()
        .any(|set| !password.contains(|c| set.contains(c)))
    {
        reasons.push("characters");
        messages.push(format!(
            "Password should contain at least one character of each: {}.",
            sets.join(", ")
        ));
    }
    if rules.leaked.iter().any(|leaked| leaked == password) {
        reasons.push("pwned");
        messages.push(
            "Password is known to be weak and easy to guess, please choose a different one."
                .to_owned(),
        );
    }
    (!reasons.is_empty()).then(|| Weakness {
        message: messages.join(" "),
        reasons,
    })
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum StoredPassword {
    /// A salted hash. A quick one is enough: nothing in a sandbox is worth guessing.
    Known { salt: [u8; 16], digest: [u8; 32] },
    /// A password that nobody here can check: random, or given as a hash of another making.
    Opaque,
}

impl StoredPassword {
    pub(super) fn of(password: &str, salt: [u8; 16]) -> Self {
        Self::Known {
            salt,
            digest: digest(&salt, password),
        }
    }

    pub(super) fn is(&self, password: &str) -> bool {
        match self {
            Self::Known { salt, digest: kept } => digest(salt, password) == *kept,
            Self::Opaque => false,
        }
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn digest(salt: &[u8], password: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(password.as_bytes());
    hasher.finalize().into()
}

/// Whether a text is a hash that the server takes over: argon2, Firebase's scrypt or bcrypt.
pub(super) fn is_known_hash(text: &str) -> bool {
    let bcrypt = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
        && text.len() == 60;
    bcrypt || text.starts_with("$argon2") || text.starts_with("$fbscrypt$")
}
