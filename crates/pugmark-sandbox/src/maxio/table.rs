//! Rows under their ids, and those that have one under a reference.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Something that can be kept in a [`Table`].
pub(super) trait Row {
    fn id(&self) -> u64;

    /// The key that a caller chose for it.
    fn reference(&self) -> Option<&str>;
}

/// Rows in the order of their ids, which is the order in which they were made.
#[derive(Debug)]
pub(super) struct Table<R> {
    rows: BTreeMap<u64, R>,
    by_reference: HashMap<String, BTreeSet<u64>>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            by_reference: HashMap::new(),
        }
    }
}

impl<R: Row> Table<R> {
    pub(super) fn get(&self, id: u64) -> Option<&R> {
        self.rows.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &R> {
        self.rows.values()
    }

    /// The oldest row with this reference.
    pub(super) fn by_reference(&self, reference: &str) -> Option<&R> {
        let ids = self.by_reference.get(reference)?;
        self.rows.get(ids.first()?)
    }

    /// Whether another row than `own` has this reference.
    pub(super) fn is_taken(&self, reference: &str, own: u64) -> bool {
        let ids = self.by_reference.get(reference);
        ids.is_some_and(|ids| ids.iter().any(|&id| id != own))
    }

    /// Stores a row, in the place of the one with its id.
    pub(super) fn put(&mut self, row: R) {
        self.remove(row.id());
        if let Some(reference) = row.reference() {
            let ids = self.by_reference.entry(reference.to_owned()).or_default();
            ids.insert(row.id());
        }
        self.rows.insert(row.id(), row);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<R> {
        let row = self.rows.remove(&id)?;
        if let Some(reference) = row.reference()
            && let Some(ids) = self.by_reference.get_mut(reference)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_reference.remove(reference);
            }
        }
        Some(row)
    }
}
