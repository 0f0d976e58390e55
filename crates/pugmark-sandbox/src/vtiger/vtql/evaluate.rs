//! Runs a parsed query over the store.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::condition::{Check, Test, Unusable, translate};
use super::parser::{Operator, Query, Selection};
use crate::fault::mix;
use crate::vtiger::catalogue::{Kind, Module, ModuleIndex};
use crate::vtiger::collation;
use crate::vtiger::dialect::Dialect;
use crate::vtiger::failure::{Answer, Failure};
use crate::vtiger::sharing::Reader;
use crate::vtiger::state::State;
use crate::vtiger::store::Row;
use crate::vtiger::values::leading_number;

/// Most rows that an answer holds.
const PAGE: usize = 100;

/// Which rows of a module a query may see.
#[derive(Clone, Debug)]
pub(in crate::vtiger) enum Scope {
    /// All living ones.
    Everything,
    /// These.
    Only(BTreeSet<u64>),
}

/// Runs a query on a module.
///
/// # Errors
/// For fields that do not exist in the selection or a condition, and references without `x`. What the database would
/// refuse is an empty page, not an error.
pub(in crate::vtiger) fn run(
    state: &mut State,
    reader: Reader,
    module: ModuleIndex,
    query: &Query,
    scope: &Scope,
) -> Answer {
    let fields = selected(state.catalogue.module(module), &query.selection, reader)?;
    let tests = match conditions(state.catalogue.module(module), query) {
        Ok(tests) => tests,
        Err(Unusable::Refused(failure)) => return Err(failure),
        Err(Unusable::DatabaseError) => return Ok(json!([])),
    };
    let Some(order) = order(state.catalogue.module(module), query) else {
        return Ok(json!([]));
    };
    let Some((offset, count)) = limits(query) else {
        return Ok(json!([]));
    };
    let mut numbers = matching(state, reader, module, &tests, scope);
    if query.selection == Selection::Count {
        let counts = state.release.counts(&state.catalogue.module(module).name);
        if reader.dialect == Dialect::OpenSource && !counts {
            return Ok(json!([]));
        }
        return Ok(json!([{ "count": numbers.len().to_string() }]));
    }
    sort(
        state,
        module,
        &mut numbers,
        &order,
        query.descending,
        mix(state.seed, offset as u64, count as u64),
    );
    let page = numbers.into_iter().skip(offset).take(count);
    Ok(page
        .map(|number| project(state, reader, module, number, &fields))
        .collect())
}

/// Fields to show, in order, the record's id always among them.
fn selected(module: &Module, selection: &Selection, reader: Reader) -> Result<Vec<usize>, Failure> {
    let mut fields = match selection {
        Selection::All => module.order(reader),
        Selection::Count => return Ok(Vec::new()),
        Selection::Fields(names) => names
            .iter()
            .map(|name| {
                module.field(name).ok_or_else(|| {
                    Failure::refused(
                        "ACCESS_DENIED",
                        format!("Permission to access '.{name}.' attribute denied."),
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    if let Some(id) = module.id_field()
        && !fields.contains(&id)
    {
        fields.push(id);
    }
    Ok(fields)
}

fn conditions(module: &Module, query: &Query) -> Result<Vec<Vec<Test>>, Unusable> {
    let mut alternatives = Vec::new();
    let mut database_error = false;
    for group in &query.alternatives {
        let mut tests = Vec::new();
        for condition in group {
            match translate(module, condition) {
                Ok(test) => tests.push(test),
                // What the language itself refuses is noticed before the database sees anything.
                Err(Unusable::DatabaseError) => database_error = true,
                Err(refused) => return Err(refused),
            }
        }
        alternatives.push(tests);
    }
    if database_error {
        Err(Unusable::DatabaseError)
    } else {
        Ok(alternatives)
    }
}

fn order(module: &Module, query: &Query) -> Option<Vec<usize>> {
    query
        .order_by
        .iter()
        .map(|name| module.field(name))
        .collect()
}

/// Offset and count. None for a negative one. A count that is no number leaves the page at its full size.
fn limits(query: &Query) -> Option<(usize, usize)> {
    let number = |text: &str| text.parse::<i64>().ok();
    match &query.limit {
        None => Some((0, PAGE)),
        Some((count, None)) => {
            let count = number(count).unwrap_or(PAGE as i64);
            Some((0, usize::try_from(count).ok()?.min(PAGE)))
        }
        Some((offset, Some(count))) => {
            let offset = usize::try_from(number(offset).unwrap_or(0)).ok()?;
            let count = usize::try_from(number(count).unwrap_or(PAGE as i64)).ok()?;
            Some((offset, count.min(PAGE)))
        }
    }
}

/// Numbers of the rows that pass, ascending.
fn matching(
    state: &mut State,
    reader: Reader,
    module: ModuleIndex,
    tests: &[Vec<Test>],
    scope: &Scope,
) -> Vec<u64> {
    let candidates = candidates(state, module, tests, scope);
    let passes = |number: u64, row: &Row| {
        tests.is_empty()
            || tests.iter().any(|group| {
                group.iter().all(|test| {
                    test.check
                        .passes(number, row.get(test.field).and_then(Option::as_deref))
                })
            })
    };
    let keep = |(number, row): (u64, &Row)| {
        let shown = state.shows(reader, module, row) && !state.converted.contains(&number);
        (shown && passes(number, row)).then_some(number)
    };
    match candidates {
        Candidates::All => state.store.rows(module).filter_map(keep).collect(),
        Candidates::Above(number) => state
            .store
            .rows_above(module, number)
            .filter_map(keep)
            .collect(),
        Candidates::Only(numbers) => numbers
            .into_iter()
            .filter_map(|number| state.store.row(module, number).map(|row| (number, row)))
            .filter_map(keep)
            .collect(),
    }
}

enum Candidates {
    All,
    Above(u64),
    Only(BTreeSet<u64>),
}

/// The rows worth looking at: what an index gives, where every alternative has a condition that an index answers.
fn candidates(
    state: &mut State,
    module: ModuleIndex,
    tests: &[Vec<Test>],
    scope: &Scope,
) -> Candidates {
    if let Scope::Only(numbers) = scope {
        return Candidates::Only(numbers.clone());
    }
    if let [group] = tests
        && let Some(number) = group.iter().find_map(lower_bound)
        && !group.iter().any(is_indexed)
    {
        return Candidates::Above(number);
    }
    if tests.is_empty() || !tests.iter().all(|group| group.iter().any(is_indexed)) {
        return Candidates::All;
    }
    let mut numbers = BTreeSet::new();
    for group in tests {
        if let Some(test) = group.iter().find(|test| is_indexed(test)) {
            numbers.extend(look_up(state, module, test));
        }
    }
    Candidates::Only(numbers)
}

fn lower_bound(test: &Test) -> Option<u64> {
    match test.check {
        Check::RecordNumber(Operator::Gt, number) => Some(number),
        _ => None,
    }
}

fn is_indexed(test: &Test) -> bool {
    matches!(
        test.check,
        Check::RecordNumber(Operator::Eq, _)
            | Check::RecordNumberIn(_)
            | Check::Text(Operator::Eq, _)
            | Check::TextIn(_)
    )
}

fn look_up(state: &mut State, module: ModuleIndex, test: &Test) -> Vec<u64> {
    match &test.check {
        Check::RecordNumber(_, number) => vec![*number],
        Check::RecordNumberIn(numbers) => numbers.iter().copied().collect(),
        Check::Text(_, key) => state.store.equal_text(module, test.field, key),
        Check::TextIn(keys) => keys
            .iter()
            .flat_map(|key| state.store.equal_text(module, test.field, key))
            .collect(),
        _ => Vec::new(),
    }
}

/// Sorts as asked. Rows that compare equal come in an order that changes with the page asked for: the database gives no
/// promise about ties, so paging without the id as last key shows some rows twice and others never.
fn sort(
    state: &State,
    module: ModuleIndex,
    numbers: &mut Vec<u64>,
    order: &[usize],
    descending: bool,
    page: u64,
) {
    if order.is_empty() {
        return;
    }
    let fields = &state.catalogue.module(module).fields;
    let mut keyed: Vec<(Vec<SortKey>, u64)> = numbers
        .iter()
        .map(|&number| {
            let row = state.store.row(module, number);
            let key = |&field: &usize| {
                let cell = row
                    .and_then(|row| row.get(field))
                    .and_then(Option::as_deref);
                SortKey::of(&fields[field].kind, number, cell)
            };
            (order.iter().map(key).collect(), number)
        })
        .collect();
    keyed.sort_by(|(a, first), (b, second)| {
        // The direction written last holds for the last key only; the others ascend.
        let ordering = compare_keys(a, b, descending);
        ordering.then_with(|| mix(page, *first, 0).cmp(&mix(page, *second, 0)))
    });
    *numbers = keyed.into_iter().map(|(_, number)| number).collect();
}

fn compare_keys(a: &[SortKey], b: &[SortKey], descending: bool) -> Ordering {
    let last = a.len().saturating_sub(1);
    for (at, (first, second)) in a.iter().zip(b).enumerate() {
        let ordering = first.compare(second);
        let ordering = if descending && at == last {
            ordering.reverse()
        } else {
            ordering
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

#[derive(Debug)]
enum SortKey {
    Null,
    Number(f64),
    Text(String),
}

impl SortKey {
    fn of(kind: &Kind, number: u64, cell: Option<&str>) -> Self {
        match (kind, cell) {
            (Kind::Id, _) => SortKey::Number(number as f64),
            (_, None) => SortKey::Null,
            (
                Kind::Integer
                | Kind::Decimal { .. }
                | Kind::Boolean
                | Kind::Reference(_)
                | Kind::Owner,
                Some(cell),
            ) => SortKey::Number(leading_number(cell)),
            (_, Some(cell)) => SortKey::Text(collation::key(cell)),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (SortKey::Null, SortKey::Null) => Ordering::Equal,
            (SortKey::Null, _) => Ordering::Less,
            (_, SortKey::Null) => Ordering::Greater,
            (SortKey::Number(a), SortKey::Number(b)) => a.total_cmp(b),
            (SortKey::Text(a), SortKey::Text(b)) => a.cmp(b),
            (SortKey::Number(_), SortKey::Text(_)) => Ordering::Less,
            (SortKey::Text(_), SortKey::Number(_)) => Ordering::Greater,
        }
    }
}

fn project(
    state: &State,
    reader: Reader,
    module: ModuleIndex,
    number: u64,
    fields: &[usize],
) -> Value {
    let about = state.catalogue.module(module);
    let mut shown = Map::new();
    for &field in fields {
        shown.insert(
            about.fields[field].name.clone(),
            state.shown_in_query(reader, module, number, field),
        );
    }
    Value::Object(shown)
}
