//! Whether a contact holds what was agreed on. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use vtiger::{Module, Record};

use super::MODIFIED;
use crate::crm::FROM_LEAD;
use crate::crm::contact_fields::ContactFields;
use crate::store::crm_cursors::Linked;
use crate::store::field_mapping::Direction;

/// What a poll looks at.
pub(super) struct Sight {
    module: Arc<Module>,
    /// Mapped fields, with the way in which their values go.
    names: BTreeMap<String, Direction>,
    reference: Option<String>,
}

/// What a linked contact turned out to hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What was agreed on: also an echo of what Pugmark wrote.
    AsAgreed,
    /// Something else, with the hash by which the same is known again.
    Differs(String),
    /// Something else that was noticed before.
    NoticedBefore,
    /// Its customer is gone or a test customer: it is kept and looked at no more.
    Nobodys,
}

impl Sight {
    pub(super) fn of(fields: &ContactFields) -> Self {
        Sight {
            module: fields.module.clone(),
            names: fields
                .targets()
                .map(|(_, target)| (target.field.clone(), target.rule.direction))
                .collect(),
            reference: fields.reference().map(str::to_owned),
        }
    }

    /// The fields to ask for, as far as this installation has them.
    pub(super) fn asked(&self) -> Vec<String> {
        let besides = [FROM_LEAD, MODIFIED].map(str::to_owned);
        self.names
            .keys()
            .cloned()
            .chain(besides)
            .filter(|name| self.module.field(name).is_some())
            .collect()
    }

    pub(super) fn carries_our_reference(&self, record: &Record) -> bool {
        self.reference
            .as_deref()
            .and_then(|field| record.get(field))
            .is_some_and(|reference| !reference.is_empty())
    }

    pub(super) fn compare(&self, record: &Record, link: &Linked) -> Content {
        if link.withdrawn {
            return Content::Nobodys;
        }
        // A record that was taken for gone is there.
        if !link.gone
            && self
                .names
                .iter()
                .all(|field| self.agrees(field, record, link))
        {
            return Content::AsAgreed;
        }
        let hash = self.hash(record, link);
        if link.noticed_hash.as_ref() == Some(&hash) && !link.gone {
            return Content::NoticedBefore;
        }
        Content::Differs(hash)
    }

    fn agrees(
        &self,
        (name, direction): (&String, &Direction),
        record: &Record,
        link: &Linked,
    ) -> bool {
        let Some(theirs) = record.get(name) else {
            return true;
        };
        match link.snapshot.get(name) {
            Some(base) => self
                .module
                .field(name)
                .map_or(base == theirs, |field| field.same_value(base, theirs)),
            // Nothing was ever agreed on: only what may be taken over is of interest.
            None => *direction == Direction::ToCrm || theirs.is_empty(),
        }
    }

    /// Hash of the mapped fields' values, of what was agreed on about them, and of the time of change: what was put right and
    /// is then changed to the same again is another change.
    fn hash(&self, record: &Record, link: &Linked) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: Option<&str>| {
            // The length in front keeps ("ab", "c") apart from ("a", "bc"), the flag none from "".
            hash.update([u8::from(part.is_some())]);
            let part = part.unwrap_or_default();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        };
        add(record.get(MODIFIED));
        for name in self.names.keys() {
            add(Some(name));
            add(record.get(name));
            add(link.snapshot.get(name).map(String::as_str));
        }
        hex::encode(hash.finalize())
    }
}
