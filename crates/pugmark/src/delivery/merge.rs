//! The three-way merge. Pure.
//!
//! *Base* is what both sides last agreed on, *ours* what MicroBima's row would have the CRM show, *theirs* what the CRM shows;
//! all three in the form in which the CRM stores the field, `""` for a field without a value. A change of one side alone is
//! taken over; what both sides changed is decided by the field's rule, and by nobody's guess.

use std::collections::BTreeMap;

use crate::store::field_mapping::{Direction, OnConflict};

/// Which way a field goes, and who wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Which way its values go.
    pub direction: Direction,
    /// What happens when both sides changed it. Only looked at where values go both ways.
    pub on_conflict: OnConflict,
}

impl Rule {
    /// A field that is MicroBima's.
    pub const OURS: Rule = Rule {
        direction: Direction::ToCrm,
        on_conflict: OnConflict::Microbima,
    };
}

/// Which side was changed last, as far as their clocks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// MicroBima's.
    Ours,
    /// The CRM's.
    Theirs,
    /// Nobody can tell: the same second, or a time that cannot be read.
    Unclear,
}

/// One field on both sides.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// What was last agreed on; `None` when nothing ever was, because the field is newly mapped.
    pub base: Option<&'a str>,
    /// What the row would have the CRM show.
    pub ours: &'a str,
    /// What the CRM shows.
    pub theirs: &'a str,
}

/// What a field comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Take {
    /// Both sides show the same.
    Agreed,
    /// MicroBima's value is to be shown by the CRM.
    Ours,
    /// The CRM's value is to be written to MicroBima.
    Theirs,
    /// A person decides; until then neither side is touched.
    Ask,
    /// Nothing was ever agreed on and the side that decides has no value: an empty one must not wipe the other's.
    Left,
}

/// Merges one field. `same` says whether two stored forms mean the same.
pub fn field(
    sides: Sides<'_>,
    rule: Rule,
    newer: Newer,
    same: impl Fn(&str, &str) -> bool,
) -> Take {
    let Sides { base, ours, theirs } = sides;
    if same(ours, theirs) {
        return Take::Agreed;
    }
    match (rule.direction, base) {
        (Direction::ToCrm, None) if ours.is_empty() => Take::Left,
        (Direction::ToCrm, _) => Take::Ours,
        (Direction::FromCrm, None) if theirs.is_empty() => Take::Left,
        (Direction::FromCrm, _) => Take::Theirs,
        (Direction::Both, None) if ours.is_empty() => Take::Theirs,
        (Direction::Both, None) if theirs.is_empty() => Take::Ours,
        (Direction::Both, None) => decided(rule.on_conflict, newer),
        (Direction::Both, Some(base)) => match (!same(base, ours), !same(base, theirs)) {
            (true, false) => Take::Ours,
            (false, true) => Take::Theirs,
            (true, true) => decided(rule.on_conflict, newer),
            // Two scales of one number: each is what was agreed on.
            (false, false) => Take::Agreed,
        },
    }
}

fn decided(rule: OnConflict, newer: Newer) -> Take {
    match (rule, newer) {
        (OnConflict::Microbima, _) | (OnConflict::Newest, Newer::Ours) => Take::Ours,
        (OnConflict::Vtiger, _) | (OnConflict::Newest, Newer::Theirs) => Take::Theirs,
        (OnConflict::Ask, _) | (OnConflict::Newest, Newer::Unclear) => Take::Ask,
    }
}

/// The fields of one side by name, or `None` where the whole record is gone.
pub type Fields<'a> = Option<&'a BTreeMap<String, String>>;

/// What two records come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Both are there: what each field that both show comes to.
    Fields(BTreeMap<String, Take>),
    /// The customer is gone: the contact is marked and kept, and nothing of it is written anywhere.
    Withdrawn,
    /// The contact is gone: nothing is deleted in MicroBima for that; a person is told.
    ContactGone,
    /// Neither is there.
    Nothing,
}

/// Merges two records by the rules of their fields. Fields without a rule, or that a side does not show, are left alone.
pub fn records(
    base: &BTreeMap<String, String>,
    ours: Fields<'_>,
    theirs: Fields<'_>,
    rules: &BTreeMap<String, Rule>,
    newer: impl Fn(&str) -> Newer,
    same: impl Fn(&str, &str, &str) -> bool,
) -> Merged {
    let (ours, theirs) = match (ours, theirs) {
        (None, None) => return Merged::Nothing,
        (None, Some(_)) => return Merged::Withdrawn,
        (Some(_), None) => return Merged::ContactGone,
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    let takes = rules.iter().filter_map(|(name, rule)| {
        let sides = Sides {
            base: base.get(name).map(String::as_str),
            ours: ours.get(name)?,
            theirs: theirs.get(name)?,
        };
        let take = field(sides, *rule, newer(name), |one, other| {
            same(name, one, other)
        });
        Some((name.clone(), take))
    });
    Merged::Fields(takes.collect())
}
