//! What a run found.

use pugmark_queue::db::Ts;
use serde::Serialize;

/// A value that PostgreSQL cannot keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfit {
    /// Its table.
    pub table: String,
    /// The primary key of its row.
    pub row: String,
    /// Its column.
    pub column: String,
    /// What is wrong with it, without showing it.
    pub why: String,
}

/// One table on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// Rows of the source.
    pub rows: u64,
    /// Checksum of the source's content; empty when values were not looked at.
    pub checksum: String,
    /// Rows of the target; `None` when it was not looked at.
    pub copied_rows: Option<u64>,
    /// Checksum of the target's content.
    pub copied_checksum: Option<String>,
}

impl TableReport {
    /// The source alone.
    pub(super) fn one_sided(table: String, rows: u64, checksum: String) -> Self {
        TableReport {
            table,
            rows,
            checksum,
            copied_rows: None,
            copied_checksum: None,
        }
    }

    /// Whether both sides hold the same.
    pub fn is_equal(&self) -> bool {
        self.copied_rows == Some(self.rows) && self.copied_checksum.as_ref() == Some(&self.checksum)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Everything is in the target, and equal.
    Moved,
    /// It was so already.
    WasMoved,
    /// Something differs; the source is still the store.
    Different,
    /// Nothing was written.
    Looked,
}

/// What a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The source.
    pub from: String,
    /// The target, without its password.
    pub to: String,
    /// How it ended.
    pub ended: Ended,
    /// When, RFC 3339.
    pub at: Ts,
    /// Every table.
    pub tables: Vec<TableReport>,
    /// Values that could not be copied (of a look: the first ones).
    pub unfit: Vec<Unfit>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}
