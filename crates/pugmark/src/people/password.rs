//! Passwords of local accounts: argon2id, off the threads that answer requests, and never many at once.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// How many are computed at once; each takes 19 MiB.
const AT_ONCE: usize = 2;
/// Fewer characters are refused. Length is what counts; no rule asks for signs and capitals.
pub const LEAST: usize = 12;
/// More characters are refused before they are computed with.
pub const MOST: usize = 256;

/// Why a password was not computed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Argon2 refused its own parameters or a stored hash.
    #[error("a password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    /// The process is ending.
    #[error("a password could not be hashed: the process is ending")]
    Ending,
}

/// Computes and checks hashes.
pub struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Passwords {
    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        self.compute(move || hash(&password)).await
    }

    /// Whether this is the password behind the hash. Without one (nobody of that name, or nobody with a password) the answer is no
    /// after the same work, so that the time taken does not say whether there is such an account.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn matches(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.compute(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => hash(&password).map(|_| false),
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| PasswordError::Ending)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|_| PasswordError::Ending)?
    }
}

fn hash(password: &SecretString) -> Result<String, PasswordError> {
    let made = Argon2::default().hash_password(password.expose_secret().as_bytes());
    made.map(|hash| hash.to_string())
        .map_err(PasswordError::Hash)
}

fn verify(password: &SecretString, stored: &str) -> Result<bool, PasswordError> {
    let parsed = PasswordHash::new(stored)
        .map_err(|_| PasswordError::Hash(argon2::password_hash::Error::EncodingInvalid))?;
    let verified = Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed);
    Ok(verified.is_ok())
}

/// What is wrong with a new password, in words for the person who chose it.
///
/// # Errors
/// The words.
pub fn acceptable(password: &SecretString, name: &str, email: &str) -> Result<(), &'static str> {
    let text = password.expose_secret();
    let length = text.chars().count();
    if length < LEAST {
        return Err("must have at least 12 characters; several words make a good one");
    }
    if length > MOST {
        return Err("must have at most 256 characters");
    }
    let plain = text.to_lowercase();
    let own = [email, email.split('@').next().unwrap_or(email), name];
    let is_own = |own: &&str| !own.trim().is_empty() && plain == own.trim().to_lowercase();
    let mut letters: Vec<char> = plain.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if own.iter().any(is_own) || letters.len() < 4 {
        return Err("is too easy to guess; several words make a good one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_again_by_its_hash_and_nobody_has_none() {
        let passwords = Passwords::default();
        let stored = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let right = passwords.matches(secret("correct horse"), Some(stored.clone()));
        assert!(right.await.unwrap());
        let wrong = passwords.matches(secret("correct mouse"), Some(stored));
        assert!(!wrong.await.unwrap());
        assert!(!passwords.matches(secret("anything"), None).await.unwrap());
    }

    #[test]
    fn what_is_easy_to_guess_is_refused() {
        let judge =
            |text: &str| acceptable(&secret(text), "Asha Otieno K", "asha.otieno@example.org");
        for bad in [
            "short",
            "aaaaaaaaaaaaaaaa",
            "Asha.Otieno@example.org",
            "asha otieno k",
        ] {
            assert!(judge(bad).is_err(), "{bad}");
        }
        assert!(judge(&"long".repeat(65)).is_err());
        judge("three plain words").unwrap();
    }
}
