//! Tokens, true and forged, and the keys they are checked with.

mod claims;
mod forgeries;
mod key_sets;
mod signer;
