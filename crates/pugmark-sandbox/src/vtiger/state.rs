//! Everything the CRM knows, and how a stored value is shown.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::Value;

use super::auth::Auth;
use super::catalogue::{Catalogue, Kind, ModuleIndex};
use super::config::{Config, CustomField, Edition};
use super::dialect::Dialect;
use super::entities;
use super::extension;
use super::principals;
use super::registry::Registry;
use super::release::Release;
use super::roles;
use super::sharing::Reader;
use super::store::{Store, StoredRecord, unset};
use super::workflow::Workflow;
use crate::fault::mix;
use crate::webhook::WebhookRequest;

/// The whole state; one lock guards it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) catalogue: Catalogue,
    pub(super) store: Store,
    pub(super) auth: Auth,
    pub(super) registry: Registry,
    /// By the reference under which the extension created a user: the user. They outlive the extension, as its table does.
    pub(super) references: HashMap<String, u64>,
    /// What else the extension keeps.
    pub(super) extension: extension::Tables,
    /// Modules whose records only their owners see.
    pub(super) private: BTreeSet<ModuleIndex>,
    /// Record and user, for each user who ever saved the record.
    pub(super) saved_by: HashSet<(u64, u64)>,
    /// Workflows of the hosted edition, and what they have sent off.
    pub(super) workflows: Vec<Workflow>,
    pub(super) outgoing: Vec<WebhookRequest>,
    /// Leads that were converted: no query shows them any more.
    pub(super) converted: HashSet<u64>,
    pub(super) seed: u64,
    pub(super) release: Release,
    /// In whose ids the journal and the sandbox's owner speak.
    pub(super) canonical: Dialect,
    time_zone: SignedDuration,
    chance: u64,
}

impl State {
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let catalogue = Catalogue::new(config)?;
        let store = Store::new(&catalogue);
        let cloud = config.edition == Edition::Cloud;
        let mut state = Self {
            catalogue,
            store,
            auth: Auth::new(config.session_idle),
            registry: Registry::new(config),
            references: HashMap::new(),
            extension: extension::Tables::new(config.seed),
            private: BTreeSet::new(),
            saved_by: HashSet::new(),
            workflows: Vec::new(),
            outgoing: Vec::new(),
            converted: HashSet::new(),
            seed: config.seed,
            release: config.release,
            canonical: if cloud {
                Dialect::Cloud
            } else {
                Dialect::OpenSource
            },
            // The hosted edition writes UTC whatever is configured.
            time_zone: SignedDuration::from_secs(if cloud {
                0
            } else {
                config.time_zone_offset_seconds
            }),
            chance: 0,
        };
        principals::seed(&mut state, &config.users);
        roles::seed(&mut state);
        Ok(state)
    }

    /// Adds a custom field to a module that has records already. Says whether there is such a module.
    pub(super) fn add_field(&mut self, field: &CustomField, name: &str) -> bool {
        let Some(module) = self.catalogue.find(&field.module) else {
            return false;
        };
        let Some(at) = self.catalogue.add_field(module, field, name) else {
            return false;
        };
        let cell = unset(&self.catalogue.module(module).fields[at].kind);
        self.store.insert_column(module, at, &cell);
        true
    }

    /// The next number of the sandbox's own chance: the same seed and the same calls give the same numbers.
    pub(super) fn chance(&mut self) -> u64 {
        self.chance += 1;
        mix(self.seed, 0x7069, self.chance)
    }

    /// A moment as the server writes it: its own zone, whole seconds, no offset.
    pub(super) fn server_time(&self, at: Timestamp) -> String {
        let local = at.checked_add(self.time_zone).unwrap_or(at);
        local
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    /// A second since 1970 as the server writes it.
    pub(super) fn server_second(&self, second: i64) -> String {
        let at = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        self.server_time(at)
    }

    /// A moment that the server wrote, in seconds since 1970.
    pub(super) fn epoch(&self, written: &str) -> Option<i64> {
        let local: jiff::civil::DateTime = written.parse().ok()?;
        let local = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(local.checked_sub(self.time_zone).ok()?.as_second())
    }

    /// A cell's value; empty for NULL and for what does not exist.
    pub(super) fn cell(&self, module: ModuleIndex, number: u64, field: &str) -> &str {
        let position = self.catalogue.module(module).field(field);
        let row = self.store.row(module, number);
        row.zip(position)
            .and_then(|(row, at)| row[at].as_deref())
            .unwrap_or_default()
    }

    /// A field as an answer shows it: references and owners as complete ids, NULL as nothing, money of the
    /// hosted edition with eight decimals.
    pub(super) fn shown(
        &self,
        dialect: Dialect,
        module: ModuleIndex,
        number: u64,
        field: usize,
    ) -> String {
        let about = self.catalogue.module(module);
        let cell = self
            .store
            .row(module, number)
            .and_then(|row| row[field].as_deref());
        match (&about.fields[field].kind, cell) {
            (Kind::Id, _) => dialect.id(&about.name, number),
            (Kind::Reference(targets), Some(cell)) => self.reference(dialect, targets, cell),
            (Kind::Owner, Some(cell)) => self.owner(dialect, cell),
            (
                Kind::Decimal {
                    scale,
                    lenient: true,
                    ..
                },
                Some(cell),
            ) if dialect == Dialect::Cloud => {
                format!(
                    "{cell}{}",
                    "0".repeat(usize::from(8_u8.saturating_sub(*scale)))
                )
            }
            (_, cell) => cell.unwrap_or_default().to_owned(),
        }
    }

    /// A field in a record; see [`State::shown`].
    pub(super) fn shown_in_record(
        &self,
        reader: Reader,
        module: ModuleIndex,
        number: u64,
        field: usize,
    ) -> Value {
        let kind = &self.catalogue.module(module).fields[field].kind;
        self.nullable(reader.dialect, matches!(kind, Kind::Reference(_)), || {
            self.shown_to(reader, module, number, field)
        })
    }

    /// A field in a row of a query; see [`State::shown`].
    pub(super) fn shown_in_query(
        &self,
        reader: Reader,
        module: ModuleIndex,
        number: u64,
        field: usize,
    ) -> Value {
        let kind = &self.catalogue.module(module).fields[field].kind;
        self.nullable(
            reader.dialect,
            matches!(kind, Kind::Reference(_) | Kind::Date),
            || self.shown_to(reader, module, number, field),
        )
    }

    /// Whether a record has a star is kept for each user who ever saved it; to others it is nothing, not even no.
    fn shown_to(&self, reader: Reader, module: ModuleIndex, number: u64, field: usize) -> String {
        let starred = self.catalogue.module(module).fields[field].name == "starred";
        let own = || self.saved_by.contains(&(number, reader.number));
        if starred && reader.dialect == Dialect::OpenSource && !own() {
            return String::new();
        }
        self.shown(reader.dialect, module, number, field)
    }

    fn nullable(&self, dialect: Dialect, may_be_null: bool, shown: impl Fn() -> String) -> Value {
        let text = shown();
        let null = may_be_null
            && text.is_empty()
            && dialect == Dialect::OpenSource
            && self.release.shows_null();
        if null {
            Value::Null
        } else {
            Value::String(text)
        }
    }

    /// A reference to a record that is not there, or not any more, reads as nothing.
    fn reference(&self, dialect: Dialect, targets: &[String], cell: &str) -> String {
        let Some(number) = cell.parse().ok().filter(|number| *number > 0) else {
            return String::new();
        };
        for special in ["Users", "Currency"] {
            if targets.iter().any(|target| target == special) {
                let there = self
                    .catalogue
                    .find(special)
                    .and_then(|module| self.store.row(module, number));
                return there
                    .map(|_| dialect.id(special, number))
                    .unwrap_or_default();
            }
        }
        // Documents always lie in the folder that an installation starts with.
        if targets.iter().any(|target| target == "DocumentFolders") {
            return dialect.id("DocumentFolders", number);
        }
        let module = self.store.entity_module(number);
        module
            .map(|module| dialect.id(&self.catalogue.module(module).name, number))
            .unwrap_or_default()
    }

    /// An owner that is neither user nor group reads as the bare number.
    fn owner(&self, dialect: Dialect, cell: &str) -> String {
        let Ok(number) = cell.parse() else {
            return cell.to_owned();
        };
        for principal in ["Users", "Groups"] {
            if self
                .catalogue
                .find(principal)
                .is_some_and(|module| self.store.row(module, number).is_some())
            {
                return dialect.id(principal, number);
            }
        }
        cell.to_owned()
    }

    /// The label: name fields joined, entity-encoded.
    pub(super) fn label(&self, module: ModuleIndex, number: u64) -> String {
        let about = self.catalogue.module(module);
        let Some(row) = self.store.row(module, number) else {
            return String::new();
        };
        let names = about
            .label_fields
            .iter()
            .filter_map(|&field| row[field].as_deref());
        let joined = names.collect::<Vec<_>>().join(" ");
        entities::encode(&entities::decode(joined.trim()))
    }

    /// A record for the sandbox's owner.
    pub(super) fn stored_record(&self, module: ModuleIndex, number: u64) -> StoredRecord {
        let about = self.catalogue.module(module);
        let fields: BTreeMap<String, String> = (0..about.fields.len())
            .map(|field| {
                (
                    about.fields[field].name.clone(),
                    self.shown(self.canonical, module, number, field),
                )
            })
            .collect();
        StoredRecord {
            id: self.canonical.id(&about.name, number),
            module: about.name.clone(),
            fields,
        }
    }

    /// Where an id points, without any question of rights.
    pub(super) fn locate(&self, dialect: Dialect, id: &str) -> Option<(ModuleIndex, u64)> {
        let (prefix, number) = id.split_once('x')?;
        let module = self.catalogue.find(dialect.module(prefix.parse().ok()?)?)?;
        let number = number.parse().ok()?;
        self.store.row(module, number).map(|_| (module, number))
    }
}
