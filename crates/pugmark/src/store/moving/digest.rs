//! A checksum of a table's content that does not depend on the order of its rows.

use sha2::{Digest as _, Sha256};

use super::catalogue::Table;
use super::value::canonical;

/// Rows, and the sum of the SHA-256 of each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub rows: u64,
    sum: [u64; 4],
}

impl Digest {
    /// Adds a row: the texts of its values, in the order of the table's columns.
    pub(super) fn add(&mut self, table: &Table, values: &[Option<String>]) {
        let mut hash = Sha256::new();
        for (column, value) in table.columns.iter().zip(values) {
            match value {
                None => hash.update([0]),
                Some(text) => {
                    let text = canonical(&column.kind, text);
                    hash.update([1]);
                    hash.update((text.len() as u64).to_be_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        let hash = hash.finalize();
        for (sum, bytes) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let part = bytes
                .iter()
                .fold(0_u64, |part, byte| part << 8 | u64::from(*byte));
            *sum = sum.wrapping_add(part);
        }
        self.rows += 1;
    }

    /// The checksum, for people: 64 hexadecimal digits.
    pub(super) fn checksum(&self) -> String {
        self.sum.iter().map(|part| format!("{part:016x}")).collect()
    }
}
