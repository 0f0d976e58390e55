//! `create`, `retrieve`, `revise`, `update`, `delete` and what they have in common.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answers::is_name_field;
use super::catalogue::{Field, ModuleIndex};
use super::dialect::Dialect;
use super::extension::Kind;
use super::failure::{Answer, Failure};
use super::principals::{self, Actor};
use super::saving::{Placed, is_secret};
use super::state::State;
use super::values::Input;
use crate::journal::{Journal, JournalKind};

/// One call being executed: who calls, in which dialect, when.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) journal: &'a Journal,
    pub(super) actor: Actor,
    pub(super) dialect: Dialect,
    pub(super) now: Timestamp,
    pub(super) request_no: Option<u64>,
    /// The number that the next record would have got when the call began. The check for duplicates is made then and the
    /// record stored later: of two calls at once neither sees the other.
    pub(super) began_at: u64,
    /// Value of `source` on records it creates.
    pub(super) source: &'static str,
    /// vTiger's bulk save mode: no workflows, no history, no event handlers.
    pub(super) bulk: bool,
}

/// The two ways of changing a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Revise,
    Update,
}

impl Call<'_> {
    /// `create`. The element is what the JSON text held; what is no object counts as empty.
    pub(super) fn create(&mut self, module: &str, element: &Value) -> Answer {
        let at = self.module_named(module).ok_or_else(Failure::denied)?;
        if module == "Users" {
            self.administrators_only()?;
        }
        let mut element = fields_of(element)?;
        self.check_references(at, &mut element, true)?;
        self.check_mandatory(at, &element, true)?;
        if module == "Users" {
            return self.create_user(&element);
        }
        if !self.state.catalogue.module(at).is_entity {
            return Err(Failure::denied());
        }
        self.check_owner_right(at, &element)?;
        let cells = self.convert(
            at,
            &element,
            |field, name| field.editable || name == "source",
            false,
        )?;
        self.check_unique(at, None, &cells)?;
        let placed = self.insert(at, cells);
        self.after_create(placed.module, placed.number);
        self.dangling_owner(placed.module, placed.number)?;
        Ok(self.written(at, &placed, &element, None, is_name_field))
    }

    /// A person creates a record in the user interface. No field is asked for; gives the id.
    pub(super) fn create_in_ui(
        &mut self,
        module: ModuleIndex,
        element: &Map<String, Value>,
    ) -> Result<String, Failure> {
        if self.users()? == module {
            let number = self.store_user(principals::user_fields(self.state, element))?;
            return Ok(self.dialect.id("Users", number));
        }
        let cells = self.convert(module, element, |_, _| true, false)?;
        self.check_unique(module, None, &cells)?;
        let placed = self.insert(module, cells);
        self.after_create(placed.module, placed.number);
        Ok(self.dialect.id(
            &self.state.catalogue.module(placed.module).name,
            placed.number,
        ))
    }

    /// A person changes a record in the user interface: entities stay as typed, and read-only fields can be set up too.
    pub(super) fn edit_in_ui(
        &mut self,
        id: &str,
        element: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let (module, number) = self
            .state
            .locate(self.dialect, id)
            .ok_or_else(Failure::denied)?;
        let users = self.users()? == module;
        let cells = self.convert(
            module,
            element,
            |_, name| !(users && is_secret(name)),
            false,
        )?;
        self.check_unique(module, Some(number), &cells)?;
        self.store_changes(module, number, cells, Mode::Revise);
        Ok(())
    }

    /// `retrieve`.
    pub(super) fn retrieve(&mut self, id: &str) -> Answer {
        let (module, number) = self.resolve(id)?;
        Ok(self.whole_record(module, number, Some(id)))
    }

    /// `revise` and `update`.
    pub(super) fn change(&mut self, element: &Value, mode: Mode) -> Answer {
        let mut element = fields_of(element)?;
        let id = element
            .get("id")
            .map(Input::read)
            .unwrap_or(Input::Null)
            .text()
            .to_owned();
        let (module, number) = self.resolve(&id)?;
        if self.state.catalogue.module(module).name == "Users" && self.dialect == Dialect::Cloud {
            return Err(Failure::denied());
        }
        self.check_references(module, &mut element, mode == Mode::Update)?;
        self.check_mandatory(module, &element, mode == Mode::Update)?;
        self.check_owner_right(module, &element)?;
        let users = self.state.catalogue.module(module).name == "Users";
        let writable = |field: &Field, name: &str| field.editable && !(users && is_secret(name));
        let decode = mode == Mode::Revise && self.dialect == Dialect::OpenSource;
        let cells = self.convert(module, &element, writable, decode)?;
        self.check_unique(module, Some(number), &cells)?;
        self.store_changes(module, number, cells, mode);
        self.dangling_owner(module, number)?;
        let placed = Placed {
            module,
            number,
            lost: Vec::new(),
        };
        Ok(self.written(module, &placed, &element, Some(&id), |_, _| true))
    }

    /// `delete`: a soft delete; of a user, only its status changes.
    pub(super) fn delete(&mut self, id: &str) -> Answer {
        let (module, number) = self.resolve(id)?;
        if self.state.catalogue.module(module).name == "Users" {
            if self.dialect == Dialect::Cloud {
                return Err(Failure::denied());
            }
            self.change_user(number, &[("status".into(), "Inactive".into())])?;
            return Ok(json!({ "status": "successful" }));
        }
        self.stamp(module, number);
        self.state.store.recycle(module, number);
        let at = module;
        let (id, module) = self.named(module, number);
        self.note(JournalKind::Deleted { id, module });
        self.saved(Kind::Deleted, at, number, &BTreeMap::new());
        Ok(json!({ "status": "successful" }))
    }

    /// Takes a record out of the recycle bin, as a person does in the pages. Says whether it lay there.
    pub(super) fn restore(&mut self, module: ModuleIndex, number: u64) -> bool {
        let state = &mut *self.state;
        if !state.store.restore(&state.catalogue, module, number) {
            return false;
        }
        self.stamp(module, number);
        let (id, name) = self.named(module, number);
        self.note(JournalKind::Restored { id, module: name });
        self.saved(Kind::Restored, module, number, &BTreeMap::new());
        true
    }

    /// A record's id and the name of its module, as the journal has them.
    pub(super) fn named(&self, module: ModuleIndex, number: u64) -> (String, String) {
        let name = self.state.catalogue.module(module).name.clone();
        (self.state.canonical.id(&name, number), name)
    }

    /// `describe`.
    pub(super) fn describe(&mut self, module: &str) -> Answer {
        let unknown = || Failure::denied_for(&format!("name : {module}"));
        let at = self.module_named(module).ok_or_else(unknown)?;
        if module == "Users" {
            self.administrators_only()?;
        }
        Ok(self
            .state
            .catalogue
            .module(at)
            .describe(self.reader(), &self.actor.date_format))
    }

    /// The module of this name, where the edition has it.
    pub(super) fn module_named(&self, name: &str) -> Option<ModuleIndex> {
        self.state
            .catalogue
            .find(name)
            .filter(|_| self.dialect.has(name))
    }

    pub(super) fn administrators_only(&self) -> Result<(), Failure> {
        if self.actor.admin {
            Ok(())
        } else {
            Err(Failure::denied())
        }
    }

    /// Where an id points. Numbers are read as the database casts them: `12x5abc` is `12x5`.
    pub(super) fn resolve(&self, id: &str) -> Result<(ModuleIndex, u64), Failure> {
        let mut parts = id.split('x');
        let prefix = u32::try_from(leading_digits(parts.next().unwrap_or_default())).unwrap_or(0);
        let number = leading_digits(parts.next().unwrap_or_default());
        let name = self
            .dialect
            .module(prefix)
            .ok_or_else(|| Failure::denied_for("id"))?;
        let module = self.state.catalogue.find(name);
        if let Some(module) = module.filter(|module| !self.shares_numbers(*module)) {
            return self.resolve_principal(module, number);
        }
        let found = self
            .state
            .store
            .entity_module(number)
            .ok_or_else(Failure::denied)?;
        if Some(found) != module {
            return Err(Failure::wrong_id());
        }
        let row = self.state.store.row(found, number);
        if row.is_none_or(|row| self.state.shows(self.reader(), found, row)) {
            Ok((found, number))
        } else {
            Err(Failure::unreadable())
        }
    }

    fn shares_numbers(&self, module: ModuleIndex) -> bool {
        let about = self.state.catalogue.module(module);
        about.is_entity && about.name != "Users"
    }

    fn resolve_principal(
        &self,
        module: ModuleIndex,
        number: u64,
    ) -> Result<(ModuleIndex, u64), Failure> {
        let users = self.state.catalogue.module(module).name == "Users";
        if users {
            self.administrators_only()?;
        }
        let row = self
            .state
            .store
            .row(module, number)
            .ok_or_else(Failure::denied)?;
        if users && !self.state.shows(self.reader(), module, row) {
            return Err(Failure::not_found());
        }
        Ok((module, number))
    }

    pub(super) fn note(&self, kind: JournalKind) {
        self.journal.append(
            self.now,
            self.request_no,
            Some(self.actor.name.clone()),
            kind,
        );
    }
}

/// The element's fields. A JSON text makes PHP die, anything else that is no object has no fields.
pub(super) fn fields_of(element: &Value) -> Result<Map<String, Value>, Failure> {
    match element {
        Value::Object(fields) => Ok(fields.clone()),
        Value::String(_) => Err(Failure::Fatal),
        _ => Ok(Map::new()),
    }
}

/// The number at the start of a text, after spaces, as the database casts it; 0 where there is none.
pub(super) fn leading_digits(text: &str) -> u64 {
    let text = text.trim_start();
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

pub(super) fn after_x(id: &str) -> &str {
    id.split('x').nth(1).unwrap_or_default()
}
