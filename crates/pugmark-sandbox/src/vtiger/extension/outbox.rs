//! The outbox: every change of a watched module, in the order of the saves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::invalid;
use crate::vtiger::catalogue::ModuleIndex;
use crate::vtiger::failure::{Answer, Failure};
use crate::vtiger::records::Call;

/// Modules that are watched from the start.
const WATCHED: [&str; 2] = ["Contacts", "Leads"];

/// Changes in one answer unless asked otherwise, and at most.
const PAGE: (usize, usize) = (100, 500);

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vtiger) enum Kind {
    Created,
    Updated,
    Deleted,
    Restored,
    /// A lead was converted.
    Converted,
}

/// Whether a change is to be sent, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Written down while nobody was to receive it.
    Kept,
    Waiting {
        attempts: u32,
        /// Not before.
        next: Timestamp,
    },
    Sent,
    GivenUp,
}

/// One change.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Counted from 1, never given out twice.
    pub(super) id: u64,
    pub(super) module: String,
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) at: Timestamp,
    pub(super) user: u64,
    /// What a lead became: record numbers by module.
    pub(super) into: BTreeMap<String, u64>,
    pub(super) delivery: Delivery,
}

#[derive(Debug)]
pub(super) struct Outbox {
    rows: Vec<Row>,
    /// No row before this one waits.
    head: usize,
    last: u64,
    /// Rows up to this one were removed.
    removed: u64,
    modules: Vec<String>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Created => "created",
            Kind::Updated => "updated",
            Kind::Deleted => "deleted",
            Kind::Restored => "restored",
            Kind::Converted => "converted",
        }
    }
}

impl Row {
    /// The moment in UTC, as a database column shows it.
    pub(super) fn at(&self) -> String {
        let at = self.at.to_zoned(TimeZone::UTC);
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            rows: Vec::new(),
            head: 0,
            last: 0,
            removed: 0,
            modules: WATCHED.map(str::to_owned).to_vec(),
        }
    }

    pub(super) fn modules(&self) -> &[String] {
        &self.modules
    }

    /// Watches these modules, too.
    pub(super) fn watch(&mut self, modules: &[String]) {
        for module in modules {
            if !self.modules.contains(module) {
                self.modules.push(module.clone());
            }
        }
    }

    pub(super) fn keep(&mut self, newest: usize) {
        let gone = self.rows.len().saturating_sub(newest);
        if let Some(row) = self.rows.drain(..gone).next_back() {
            self.removed = row.id;
        }
        self.head = self.head.saturating_sub(gone);
    }

    /// The first row that waits.
    pub(super) fn first_waiting(&mut self) -> Option<&mut Row> {
        let waits = |row: &Row| matches!(row.delivery, Delivery::Waiting { .. });
        let passed = self.rows[self.head..].iter().position(waits);
        self.head = passed.map_or(self.rows.len(), |passed| self.head + passed);
        self.rows.get_mut(self.head)
    }

    pub(super) fn row(&mut self, id: u64) -> Option<&mut Row> {
        let at = self.rows.binary_search_by_key(&id, |row| row.id).ok()?;
        self.rows.get_mut(at)
    }

    pub(super) fn waiting(&self) -> usize {
        let waits = |row: &&Row| matches!(row.delivery, Delivery::Waiting { .. });
        self.rows.iter().filter(waits).count()
    }
}

impl Call<'_> {
    /// Tells the extension's event handler, where it is installed, of a saved change.
    pub(in crate::vtiger) fn note_in_outbox(
        &mut self,
        kind: Kind,
        module: ModuleIndex,
        number: u64,
        into: &BTreeMap<String, u64>,
    ) {
        let name = self.state.catalogue.module(module).name.clone();
        let extension = &mut self.state.extension;
        if !self.state.registry.has_extension() || !extension.outbox.modules.contains(&name) {
            return;
        }
        let delivery = if extension.receiver.receives(&name) {
            Delivery::Waiting {
                attempts: 0,
                next: self.now,
            }
        } else {
            Delivery::Kept
        };
        extension.outbox.last += 1;
        extension.outbox.rows.push(Row {
            id: extension.outbox.last,
            module: name,
            number,
            kind,
            at: self.now,
            user: self.actor.number,
            into: into.clone(),
            delivery,
        });
    }
}

/// `pugmark.changes`.
pub(super) fn changes(call: &Call<'_>, module: &str, cursor: &str, limit: &str) -> Answer {
    let outbox = &call.state.extension.outbox;
    if !outbox.modules.iter().any(|watched| watched == module) {
        let message = format!("Changes of {module} are not written down");
        return Err(Failure::refused("MODULE_NOT_WATCHED", message));
    }
    if cursor.is_empty() {
        let now = outbox.last.to_string();
        return Ok(json!({ "changes": [], "cursor": now, "more": false }));
    }
    let (mut after, most) = (start(outbox, cursor)?, page(limit)?);
    let from = outbox.rows.partition_point(|row| row.id <= after);
    let (mut found, mut more) = (Vec::new(), false);
    for row in &outbox.rows[from..] {
        if row.module == module {
            if found.len() == most {
                more = true;
                break;
            }
            found.push(shown(call, row));
        }
        after = row.id;
    }
    Ok(json!({ "changes": found, "cursor": after.to_string(), "more": more }))
}

fn shown(call: &Call<'_>, row: &Row) -> Value {
    json!({ "id": call.dialect.id(&row.module, row.number), "kind": row.kind.name(), "at": row.at() })
}

fn start(outbox: &Outbox, cursor: &str) -> Result<u64, Failure> {
    let wrong = || invalid("cursor must be empty, 0, or one that was given".to_owned());
    let digits = cursor.bytes().all(|byte| byte.is_ascii_digit());
    let after: u64 = cursor.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    if after == 0 {
        return Ok(outbox.removed);
    }
    if after < outbox.removed || after > outbox.last {
        let message = "The changes after this cursor are not kept any more";
        return Err(Failure::refused("CURSOR_EXPIRED", message));
    }
    Ok(after)
}

fn page(limit: &str) -> Result<usize, Failure> {
    let (usual, most) = PAGE;
    if limit.is_empty() {
        return Ok(usual);
    }
    let asked = limit
        .parse()
        .ok()
        .filter(|asked| (1..=most).contains(asked));
    asked.ok_or_else(|| invalid(format!("limit must be 1 to {most}")))
}
