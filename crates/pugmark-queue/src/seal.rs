use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::OperationId;

const NONCE: usize = 24;

/// Seals the part of an operation that must not lie about in clear: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random
/// nonce and the operation's id as associated data, so that sealed bytes moved to another row do not open.
///
/// Sealed form: one byte key id, 24 bytes nonce, ciphertext with a tag of 16 bytes.
#[derive(Debug)]
pub struct Sealer {
    key_id: u8,
    key: SecretBox<[u8; 32]>,
}

/// Why something cannot be sealed or opened. Never says what was sealed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The key is not 32 bytes long.
    #[error("the sealing key must have 32 bytes, this one has {0}")]
    KeyLength(usize),
    /// There is no key, but an operation with a secret.
    #[error("the operation carries a secret, but no sealing key is configured")]
    NoKey,
    /// It was sealed under another key.
    #[error("sealed under key {sealed}, but the configured key is {configured}")]
    OtherKey {
        /// Id of the key it was sealed under.
        sealed: u8,
        /// Id of the key at hand.
        configured: u8,
    },
    /// Changed, cut, moved from another operation, or sealed under a different key of the same id.
    #[error("the sealed payload does not open: wrong key, or it was tampered with")]
    DoesNotOpen,
    /// The operation has no (or no longer a) sealed part.
    #[error("the operation has no sealed payload")]
    Nothing,
    /// The operating system gave no randomness, or the text is too long to seal.
    #[error("the payload cannot be sealed")]
    CannotSeal,
}

impl Sealer {
    /// A sealer with a key of 32 bytes. Keys that follow each other have different ids.
    ///
    /// # Errors
    /// [`SealError::KeyLength`].
    pub fn new(key_id: u8, key: &[u8]) -> Result<Self, SealError> {
        let key: [u8; 32] = key
            .try_into()
            .map_err(|_| SealError::KeyLength(key.len()))?;
        Ok(Self {
            key_id,
            key: SecretBox::new(Box::new(key)),
        })
    }

    /// Seals `secret` for the operation `id`.
    ///
    /// # Errors
    /// [`SealError::CannotSeal`].
    pub fn seal(&self, id: OperationId, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: secret,
            aad: id.0.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::CannotSeal)?;
        Ok([&[self.key_id], nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made for the same operation. The bytes are wiped when dropped.
    ///
    /// # Errors
    /// [`SealError::OtherKey`], [`SealError::DoesNotOpen`].
    pub fn open(&self, id: OperationId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (key_id, rest) = sealed.split_first().ok_or(SealError::DoesNotOpen)?;
        if *key_id != self.key_id {
            return Err(SealError::OtherKey {
                sealed: *key_id,
                configured: self.key_id,
            });
        }
        let (nonce, text) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(SealError::DoesNotOpen)?;
        let payload = Payload {
            msg: text,
            aad: id.0.as_bytes(),
        };
        self.cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::DoesNotOpen)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.expose_secret().into())
    }
}
