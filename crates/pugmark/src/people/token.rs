//! Tokens that are kept as digests: of sessions and of links.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// 32 random bytes, shown once as 43 characters that fit into an address and a cookie. Nothing prints it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

impl Token {
    /// A new one.
    pub fn random() -> Self {
        Token(rand::random())
    }

    /// The one that was shown as this text; `None` when it is no token.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Token(bytes.try_into().ok()?))
    }

    /// As it is handed out.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the store keeps: SHA-256, which is enough for 256 random bits.
    pub fn digest(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }

    /// The token that forms of this session carry. Who knows it does not know the session's.
    pub fn form_token(&self) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(b"pugmark console form");
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_its_digest_and_its_forms_do_not_show_it() {
        let token = Token::random();
        assert_eq!(Token::read(&token.reveal()), Some(token.clone()));
        assert_ne!(token.form_token(), token.reveal());
        assert_ne!(token.form_token(), Token::random().form_token());
        assert_eq!(format!("{token:?}"), "***");
        for wrong in ["", "short", "not!base64", &"A".repeat(44)] {
            assert_eq!(Token::read(wrong), None, "{wrong}");
        }
    }
}
