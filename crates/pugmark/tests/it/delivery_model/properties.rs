//! What must hold.

use pugmark::delivery::protocol::{Ask, Verdict};
use stateright::Property;

use super::crm::{Id, Record, Write};
use super::walk::{LATE_ENDINGS, carry_on};
use super::worker::Step;
use super::world::World;
use super::{Delivery, Link};

type Condition = fn(&Delivery, &World) -> bool;

fn always(name: &'static str, condition: Condition) -> Property<Delivery> {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: Condition) -> Property<Delivery> {
    Property::sometimes(name, condition)
}

/// The CRM keeps its promise and nobody meddles.
pub(super) fn within_the_assumption() -> Vec<Property<Delivery>> {
    let mut properties = safety();
    properties.push(always("never two live records", |_, world| {
        world.crm.count() <= 1
    }));
    properties.push(always(
        "at rest the CRM holds what the row says",
        |_, world| !is_at_rest(world) || is_in_step(world),
    ));
    properties.extend(reached_without_twins());
    properties
}

/// Calls may be executed after the settle window, and people edit and copy records.
pub(super) fn beyond_the_assumption() -> Vec<Property<Delivery>> {
    let mut properties = safety();
    properties.push(always(
        "at rest a second record of ours is removed, reported, or was never seen",
        |_, world| {
            !is_at_rest(world)
                || seconds(world)
                    .all(|record| record.copied || record.reported || !record.seen_as_second)
        },
    ));
    properties.push(always(
        "at rest the linked record holds what the row says",
        |_, world| !is_at_rest(world) || holds_what_the_row_says(world),
    ));
    properties.push(always("nothing of a person's is removed", |_, world| {
        world
            .crm
            .records
            .iter()
            .all(|record| !record.removed_by_us || !(record.touched || record.copied))
    }));
    properties.push(sometimes("remove", |_, world| {
        is_written(world, |write| matches!(write, Write::Remove(_)))
    }));
    properties.push(sometimes("two live records", |_, world| {
        world.crm.count() == 2
    }));
    properties.push(sometimes("a second record is removed", |_, world| {
        is_at_rest(world) && world.crm.records.iter().any(|record| record.removed_by_us)
    }));
    properties.push(sometimes("a second record is reported", |_, world| {
        is_at_rest(world) && seconds(world).any(|record| record.reported)
    }));
    properties.push(sometimes("a second record stays unseen", |_, world| {
        is_at_rest(world) && seconds(world).any(|record| !record.seen_as_second)
    }));
    properties
}

/// The CRM keeps its promise; people delete records and clear references.
pub(super) fn with_people_who_delete() -> Vec<Property<Delivery>> {
    let mut properties = safety();
    properties.push(always("never two live records", |_, world| {
        world.crm.count() <= 1
    }));
    properties.push(always(
        "a linked record that a person deleted is not created again",
        |_, world| {
            world
                .link
                .is_none_or(|link| world.crm.get(link.id).is_some() || world.crm.count() == 0)
        },
    ));
    properties.push(always(
        "at rest a linked record that is there holds what the row says",
        |_, world| {
            let record = world.link.and_then(|link| world.crm.get(link.id));
            !is_at_rest(world) || record.is_none_or(|record| record.content == world.row)
        },
    ));
    properties.push(sometimes("linked record missing", |_, world| {
        is_concluded(world, |verdict| {
            matches!(verdict, Verdict::LinkedRecordMissing(_))
        })
    }));
    properties.push(sometimes(
        "a linked record is read that the search did not show",
        |_, world| {
            is_asked(
                world,
                |ask| matches!(ask, Ask::Read(id) if world.crm.get(*id).is_some()),
            )
        },
    ));
    properties
}

/// What nobody can rule out who cannot make a call conditional.
pub(super) fn beyond_proof() -> Vec<Property<Delivery>> {
    vec![
        sometimes("a late revise undoes a newer one unseen", |_, world| {
            is_at_rest(world) && world.crm.count() == 1 && !holds_what_the_row_says(world)
        }),
        sometimes("a late create makes a second record unseen", |_, world| {
            is_at_rest(world)
                && seconds(world).any(|record| !record.copied && !record.seen_as_second)
        }),
        sometimes(
            "an edit is lost that came between the look and the removal",
            |_, world| {
                world
                    .crm
                    .records
                    .iter()
                    .any(|record| record.removed_by_us && record.touched)
            },
        ),
        // Only so that the search does not end before all of it is explored.
        always("a worker without lease commits nothing", |_, world| {
            !world.stale_commit
        }),
    ]
}

/// Nothing but what the row says is left to do, wherever an exploration ends.
pub(super) fn progress() -> Vec<Property<Delivery>> {
    vec![
        always(
            "without further trouble every operation ends in step",
            |model, world| {
                LATE_ENDINGS
                    .iter()
                    .all(|ending| carry_on(model, world, *ending).is_ok_and(|end| is_in_step(&end)))
            },
        ),
        sometimes("an operation waits for its settle window", |_, world| {
            world.queue.is_settling()
        }),
    ]
}

/// Live records beside the linked one.
fn seconds(world: &World) -> impl Iterator<Item = &Record> {
    let linked = world.link.map(|link| link.id);
    world
        .crm
        .live()
        .filter(move |(id, _)| linked.is_some() && Some(*id) != linked)
        .map(|(_, record)| record)
}

fn holds_what_the_row_says(world: &World) -> bool {
    world.link.is_none_or(|link| {
        world
            .crm
            .get(link.id)
            .is_some_and(|record| record.content == world.row)
    })
}

/// What holds whatever the CRM does.
fn safety() -> Vec<Property<Delivery>> {
    vec![
        always(
            "a link never points to a record that we removed",
            |_, world| {
                world
                    .link
                    .is_none_or(|link| !is_removed_by_us(world, link.id))
            },
        ),
        always("a worker without lease commits nothing", |_, world| {
            !world.stale_commit
        }),
        always(
            "an operation is being carried out by its holder",
            |_, world| world.holder.is_none() || world.queue.processing.is_some(),
        ),
    ]
}

/// Quiescent, and nothing waits for a person.
fn is_at_rest(world: &World) -> bool {
    world.is_quiescent() && world.queue.is_clear()
}

fn is_removed_by_us(world: &World, id: Id) -> bool {
    world
        .crm
        .records
        .get(usize::from(id))
        .is_some_and(|record| record.removed_by_us)
}

/// The linked record is there and carries the content of the row, withdrawn rows marked as such. A row that is withdrawn
/// before anything was created needs no record, but then there is none.
pub(super) fn is_in_step(world: &World) -> bool {
    match world.link {
        Some(Link { id, snapshot }) => {
            snapshot == world.row
                && world
                    .crm
                    .get(id)
                    .is_some_and(|record| record.content == world.row)
        }
        None => world.row.is_withdrawn() && world.crm.count() == 0,
    }
}

fn is_asked(world: &World, test: impl Fn(&Ask<Id>) -> bool) -> bool {
    world.workers().any(|worker| match &worker.step {
        Step::Reading(ask) | Step::Committing(ask) => test(ask),
        Step::Writing(_) | Step::GivingBack => false,
    })
}

fn is_written(world: &World, test: impl Fn(Write) -> bool) -> bool {
    world
        .workers()
        .filter_map(|worker| worker.write())
        .any(test)
}

fn is_concluded(world: &World, test: impl Fn(&Verdict<Id>) -> bool) -> bool {
    is_asked(
        world,
        |ask| matches!(ask, Ask::Finish(verdict) if test(verdict)),
    )
}

/// That the exploration gets there at all.
fn reached_without_twins() -> Vec<Property<Delivery>> {
    vec![
        sometimes("find", |_, world| is_asked(world, |ask| *ask == Ask::Find)),
        sometimes("count", |_, world| {
            is_asked(world, |ask| *ask == Ask::Count)
        }),
        sometimes("link", |_, world| {
            is_asked(world, |ask| matches!(ask, Ask::Link(_)))
        }),
        sometimes("create", |_, world| {
            is_written(world, |write| matches!(write, Write::Create(_)))
        }),
        sometimes("revise", |_, world| {
            is_written(world, |write| matches!(write, Write::Revise { .. }))
        }),
        sometimes("in step with a record", |_, world| {
            is_concluded(world, |verdict| {
                matches!(
                    verdict,
                    Verdict::InStep {
                        linked: Some(_),
                        ..
                    }
                )
            })
        }),
        sometimes("in step without a record", |_, world| {
            is_concluded(world, |verdict| {
                matches!(verdict, Verdict::InStep { linked: None, .. })
            })
        }),
        sometimes("unknown", |_, world| {
            is_concluded(world, |verdict| matches!(verdict, Verdict::Unknown { .. }))
        }),
        sometimes("wait for settle", |_, world| {
            is_concluded(world, |verdict| *verdict == Verdict::WaitForSettle)
        }),
        sometimes("contradiction", |_, world| {
            is_concluded(world, |verdict| *verdict == Verdict::Contradiction)
        }),
        sometimes("at rest", |_, world| is_at_rest(world)),
        sometimes("at rest with a dead letter that has an heir", |_, world| {
            is_at_rest(world) && !world.queue.dead.is_empty()
        }),
        sometimes("two zombies", |_, world| world.zombies.len() > 1),
    ]
}
