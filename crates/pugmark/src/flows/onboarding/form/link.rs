//! Links to the page: signed, for one client, until a day, and revocable.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::Keys;

/// The form of what is signed.
const VERSION: u8 = 1;
/// Version, expiry, generation, nonce.
const HEAD: usize = 1 + 8 + 4 + 8;
const SIGNATURE: usize = 32;
/// No token of ours is longer.
const LONGEST: usize = 256;

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The lead or contact.
    pub client: String,
    /// Until when it works.
    pub expires: Timestamp,
    /// Of which generation of the client's links it is.
    pub generation: u32,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// Cut off, mistyped, or made by somebody else.
    #[error("the link is not one of ours")]
    Forged,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
}

impl Link {
    /// The token that stands in the address: the link and its signature, in base64url without padding. `nonce` makes two links of
    /// the same second differ.
    pub fn token(&self, keys: &Keys, nonce: [u8; 8]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.expires.as_second().to_be_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(self.client.as_bytes());
        let signature = keys.sign(&bytes);
        bytes.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token. Whether it was revoked is to be asked of the store.
    ///
    /// # Errors
    /// [`BadLink`].
    pub fn read(keys: &Keys, token: &str, now: Timestamp) -> Result<Self, BadLink> {
        if token.len() > LONGEST {
            return Err(BadLink::Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadLink::Forged)?;
        let split = bytes.len().checked_sub(SIGNATURE).ok_or(BadLink::Forged)?;
        let (said, signature) = bytes.split_at(split);
        if !bool::from(keys.sign(said).as_slice().ct_eq(signature)) {
            return Err(BadLink::Forged);
        }
        let (head, client) = said.split_at_checked(HEAD).ok_or(BadLink::Forged)?;
        let number = |from: usize, to: usize| {
            head.get(from..to)
                .into_iter()
                .flatten()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let expires = Timestamp::from_second(number(1, 9).cast_signed());
        let link = Link {
            client: String::from_utf8(client.to_vec()).map_err(|_| BadLink::Forged)?,
            expires: expires.map_err(|_| BadLink::Forged)?,
            generation: u32::try_from(number(9, 13)).map_err(|_| BadLink::Forged)?,
        };
        if head.first() != Some(&VERSION) {
            return Err(BadLink::Forged);
        }
        if link.expires <= now {
            return Err(BadLink::Expired);
        }
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SealKey;

    fn link() -> Link {
        Link {
            client: "10x42".to_owned(),
            expires: Timestamp::from_second(1_800_000_000).unwrap(),
            generation: 3,
        }
    }

    fn before() -> Timestamp {
        Timestamp::from_second(1_799_999_999).unwrap()
    }

    #[test]
    fn a_token_says_what_the_link_says() {
        let keys = Keys::of(&SealKey::of([7; 32]));
        let token = link().token(&keys, [1; 8]);
        assert_eq!(Link::read(&keys, &token, before()), Ok(link()));
        assert_ne!(token, link().token(&keys, [2; 8]));
    }

    #[test]
    fn at_its_expiry_it_works_no_more() {
        let keys = Keys::of(&SealKey::of([7; 32]));
        let token = link().token(&keys, [1; 8]);
        assert_eq!(
            Link::read(&keys, &token, link().expires),
            Err(BadLink::Expired)
        );
    }

    #[test]
    fn no_changed_cut_or_foreign_token_is_believed() {
        let keys = Keys::of(&SealKey::of([7; 32]));
        let others = Keys::of(&SealKey::of([8; 32]));
        let token = link().token(&keys, [1; 8]);
        assert_eq!(Link::read(&others, &token, before()), Err(BadLink::Forged));
        for end in 0..token.len() {
            assert_eq!(
                Link::read(&keys, &token[..end], before()),
                Err(BadLink::Forged)
            );
        }
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(Link::read(&keys, &changed, before()), Err(BadLink::Forged));
        }
        assert_eq!(
            Link::read(&keys, &"A".repeat(5_000), before()),
            Err(BadLink::Forged)
        );
    }
}
