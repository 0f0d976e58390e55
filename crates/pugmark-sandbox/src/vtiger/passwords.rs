//! Passwords of users: kept only as salted hashes, in the form in which the real system shows its own.

use sha2::{Digest, Sha256};

/// How the hashes of the real system begin.
const PREFIX: &str = "$2y$10$";

/// Letters of the salt behind the prefix; the digest follows.
const SALT: usize = 22;

/// Letters of the digest.
const DIGEST: usize = 31;

const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The letters of a salt, or of anything else that is left to chance.
pub(super) fn letters(chance: impl FnMut() -> u64, count: usize) -> String {
    let mut chance = chance;
    // Without the two signs at the front: access keys are made of letters and digits.
    (0..count)
        .map(|_| char::from(ALPHABET[2 + (chance() % 62) as usize]))
        .collect()
}

/// A password's hash under a new salt.
pub(super) fn hash(password: &str, chance: impl FnMut() -> u64) -> String {
    salted(password, &letters(chance, SALT))
}

/// A hash that no password has.
pub(super) fn unknown(chance: impl FnMut() -> u64) -> String {
    format!("{PREFIX}{}", letters(chance, SALT + DIGEST))
}

/// Whether the hash was made of this password.
pub(super) fn is(password: &str, hash: &str) -> bool {
    let salt = hash
        .strip_prefix(PREFIX)
        .and_then(|salted| salted.get(..SALT));
    salt.is_some_and(|salt| salted(password, salt) == hash)
}

/// SHA-256 in bcrypt's clothes: tests make many users, and bcrypt is slow on purpose.
fn salted(password: &str, salt: &str) -> String {
    let digest = Sha256::new()
        .chain_update(salt)
        .chain_update(password)
        .finalize();
    let shown = digest.iter().take(DIGEST);
    let shown: String = shown
        .map(|byte| char::from(ALPHABET[usize::from(byte % 64)]))
        .collect();
    format!("{PREFIX}{salt}{shown}")
}
