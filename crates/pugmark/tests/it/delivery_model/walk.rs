//! Longer stories than can be explored exhaustively, told at random but repeatably.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stateright::Expectation;

use super::queue::Fate;
use super::world::{Action, Budget, World};
use super::{Delivery, People, Promise, properties};

/// What becomes of the calls that are in flight when all trouble ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum LateEnding {
    AllExecuted,
    NoneExecuted,
}

pub(super) const LATE_ENDINGS: [LateEnding; 2] =
    [LateEnding::AllExecuted, LateEnding::NoneExecuted];

/// More steps than any story needs to end.
const PATIENCE: usize = 200;
const WALKS: u64 = 3000;
const STEPS: usize = 300;

/// Lets everything take its course without further trouble, dead letters replayed, until nothing is left to do.
pub(super) fn carry_on(
    model: &Delivery,
    world: &World,
    ending: LateEnding,
) -> Result<World, String> {
    let mut world = world.clone();
    world.left = Budget {
        edits: 0,
        troubles: 0,
        meddling: 0,
    };
    for _ in 0..PATIENCE {
        let mut actions = Vec::new();
        model.possible(&world, &mut actions);
        let next = actions
            .into_iter()
            .filter_map(|action| Some((turn(&world, action, ending)?, action)));
        match next.min_by_key(|(turn, _)| *turn) {
            Some((_, action)) => model.take(&mut world, action),
            None => return Ok(world),
        }
    }
    Err(format!("does not come to an end: {world:?}"))
}

/// Whose turn it is first; `None`: it does not happen without trouble.
fn turn(world: &World, action: Action, ending: LateEnding) -> Option<u8> {
    match (action, ending) {
        (Action::Answer(_) | Action::Commit(_, Fate::Again), _) => Some(0),
        (Action::Late(_), LateEnding::AllExecuted)
        | (Action::Never(_), LateEnding::NoneExecuted) => Some(1),
        (Action::Settle, _) => Some(2),
        (Action::Reclaim(Fate::Again), _) => Some(3),
        (Action::Claim, _) => Some(4),
        // Nobody replays in vain while the linked record is missing.
        (Action::Replay(index), _)
            if !world.queue.dead[index].has_heir && !linked_record_is_missing(world) =>
        {
            Some(5)
        }
        _ => None,
    }
}

fn linked_record_is_missing(world: &World) -> bool {
    world
        .link
        .is_some_and(|link| world.crm.get(link.id).is_none())
}

/// Takes random steps and asserts the properties after each; gives what happened.
fn walk(model: &Delivery, seed: u64) -> Result<World, String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new(model.budget);
    let mut story = Vec::new();
    let mut actions = Vec::new();
    for _ in 0..STEPS {
        model.possible(&world, &mut actions);
        if actions.is_empty() {
            break;
        }
        let action = actions.swap_remove(rng.random_range(0..actions.len()));
        actions.clear();
        story.push(action);
        model.take(&mut world, action);
        if let Some(name) = broken(model, &world) {
            return Err(format!("not \"{name}\" after {story:?}: {world:?}"));
        }
    }
    Ok(world)
}

fn broken(model: &Delivery, world: &World) -> Option<&'static str> {
    let properties = (model.properties)();
    let always = properties
        .into_iter()
        .filter(|property| property.expectation == Expectation::Always);
    always
        .filter(|property| !(property.condition)(model, world))
        .map(|property| property.name)
        .next()
}

/// The seeds to walk with: those of `PUGMARK_SEED`, to repeat one walk, or a fixed range.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("PUGMARK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => seed..seed + 1,
        None => 0..WALKS,
    }
}

fn walk_all(model: &Delivery, ends_well: fn(&World) -> bool) {
    println!(
        "walking with the seeds {:?}; PUGMARK_SEED=<seed> repeats one",
        seeds()
    );
    for seed in seeds() {
        let end = walk(model, seed).and_then(|world| {
            let ends: Result<Vec<_>, _> = LATE_ENDINGS
                .iter()
                .map(|ending| carry_on(model, &world, *ending))
                .collect();
            ends
        });
        match end {
            Ok(ends) => ends
                .iter()
                .for_each(|end| assert!(ends_well(end), "PUGMARK_SEED={seed} ends badly: {end:?}")),
            Err(why) => panic!("PUGMARK_SEED={seed}: {why}"),
        }
    }
}

#[test]
fn long_stories_within_the_assumption_end_in_step() {
    let budget = Budget {
        edits: 8,
        troubles: 12,
        meddling: 0,
    };
    let properties = properties::within_the_assumption;
    walk_all(
        &Delivery {
            budget,
            properties,
            ..Delivery::sound(Promise::Kept)
        },
        properties::is_in_step,
    );
}

#[test]
fn long_stories_beyond_the_assumption_forget_no_second_record() {
    let budget = Budget {
        edits: 6,
        troubles: 10,
        meddling: 4,
    };
    let properties = properties::beyond_the_assumption;
    let model = Delivery {
        budget,
        properties,
        ..Delivery::sound(Promise::BrokenForCreates)
    };
    walk_all(&model, |_| true);
}

#[test]
fn long_stories_with_people_who_delete_create_nothing_again() {
    let budget = Budget {
        edits: 6,
        troubles: 10,
        meddling: 2,
    };
    let properties = properties::with_people_who_delete;
    let people = People::DeleteAndDetach;
    let model = Delivery {
        budget,
        properties,
        people,
        ..Delivery::sound(Promise::Kept)
    };
    walk_all(&model, |_| true);
}
