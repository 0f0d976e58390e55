//! Passwords of staff accounts: one for two systems, so it has to please both.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use secrecy::{ExposeSecret, SecretString};
use supabase_auth::{PasswordRules, check_password};
use zeroize::Zeroizing;

/// Length of a password that is made here.
const LENGTH: usize = 20;

/// What one is made of, by class. Left out is what people confuse when they read it (`l`, `I`, `1`, `O`, `0`, ...), and what
/// a form, a shell or vTiger might take for something else (`&`, `<`, quotes, `\`, the blank).
const CLASSES: [&[u8]; 4] = [
    b"abcdefghijkmnpqrstuvwxyz",
    b"ABCDEFGHJKLMNPQRSTUVWXYZ",
    b"23456789",
    b"#%*+-=?@_",
];

/// Makes a password from the operating system's randomness: every character is as likely as any other, and each class is
/// there.
///
/// # Errors
/// [`SysError`] when the operating system gives no randomness.
pub fn generate() -> Result<SecretString, SysError> {
    let alphabet: Zeroizing<Vec<u8>> = Zeroizing::new(CLASSES.concat());
    loop {
        let drawn = draw(&alphabet)?;
        let complete = CLASSES
            .iter()
            .all(|class| drawn.bytes().any(|byte| class.contains(&byte)));
        // Drawing all of it again leaves what remains as likely as before; replacing one character would not.
        if complete {
            return Ok(SecretString::from(drawn.as_str()));
        }
    }
}

fn draw(alphabet: &[u8]) -> Result<Zeroizing<String>, SysError> {
    // Bytes from here on would make the first characters of the alphabet a little more likely.
    let limit = 256 - 256 % alphabet.len();
    let mut password = Zeroizing::new(String::with_capacity(LENGTH));
    let mut random = Zeroizing::new([0u8; 64]);
    while password.len() < LENGTH {
        SysRng.try_fill_bytes(random.as_mut_slice())?;
        for byte in random.iter().map(|byte| usize::from(*byte)) {
            if byte < limit && password.len() < LENGTH {
                password.push(char::from(alphabet[byte % alphabet.len()]));
            }
        }
    }
    Ok(password)
}

/// What keeps a password from being set in both systems; empty when nothing does. Never repeats the password.
///
/// Supabase's own settings may ask for more; it tells when the password is set. Stock vTiger asks for nothing, but its pages
/// drop blanks at the ends and its forms have no way to type a control character.
pub fn problems(password: &SecretString) -> Vec<String> {
    let text = password.expose_secret();
    let mut problems: Vec<String> = match check_password(text, &PasswordRules::default()) {
        Ok(()) => Vec::new(),
        Err(broken) => broken.reasons().iter().map(ToString::to_string).collect(),
    };
    if text.chars().any(char::is_control) {
        problems
            .push("it must not contain line breaks, tabs or other control characters".to_owned());
    }
    if text.trim() != text {
        problems.push("it must not begin or end with a blank".to_owned());
    }
    problems
}
