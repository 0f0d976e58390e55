//! `create`, `retrieve`, `revise`, `update`, `delete` and what they have in common.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::catalogue::{Field, Kind, Module, ModuleIndex};
use super::collation;
use super::dialect::Dialect;
use super::entities;
use super::failure::{Answer, Failure};
use super::principals::{self, Actor};
use super::state::State;
use super::store::{Cell, Row, unset};
use super::values::{self, Input};
use crate::journal::{Change, Journal, JournalKind};

/// One call being executed: who calls, in which dialect, when.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) journal: &'a Journal,
    pub(super) actor: Actor,
    pub(super) dialect: Dialect,
    pub(super) now: Timestamp,
    pub(super) request_no: Option<u64>,
    /// Value of `source` on records it creates.
    pub(super) source: &'static str,
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
        let at = self
            .state
            .catalogue
            .find(module)
            .ok_or_else(Failure::denied)?;
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
        let (kept, number) = self.insert(at, cells);
        self.after_create(kept, number);
        self.dangling_owner(kept, number)?;
        Ok(
            self.written(at, kept, number, &element, None, |about, field| {
                is_name_field(about, field)
            }),
        )
    }

    /// A person creates a record in the user interface. No field is asked for; gives the id.
    pub(super) fn create_in_ui(
        &mut self,
        module: ModuleIndex,
        element: &Map<String, Value>,
    ) -> Result<String, Failure> {
        let cells = self.convert(module, element, |_, _| true, false)?;
        self.check_unique(module, None, &cells)?;
        let (kept, number) = self.insert(module, cells);
        self.after_create(kept, number);
        Ok(self
            .dialect
            .id(&self.state.catalogue.module(kept).name, number))
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
        let cells = self.convert(module, element, |_, _| true, false)?;
        self.check_unique(module, Some(number), &cells)?;
        self.store_changes(module, number, cells, Mode::Revise);
        Ok(())
    }

    /// Creates a user: with the registry repaired, or through an operation of its own. Nothing is checked.
    pub(super) fn create_user(&mut self, element: &Map<String, Value>) -> Answer {
        let Some(users) = self.state.catalogue.find("Users") else {
            return Err(Failure::denied());
        };
        let mut fields = principals::user_fields(self.state, element);
        let key = principals::new_access_key(self.state);
        fields.push(("accesskey".to_owned(), key));
        let number = self.state.store.next_principal();
        principals::insert_user(self.state, number, &fields);
        self.note_created(users, number);
        Ok(self.whole_record(users, number, None))
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
        let written = self.written(module, module, number, &element, Some(&id), |_, _| true);
        Ok(written)
    }

    /// `delete`: a soft delete; of a user, only its status changes.
    pub(super) fn delete(&mut self, id: &str) -> Answer {
        let (module, number) = self.resolve(id)?;
        if self.state.catalogue.module(module).name == "Users" {
            if self.dialect == Dialect::Cloud {
                return Err(Failure::denied());
            }
            let status = self.state.catalogue.module(module).field("status");
            self.state.store.set(
                module,
                number,
                status.unwrap_or_default(),
                Some("Inactive".into()),
            );
        } else {
            self.state.store.remove(module, number);
        }
        let name = self.state.catalogue.module(module).name.clone();
        let id = self.state.canonical.id(&name, number);
        self.note(JournalKind::Deleted { id, module: name });
        Ok(json!({ "status": "successful" }))
    }

    /// `describe`.
    pub(super) fn describe(&mut self, module: &str) -> Answer {
        let unknown = || Failure::denied_for(&format!("name : {module}"));
        let at = self.state.catalogue.find(module).ok_or_else(unknown)?;
        if module == "Users" {
            self.administrators_only()?;
        }
        Ok(self
            .state
            .catalogue
            .module(at)
            .describe(self.dialect, &self.actor.date_format))
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
        if Some(found) == module {
            Ok((found, number))
        } else {
            Err(Failure::wrong_id())
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
        if users && !self.state.is_visible(module, number, row) {
            return Err(Failure::not_found());
        }
        Ok((module, number))
    }

    /// A whole record, with its label. The id is echoed as it was asked for.
    pub(super) fn whole_record(
        &self,
        module: ModuleIndex,
        number: u64,
        asked: Option<&str>,
    ) -> Value {
        let mut record = self.record_without_label(module, number);
        if let (Some(asked), true) = (asked, record.contains_key("id")) {
            record.insert("id".into(), json!(asked));
        }
        record.insert("label".into(), json!(self.state.label(module, number)));
        Value::Object(record)
    }

    pub(super) fn record_without_label(
        &self,
        module: ModuleIndex,
        number: u64,
    ) -> Map<String, Value> {
        let fields = &self.state.catalogue.module(module).fields;
        let shown = fields.iter().enumerate();
        shown
            .map(|(at, field)| {
                (
                    field.name.clone(),
                    json!(self.state.shown(self.dialect, module, number, at)),
                )
            })
            .collect()
    }

    /// The answer of a write: the record as its program believes it to be. `asked_in` is the module called, `kept_in` the one
    /// the record ended up in (a task without its type is an event).
    fn written(
        &self,
        asked_in: ModuleIndex,
        kept_in: ModuleIndex,
        number: u64,
        element: &Map<String, Value>,
        asked: Option<&str>,
        odd: impl Fn(&Module, usize) -> bool,
    ) -> Value {
        let Value::Object(kept) = self.whole_record(kept_in, number, asked) else {
            return Value::Null;
        };
        let about = self.state.catalogue.module(asked_in);
        let mut record = Map::new();
        for (at, field) in about.fields.iter().enumerate() {
            let truth = kept
                .get(&field.name)
                .and_then(Value::as_str)
                .unwrap_or_default();
            let odd = self.dialect == Dialect::OpenSource
                && matches!(field.kind, Kind::Text(_))
                && odd(about, at);
            let sent = element.get(&field.name).filter(|_| odd && field.editable);
            record.insert(
                field.name.clone(),
                json!(sent.map_or_else(|| truth.to_owned(), |sent| overdecoded(truth, sent))),
            );
        }
        if asked_in != kept_in {
            record.insert("id".into(), json!(self.dialect.id(&about.name, number)));
        }
        record.insert(
            "label".into(),
            kept.get("label").cloned().unwrap_or_default(),
        );
        Value::Object(record)
    }

    /// Ids must name a module that the field may refer to; whether the record exists is not asked. An empty reference
    /// disappears from a create or an update, so that the update keeps what is there.
    fn check_references(
        &self,
        module: ModuleIndex,
        element: &mut Map<String, Value>,
        drop_empty: bool,
    ) -> Result<(), Failure> {
        for field in &self.state.catalogue.module(module).fields {
            let Kind::Reference(targets) = &field.kind else {
                continue;
            };
            let id = match element.get(&field.name) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(_) | Value::Object(_)) => return Err(Failure::Fatal),
                Some(value) => Input::read(value).text().to_owned(),
            };
            if id.is_empty() {
                if drop_empty {
                    element.remove(&field.name);
                }
                continue;
            }
            let prefix = leading_digits(id.split('x').next().unwrap_or_default());
            let named = self.dialect.module(u32::try_from(prefix).unwrap_or(0));
            let named = named.ok_or_else(|| Failure::denied_for("id"))?;
            if !targets.iter().any(|target| target == named) {
                let message = format!("Invalid reference specified for {}", field.name);
                return Err(Failure::refused("REFERENCE_INVALID", message));
            }
        }
        Ok(())
    }

    /// `all`: every mandatory field must have a value; otherwise only those that are sent.
    fn check_mandatory(
        &self,
        module: ModuleIndex,
        element: &Map<String, Value>,
        all: bool,
    ) -> Result<(), Failure> {
        for field in self
            .state
            .catalogue
            .module(module)
            .fields
            .iter()
            .filter(|field| field.mandatory)
        {
            let missing = match element.get(&field.name) {
                None => all,
                Some(Value::Null) => true,
                Some(Value::String(text)) => text.is_empty(),
                Some(_) => false,
            };
            if missing {
                // The hosted edition shows the label, the open-source one the name.
                let cloud = self.dialect == Dialect::Cloud;
                return Err(Failure::mandatory(if cloud {
                    &field.label
                } else {
                    &field.name
                }));
            }
        }
        Ok(())
    }

    /// For callers without administrator's rights the list of possible owners is numbered anew from 0, so that users
    /// with higher numbers are refused.
    fn check_owner_right(
        &self,
        module: ModuleIndex,
        element: &Map<String, Value>,
    ) -> Result<(), Failure> {
        if self.actor.admin {
            return Ok(());
        }
        let users = self
            .state
            .catalogue
            .find("Users")
            .map_or(0, |users| self.state.store.count(users)) as u64;
        for field in &self.state.catalogue.module(module).fields {
            let sent = element
                .get(&field.name)
                .filter(|_| field.kind == Kind::Owner)
                .map(Input::read);
            let number = sent.map_or(0, |sent| {
                leading_digits(sent.text().split('x').nth(1).unwrap_or_default())
            });
            if number >= users && number > 0 {
                return Err(Failure::refused(
                    "ACCESS_DENIED",
                    "Cannot assign record to the given user",
                ));
            }
        }
        Ok(())
    }

    /// Cells to be written, by field. Unknown and read-only fields are left out without a word.
    fn convert(
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

    /// Refuses a value that another living record has in a field marked unique; empty values are free.
    fn check_unique(
        &mut self,
        module: ModuleIndex,
        own: Option<u64>,
        cells: &BTreeMap<usize, Cell>,
    ) -> Result<(), Failure> {
        for (&field, cell) in cells {
            let unique = self.state.catalogue.module(module).fields[field].unique;
            let Some(text) = cell
                .as_deref()
                .filter(|text| unique && !collation::key(text).is_empty())
            else {
                continue;
            };
            let others = self.state.store.equal_text(module, field, text);
            if others.iter().any(|number| Some(*number) != own) {
                return Err(Failure::duplicate());
            }
        }
        Ok(())
    }

    /// Stores a new record; gives the module it ended up in and its number.
    fn insert(&mut self, module: ModuleIndex, cells: BTreeMap<usize, Cell>) -> (ModuleIndex, u64) {
        let number = self.state.store.next_entity();
        let time = self.state.server_time(self.now);
        let about = self.state.catalogue.module(module);
        let mut row: Row = about
            .fields
            .iter()
            .map(|field| unset(&field.kind))
            .collect();
        let mut own = vec![
            ("assigned_user_id", self.actor.number.to_string()),
            ("source", self.source.to_owned()),
        ];
        let sent = cells.into_iter().collect::<Vec<_>>();
        for (name, value) in own.drain(..) {
            put(about, &mut row, name, value);
        }
        for (field, cell) in sent {
            row[field] = cell;
        }
        put(about, &mut row, "createdtime", time.clone());
        put(about, &mut row, "modifiedtime", time);
        put(about, &mut row, "modifiedby", self.actor.number.to_string());
        put(about, &mut row, "creator", self.actor.number.to_string());
        if matches!(about.name.as_str(), "Calendar" | "Events") {
            complete_activity(about, &mut row);
        }
        let (module, row) = self.place_activity(module, row);
        if let Some((field, prefix)) = self.state.catalogue.module(module).numbering() {
            let mut row = row;
            row[field] = Some(format!(
                "{prefix}{}",
                self.state.store.next_numbered(module)
            ));
            self.state
                .store
                .insert(&self.state.catalogue, module, number, row);
        } else {
            self.state
                .store
                .insert(&self.state.catalogue, module, number, row);
        }
        (module, number)
    }

    /// A task without `activitytype` "Task" is an event.
    fn place_activity(&self, module: ModuleIndex, row: Row) -> (ModuleIndex, Row) {
        let about = self.state.catalogue.module(module);
        let kind = about
            .field("activitytype")
            .and_then(|field| row[field].as_deref());
        let events = self.state.catalogue.find("Events");
        let (true, Some(events)) = (about.name == "Calendar" && kind != Some("Task"), events)
        else {
            return (module, row);
        };
        let target = self.state.catalogue.module(events);
        let moved = target
            .fields
            .iter()
            .map(|field| match about.field(&field.name) {
                Some(from) => row[from].clone(),
                None => unset(&field.kind),
            });
        (events, moved.collect())
    }

    fn after_create(&mut self, module: ModuleIndex, number: u64) {
        self.note_created(module, number);
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

    fn store_changes(
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
        // Also when nothing changed.
        self.touch(module, number);
        if let Some(field) = self.state.catalogue.module(module).field("modifiedby") {
            self.state
                .store
                .set(module, number, field, Some(self.actor.number.to_string()));
        }
        let name = self.state.catalogue.module(module).name.clone();
        let id = self.state.canonical.id(&name, number);
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
    }

    /// An owner that does not exist stops the program, after the record is stored.
    fn dangling_owner(&self, module: ModuleIndex, number: u64) -> Result<(), Failure> {
        let owner = self
            .state
            .cell(module, number, "assigned_user_id")
            .parse::<u64>()
            .unwrap_or(0);
        let exists = ["Users", "Groups"].iter().any(|principal| {
            self.state
                .catalogue
                .find(principal)
                .is_some_and(|module| self.state.store.row(module, owner).is_some())
        });
        let has_owner = self
            .state
            .catalogue
            .module(module)
            .field("assigned_user_id")
            .is_some();
        if has_owner && !exists {
            Err(Failure::Restricted)
        } else {
            Ok(())
        }
    }

    fn note_created(&self, module: ModuleIndex, number: u64) {
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
fn fields_of(element: &Value) -> Result<Map<String, Value>, Failure> {
    match element {
        Value::Object(fields) => Ok(fields.clone()),
        Value::String(_) => Err(Failure::Fatal),
        _ => Ok(Map::new()),
    }
}

/// The number at the start of a text, after spaces, as the database casts it; 0 where there is none.
fn leading_digits(text: &str) -> u64 {
    let text = text.trim_start();
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

fn after_x(id: &str) -> &str {
    id.split('x').nth(1).unwrap_or_default()
}

fn put(module: &Module, row: &mut Row, name: &str, value: String) {
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

fn is_secret(name: &str) -> bool {
    matches!(name, "user_password" | "confirm_password" | "accesskey")
}

/// The field whose value a create answers once too often decoded: the name that every record must have.
fn is_name_field(module: &Module, field: usize) -> bool {
    module.label_fields.contains(&field) && module.fields[field].mandatory
}

/// What a write's answer shows for a text it wrote: not cut to the column's width, and decoded once more where the whole
/// text reads as one that was encoded already.
fn overdecoded(truth: &str, sent: &Value) -> String {
    let sent = Input::read(sent).text().to_owned();
    let was_cut = !truth.is_empty() && sent.len() > truth.len() && sent.starts_with(truth);
    let believed = if was_cut { sent.as_str() } else { truth };
    let decoded = entities::decode(believed);
    if entities::encode(&decoded) == believed {
        decoded
    } else {
        believed.to_owned()
    }
}

/// Duration and defaults that the server works out for tasks and events.
fn complete_activity(module: &Module, row: &mut Row) {
    let text = |row: &Row, name: &str| {
        module
            .field(name)
            .and_then(|at| row[at].clone())
            .unwrap_or_default()
    };
    if let Some(hours) = activity_hours(
        &text(row, "date_start"),
        &text(row, "time_start"),
        &text(row, "due_date"),
        &text(row, "time_end"),
    ) && module.name == "Calendar"
    {
        put(module, row, "duration_hours", hours.to_string());
    }
    put(module, row, "duration_minutes", "0".to_owned());
    let kind = text(row, "activitytype");
    if !kind.is_empty() && kind != "Task" {
        put(module, row, "taskstatus", String::new());
    }
}

/// Whole hours from start to end; a task without end lasts until its last day is over.
fn activity_hours(start_day: &str, start_time: &str, end_day: &str, end_time: &str) -> Option<i64> {
    let moment = |day: &str, time: &str| -> Option<jiff::civil::DateTime> {
        let day: jiff::civil::Date = day.parse().ok()?;
        let mut parts = time.split(':').map(|part| part.parse::<i8>().unwrap_or(0));
        let (hour, minute) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Some(day.to_datetime(jiff::civil::Time::new(hour, minute, 0, 0).ok()?))
    };
    let start = moment(start_day, start_time)?;
    let end = if end_time.is_empty() {
        moment(end_day, "0:0")?
            .checked_add(jiff::Span::new().days(1))
            .ok()?
    } else {
        moment(end_day, end_time)?
    };
    Some(end.duration_since(start).as_hours())
}
