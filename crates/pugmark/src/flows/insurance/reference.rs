//! Our reference in the text of records that have no field for it: notes and tasks.

use sha2::{Digest, Sha256};
use vtiger::Condition;

/// The reference of what an entity type and id name: short enough for people to overlook, long enough to be the only one.
pub fn of(entity_type: &str, entity_id: &str) -> String {
    let digest = Sha256::digest(format!("{entity_type}\n{entity_id}").as_bytes());
    format!("MB-{}", hex::encode(&digest[..8]))
}

/// The text with the reference on a line of its own at the end.
pub fn carried(text: &str, reference: &str) -> String {
    format!("{text}\n[{reference}]")
}

/// The pattern for `like` that finds a text which carries the reference.
pub fn pattern(reference: &str) -> String {
    format!("%{}%", Condition::like_escaped(&format!("[{reference}]")))
}
