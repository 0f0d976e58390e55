//! The key for what is secret and has to wait.

use std::fmt;

use base64::Engine;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{ConfigProblem, sources};

/// Key under which passwords are sealed while they wait (`PUGMARK_SEAL_KEY`).
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key of these bytes.
    pub fn of(bytes: [u8; 32]) -> Self {
        SealKey(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// 32 bytes, written as 64 hexadecimal digits or in base64.
pub(super) fn check(raw: &sources::Raw, problems: &mut Vec<ConfigProblem>) -> Option<SealKey> {
    let text = raw.secrets.seal_key.as_ref()?.expose_secret().trim();
    let bytes = hex::decode(text)
        .ok()
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .map(Zeroizing::new);
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    if key.is_none() {
        problems.push(ConfigProblem::new(
            "PUGMARK_SEAL_KEY",
            "is no key of 32 bytes",
            "Make one with `openssl rand -hex 32` and keep it safe: what is sealed opens with no other",
        ));
    }
    key.map(SealKey::of)
}
