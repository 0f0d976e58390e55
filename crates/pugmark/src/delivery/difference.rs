//! In what a record has to change. Pure.

use std::collections::BTreeMap;

use vtiger::{Adapted, Element, Purpose};

use super::Shape;
use crate::store::field_mapping::Direction;

/// What has to be sent to bring a record to its shape.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The fields to send, as they are meant.
    pub changed: Element,
    /// Every field that is ours, adapted to what the CRM can keep.
    pub adapted: Adapted,
}

/// The fields whose desired stored form differs from what is known of the record.
pub fn difference(shape: &Shape, known: &BTreeMap<String, String>) -> Difference {
    // The stored form is predicted as for a create: it does not depend on the call that carries the value.
    let adapted = shape.module.adapt(&shape.wanted, Purpose::Create);
    let mut changed = Element::new();
    for (name, value) in shape.wanted.iter() {
        // A record that is there keeps what belongs to the CRM.
        if shape.direction(name) == Direction::FromCrm {
            continue;
        }
        // What cannot be sent changes nothing: the record keeps what it holds, and so does what is known of it.
        let Some(wanted) = adapted.stored.get(name).map(String::as_str) else {
            continue;
        };
        let same = match known.get(name) {
            Some(known) => shape
                .module
                .field(name)
                .map_or(known == wanted, |field| field.same_value(known, wanted)),
            // Newly mapped: what the CRM holds is not known, and an empty value of ours must not wipe it.
            None => wanted.is_empty(),
        };
        if !same {
            changed.set(name, value.clone());
        }
    }
    Difference { changed, adapted }
}
