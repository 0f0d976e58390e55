//! Every event that MicroBima's writes stand for is derived exactly once, and none that they do not stand for.

use pugmark::capture::change::Change;
use pugmark::flows::insurance::events;
use pugmark::store::change_log;
use pugmark_queue::db::Db;

use crate::generator::{Counted, Generator, event_name};
use crate::harness::{World, on_both_databases, seed};

on_both_databases!(
    what_microbima_writes_is_derived_exactly_once_and_nothing_else,
    a_note_is_written_once_for_every_dependant_and_never_before_the_contact,
);

/// All changes captured so far, planned or not.
async fn captured(db: &Db) -> Vec<Change> {
    let mut conn = db.read().await.expect("a connection");
    change_log::waiting(&mut conn, 1_000_000)
        .await
        .expect("the log is readable")
}

fn counted(changes: &[Change]) -> Counted {
    let mut counted = Counted::new();
    for change in changes {
        for event in events::derive(change) {
            if let Some(name) = event_name(&event) {
                *counted.entry(name).or_default() += 1;
            }
        }
    }
    counted
}

/// No relay runs, so the log keeps everything.
async fn what_microbima_writes_is_derived_exactly_once_and_nothing_else(world: World) {
    let seed = seed();
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let program = world.other_program().await;
    let mut generator = Generator::new(&program, seed).await;
    generator.tell_all(200).await;
    let changes = captured(world.store.db()).await;
    assert_eq!(
        counted(&changes),
        generator.expected.events,
        "PUGMARK_SEED={seed}"
    );
}

async fn a_note_is_written_once_for_every_dependant_and_never_before_the_contact(world: World) {
    let seed = seed();
    let running = world.start().await;
    let program = world.other_program().await;
    let mut generator = Generator::new(&program, seed).await;
    generator.tell_all(60).await;
    program.wait_until_idle().await;
    world.assert_notes(&generator, seed);
    running.shutdown().await;
}
