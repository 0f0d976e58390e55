//! Each flaw must be found, or the properties are blind to it.

use stateright::{Checker, HasDiscoveries, Model};

use super::world::Budget;
use super::{Delivery, Flaw, Promise, properties};

/// Asserts that exploring `model` breaks `property`.
fn assert_breaks(property: &'static str, model: Delivery) {
    let flaw = model.flaw;
    // One thread, so that it is always the same story.
    let expected = HasDiscoveries::AnyOf([property].into());
    let checker = model
        .checker()
        .threads(1)
        .finish_when(expected)
        .spawn_bfs()
        .join();
    match checker.discovery(property) {
        Some(story) => println!("{flaw:?} breaks \"{property}\": {:?}", story.into_actions()),
        None => panic!(
            "{flaw:?} goes unnoticed in {} states",
            checker.unique_state_count()
        ),
    }
}

fn within_the_assumption(flaw: Flaw, property: &'static str) {
    let budget = Budget {
        edits: 2,
        troubles: 3,
        meddling: 0,
    };
    assert_breaks(
        property,
        Delivery {
            budget,
            flaw: Some(flaw),
            ..Delivery::sound(Promise::Kept)
        },
    );
}

fn beyond_the_assumption(flaw: Flaw, property: &'static str) {
    let budget = Budget {
        edits: 1,
        troubles: 3,
        meddling: 1,
    };
    let properties = properties::beyond_the_assumption;
    let model = Delivery {
        budget,
        properties,
        flaw: Some(flaw),
        ..Delivery::sound(Promise::BrokenForCreates)
    };
    assert_breaks(property, model);
}

const TWO_RECORDS: &str = "never two live records";
const OUT_OF_STEP: &str = "at rest the CRM holds what the row says";
const FORGOTTEN: &str = "at rest a second record of ours is removed, reported, or was never seen";
const LINK_TO_REMOVED: &str = "a link never points to a record that we removed";
const NOT_OURS: &str = "nothing of a person's is removed";
const STALE_COMMIT: &str = "a worker without lease commits nothing";

#[test]
fn creating_again_without_waiting_makes_two_records() {
    within_the_assumption(Flaw::SkipsSettle, TWO_RECORDS);
}

#[test]
fn revising_without_waiting_is_undone_by_the_late_revise() {
    within_the_assumption(Flaw::SkipsSettleOfLinked, OUT_OF_STEP);
}

#[test]
fn trusting_an_empty_page_makes_two_records() {
    within_the_assumption(Flaw::TrustsAnEmptyPage, TWO_RECORDS);
}

#[test]
fn creating_on_a_retry_without_a_search_makes_two_records() {
    within_the_assumption(Flaw::CreatesOnRetryWithoutFind, TWO_RECORDS);
}

#[test]
fn revising_from_the_snapshot_after_an_unknown_write_misses_a_difference() {
    within_the_assumption(Flaw::RevisesFromSnapshotAfterUnknown, OUT_OF_STEP);
}

#[test]
fn revising_from_the_snapshot_after_an_unknown_write_forgets_a_second_record() {
    beyond_the_assumption(Flaw::RevisesFromSnapshotAfterUnknown, FORGOTTEN);
}

#[test]
fn revising_a_record_before_it_is_linked_lets_a_late_revise_through() {
    within_the_assumption(Flaw::WritesBeforeLinking, OUT_OF_STEP);
}

#[test]
fn removing_a_record_before_the_other_is_linked_leaves_a_link_to_nothing() {
    beyond_the_assumption(Flaw::WritesBeforeLinking, LINK_TO_REMOVED);
}

#[test]
fn taking_any_second_record_for_untouched_removes_what_is_a_persons() {
    beyond_the_assumption(Flaw::TakesEditedForUntouched, NOT_OURS);
}

#[test]
fn forgetting_the_history_on_merging_makes_two_records() {
    within_the_assumption(Flaw::CoalescingForgetsHistory, TWO_RECORDS);
}

#[test]
fn forgetting_the_history_of_dead_letters_makes_two_records() {
    within_the_assumption(Flaw::DeadLettersForgetTheirHistory, TWO_RECORDS);
}

#[test]
fn replaying_a_dead_letter_without_the_history_of_later_ones_makes_two_records() {
    within_the_assumption(Flaw::ReplayForgetsOtherDeadLetters, TWO_RECORDS);
}

#[test]
fn merging_into_a_running_operation_loses_the_edit() {
    within_the_assumption(Flaw::MergesIntoProcessing, OUT_OF_STEP);
}

#[test]
fn not_marking_a_lost_lease_as_unknown_makes_two_records() {
    within_the_assumption(Flaw::LostLeaseIsNotUnknown, TWO_RECORDS);
}

#[test]
fn counting_the_settle_window_from_the_first_unknown_write_makes_two_records() {
    within_the_assumption(Flaw::SettleCountsFromTheFirstUnknown, TWO_RECORDS);
}

#[test]
fn starting_calls_after_the_lease_makes_two_records() {
    within_the_assumption(Flaw::CallsAfterTheLease, TWO_RECORDS);
}

#[test]
fn committing_without_the_lease_is_seen() {
    within_the_assumption(Flaw::CommitsWithoutLease, STALE_COMMIT);
}
