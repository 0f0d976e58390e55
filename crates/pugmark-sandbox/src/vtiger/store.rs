//! The records: one table per module, numbers shared by all modules, indexes made when a query first asks for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::catalogue::{Catalogue, Kind, ModuleIndex};
use super::collation;

/// A living record as the sandbox's owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredRecord {
    /// `<prefix>x<number>`.
    pub id: String,
    /// Module name.
    pub module: String,
    /// Every field's value as `retrieve` shows it, empty ones too.
    pub fields: BTreeMap<String, String>,
}

impl StoredRecord {
    /// A field's value; empty for a field that does not exist.
    pub fn value(&self, field: &str) -> &str {
        self.fields
            .get(field)
            .map(String::as_str)
            .unwrap_or_default()
    }
}

/// A column's value; none is SQL's NULL.
pub(super) type Cell = Option<String>;

/// One row: a cell per field of its module, in the catalogue's order. References hold the bare record number.
pub(super) type Row = Vec<Cell>;

#[derive(Debug, Default)]
struct Table {
    rows: BTreeMap<u64, Row>,
    /// By field: comparison key of a text -> the rows that have it.
    indexes: HashMap<usize, HashMap<String, BTreeSet<u64>>>,
    /// Running number of `contact_no` and its like.
    numbered: u64,
}

/// All rows.
#[derive(Debug)]
pub(super) struct Store {
    tables: Vec<Table>,
    /// Which module a record number belongs to, for modules that share the counter.
    entities: HashMap<u64, ModuleIndex>,
    /// The recycle bin: deleted records by number.
    recycled: BTreeMap<u64, (ModuleIndex, Row)>,
    next_entity: u64,
    /// Users and groups share another counter.
    next_principal: u64,
}

impl Store {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let mut tables = Vec::new();
        tables.resize_with(catalogue.len(), Table::default);
        // A fresh installation hands out 2 first.
        Self {
            tables,
            entities: HashMap::new(),
            recycled: BTreeMap::new(),
            next_entity: 2,
            next_principal: 1,
        }
    }

    /// The number that the next record gets.
    pub(super) fn upcoming(&self) -> u64 {
        self.next_entity
    }

    pub(super) fn next_entity(&mut self) -> u64 {
        let number = self.next_entity;
        self.next_entity += 1;
        number
    }

    pub(super) fn next_principal(&mut self) -> u64 {
        let number = self.next_principal;
        self.next_principal += 1;
        number
    }

    pub(super) fn skip_to(&mut self, number: u64) {
        self.next_entity = self.next_entity.max(number);
    }

    pub(super) fn next_numbered(&mut self, module: ModuleIndex) -> u64 {
        let table = &mut self.tables[module];
        table.numbered += 1;
        table.numbered
    }

    /// The module of a living record with this number.
    pub(super) fn entity_module(&self, number: u64) -> Option<ModuleIndex> {
        self.entities.get(&number).copied()
    }

    pub(super) fn row(&self, module: ModuleIndex, number: u64) -> Option<&Row> {
        self.tables[module].rows.get(&number)
    }

    pub(super) fn rows(&self, module: ModuleIndex) -> impl DoubleEndedIterator<Item = (u64, &Row)> {
        self.tables[module]
            .rows
            .iter()
            .map(|(number, row)| (*number, row))
    }

    /// Rows whose number is above `number`.
    pub(super) fn rows_above(
        &self,
        module: ModuleIndex,
        number: u64,
    ) -> impl Iterator<Item = (u64, &Row)> {
        self.tables[module]
            .rows
            .range(number.saturating_add(1)..)
            .map(|(number, row)| (*number, row))
    }

    pub(super) fn count(&self, module: ModuleIndex) -> usize {
        self.tables[module].rows.len()
    }

    pub(super) fn insert(
        &mut self,
        catalogue: &Catalogue,
        module: ModuleIndex,
        number: u64,
        row: Row,
    ) {
        if catalogue.module(module).is_entity && catalogue.module(module).name != "Users" {
            self.entities.insert(number, module);
        }
        let table = &mut self.tables[module];
        for (&field, index) in &mut table.indexes {
            index
                .entry(index_key(row[field].as_deref()))
                .or_default()
                .insert(number);
        }
        table.rows.insert(number, row);
    }

    pub(super) fn set(&mut self, module: ModuleIndex, number: u64, field: usize, value: Cell) {
        let table = &mut self.tables[module];
        let Some(cell) = table
            .rows
            .get_mut(&number)
            .and_then(|row| row.get_mut(field))
        else {
            return;
        };
        if let Some(index) = table.indexes.get_mut(&field) {
            unindex(index, &index_key(cell.as_deref()), number);
            index
                .entry(index_key(value.as_deref()))
                .or_default()
                .insert(number);
        }
        *cell = value;
    }

    pub(super) fn remove(&mut self, module: ModuleIndex, number: u64) -> bool {
        // Users and groups have numbers of their own, which records have too.
        if self.entities.get(&number) == Some(&module) {
            self.entities.remove(&number);
        }
        let table = &mut self.tables[module];
        let Some(row) = table.rows.remove(&number) else {
            return false;
        };
        for (&field, index) in &mut table.indexes {
            unindex(index, &index_key(row[field].as_deref()), number);
        }
        true
    }

    /// Gives every row of a module, deleted ones too, a further cell at this position.
    pub(super) fn insert_column(&mut self, module: ModuleIndex, at: usize, cell: &Cell) {
        let table = &mut self.tables[module];
        // Indexes are made anew when a query asks for them.
        table.indexes.clear();
        let deleted = self.recycled.values_mut();
        let deleted = deleted
            .filter(|(own, _)| *own == module)
            .map(|(_, row)| row);
        for row in table.rows.values_mut().chain(deleted) {
            row.insert(at, cell.clone());
        }
    }

    /// Puts a record into the recycle bin. Says whether it was there.
    pub(super) fn recycle(&mut self, module: ModuleIndex, number: u64) -> bool {
        let row = self.row(module, number).cloned();
        let removed = self.remove(module, number);
        if let Some(row) = row.filter(|_| removed) {
            self.recycled.insert(number, (module, row));
        }
        removed
    }

    /// Takes a record of this module out of the recycle bin. Says whether it lay there.
    pub(super) fn restore(
        &mut self,
        catalogue: &Catalogue,
        module: ModuleIndex,
        number: u64,
    ) -> bool {
        let lies = self.recycled.get(&number);
        if lies.is_none_or(|(own, _)| *own != module) {
            return false;
        }
        if let Some((_, row)) = self.recycled.remove(&number) {
            self.insert(catalogue, module, number, row);
        }
        true
    }

    /// The deleted records of a module, by number.
    pub(super) fn recycled(&self, module: ModuleIndex) -> impl Iterator<Item = (u64, &Row)> {
        self.recycled
            .iter()
            .filter(move |(_, (own, _))| *own == module)
            .map(|(number, (_, row))| (*number, row))
    }

    /// Numbers of the rows whose text equals `text` as the database compares, in order.
    pub(super) fn equal_text(&mut self, module: ModuleIndex, field: usize, text: &str) -> Vec<u64> {
        let table = &mut self.tables[module];
        let index = table.indexes.entry(field).or_insert_with(|| {
            let mut index: HashMap<String, BTreeSet<u64>> = HashMap::new();
            for (&number, row) in &table.rows {
                index
                    .entry(index_key(row[field].as_deref()))
                    .or_default()
                    .insert(number);
            }
            index
        });
        // NULL has a key that no text has, so it never equals.
        index
            .get(&index_key(Some(text)))
            .map(|numbers| numbers.iter().copied().collect())
            .unwrap_or_default()
    }
}

/// `\u{10ffff}` never survives in a stored text (4-byte characters become question marks), so it can stand for NULL.
fn index_key(cell: Option<&str>) -> String {
    cell.map_or_else(|| "\u{10ffff}".to_owned(), collation::key)
}

fn unindex(index: &mut HashMap<String, BTreeSet<u64>>, key: &str, number: u64) {
    if let Some(numbers) = index.get_mut(key) {
        numbers.remove(&number);
        if numbers.is_empty() {
            index.remove(key);
        }
    }
}

/// What an unset column holds.
pub(super) fn unset(kind: &Kind) -> Cell {
    match kind {
        Kind::Text(_) | Kind::MultiPicklist => Some(String::new()),
        Kind::Integer | Kind::Boolean | Kind::Reference(_) | Kind::Owner => Some("0".to_owned()),
        Kind::Decimal { scale, .. } => Some(format!("{:.*}", usize::from(*scale), 0.0)),
        Kind::Date | Kind::Time | Kind::DateTime | Kind::Id => None,
    }
}
