//! From an element to a stored row, with the journal's entry.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::activities::complete_activity;
use super::catalogue::Module;
use super::catalogue::{Field, Kind, ModuleIndex};
use super::entities;
use super::extension::Kind as Saved;
use super::failure::Failure;
use super::principals;
use super::records::{Call, Mode, after_x, leading_digits};
use super::store::{Cell, Row, unset};
use super::values::{self, Input};
use crate::journal::{Change, JournalKind};

/// The folder of documents that an installation starts with.
const DEFAULT_FOLDER: &str = "1";

/// Where a record was stored.
pub(super) struct Placed {
    pub(super) module: ModuleIndex,
    pub(super) number: u64,
    /// Values of fields that this module does not have: a task that is kept as an event. The write's answer shows them.
    pub(super) lost: Vec<(String, String)>,
}

impl Call<'_> {
    /// Cells to be written, by field. Unknown and read-only fields are left out without a word.
    pub(super) fn convert(
        &self,
        module: ModuleIndex,
        element: &Map<String, Value>,
        writable: impl Fn(&Field, &str) -> bool,
        decode: bool,
    ) -> Result<BTreeMap<usize, Cell>, Failure> {
        let about = self.state.catalogue.module(module);
        let mut cells = BTreeMap::new();
        for (name, value) in element {
            let Some(at) = about.field(name) else {
                continue;
            };
            let field = &about.fields[at];
            if !writable(field, name) || is_kept_by_server(name) {
                continue;
            }
            let mut input = Input::read(value);
            if let (true, Input::Text(text)) = (decode, &mut input) {
                *text = entities::decode(text);
            }
            cells.insert(at, self.cell(&field.kind, &input)?);
        }
        Ok(cells)
    }

    fn cell(&self, kind: &Kind, input: &Input) -> Result<Cell, Failure> {
        match kind {
            Kind::Reference(targets) if targets.is_empty() => Ok(Some(input.text().to_owned())),
            Kind::Reference(_) => Ok(Some(leading_digits(after_x(input.text())).to_string())),
            Kind::Owner => {
                // Whatever the prefix says; without a number the caller becomes the owner.
                let number = leading_digits(after_x(input.text()));
                Ok(Some(
                    if number == 0 {
                        self.actor.number
                    } else {
                        number
                    }
                    .to_string(),
                ))
            }
            _ => values::store(kind, input, &self.actor.date_format),
        }
    }

    /// Stores a new record; says where.
    pub(super) fn insert(&mut self, module: ModuleIndex, cells: BTreeMap<usize, Cell>) -> Placed {
        let number = self.state.store.next_entity();
        let time = self.state.server_time(self.now);
        let about = self.state.catalogue.module(module);
        let mut row: Row = about
            .fields
            .iter()
            .map(|field| unset(&field.kind))
            .collect();
        put(
            about,
            &mut row,
            "assigned_user_id",
            self.actor.number.to_string(),
        );
        put(about, &mut row, "source", self.source.to_owned());
        put(about, &mut row, "folderid", DEFAULT_FOLDER.to_owned());
        for (field, cell) in cells {
            row[field] = cell;
        }
        put(about, &mut row, "createdtime", time.clone());
        put(about, &mut row, "modifiedtime", time);
        put(about, &mut row, "modifiedby", self.actor.number.to_string());
        put(about, &mut row, "creator", self.actor.number.to_string());
        if matches!(about.name.as_str(), "Calendar" | "Events") {
            complete_activity(about, &mut row, self.actor.zone());
        }
        let (module, mut row, lost) = self.place_activity(module, row);
        if let Some((field, prefix)) = self.state.catalogue.module(module).numbering() {
            row[field] = Some(format!(
                "{prefix}{}",
                self.state.store.next_numbered(module)
            ));
        }
        self.state
            .store
            .insert(&self.state.catalogue, module, number, row);
        self.state.saved_by.insert((number, self.actor.number));
        Placed {
            module,
            number,
            lost,
        }
    }

    /// Tells everything that vTiger wakes after a save.
    pub(super) fn saved(
        &mut self,
        kind: Saved,
        module: ModuleIndex,
        number: u64,
        into: &BTreeMap<String, u64>,
    ) {
        if !self.bulk {
            self.note_in_outbox(kind, module, number, into);
        }
    }

    pub(super) fn after_create(&mut self, module: ModuleIndex, number: u64) {
        self.note_created(module, number);
        self.saved(Saved::Created, module, number, &BTreeMap::new());
        self.run_workflows(module, number, None);
        // A comment touches the record it is about.
        let about = self.state.catalogue.module(module);
        if about.name != "ModComments" {
            return;
        }
        let related = self
            .state
            .cell(module, number, "related_to")
            .parse()
            .unwrap_or(0);
        if let Some(target) = self.state.store.entity_module(related) {
            self.touch(target, related);
        }
    }

    fn touch(&mut self, module: ModuleIndex, number: u64) {
        let time = self.state.server_time(self.now);
        if let Some(field) = self.state.catalogue.module(module).field("modifiedtime") {
            self.state.store.set(module, number, field, Some(time));
        }
    }

    /// The caller is the last who touched this record, now.
    pub(super) fn stamp(&mut self, module: ModuleIndex, number: u64) {
        self.touch(module, number);
        if let Some(field) = self.state.catalogue.module(module).field("modifiedby") {
            let editor = self.actor.number.to_string();
            self.state.store.set(module, number, field, Some(editor));
        }
    }

    pub(super) fn store_changes(
        &mut self,
        module: ModuleIndex,
        number: u64,
        cells: BTreeMap<usize, Cell>,
        mode: Mode,
    ) {
        let mut changed = BTreeMap::new();
        for (field, cell) in cells {
            let old = self
                .state
                .shown(self.state.canonical, module, number, field);
            self.state.store.set(module, number, field, cell);
            let new = self
                .state
                .shown(self.state.canonical, module, number, field);
            if old != new {
                let name = self.state.catalogue.module(module).fields[field]
                    .name
                    .clone();
                changed.insert(name, Change { old, new });
            }
        }
        if self.users().is_ok_and(|users| users == module) {
            principals::complete_user(self.state, module, number);
        } else {
            self.state.saved_by.insert((number, self.actor.number));
        }
        // Also when nothing changed.
        self.stamp(module, number);
        self.run_workflows(module, number, Some(&changed));
        let (id, name) = self.named(module, number);
        self.note(match mode {
            Mode::Revise => JournalKind::Revised {
                id,
                module: name,
                changed,
            },
            Mode::Update => JournalKind::Updated {
                id,
                module: name,
                changed,
            },
        });
        self.saved(Saved::Updated, module, number, &BTreeMap::new());
    }

    pub(super) fn note_created(&self, module: ModuleIndex, number: u64) {
        let about = self.state.catalogue.module(module);
        let row = self.state.store.row(module, number);
        let is_set = |at: usize| row.is_some_and(|row| row[at] != unset(&about.fields[at].kind));
        let shown =
            (0..about.fields.len()).filter(|&at| is_set(at) && !is_secret(&about.fields[at].name));
        let fields = shown
            .map(|at| {
                (
                    about.fields[at].name.clone(),
                    self.state.shown(self.state.canonical, module, number, at),
                )
            })
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let id = self.state.canonical.id(&about.name, number);
        self.note(JournalKind::Created {
            id,
            module: about.name.clone(),
            fields,
        });
    }

    /// Gives every record of one owner to another; comments are not touched.
    pub(super) fn hand_over(&mut self, from: u64, to: u64) {
        let from = from.to_string();
        for module in 0..self.state.catalogue.len() {
            let Some(owner) = self
                .state
                .catalogue
                .module(module)
                .field("assigned_user_id")
            else {
                continue;
            };
            let owned = self
                .state
                .store
                .rows(module)
                .filter(|(_, row)| row[owner].as_deref() == Some(from.as_str()));
            let owned: Vec<u64> = owned.map(|(number, _)| number).collect();
            for number in owned {
                self.state
                    .store
                    .set(module, number, owner, Some(to.to_string()));
                if self.state.catalogue.module(module).name != "ModComments" {
                    self.touch(module, number);
                }
            }
        }
    }
}

pub(super) fn put(module: &Module, row: &mut Row, name: &str, value: String) {
    if let Some(at) = module.field(name) {
        row[at] = Some(value);
    }
}

/// Fields that the server writes itself, whatever is sent.
fn is_kept_by_server(name: &str) -> bool {
    matches!(
        name,
        "id" | "createdtime" | "modifiedtime" | "modifiedby" | "creator" | "starred" | "tags"
    )
}

pub(super) fn is_secret(name: &str) -> bool {
    matches!(name, "user_password" | "confirm_password" | "accesskey")
}
