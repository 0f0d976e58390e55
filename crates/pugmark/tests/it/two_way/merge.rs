//! The merge itself, without a CRM and without a database.

use std::collections::BTreeMap;

use proptest::prelude::*;
use pugmark::delivery::merge::{Merged, Newer, Rule, Sides, Take, field, records};
use pugmark::store::field_mapping::{Direction, OnConflict};

const NAME: &str = "mobile";

fn literally(one: &str, other: &str) -> bool {
    one == other
}

/// What a side did to the value "before" since both agreed on it.
#[derive(Debug, Clone, Copy)]
enum Did {
    Nothing,
    Changed,
    Cleared,
    Deleted,
}

impl Did {
    const ALL: [Did; 4] = [Did::Nothing, Did::Changed, Did::Cleared, Did::Deleted];

    /// The side's record; `None` when it is gone.
    fn record(self, changed: &str) -> Option<BTreeMap<String, String>> {
        let value = match self {
            Did::Nothing => "before",
            Did::Changed => changed,
            Did::Cleared => "",
            Did::Deleted => return None,
        };
        Some([(NAME.to_owned(), value.to_owned())].into())
    }
}

/// The 64 cases: what MicroBima did (4) times what the CRM did (4) times who wins (4), for a field that goes both ways.
/// A row is what each side did; its columns are the rules `microbima`, `vtiger`, `newest` (the CRM being the newer) and `ask`.
const TABLE: [[&str; 4]; 16] = [
    // MicroBima did nothing; the CRM: nothing, changed, cleared, deleted.
    ["agreed", "agreed", "agreed", "agreed"],
    ["theirs", "theirs", "theirs", "theirs"],
    ["theirs", "theirs", "theirs", "theirs"],
    [
        "contact gone",
        "contact gone",
        "contact gone",
        "contact gone",
    ],
    // MicroBima changed it.
    ["ours", "ours", "ours", "ours"],
    ["ours", "theirs", "theirs", "ask"],
    ["ours", "theirs", "theirs", "ask"],
    [
        "contact gone",
        "contact gone",
        "contact gone",
        "contact gone",
    ],
    // MicroBima cleared it.
    ["ours", "ours", "ours", "ours"],
    ["ours", "theirs", "theirs", "ask"],
    ["agreed", "agreed", "agreed", "agreed"],
    [
        "contact gone",
        "contact gone",
        "contact gone",
        "contact gone",
    ],
    // MicroBima deleted the customer.
    ["withdrawn", "withdrawn", "withdrawn", "withdrawn"],
    ["withdrawn", "withdrawn", "withdrawn", "withdrawn"],
    ["withdrawn", "withdrawn", "withdrawn", "withdrawn"],
    ["nothing", "nothing", "nothing", "nothing"],
];

const CONFLICT_RULES: [OnConflict; 4] = [
    OnConflict::Microbima,
    OnConflict::Vtiger,
    OnConflict::Newest,
    OnConflict::Ask,
];

fn in_words(merged: &Merged) -> &'static str {
    match merged {
        Merged::Withdrawn => "withdrawn",
        Merged::ContactGone => "contact gone",
        Merged::Nothing => "nothing",
        Merged::Fields(takes) => match takes.get(NAME).expect("the field was merged") {
            Take::Agreed => "agreed",
            Take::Ours => "ours",
            Take::Theirs => "theirs",
            Take::Ask => "ask",
            Take::Left => "left",
        },
    }
}

#[test]
fn every_combination_of_who_changed_cleared_or_deleted_what_comes_to_what_the_table_says() {
    let base: BTreeMap<String, String> = [(NAME.to_owned(), "before".to_owned())].into();
    let mut seen = 0;
    for (row, (ours, theirs)) in Did::ALL
        .iter()
        .flat_map(|ours| Did::ALL.iter().map(move |theirs| (ours, theirs)))
        .enumerate()
    {
        for (column, on_conflict) in CONFLICT_RULES.into_iter().enumerate() {
            let rule = Rule {
                direction: Direction::Both,
                on_conflict,
            };
            let merged = records(
                &base,
                ours.record("ours").as_ref(),
                theirs.record("theirs").as_ref(),
                &[(NAME.to_owned(), rule)].into(),
                |_| Newer::Theirs,
                |_, one, other| literally(one, other),
            );
            assert_eq!(
                in_words(&merged),
                TABLE[row][column],
                "MicroBima {ours:?}, CRM {theirs:?}, {on_conflict:?}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 64);
}

#[test]
fn the_newest_wins_and_what_nobody_can_tell_is_asked() {
    let newest = Rule {
        direction: Direction::Both,
        on_conflict: OnConflict::Newest,
    };
    let sides = Sides {
        base: Some("before"),
        ours: "ours",
        theirs: "theirs",
    };
    for (newer, take) in [
        (Newer::Ours, Take::Ours),
        (Newer::Theirs, Take::Theirs),
        (Newer::Unclear, Take::Ask),
    ] {
        assert_eq!(field(sides, newest, newer, literally), take);
    }
}

#[test]
fn an_empty_value_never_wipes_a_field_about_which_nothing_was_agreed() {
    let take = |direction, ours, theirs| {
        let rule = Rule {
            direction,
            on_conflict: OnConflict::Ask,
        };
        let sides = Sides {
            base: None,
            ours,
            theirs,
        };
        field(sides, rule, Newer::Unclear, literally)
    };
    assert_eq!(take(Direction::ToCrm, "", "x"), Take::Left);
    assert_eq!(take(Direction::FromCrm, "x", ""), Take::Left);
    assert_eq!(take(Direction::Both, "", "x"), Take::Theirs);
    assert_eq!(take(Direction::Both, "x", ""), Take::Ours);
    assert_eq!(take(Direction::Both, "x", "y"), Take::Ask);
    assert_eq!(take(Direction::Both, "x", "x"), Take::Agreed);
}

#[test]
fn numbers_that_differ_in_their_scale_alone_are_agreed_on() {
    let same = |one: &str, other: &str| {
        let cut = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
        cut(one) == cut(other)
    };
    let rule = Rule {
        direction: Direction::Both,
        on_conflict: OnConflict::Ask,
    };
    let sides = Sides {
        base: Some("12.5"),
        ours: "12.50",
        theirs: "12.500",
    };
    assert_eq!(field(sides, rule, Newer::Unclear, same), Take::Agreed);
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab]{1,2}"]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let direction = prop_oneof![
        Just(Direction::ToCrm),
        Just(Direction::FromCrm),
        Just(Direction::Both)
    ];
    let on_conflict = prop::sample::select(CONFLICT_RULES.to_vec());
    (direction, on_conflict).prop_map(|(direction, on_conflict)| Rule {
        direction,
        on_conflict,
    })
}

fn any_newer() -> impl Strategy<Value = Newer> {
    prop_oneof![Just(Newer::Ours), Just(Newer::Theirs), Just(Newer::Unclear)]
}

/// The same rule and the same outcome, seen from the other side.
fn mirrored_rule(rule: Rule) -> Rule {
    Rule {
        direction: match rule.direction {
            Direction::ToCrm => Direction::FromCrm,
            Direction::FromCrm => Direction::ToCrm,
            Direction::Both => Direction::Both,
        },
        on_conflict: match rule.on_conflict {
            OnConflict::Microbima => OnConflict::Vtiger,
            OnConflict::Vtiger => OnConflict::Microbima,
            other => other,
        },
    }
}

fn mirrored_newer(newer: Newer) -> Newer {
    match newer {
        Newer::Ours => Newer::Theirs,
        Newer::Theirs => Newer::Ours,
        Newer::Unclear => Newer::Unclear,
    }
}

fn mirrored(take: Take) -> Take {
    match take {
        Take::Ours => Take::Theirs,
        Take::Theirs => Take::Ours,
        other => other,
    }
}

/// Both sides and the base after the outcome is carried out.
fn carried_out(
    base: Option<String>,
    ours: String,
    theirs: String,
    take: Take,
) -> (Option<String>, String, String) {
    match take {
        Take::Agreed => (Some(theirs.clone()), ours, theirs),
        Take::Ours => (Some(ours.clone()), ours.clone(), ours),
        Take::Theirs => (Some(theirs.clone()), theirs.clone(), theirs),
        Take::Ask | Take::Left => (base, ours, theirs),
    }
}

proptest! {
    #[test]
    fn a_change_of_one_side_alone_is_never_lost(
        base in any_value(), changed in any_value(), newer in any_newer(),
        on_conflict in prop::sample::select(CONFLICT_RULES.to_vec()),
    ) {
        prop_assume!(base != changed);
        let rule = Rule { direction: Direction::Both, on_conflict };
        let take = |ours: &str, theirs: &str| {
            let sides = Sides { base: Some(&base), ours, theirs };
            field(sides, rule, newer, literally)
        };
        prop_assert_eq!(take(&changed, &base), Take::Ours);
        prop_assert_eq!(take(&base, &changed), Take::Theirs);
    }

    #[test]
    fn it_does_not_matter_which_side_is_called_ours(
        base in prop::option::of(any_value()), ours in any_value(), theirs in any_value(),
        rule in any_rule(), newer in any_newer(),
    ) {
        let here = Sides { base: base.as_deref(), ours: &ours, theirs: &theirs };
        let there = Sides { base: base.as_deref(), ours: &theirs, theirs: &ours };
        prop_assert_eq!(
            field(here, rule, newer, literally),
            mirrored(field(there, mirrored_rule(rule), mirrored_newer(newer), literally))
        );
    }

    #[test]
    fn what_is_settled_is_not_written_by_anybody(
        value in any_value(), base in prop::option::of(any_value()), rule in any_rule(), newer in any_newer(),
    ) {
        let sides = Sides { base: base.as_deref(), ours: &value, theirs: &value };
        prop_assert_eq!(field(sides, rule, newer, literally), Take::Agreed);
    }

    #[test]
    fn merging_twice_changes_nothing_more(
        base in prop::option::of(any_value()), ours in any_value(), theirs in any_value(),
        rule in any_rule(), newer in any_newer(),
    ) {
        let sides = Sides { base: base.as_deref(), ours: &ours, theirs: &theirs };
        let first = field(sides, rule, newer, literally);
        let after = carried_out(base.clone(), ours.clone(), theirs.clone(), first);
        let sides = Sides { base: after.0.as_deref(), ours: &after.1, theirs: &after.2 };
        let second = field(sides, rule, newer, literally);
        let settled = carried_out(after.0.clone(), after.1.clone(), after.2.clone(), second);
        prop_assert_eq!(&settled, &after, "{:?} then {:?}", first, second);
        // What is left to a person, or left alone, touches neither side.
        if matches!(first, Take::Ask | Take::Left) {
            prop_assert_eq!((after.1, after.2), (ours, theirs));
        }
    }
}
