//! The modules of an installation and their fields.

use std::collections::HashMap;
use std::io;

use serde_json::{Map, Value, json};

use super::config::{Config, CustomField, Edition, Variant};
use super::custom;
use super::dialect::Dialect;
use super::recorded;
use super::roles;
use super::sharing::Reader;

/// First number of a custom field on a fresh installation; they grow by two.
const FIRST_CUSTOM_FIELD: u32 = 853;

/// How the database column behind a field treats a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text, cut to so many characters.
    Text(Option<usize>),
    /// Values joined by ` |##| `.
    MultiPicklist,
    /// 32-bit number.
    Integer,
    /// Decimal; a decimal field dies on text that is no number, a currency field reads as much of it as it can.
    Decimal {
        digits: u8,
        scale: u8,
        lenient: bool,
    },
    /// 0 or 1.
    Boolean,
    /// Date.
    Date,
    /// Time of day.
    Time,
    /// Moment in the server's zone.
    DateTime,
    /// Record of one of these modules.
    Reference(Vec<String>),
    /// User or group.
    Owner,
    /// The record's own id.
    Id,
}

/// A field of a module.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) mandatory: bool,
    pub(super) unique: bool,
    pub(super) editable: bool,
    pub(super) kind: Kind,
    /// Type name that `describe` shows.
    pub(super) type_name: String,
    /// Whether an administrator added it.
    pub(super) custom: bool,
    /// What `describe` shows of it.
    pub(super) describe: Map<String, Value>,
}

/// A module.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) is_entity: bool,
    pub(super) fields: Vec<Field>,
    pub(super) by_name: HashMap<String, usize>,
    /// Fields whose values, joined by a space, make the label.
    pub(super) label_fields: Vec<usize>,
    pub(super) describe: Map<String, Value>,
}

/// Position of a module in the catalogue.
pub(super) type ModuleIndex = usize;

/// All modules.
#[derive(Debug)]
pub(super) struct Catalogue {
    modules: Vec<Module>,
    by_name: HashMap<String, ModuleIndex>,
    /// `listtypes`: names in order, with their information.
    listed: Vec<(String, Value)>,
}

impl Module {
    pub(super) fn field(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Index of a field that every entity module has, where it does.
    pub(super) fn id_field(&self) -> Option<usize> {
        self.fields.iter().position(|field| field.kind == Kind::Id)
    }

    /// The field that the server numbers (`contact_no`, ...), with its prefix.
    pub(super) fn numbering(&self) -> Option<(usize, &'static str)> {
        let (field, prefix) = match self.name.as_str() {
            "Contacts" => ("contact_no", "CON"),
            "Leads" => ("lead_no", "LEA"),
            "Accounts" => ("account_no", "ACC"),
            "HelpDesk" => ("ticket_no", "TT"),
            "Documents" => ("note_no", "DOC"),
            _ => return None,
        };
        Some((self.field(field)?, prefix))
    }

    /// The `describe` answer. Dates show the calling user's format.
    pub(super) fn describe(&self, reader: Reader, date_format: &str) -> Value {
        let dialect = reader.dialect;
        let mut answer = self.describe.clone();
        answer.insert(
            "fields".into(),
            self.order(reader)
                .into_iter()
                .map(|at| self.fields[at].describe(dialect, date_format))
                .collect(),
        );
        answer.insert(
            "idPrefix".into(),
            Value::String(dialect.prefix(&self.name).to_string()),
        );
        if dialect == Dialect::Cloud {
            answer.insert("inactivefields".into(), json!([]));
            answer.insert("closedStatesInfo".into(), json!([]));
            answer.insert("tools".into(), json!([]));
        }
        Value::Object(answer)
    }

    fn add_custom(&mut self, custom: &CustomField, name: String) {
        let kind = custom::kind(custom);
        let type_name = custom::type_name(&custom.kind);
        let mut describe = Map::new();
        describe.insert("name".into(), json!(name));
        describe.insert("label".into(), json!(custom.label));
        describe.insert("mandatory".into(), json!(custom.mandatory));
        describe.insert("type".into(), custom::type_of(custom));
        describe.insert("isunique".into(), json!(custom.unique));
        describe.insert("nullable".into(), json!(true));
        describe.insert("editable".into(), json!(true));
        describe.insert("default".into(), json!(custom.default));
        let field = Field {
            name,
            label: custom.label.clone(),
            mandatory: custom.mandatory,
            unique: custom.unique,
            editable: true,
            kind,
            type_name: type_name.to_owned(),
            custom: true,
            describe,
        };
        let place = self.custom_place();
        self.fields.insert(place, field);
        self.reindex();
    }

    /// Custom fields have a block of their own behind the block that ends with `tags`.
    fn custom_place(&self) -> usize {
        let last_block_end = self
            .fields
            .iter()
            .rposition(|field| field.name == "tags" || field.custom);
        last_block_end.map_or(self.fields.len(), |position| position + 1)
    }

    /// Brings what is worked out from the fields up to date.
    pub(super) fn reindex(&mut self) {
        self.by_name = self
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name.clone(), at))
            .collect();
        let labels = self
            .describe
            .get("labelFields")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // Two modules give a column's name there instead of a field's.
        let renamed = |name: &str| match (self.name.as_str(), name) {
            ("Documents", "title") => "notes_title".to_owned(),
            ("HelpDesk", "title") => "ticket_title".to_owned(),
            _ => name.to_owned(),
        };
        self.label_fields = labels
            .split(',')
            .filter_map(|name| self.by_name.get(&renamed(name)).copied())
            .collect();
    }
}

impl Field {
    /// Whether a record must have a value. A comment of the hosted edition need not be about anything.
    pub(super) fn is_mandatory(&self, dialect: Dialect) -> bool {
        self.mandatory && !(dialect == Dialect::Cloud && self.name == "related_to")
    }

    fn describe(&self, dialect: Dialect, date_format: &str) -> Value {
        let mut shown = self.describe.clone();
        shown.insert("mandatory".into(), json!(self.is_mandatory(dialect)));
        if shown.contains_key("isunique") {
            shown.insert("isunique".into(), json!(self.unique));
        }
        if let Some(kind) = shown.get_mut("type").and_then(Value::as_object_mut) {
            if kind.contains_key("format") {
                kind.insert("format".into(), json!(date_format));
            }
            if dialect == Dialect::Cloud
                && let Some(length) = self.cloud_length()
            {
                kind.insert("length".into(), length);
            }
        }
        Value::Object(shown)
    }

    /// The hosted edition shows lengths, as a number or as text.
    fn cloud_length(&self) -> Option<Value> {
        match &self.kind {
            Kind::Text(Some(width)) => Some(json!(width)),
            Kind::Text(None) => Some(json!("16777215")),
            Kind::Decimal { digits, scale, .. } => {
                Some(json!(format!("{},{scale}", digits + scale)))
            }
            _ => None,
        }
    }
}

impl Catalogue {
    /// A fresh installation's modules with the configured custom fields.
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let mut modules = recorded::modules()?;
        modules.push(recorded::module(roles::described()));
        let by_name = modules
            .iter()
            .enumerate()
            .map(|(at, module)| (module.name.clone(), at))
            .collect();
        let mut listed = recorded::listed()?;
        listed.push(roles::listed());
        let mut catalogue = Self {
            modules,
            by_name,
            listed,
        };
        catalogue.add_custom_fields(&config.custom_fields, config.edition)?;
        if config.variant == Variant::RoleidDbFix {
            catalogue.make_roleid_text();
        }
        for (module, field) in &config.unique_fields {
            if !catalogue.set_unique(module, field, true) {
                return Err(invalid(format!(
                    "no field {field} in module {module} that could be made unique"
                )));
            }
        }
        Ok(catalogue)
    }

    fn add_custom_fields(&mut self, fields: &[CustomField], edition: Edition) -> io::Result<()> {
        let mut next = FIRST_CUSTOM_FIELD;
        for custom in fields {
            let Some(&at) = self.by_name.get(&custom.module) else {
                return Err(invalid(format!(
                    "custom field {:?}: module {} is not modelled",
                    custom.label, custom.module
                )));
            };
            let name = custom
                .name
                .clone()
                .unwrap_or_else(|| custom::name(custom, edition, next));
            next += 2;
            if self.modules[at].field(&name).is_some() {
                return Err(invalid(format!(
                    "custom field {name} exists twice in {}",
                    custom.module
                )));
            }
            self.modules[at].add_custom(custom, name);
        }
        Ok(())
    }

    /// Adds a custom field; says at which position. None when there is one of that name.
    pub(super) fn add_field(
        &mut self,
        module: ModuleIndex,
        field: &CustomField,
        name: &str,
    ) -> Option<usize> {
        let module = &mut self.modules[module];
        if module.field(name).is_some() {
            return None;
        }
        module.add_custom(field, name.to_owned());
        module.field(name)
    }

    pub(super) fn set_unique(&mut self, module: &str, field: &str, unique: bool) -> bool {
        let Some(&at) = self.by_name.get(module) else {
            return false;
        };
        let Some(position) = self.modules[at].field(field) else {
            return false;
        };
        self.modules[at].fields[position].unique = unique;
        true
    }

    /// Makes `roleid` of users the plain text that it would be without the row that types it as a reference.
    pub(super) fn make_roleid_text(&mut self) {
        let users = self.by_name.get("Users").copied();
        let Some(module) = users.and_then(|at| self.modules.get_mut(at)) else {
            return;
        };
        if let Some(at) = module.field("roleid") {
            let field = &mut module.fields[at];
            field.kind = Kind::Text(Some(255));
            field.type_name = "string".to_owned();
            field
                .describe
                .insert("type".into(), json!({ "name": field.type_name }));
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<ModuleIndex> {
        self.by_name.get(name).copied()
    }

    pub(super) fn module(&self, at: ModuleIndex) -> &Module {
        &self.modules[at]
    }

    pub(super) fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether the installation lists a module of this name, modelled or not.
    pub(super) fn is_listed(&self, name: &str) -> bool {
        self.listed.iter().any(|(listed, _)| listed == name)
    }

    /// The `listtypes` answer: all modules, or those that have a field of one of these types.
    pub(super) fn list_types(
        &self,
        types: Option<&[String]>,
        dialect: Dialect,
        admin: bool,
        without: &[&str],
    ) -> Value {
        let shown = self.listed.iter().filter(|(name, _)| {
            (admin || name != "Users")
                && dialect.has(name)
                && !without.contains(&name.as_str())
                && types.is_none_or(|types| self.has_type(name, types))
        });
        let (names, information): (Vec<Value>, Map<String, Value>) = shown
            .map(|(name, about)| (json!(name), (name.clone(), about.clone())))
            .unzip();
        json!({ "types": names, "information": information })
    }

    fn has_type(&self, name: &str, types: &[String]) -> bool {
        match self.find(name) {
            // Users are never found by a field type.
            Some(at) => {
                let module = self.module(at);
                module.name != "Users"
                    && module
                        .fields
                        .iter()
                        .any(|field| types.contains(&field.type_name))
            }
            // Not modelled, but seen in the list of those with an e-mail field.
            None => name == "Vendors" && types.iter().any(|wanted| wanted == "email"),
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
