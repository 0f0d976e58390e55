//! The signature of a delivery.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Whether `signature` is the HMAC-SHA-256, in hexadecimal, of the body exactly as it arrived, under the site's shared key.
/// The comparison takes the same time wherever the two differ. Nothing is genuine under an empty key.
#[must_use]
pub fn verify(key: &SecretString, body: &[u8], signature: &str) -> bool {
    let key = key.expose_secret();
    if key.is_empty() {
        return false;
    }
    let Ok(signature) = hex::decode(signature.trim()) else {
        return false;
    };
    // HMAC takes keys of any length; the type cannot say so.
    Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"payload[chargify]=testing&event=test";
    const SIGNATURE: &str = "19826d51b9f866b26eda1f154de192593360f8d0bcb63df8a28540a5dcf733f1";

    #[test]
    fn the_vendors_example_is_genuine() {
        assert!(verify(&"123".into(), BODY, SIGNATURE));
    }

    #[test]
    fn anything_else_is_not() {
        let other_body = b"payload[chargify]=testing&event=test ";
        assert!(!verify(&"123".into(), other_body, SIGNATURE));
        assert!(!verify(&"124".into(), BODY, SIGNATURE));
        let flipped = SIGNATURE.replacen('1', "2", 1);
        for signature in [
            "",
            "1982",
            &SIGNATURE[..62],
            &flipped,
            "not hexadecimal",
            "é",
        ] {
            assert!(!verify(&"123".into(), BODY, signature), "{signature}");
        }
    }

    #[test]
    fn nothing_is_genuine_under_an_empty_key() {
        let mac = Hmac::<Sha256>::new_from_slice(b"").unwrap();
        let signature = hex::encode(mac.chain_update(BODY).finalize().into_bytes());
        assert!(!verify(&"".into(), BODY, &signature));
    }
}
