//! The delivery protocol, explored state by state.
//!
//! The state machine that runs in production ([`Attempt`]) is put into a world of a CRM, a queue, a row and workers that can
//! fail at every step, and a model checker visits every state of it within bounds.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

use self::crm::{Content, Id};
use self::world::{Action, Budget, World};

mod crm;
mod flaws;
mod properties;
mod queue;
mod walk;
mod worker;
mod world;

/// What is stored about the record in the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Link {
    id: Id,
    /// What both sides last agreed on.
    snapshot: Content,
}

/// What the CRM promises about calls whose answer never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Within the settle window they are executed or never.
    Kept,
    /// A create may be executed after it.
    BrokenForCreates,
    /// Any call may be executed after it.
    BrokenForAll,
}

/// What people do in the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum People {
    /// They edit and copy records, but not in the moment between our look at a second record and its removal.
    EditAndCopy,
    /// They do it in that moment, too.
    EditAtAnyTime,
    /// They delete records and clear our reference.
    DeleteAndDetach,
}

/// One thing done wrong, to see that the properties notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    SkipsSettle,
    SkipsSettleOfLinked,
    TrustsAnEmptyPage,
    CreatesOnRetryWithoutFind,
    RevisesFromSnapshotAfterUnknown,
    WritesBeforeLinking,
    TakesEditedForUntouched,
    CoalescingForgetsHistory,
    DeadLettersForgetTheirHistory,
    ReplayForgetsOtherDeadLetters,
    MergesIntoProcessing,
    LostLeaseIsNotUnknown,
    SettleCountsFromTheFirstUnknown,
    CommitsWithoutLease,
    CallsAfterTheLease,
}

/// A protocol and queue in a world.
#[derive(Debug, Clone)]
struct Delivery {
    promise: Promise,
    people: People,
    budget: Budget,
    flaw: Option<Flaw>,
    properties: fn() -> Vec<Property<Delivery>>,
}

impl Delivery {
    /// Nothing is done wrong. Small bounds.
    fn sound(promise: Promise) -> Self {
        Delivery {
            promise,
            people: People::EditAndCopy,
            budget: Budget {
                edits: 1,
                troubles: 2,
                meddling: 0,
            },
            flaw: None,
            properties: properties::within_the_assumption,
        }
    }
}

impl Model for Delivery {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.budget)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.possible(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.take(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.properties)()
    }
}

/// Visits every state and asserts every property.
fn check(what: &str, model: Delivery) {
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    // Examples that are found must not end the search for counterexamples.
    let checker = model
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AllFailures)
        .spawn_bfs()
        .join();
    println!(
        "{what}: {} states, {} steps, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    checker.assert_properties();
}

#[test]
fn within_the_assumption_every_row_has_one_record_with_its_content() {
    let budget = Budget {
        edits: 2,
        troubles: 4,
        meddling: 0,
    };
    check(
        "within the assumption",
        Delivery {
            budget,
            ..Delivery::sound(Promise::Kept)
        },
    );
}

#[test]
fn beyond_the_assumption_second_records_are_removed_or_reported() {
    let budget = Budget {
        edits: 1,
        troubles: 3,
        meddling: 1,
    };
    let properties = properties::beyond_the_assumption;
    let model = Delivery {
        budget,
        properties,
        ..Delivery::sound(Promise::BrokenForCreates)
    };
    check("beyond the assumption", model);
}

#[test]
fn a_linked_record_that_people_delete_is_reported_not_created_again() {
    let budget = Budget {
        edits: 2,
        troubles: 3,
        meddling: 1,
    };
    let properties = properties::with_people_who_delete;
    let people = People::DeleteAndDetach;
    let model = Delivery {
        budget,
        properties,
        people,
        ..Delivery::sound(Promise::Kept)
    };
    check("with people who delete", model);
}

#[test]
fn from_every_state_without_further_trouble_every_operation_ends_in_step() {
    let budget = Budget {
        edits: 2,
        troubles: 3,
        meddling: 0,
    };
    let properties = properties::progress;
    check(
        "progress",
        Delivery {
            budget,
            properties,
            ..Delivery::sound(Promise::Kept)
        },
    );
}

/// Not something to be proud of: what docs/guarantees.md has to say. Should one of these become impossible, that page and this
/// test have to change.
#[test]
fn what_stays_unprovable_on_a_stock_crm_can_indeed_happen() {
    let budget = Budget {
        edits: 2,
        troubles: 1,
        meddling: 1,
    };
    let properties = properties::beyond_proof;
    let people = People::EditAtAnyTime;
    let model = Delivery {
        budget,
        properties,
        people,
        ..Delivery::sound(Promise::BrokenForAll)
    };
    check("what stays unprovable", model);
}
