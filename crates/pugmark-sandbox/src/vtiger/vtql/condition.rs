//! Conditions, translated once per query into tests on cells.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::literal::Value;
use super::parser::{Condition, Operator};
use crate::vtiger::catalogue::{Field, Kind, Module};
use crate::vtiger::collation;
use crate::vtiger::failure::Failure;
use crate::vtiger::values::leading_number;

/// Why a condition cannot be tested.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The language refuses it.
    Refused(Failure),
    /// The database would fail; the language answers with an empty page.
    DatabaseError,
}

/// A test on one column.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) field: usize,
    pub(super) check: Check,
}

#[derive(Debug)]
pub(super) enum Check {
    /// The record's own number.
    RecordNumber(Operator, u64),
    RecordNumberIn(HashSet<u64>),
    Number(Operator, f64),
    NumberIn(Vec<f64>),
    /// By comparison key.
    Text(Operator, String),
    TextIn(HashSet<String>),
    /// Dates and moments, both written as moments.
    Moment(Operator, String),
    MomentIn(HashSet<String>),
    Like(Vec<PatternPart>),
    NotLike(Vec<PatternPart>),
}

/// A piece of a `like` pattern, folded as the database compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PatternPart {
    Exactly(char),
    AnyOne,
    AnyNumber,
}

/// Translates a condition.
pub(super) fn translate(module: &Module, condition: &Condition) -> Result<Test, Unusable> {
    let Some(at) = module.field(&condition.field) else {
        let message = format!("Permission to access {} attribute denied.", condition.field);
        return Err(Unusable::Refused(Failure::refused(
            "ACCESS_DENIED",
            message,
        )));
    };
    let field = &module.fields[at];
    let texts = condition
        .values
        .iter()
        .map(|value| text_of(field, value))
        .collect::<Result<Vec<_>, _>>()?;
    let first = texts.first().map(String::as_str).unwrap_or_default();
    let check = match condition.operator {
        Operator::Like => Check::Like(pattern(first)),
        Operator::NotLike => Check::NotLike(pattern(first)),
        operator => check(field, operator, &texts)?,
    };
    Ok(Test { field: at, check })
}

/// The literal as the column is compared with it. Of ids only what follows the `x` reaches the database.
fn text_of(field: &Field, value: &Value) -> Result<String, Unusable> {
    let whole = value.text().ok_or(Unusable::DatabaseError);
    match &field.kind {
        Kind::Id | Kind::Owner => whole?
            .split_once('x')
            .map(|(_, number)| number.to_owned())
            .ok_or(Unusable::DatabaseError),
        Kind::Reference(_) => match value.raw().split_once('x') {
            Some((_, number)) => Ok(number.to_owned()),
            None => Err(Unusable::Refused(Failure::wrong_id())),
        },
        _ => whole,
    }
}

fn check(field: &Field, operator: Operator, texts: &[String]) -> Result<Check, Unusable> {
    let first = texts.first().map(String::as_str).unwrap_or_default();
    let several = operator == Operator::In;
    Ok(match &field.kind {
        Kind::Id if several => Check::RecordNumberIn(
            texts
                .iter()
                .map(|text| bare(text))
                .collect::<Result<_, _>>()?,
        ),
        Kind::Id => Check::RecordNumber(operator, bare(first)?),
        Kind::Owner | Kind::Reference(_) if several => Check::NumberIn(
            texts
                .iter()
                .map(|text| bare(text).map(|n| n as f64))
                .collect::<Result<_, _>>()?,
        ),
        Kind::Owner | Kind::Reference(_) => Check::Number(operator, bare(first)? as f64),
        Kind::Integer | Kind::Decimal { .. } | Kind::Boolean if several => {
            Check::NumberIn(texts.iter().map(|text| leading_number(text)).collect())
        }
        Kind::Integer | Kind::Decimal { .. } | Kind::Boolean => {
            Check::Number(operator, leading_number(first))
        }
        Kind::Date | Kind::DateTime if several => {
            Check::MomentIn(texts.iter().map(|text| moment(text)).collect())
        }
        Kind::Date | Kind::DateTime => Check::Moment(operator, moment(first)),
        Kind::Text(_) | Kind::MultiPicklist | Kind::Time if several => {
            Check::TextIn(texts.iter().map(|text| collation::key(text)).collect())
        }
        Kind::Text(_) | Kind::MultiPicklist | Kind::Time => {
            Check::Text(operator, collation::key(first))
        }
    })
}

/// What follows the `x` stands unquoted in the SQL: anything but digits would be SQL of its own. The real system runs it;
/// this one answers as for SQL that fails.
fn bare(text: &str) -> Result<u64, Unusable> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unusable::DatabaseError);
    }
    text.parse().map_err(|_| Unusable::DatabaseError)
}

/// `2020-01-01`, `2020-01-01T00:00:00` and `2020-01-01 00:00:00` all as the last.
fn moment(text: &str) -> String {
    let text = text.trim();
    match text.len() {
        10 => format!("{text} 00:00:00"),
        11.. if text.as_bytes()[10] == b'T' && text.is_char_boundary(11) => {
            format!("{} {}", &text[..10], &text[11..])
        }
        _ => text.to_owned(),
    }
}

fn pattern(text: &str) -> Vec<PatternPart> {
    let mut parts = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => PatternPart::AnyNumber,
            '_' => PatternPart::AnyOne,
            '\\' => PatternPart::Exactly(collation::fold(characters.next().unwrap_or('\\'))),
            other => PatternPart::Exactly(collation::fold(other)),
        });
    }
    parts
}

impl Check {
    /// Whether a row passes. NULL passes nothing.
    pub(super) fn passes(&self, number: u64, cell: Option<&str>) -> bool {
        match self {
            Check::RecordNumber(operator, other) => holds(*operator, number.cmp(other)),
            Check::RecordNumberIn(numbers) => numbers.contains(&number),
            _ => cell.is_some_and(|cell| self.passes_value(number, cell)),
        }
    }

    fn passes_value(&self, number: u64, cell: &str) -> bool {
        match self {
            Check::RecordNumber(..) | Check::RecordNumberIn(_) => self.passes(number, Some(cell)),
            Check::Number(operator, other) => leading_number(cell)
                .partial_cmp(other)
                .is_some_and(|ordering| holds(*operator, ordering)),
            Check::NumberIn(numbers) => numbers.contains(&leading_number(cell)),
            Check::Text(operator, key) => holds(*operator, collation::key(cell).as_str().cmp(key)),
            Check::TextIn(keys) => keys.contains(&collation::key(cell)),
            Check::Moment(operator, other) => holds(*operator, compare_moment(cell, other)),
            Check::MomentIn(moments) => moments.contains(&moment(cell)),
            Check::Like(parts) => is_like(parts, cell),
            Check::NotLike(parts) => !is_like(parts, cell),
        }
    }
}

fn is_like(parts: &[PatternPart], cell: &str) -> bool {
    let folded: Vec<char> = cell.chars().map(collation::fold).collect();
    matches_pattern(parts, &folded)
}

fn compare_moment(cell: &str, other: &str) -> Ordering {
    // A stored moment is in its canonical form already; only dates need a time added.
    if cell.len() == 10 {
        moment(cell).as_str().cmp(other)
    } else {
        cell.cmp(other)
    }
}

fn holds(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Eq | Operator::In | Operator::Like | Operator::NotLike => ordering.is_eq(),
        Operator::Ne => ordering.is_ne(),
        Operator::Lt => ordering.is_lt(),
        Operator::Lte => ordering.is_le(),
        Operator::Gt => ordering.is_gt(),
        Operator::Gte => ordering.is_ge(),
    }
}

/// Greedy matching with one point to come back to: linear in practice, never exponential.
fn matches_pattern(parts: &[PatternPart], text: &[char]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(PatternPart::AnyNumber) => {
                retry = Some((part + 1, at));
                part += 1;
            }
            Some(PatternPart::AnyOne) => {
                part += 1;
                at += 1;
            }
            Some(PatternPart::Exactly(character)) if *character == text[at] => {
                part += 1;
                at += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    part = after;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    parts[part..]
        .iter()
        .all(|part| *part == PatternPart::AnyNumber)
}
