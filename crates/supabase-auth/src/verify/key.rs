//! A public key of the project, fit for verifying.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use serde::Deserialize;
use serde_json::Value as Json;

use super::KeySetAlgorithm;

/// A key and the one algorithm it is for.
pub(super) struct VerifyingKey {
    pub(super) algorithm: KeySetAlgorithm,
    pub(super) key: DecodingKey,
}

/// `{"keys":[…]}`.
#[derive(Deserialize)]
pub(super) struct KeySet {
    keys: Vec<Json>,
}

impl KeySet {
    /// The keys a token can name. One that is of no use here, or not readable, does not spoil the others.
    pub(super) fn into_keys(self) -> HashMap<String, Arc<VerifyingKey>> {
        self.keys
            .into_iter()
            .filter_map(|json| serde_json::from_value(json).ok())
            .filter_map(|jwk| verifying_key(&jwk))
            .collect()
    }
}

fn verifying_key(jwk: &Jwk) -> Option<(String, Arc<VerifyingKey>)> {
    let kid = jwk.common.key_id.clone()?;
    let algorithm = algorithm_of(jwk)?;
    if !is_for_verifying(jwk) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((kid, Arc::new(VerifyingKey { algorithm, key })))
}

/// What kind of key it is, if that is also what it says it is for. Shared secrets are never taken from a key set.
fn algorithm_of(jwk: &Jwk) -> Option<KeySetAlgorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (KeySetAlgorithm::Es256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(_) => (KeySetAlgorithm::Rs256, KeyAlgorithm::RS256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (KeySetAlgorithm::EdDsa, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let said = jwk.common.key_algorithm.unwrap_or(name);
    (said == name).then_some(algorithm)
}

fn is_for_verifying(jwk: &Jwk) -> bool {
    let common = &jwk.common;
    let right_use = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let right_operation = common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    right_use && right_operation
}
